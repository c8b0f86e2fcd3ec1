/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loader has brought into memory. It is asked at each process's start, so here its own
 * lists are read, at a quarter of what dlsym and dladdr cost.
 */
#ifndef LIBC_LOADED_H
#define LIBC_LOADED_H

#include <stddef.h>

/*
 * dlsym(RTLD_NEXT, ...) of count names, one behind the other, each with its NUL; the addresses go
 * into symbols, in the same order. NULL: there is none, or only dlsym knows it (a libc that isn't
 * glibc, an indirect function, another namespace). Takes no lock, allocates nothing.
 */
void loaded_next_symbols(const char *names, size_t count, void **symbols);

/* The library's own file, as it was named to the loader; NULL: unknown. */
const char *loaded_path(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loader has brought into memory, read from its own lists: at a quarter of what dlsym and
 * dladdr cost at each process's start, and without their lock.
 */
#ifndef LIBC_LOADED_H
#define LIBC_LOADED_H

#include <stdbool.h>

/*
 * To be called while the program starts: notes which objects stand between us and libc. They stay
 * as long as the program does, and in this order. false: that can't be told, dlsym has to be asked.
 */
bool loaded_start(void);

/*
 * dlsym(RTLD_NEXT, name), but lock-free, async-signal-safe and without malloc. NULL: there is none,
 * or only dlsym knows it (it isn't defined before libc's end, libc isn't glibc, an indirect
 * function, another namespace, an auditor).
 */
void *loaded_next_symbol(const char *name);

/* The library's own file, as it was named to the loader, since loaded_start; NULL: unknown. */
const char *loaded_path(void);

#endif

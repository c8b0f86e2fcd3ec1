/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory from the kernel: malloc may be the program's, isn't async-signal-safe, and may be what has
 * called us. Async-signal-safe and thread-safe.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* So many bytes, zero, private to this process, to be given back by munmap(2); NULL: there is none. */
void *memory_new(size_t bytes);

/*
 * Puts fresh (of memory_new, or NULL) into an empty place. Where another thread was faster, fresh is given
 * back. Returns what is there now; NULL: nothing.
 */
void *memory_place(void *_Atomic *place, void *fresh, size_t bytes);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory from the kernel: malloc may be the program's, isn't async-signal-safe, and may be what has
 * called us. Async-signal-safe and thread-safe.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many bytes, zero, private to this process, to be given back by munmap(2); NULL: there is none. */
void *memory_new(size_t bytes);

/*
 * Puts fresh (of memory_new, or NULL) into an empty place. Where another thread was faster, fresh is given
 * back. Returns what is there now; NULL: nothing.
 */
void *memory_place(void *_Atomic *place, void *fresh, size_t bytes);

/*
 * What a call's arguments point to is the kernel's to read, and EFAULT is its answer where it can't be. We read it
 * by memory_read alone; where that fails, the real call says what there is to be said. That another thread takes
 * the memory away between the look and the copy isn't guarded against. Leaves errno alone.
 */
bool memory_is_readable(const void *bytes, size_t count);

/* In the page of the caller's frame: it is surely there, and no system call is to tell. */
static inline __attribute__((always_inline)) bool memory_is_on_stack(const void *bytes, size_t count)
{
	uintptr_t page = (uintptr_t)__builtin_frame_address(0) / 4096;

	return (uintptr_t)bytes / 4096 == page && count <= 4096 &&
	       ((uintptr_t)bytes + count - 1) / 4096 == page;
}

/* False: it can't be read. */
static inline __attribute__((always_inline)) bool memory_read(void *to, const void *from, size_t count)
{
	if (!memory_is_on_stack(from, count) && !memory_is_readable(from, count))
		return false;
	__builtin_memcpy(to, from, count);
	return true;
}

#endif

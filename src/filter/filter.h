/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The preallocate filter: QEMU's block/preallocate.c, for a file.
 *
 * Knows positions, options and a table of operations; no descriptor, no libc name, no global.
 * All sizes and positions are in bytes. Functions return 0 or -errno. Nothing here takes a lock:
 * the caller serializes (the positions are atomics only so that others may look at them meanwhile).
 */
#ifndef PREALLOCATE_FILTER_H
#define PREALLOCATE_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FILTER_UNKNOWN ((int64_t)-1)
#define FILTER_SECTOR 512

struct filter_options {
	int64_t prealloc_size;  /* how much to allocate ahead, >= 0 */
	int64_t prealloc_align; /* file_end is aligned up to this; > 0, a multiple of FILTER_SECTOR */
};

struct filter_positions {
	/*
	 * Where the program's data ends: the size it must see. The maximum of the size when the
	 * filter was engaged and of the ends of all writes since. Negative: unknown, and the file
	 * is an ordinary one; then file_end is unknown as well.
	 */
	_Atomic int64_t data_end;

	/*
	 * The real size; [data_end, file_end) is our preallocation. Valid whenever data_end is,
	 * and never below it.
	 */
	_Atomic int64_t file_end;
};

/* What the filter does to the file below it. Every member is required. */
struct file_ops {
	/* The real size, or -errno. */
	int64_t (*getlength)(void *file);

	/* Allocates [offset, offset + bytes) as zeroes and grows the file to its end. */
	int (*allocate)(void *file, int64_t offset, int64_t bytes);

	/* Sets the real size. Called only with what tail_data_end has proved to be safe. */
	int (*truncate)(void *file, int64_t length);

	/*
	 * The end of the last byte that anybody has put into [data_end, file_end), data_end if
	 * there is none, or -errno when that can't be found out.
	 */
	int64_t (*tail_data_end)(void *file, int64_t data_end, int64_t file_end);

	/* How many bytes the preallocation may still take from the filesystem. */
	int64_t (*headroom)(void *file);
};

/* Every position unknown: the state until the claim is held and after it was given up. */
void filter_disengage(struct filter_positions *positions);

/* The claim is held: reads the size. */
int filter_engage(struct filter_positions *positions, const struct file_ops *ops, void *file);

/*
 * Before a write of [offset, end): makes file_end cover it, and prealloc_size more.
 *
 * max_end: no allocation past this position (RLIMIT_FSIZE, the filesystem's largest file).
 * Returns 0 when the write stays inside file_end. Otherwise the file is as it was before:
 * -EDOM when the write jumps further past file_end than prealloc_size, -EFBIG when max_end is in
 * the way, -ENOSPC when headroom is, or the error of the operation that failed. When even putting
 * the size back failed, file_end tells the truth all the same.
 */
int filter_handle_write(struct filter_positions *positions, const struct filter_options *options,
			const struct file_ops *ops, void *file, int64_t offset, int64_t end,
			int64_t max_end);

/* After a write that left bytes up to end: moves data_end, never back. Lock-free. */
void filter_wrote(struct filter_positions *positions, int64_t end);

/*
 * Gives the preallocation back: the real size becomes data_end, unless somebody has put bytes
 * behind it: then data_end first moves up to cover them, and *covered says by how much.
 * On an error the file is larger than its data; nothing was cut.
 */
int filter_settle(struct filter_positions *positions, const struct file_ops *ops, void *file,
		  int64_t *covered);

#endif

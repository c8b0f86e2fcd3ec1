/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The size of the file behind fd, in bytes; -1: not to be had (errno). fstat(2) would ask for the times,
 * too, and whoever has seen them gets a new one from the very next write, however soon that comes
 * (multigrain timestamps, Linux 6.13): that writes the inode to the disk once more at each sync.
 * Async-signal-safe.
 */
int64_t size_of(int fd);

/*
 * A write at start to a file that ends at end leaves at least one whole block without a byte: a hole, in which
 * nothing of ours may be allocated. Blocks are of this size, or smaller ones count as one.
 */
#define SIZE_BLOCK INT64_C(4096)
static inline bool size_skips_block(int64_t end, int64_t start)
{
	return start - end >= SIZE_BLOCK &&
	       start / SIZE_BLOCK * SIZE_BLOCK - (end + SIZE_BLOCK - 1) / SIZE_BLOCK * SIZE_BLOCK >= SIZE_BLOCK;
}

#endif

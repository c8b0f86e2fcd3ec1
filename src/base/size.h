/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdint.h>

/*
 * The size of the file behind fd, in bytes; -1: not to be had (errno). fstat(2) would ask for the times,
 * too, and whoever has seen them gets a new one from the very next write, however soon that comes
 * (multigrain timestamps, Linux 6.13): that writes the inode to the disk once more at each sync.
 * Async-signal-safe.
 */
int64_t size_of(int fd);

#endif

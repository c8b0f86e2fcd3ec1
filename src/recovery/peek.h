/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a file is read of which we hold a lease. */
#ifndef RECOVERY_PEEK_H
#define RECOVERY_PEEK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * As pread(2), but raises no permission event (FAN_ACCESS_PERM, fanotify(7)): for one the kernel opens the
 * file for whoever listens, which breaks the lease, and waits for the listener, who waits for us.
 * How many bytes, less than asked for only at the end of the file, or -errno.
 */
ssize_t peek(int fd, void *buffer, size_t bytes, int64_t offset);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arguments of the read and write families in one shape. */
#ifndef LIBC_TRANSFER_H
#define LIBC_TRANSFER_H

#include "libc/export.h"

#include <limits.h>

/* What one call transfers at most (read(2), NOTES). */
#define MAX_TRANSFER ((size_t)0x7ffff000)

static inline size_t transfer_bytes(const struct iovec *iov, int count)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > MAX_TRANSFER - bytes)
			return MAX_TRANSFER;
		bytes += iov[i].iov_len;
	}
	return bytes;
}

/* A list that the kernel refuses, or takes as empty: the real call says so. */
static inline bool iov_is_odd(const struct iovec *iov, int count)
{
	if (!iov || count <= 0 || count > IOV_MAX)
		return true;
	for (int i = 0; i < count; i++)
		if (iov[i].iov_len > SSIZE_MAX)
			return true;
	return false;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arguments of the read and write families in one shape. */
#ifndef LIBC_TRANSFER_H
#define LIBC_TRANSFER_H

#include "base/memory.h"
#include "files/glance.h"
#include "libc/export.h"

#include <limits.h>
#include <stdint.h>

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

/*
 * The arguments, for what is hardly ever needed after the call. In memory: in registers that outlive the
 * call each would cost a push, two moves and a pop.
 */
struct asked {
	volatile int fd;
	const void *volatile buffer;
	volatile size_t bytes;
	volatile off_t offset;
	struct description *volatile description;
};

static inline __attribute__((always_inline)) void
asked_for(struct asked *asked, int fd, const void *buffer, size_t bytes, off_t offset,
	  struct description *description)
{
	asked->fd = fd;
	asked->buffer = buffer;
	asked->bytes = bytes;
	asked->offset = offset;
	asked->description = description;
}

/* A list that the kernel refuses, or takes as empty: the real call says so. */
static inline bool iov_is_odd(const struct iovec *iov, int count)
{
	size_t bytes = (size_t)count * sizeof(*iov);

	if (!iov || count <= 0 || count > IOV_MAX ||
	    (!memory_is_on_stack(iov, bytes) && !memory_is_readable(iov, bytes)))
		return true;
	for (int i = 0; i < count; i++)
		if (iov[i].iov_len > SSIZE_MAX)
			return true;
	return false;
}

/* An odd list that may yet be there when the kernel reads it, so that the call must be made on an ordinary file. */
static inline bool iov_may_turn_out(int count)
{
	return count > 0 && count <= IOV_MAX;
}

#endif

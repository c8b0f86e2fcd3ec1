/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arguments of the read and write families in one shape. */
#ifndef LIBC_TRANSFER_H
#define LIBC_TRANSFER_H

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

/*
 * Flags that no kernel takes together (RWF_APPEND and RWF_NOAPPEND among them): preadv2(2) and
 * pwritev2(2) copy the list, which is EFAULT where it can't be read, before they refuse these.
 */
#define RWF_IMPOSSIBLE (-1)

/* Is the list surely readable: in the page of the caller's frame? Then no system call is to tell. */
static inline bool iov_is_on_stack(const struct iovec *iov, int count)
{
	uintptr_t page = (uintptr_t)__builtin_frame_address(0) / 4096;

	return (uintptr_t)iov / 4096 == page &&
	       ((uintptr_t)iov + (size_t)count * sizeof(*iov) - 1) / 4096 == page;
}

/* A list that the kernel refuses, or takes as empty: the real call says so. */
static inline bool iov_is_odd(int fd, const struct iovec *iov, int count,
			      ssize_t (*call)(int, const struct iovec *, int, off_t, int))
{
	int saved_errno = errno;
	bool unreadable;

	if (!iov || count <= 0 || count > IOV_MAX)
		return true;
	if (!iov_is_on_stack(iov, count)) {
		unreadable = call(fd, iov, count, 0, RWF_IMPOSSIBLE) < 0 &&
			     (errno == EFAULT || errno == EBADF);
		errno = saved_errno;
		if (unreadable)
			return true;
	}
	for (int i = 0; i < count; i++)
		if (iov[i].iov_len > SSIZE_MAX)
			return true;
	return false;
}

#endif

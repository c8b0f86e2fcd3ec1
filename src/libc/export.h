/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every interposed call begins with. */
#ifndef LIBC_EXPORT_H
#define LIBC_EXPORT_H

#include "base/thread.h"
#include "files/files.h"
#include "libc/real.h"

#include <errno.h>

#define EXPORT __attribute__((visibility("default")))

/* A second exported name of the same call. */
#define ALIAS(name, of) \
	extern __typeof__(of) name __attribute__((alias(#of), visibility("default")))

/*
 * The managed description behind fd. A vfork child runs in its parent's memory with a descriptor
 * table of its own: it passes everything on.
 */
static inline struct description *managed(int fd)
{
	struct description *description = table_get(fd);

	return __builtin_expect(description != NULL, 0) && !thread_state.vforked ? description
										  : NULL;
}

/* Makes the call between plain_begin and plain_end, and keeps its errno. */
#define PLAIN(type, call, fd, reasons) \
	({ \
		struct plain plain_; \
		type result_; \
		plain_begin(&plain_, (fd), (reasons)); \
		result_ = (call); \
		int errno_ = errno; \
		plain_end(&plain_); \
		errno = errno_; \
		result_; \
	})

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmap(2) of a managed file: keep from then on. What a shared mapping stores past data_end in the
 * last page would survive in an extended file, and a private one would show zeroes where the
 * program gets SIGBUS.
 */
#include "libc/export.h"

EXPORT void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if ((flags & MAP_ANONYMOUS) || !managed(fd))
		return REAL(mmap)(address, bytes, protection, flags, fd, offset);
	return PLAIN(void *, REAL(mmap)(address, bytes, protection, flags, fd, offset), fd,
		     KEEP_MAPPED);
}

ALIAS(mmap64, mmap);

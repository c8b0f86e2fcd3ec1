/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fallocate(2) and posix_fallocate(3): merged with our own preallocation. */
#include "libc/export.h"

#include "files/reclaim.h"

static int call_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	return REAL(fallocate)(fd, mode, offset, bytes);
}

/* Returns its error instead of setting errno (posix_fallocate(3)). */
static int call_posix_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	int error = REAL(posix_fallocate)(fd, offset, bytes);

	(void)mode;
	if (!error)
		return 0;
	errno = error;
	return -1;
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	struct description *description = managed(fd);

	if (!description)
		return WITH_SPACE(int, REAL(fallocate)(fd, mode, offset, bytes), reclaim_for(fd));
	return WITH_SPACE(int,
			  files_fallocate(description, fd, mode, offset, bytes, call_fallocate),
			  reclaim_for(fd));
}

ALIAS(fallocate64, fallocate);

EXPORT int posix_fallocate(int fd, off_t offset, off_t bytes)
{
	struct description *description = managed(fd);
	int saved_errno = errno;
	int error = 0;

	if (WITH_SPACE(int,
		       description ? files_fallocate(description, fd, 0, offset, bytes,
						     call_posix_fallocate)
				   : call_posix_fallocate(fd, 0, offset, bytes),
		       reclaim_for(fd)) < 0)
		error = errno;
	errno = saved_errno;
	return error;
}

ALIAS(posix_fallocate64, posix_fallocate);

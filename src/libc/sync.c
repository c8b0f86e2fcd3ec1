/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is brought to the disk is to tell where it ends, should the power fail after that. */
#include "libc/export.h"

EXPORT int fsync(int fd)
{
	return managed(fd) ? files_sync(fd, REAL(fsync)) : REAL(fsync)(fd);
}

EXPORT int fdatasync(int fd)
{
	return managed(fd) ? files_sync(fd, REAL(fdatasync)) : REAL(fdatasync)(fd);
}

static int sync_them_all(int fd)
{
	(void)fd;
	REAL(sync)();
	return 0;
}

static bool some_are_ours(void)
{
	return descriptions_exist() && !thread_state.vforked;
}

EXPORT void sync(void)
{
	if (some_are_ours())
		files_sync_all(-1, sync_them_all);
	else
		REAL(sync)();
}

EXPORT int syncfs(int fd)
{
	return some_are_ours() ? files_sync_all(fd, REAL(syncfs)) : REAL(syncfs)(fd);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/restore.h"

#include "base/sys.h"

#include <errno.h>

int restore_times(int fd, const struct stat *before)
{
	struct timespec times[2] = {before->st_atim, before->st_mtim};

	return sys.futimens(fd, times) < 0 ? -errno : 0;
}

void restore_mode(int fd, const struct stat *before)
{
	if (before->st_mode & (S_ISUID | S_ISGID))
		sys.fchmod(fd, before->st_mode & 07777);
}

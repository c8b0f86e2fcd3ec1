/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/restore.h"

#include "base/sys.h"

#include <errno.h>

/* What fails once is tried again: nobody else would ever put it right. */
#define MOST_TRIES 3

static int set_times(int fd, const struct timespec times[2])
{
	int ret = -EAGAIN;

	for (int tries = 0; ret < 0 && tries < MOST_TRIES; tries++)
		ret = sys.futimens(fd, times) < 0 ? -errno : 0;
	return ret;
}

int restore_times(int fd, const struct stat *before)
{
	struct timespec times[2] = {before->st_atim, before->st_mtim};

	return set_times(fd, times);
}

void restore_mtime(int fd, const struct stat *before)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, before->st_mtim};

	set_times(fd, times);
}

void restore_mode(int fd, const struct stat *before)
{
	if (!(before->st_mode & (S_ISUID | S_ISGID)))
		return;
	for (int tries = 0; tries < MOST_TRIES; tries++)
		if (sys.fchmod(fd, before->st_mode & 07777) == 0)
			break;
}

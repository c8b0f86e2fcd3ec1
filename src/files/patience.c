/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that wait for another process's file to be settled. */
#include "files/files.h"

#include "base/sys.h"
#include "base/thread.h"
#include "claim/lease.h"

#include <errno.h>
#include <sys/vfs.h>

/*
 * An open(2) or truncate(2) that waits for a lease is interrupted by signals (__break_lease of Linux);
 * on a regular file of the filesystems that we take leases on, nothing else of them is.
 */
bool files_had_to_wait(int dirfd, const char *path)
{
	int saved_errno = errno;
	struct statfs fs;
	struct stat st;
	bool waited;
	int fd;

	if (saved_errno != EINTR || thread_state.vforked || files_have_left())
		return false;
	fd = sys.openat(dirfd, path, O_PATH | O_CLOEXEC);
	waited = fd >= 0 && sys.fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		 fstatfs(fd, &fs) == 0 && lease_is_trusted(&fs);
	if (fd >= 0)
		sys.close(fd);
	errno = saved_errno;
	return waited;
}

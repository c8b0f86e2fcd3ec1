/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/lease.h"

#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

int lease_take(int fd, int signal, struct certainty *certainty)
{
	int64_t now = clock_now();
	struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = (pid_t)thread_id()};
	int ret;

	/* Before the lease: without an owner the kernel would take this process, with SIGIO. */
	if (sys.fcntl(fd, F_SETSIG, signal) < 0 || sys.fcntl(fd, F_SETOWN_EX, &owner) < 0)
		return -errno;
	if (sys.fcntl(fd, F_SETLEASE, F_WRLCK) == 0) {
		*certainty = (struct certainty){.seen_at = now};
		return 0;
	}
	ret = -errno;
	lease_release(fd);
	return ret;
}

void lease_release(int fd)
{
	struct f_owner_ex nobody = {.type = F_OWNER_PID, .pid = 0};

	sys.fcntl(fd, F_SETLEASE, F_UNLCK);
	sys.fcntl(fd, F_SETSIG, 0);
	sys.fcntl(fd, F_SETOWN_EX, &nobody);
}

int lease_begin_moment(int fd, struct lease_moment *moment)
{
	sigset_t pending;

	sigemptyset(&pending);
	sigpending(&pending);
	moment->pending = sigismember(&pending, SIGIO);
	return lease_take(fd, SIGIO, &moment->certainty);
}

void lease_end_moment(int fd, const struct lease_moment *moment)
{
	static const struct timespec now;
	sigset_t sigio;

	lease_release(fd);
	if (moment->pending)
		return;
	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	sys.sigtimedwait(&sigio, NULL, &now);
}

bool lease_is_trusted(const struct statfs *fs)
{
	switch ((unsigned long)fs->f_type) {
	case EXT4_SUPER_MAGIC: /* ext2 and ext3 too */
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* overlayfs hands the names of attributes on, and only btrfs knows this one. */
static bool lies_above_btrfs(int fd)
{
	return sys.fgetxattr(fd, "btrfs.compression", NULL, 0) >= 0 || errno != EOPNOTSUPP;
}

bool space_is_freed_by_cut(int fd, const struct statfs *fs)
{
	switch ((unsigned long)fs->f_type) {
	case BTRFS_SUPER_MAGIC:
		return false;
	case OVERLAYFS_SUPER_MAGIC:
		return !lies_above_btrfs(fd);
	default:
		return true;
	}
}

/* 0 or -errno. */
static int look_for(const char *path)
{
	struct stat st;

	return sys.fstatat(AT_FDCWD, path, &st, 0) < 0 ? -errno : 0;
}

bool cut_needs_quota(int fd)
{
	struct btrfs_ioctl_fs_info_args info = {.flags = 0};
	char path[80];
	int length;

	if (sys.ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
		return true;
	length = snprintf(path, sizeof(path), "/sys/fs/btrfs/");
	for (int i = 0; i < BTRFS_FSID_SIZE; i++)
		length += snprintf(path + length, sizeof(path) - (size_t)length, "%s%02x",
				   i >= 4 && i <= 10 && i % 2 == 0 ? "-" : "", info.fsid[i]);
	if (look_for(path) < 0)
		return true;
	/* Only there while quotas are on (since Linux 5.9). */
	snprintf(path + length, sizeof(path) - (size_t)length, "/qgroups");
	return look_for(path) != -ENOENT;
}

bool is_in_memory(const struct statfs *fs)
{
	return (unsigned long)fs->f_type == TMPFS_MAGIC;
}

bool space_stays_after_close(const struct statfs *fs)
{
	return (unsigned long)fs->f_type == XFS_SUPER_MAGIC;
}

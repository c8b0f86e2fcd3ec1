/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

char *absolute_path(const char *path)
{
	char *directory;
	char *joined = NULL;

	if (*path == '/')
		return strdup(path);
	directory = getcwd(NULL, 0);
	if (directory && asprintf(&joined, "%s/%s", directory, path) < 0)
		joined = NULL;
	free(directory);
	return joined;
}

const char *file_type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "not a regular file";
	}
}

void filesystem_name(long type, char name[static FILESYSTEM_NAME_MAX])
{
	static const struct {
		unsigned long type;
		const char *name;
	} known[] = {
		{ EXT4_SUPER_MAGIC, "ext4" },
		{ XFS_SUPER_MAGIC, "XFS" },
		{ BTRFS_SUPER_MAGIC, "btrfs" },
		{ F2FS_SUPER_MAGIC, "f2fs" },
		{ TMPFS_MAGIC, "tmpfs" },
		{ OVERLAYFS_SUPER_MAGIC, "overlayfs" },
		{ FUSE_SUPER_MAGIC, "FUSE" },
		{ NFS_SUPER_MAGIC, "NFS" },
		{ SMB_SUPER_MAGIC, "SMB" },
		{ SMB2_SUPER_MAGIC, "SMB" },
		{ CIFS_SUPER_MAGIC, "SMB" },
		{ CEPH_SUPER_MAGIC, "Ceph" },
		{ V9FS_MAGIC, "9p" },
		{ MSDOS_SUPER_MAGIC, "FAT" },
		{ PROC_SUPER_MAGIC, "proc" },
		{ SYSFS_MAGIC, "sysfs" },
		{ RAMFS_MAGIC, "ramfs" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		/* f_type is an int in the kernel: large magic numbers arrive negative on some. */
		if ((unsigned int)known[i].type == (unsigned int)type) {
			strcpy(name, known[i].name);
			return;
		}
	}
	snprintf(name, FILESYSTEM_NAME_MAX, "filesystem 0x%x", (unsigned int)type);
}

int open_regular(const char *path, int flags, struct stat *status)
{
	char link[32];
	int place = open(path, O_PATH | O_CLOEXEC);
	int fd;

	if (place < 0)
		return -errno;
	if (fstat(place, status) < 0 || !S_ISREG(status->st_mode)) {
		close(place);
		return -EINVAL;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	fd = open(link, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(place);
	return fd;
}

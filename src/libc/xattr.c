/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading extended attributes: an extended file has one of ours (src/recovery/mark.h). */
#include "libc/export.h"

#include <sys/xattr.h>

#define BY_FD(call, fd) (managed(fd) ? PLAIN(ssize_t, (call), (fd), 0) : (call))

#define BY_PATH(call, path, flags) \
	({ \
		struct plain plain_ = {.description = NULL}; \
		ssize_t result_; \
		int errno_; \
		if (!thread_state.vforked) \
			plain_begin_path(&plain_, AT_FDCWD, (path), (flags)); \
		result_ = (call); \
		errno_ = errno; \
		plain_end(&plain_); \
		errno = errno_; \
		result_; \
	})

EXPORT ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return BY_FD(REAL(fgetxattr)(fd, name, value, size), fd);
}

EXPORT ssize_t flistxattr(int fd, char *list, size_t size)
{
	return BY_FD(REAL(flistxattr)(fd, list, size), fd);
}

EXPORT ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
	return BY_PATH(REAL(getxattr)(path, name, value, size), path, 0);
}

EXPORT ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	return BY_PATH(REAL(lgetxattr)(path, name, value, size), path, AT_SYMLINK_NOFOLLOW);
}

EXPORT ssize_t listxattr(const char *path, char *list, size_t size)
{
	return BY_PATH(REAL(listxattr)(path, list, size), path, 0);
}

EXPORT ssize_t llistxattr(const char *path, char *list, size_t size)
{
	return BY_PATH(REAL(llistxattr)(path, list, size), path, AT_SYMLINK_NOFOLLOW);
}

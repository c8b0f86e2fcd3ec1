/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that say something about the file that a later cut of ours would undo (set-user-ID, mtime),
 * or that publish it under a name: settled first, with the blocks past the end given back, so that
 * nothing of ours is left to be done to it.
 */
#include "libc/metadata.h"
#include "libc/export.h"

#include "files/reclaim.h"

#define BY_FD(call, fd) \
	({ \
		struct plain plain_; \
		int result_, errno_; \
		metadata_begin(&plain_, (fd)); \
		result_ = (call); \
		errno_ = errno; \
		plain_end(&plain_); \
		errno = errno_; \
		result_; \
	})

#define BY_PATH(call, dirfd, path, flags) \
	({ \
		struct plain plain_; \
		int result_, errno_; \
		metadata_begin_path(&plain_, (dirfd), (path), (flags)); \
		result_ = (call); \
		errno_ = errno; \
		plain_end(&plain_); \
		errno = errno_; \
		result_; \
	})

/* A name that can't be made for want of space: once more, when some has come free. */
#define NAMED(call, dirfd, name) WITH_SPACE(int, call, reclaim_for_name((dirfd), (name)))

void metadata_begin(struct plain *plain, int fd)
{
	plain->description = NULL;
	if (!managed(fd))
		return;
	plain_begin(plain, fd, 0);
	plain_give_back(plain);
}

void metadata_begin_path(struct plain *plain, int dirfd, const char *path, int flags)
{
	plain->description = NULL;
	if (thread_state.vforked || !descriptions_exist())
		return;
	/* utimensat(fd, NULL) is futimens (utimensat(2), C library/kernel differences). */
	if (path)
		plain_begin_path(plain, dirfd, path, flags);
	else
		plain_begin(plain, dirfd, 0);
	plain_give_back(plain);
}

EXPORT int fchmod(int fd, mode_t mode)
{
	return BY_FD(REAL(fchmod)(fd, mode), fd);
}

EXPORT int fchown(int fd, uid_t owner, gid_t group)
{
	return BY_FD(REAL(fchown)(fd, owner, group), fd);
}

EXPORT int futimens(int fd, const struct timespec times[2])
{
	return BY_FD(REAL(futimens)(fd, times), fd);
}

EXPORT int futimes(int fd, const struct timeval times[2])
{
	return BY_FD(REAL(futimes)(fd, times), fd);
}

EXPORT int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	return BY_FD(REAL(fsetxattr)(fd, name, value, size, flags), fd);
}

EXPORT int fremovexattr(int fd, const char *name)
{
	return BY_FD(REAL(fremovexattr)(fd, name), fd);
}

EXPORT int chmod(const char *path, mode_t mode)
{
	return BY_PATH(REAL(chmod)(path, mode), AT_FDCWD, path, 0);
}

EXPORT int lchmod(const char *path, mode_t mode)
{
	return BY_PATH(REAL(lchmod)(path, mode), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
	return BY_PATH(REAL(fchmodat)(dirfd, path, mode, flags), dirfd, path, flags);
}

EXPORT int chown(const char *path, uid_t owner, gid_t group)
{
	return BY_PATH(REAL(chown)(path, owner, group), AT_FDCWD, path, 0);
}

EXPORT int lchown(const char *path, uid_t owner, gid_t group)
{
	return BY_PATH(REAL(lchown)(path, owner, group), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fchownat(int dirfd, const char *path, uid_t owner, gid_t group, int flags)
{
	return BY_PATH(REAL(fchownat)(dirfd, path, owner, group, flags), dirfd, path, flags);
}

EXPORT int utime(const char *path, const struct utimbuf *times)
{
	return BY_PATH(REAL(utime)(path, times), AT_FDCWD, path, 0);
}

EXPORT int utimes(const char *path, const struct timeval times[2])
{
	return BY_PATH(REAL(utimes)(path, times), AT_FDCWD, path, 0);
}

EXPORT int lutimes(const char *path, const struct timeval times[2])
{
	return BY_PATH(REAL(lutimes)(path, times), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

EXPORT int futimesat(int dirfd, const char *path, const struct timeval times[2])
{
	return BY_PATH(REAL(futimesat)(dirfd, path, times), dirfd, path, 0);
}

EXPORT int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	return BY_PATH(REAL(utimensat)(dirfd, path, times, flags), dirfd, path, flags);
}

EXPORT int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return BY_PATH(REAL(setxattr)(path, name, value, size, flags), AT_FDCWD, path, 0);
}

EXPORT int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return BY_PATH(REAL(lsetxattr)(path, name, value, size, flags), AT_FDCWD, path,
		       AT_SYMLINK_NOFOLLOW);
}

EXPORT int removexattr(const char *path, const char *name)
{
	return BY_PATH(REAL(removexattr)(path, name), AT_FDCWD, path, 0);
}

EXPORT int lremovexattr(const char *path, const char *name)
{
	return BY_PATH(REAL(lremovexattr)(path, name), AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

EXPORT int rename(const char *from, const char *to)
{
	return NAMED(BY_PATH(REAL(rename)(from, to), AT_FDCWD, from, AT_SYMLINK_NOFOLLOW),
		     AT_FDCWD, to);
}

EXPORT int renameat(int fromfd, const char *from, int tofd, const char *to)
{
	return NAMED(BY_PATH(REAL(renameat)(fromfd, from, tofd, to), fromfd, from,
			     AT_SYMLINK_NOFOLLOW),
		     tofd, to);
}

EXPORT int renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned int flags)
{
	struct plain exchanged = {.description = NULL};
	int result, saved_errno;

	if (flags & RENAME_EXCHANGE)
		metadata_begin_path(&exchanged, tofd, to, AT_SYMLINK_NOFOLLOW);
	result = NAMED(BY_PATH(REAL(renameat2)(fromfd, from, tofd, to, flags), fromfd, from,
			       AT_SYMLINK_NOFOLLOW),
		       tofd, to);
	saved_errno = errno;
	plain_end(&exchanged);
	errno = saved_errno;
	return result;
}

EXPORT int link(const char *from, const char *to)
{
	return NAMED(BY_PATH(REAL(link)(from, to), AT_FDCWD, from, AT_SYMLINK_NOFOLLOW), AT_FDCWD,
		     to);
}

int metadata_link_flags(int flags)
{
	return (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);
}

EXPORT int linkat(int fromfd, const char *from, int tofd, const char *to, int flags)
{
	return NAMED(BY_PATH(REAL(linkat)(fromfd, from, tofd, to, flags), fromfd, from,
			     metadata_link_flags(flags)),
		     tofd, to);
}

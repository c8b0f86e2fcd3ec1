/* SPDX-License-Identifier: GPL-2.0-or-later */
/* open(2), creat(2) and mkstemp(3) in all their names: a matched file becomes managed. */
#include "libc/export.h"
#include "libc/open.h"

#include "base/memory.h"
#include "files/reclaim.h"

#include <linux/openat2.h>
#include <sys/syscall.h>

/* A name that can't be made for want of space. */
static bool lacks_space(int fd, int dirfd, const char *name, int *tries)
{
	return fd < 0 && space_is_lacking() && ++*tries <= RECLAIM_TRIES &&
	       reclaim_for_name(dirfd, name);
}

int open_note(int fd, int flags, const char *name)
{
	if (fd >= 0 && !thread_state.vforked)
		files_opened(fd, flags, name);
	return fd;
}

/* True: what a crash had left extended is recovered, and to be opened again. */
static bool is_revived(int fd, int flags, const char *name, int *tries)
{
	int again = fd < 0 || *tries > 0 || thread_state.vforked
			    ? -1 : files_revive_begin(fd, flags, name);

	if (again < 0)
		return false;
	REAL(close)(fd);
	files_revive_end(again, name);
	++*tries;
	return true;
}

#define OPEN(call, flags, dirfd, name) \
	({ \
		int fd_, shortages_ = 0, revivals_ = 0, errno_ = errno; \
		struct patience patience_ = {0}; \
		share_opening(); \
		do \
			fd_ = (call); \
		while ((fd_ < 0 && ((flags) & O_NONBLOCK) && files_should_wait((dirfd), (name), &patience_)) || \
		       (fd_ < 0 && files_had_to_wait((dirfd), (name), &patience_)) || \
		       lacks_space(fd_, (dirfd), (name), &shortages_) || \
		       is_revived(fd_, (flags), (name), &revivals_)); \
		if (fd_ >= 0) \
			errno = errno_; \
		open_note(fd_, (flags), (name)); \
	})

/* The mode is there only when the flags ask for it. */
#define MODE(flags, mode) \
	mode_t mode = 0; \
	if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
		va_list arguments_; \
		va_start(arguments_, flags); \
		mode = va_arg(arguments_, mode_t); \
		va_end(arguments_); \
	}

EXPORT int open(const char *path, int flags, ...)
{
	MODE(flags, mode)
	return OPEN(REAL(open)(path, flags, mode), flags, AT_FDCWD, path);
}

EXPORT int open64(const char *path, int flags, ...)
{
	MODE(flags, mode)
	return OPEN(REAL(open64)(path, flags, mode), flags, AT_FDCWD, path);
}

EXPORT int openat(int dirfd, const char *path, int flags, ...)
{
	MODE(flags, mode)
	return OPEN(REAL(openat)(dirfd, path, flags, mode), flags, dirfd, path);
}

EXPORT int openat64(int dirfd, const char *path, int flags, ...)
{
	MODE(flags, mode)
	return OPEN(REAL(openat64)(dirfd, path, flags, mode), flags, dirfd, path);
}

ALIAS(__open, open);
ALIAS(__open64, open64);

EXPORT int __open_2(const char *path, int flags)
{
	return OPEN(REAL(__open_2)(path, flags), flags, AT_FDCWD, path);
}

EXPORT int __open64_2(const char *path, int flags)
{
	return OPEN(REAL(__open64_2)(path, flags), flags, AT_FDCWD, path);
}

EXPORT int __openat_2(int dirfd, const char *path, int flags)
{
	return OPEN(REAL(__openat_2)(dirfd, path, flags), flags, dirfd, path);
}

EXPORT int __openat64_2(int dirfd, const char *path, int flags)
{
	return OPEN(REAL(__openat64_2)(dirfd, path, flags), flags, dirfd, path);
}

EXPORT int creat(const char *path, mode_t mode)
{
	return OPEN(REAL(creat)(path, mode), O_WRONLY | O_CREAT | O_TRUNC, AT_FDCWD, path);
}

EXPORT int creat64(const char *path, mode_t mode)
{
	return OPEN(REAL(creat64)(path, mode), O_WRONLY | O_CREAT | O_TRUNC, AT_FDCWD, path);
}

/* What the kernel has made of them. */
static int flags_of(int fd)
{
	int saved_errno = errno;
	int flags = fd < 0 ? 0 : REAL(fcntl)(fd, F_GETFL);

	errno = saved_errno;
	return flags < 0 ? 0 : flags;
}

int open_by_how(int dirfd, const char *path, const struct open_how *how, size_t size)
{
	struct open_how copy;
	int fd;

	/* The kernel gets what we have looked at, whatever becomes of the program's. */
	if (size == sizeof(copy) && memory_read(&copy, how, size))
		return OPEN((int)REAL(syscall)(SYS_openat2, dirfd, path, &copy, size), (int)copy.flags,
			    dirfd, path);
	fd = (int)REAL(syscall)(SYS_openat2, dirfd, path, how, size);
	return open_note(fd, flags_of(fd), path);
}

#define MKSTEMP(call, flags) (share_opening(), open_note((call), O_RDWR | O_CREAT | (flags), path))

EXPORT int mkstemp(char *path)
{
	return MKSTEMP(REAL(mkstemp)(path), 0);
}

EXPORT int mkstemp64(char *path)
{
	return MKSTEMP(REAL(mkstemp64)(path), 0);
}

EXPORT int mkostemp(char *path, int flags)
{
	return MKSTEMP(REAL(mkostemp)(path, flags), flags);
}

EXPORT int mkostemp64(char *path, int flags)
{
	return MKSTEMP(REAL(mkostemp64)(path, flags), flags);
}

EXPORT int mkstemps(char *path, int suffix)
{
	return MKSTEMP(REAL(mkstemps)(path, suffix), 0);
}

EXPORT int mkstemps64(char *path, int suffix)
{
	return MKSTEMP(REAL(mkstemps64)(path, suffix), 0);
}

EXPORT int mkostemps(char *path, int suffix, int flags)
{
	return MKSTEMP(REAL(mkostemps)(path, suffix, flags), flags);
}

EXPORT int mkostemps64(char *path, int suffix, int flags)
{
	return MKSTEMP(REAL(mkostemps64)(path, suffix, flags), flags);
}

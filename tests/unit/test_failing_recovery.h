/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All the calls that mark, record, proof and cut make, as test_failing.h. */
#ifndef TEST_FAILING_RECOVERY_H
#define TEST_FAILING_RECOVERY_H

#include "test_failing.h"

static int failing_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return fails("ioctl") ? -1 : real.ioctl(fd, request, argument);
}

static int failing_openat(int dirfd, const char *path, int flags, ...)
{
	return fails("openat") ? -1 : real.openat(dirfd, path, flags);
}

static off_t failing_lseek(int fd, off_t offset, int whence)
{
	return fails("lseek") ? -1 : real.lseek(fd, offset, whence);
}

static ssize_t failing_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	return fails("pread") ? -1 : real.pread(fd, buffer, bytes, offset);
}

static ssize_t failing_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	return fails("pwritev") ? -1 : real.pwritev(fd, iov, count, offset);
}

static int failing_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	return fails("fallocate") ? -1 : real.fallocate(fd, mode, offset, bytes);
}

static int failing_fchmod(int fd, mode_t mode)
{
	return fails("fchmod") ? -1 : real.fchmod(fd, mode);
}

static ssize_t failing_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return fails("fgetxattr") ? -1 : real.fgetxattr(fd, name, value, size);
}

static int failing_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	return fails("fsetxattr") ? -1 : real.fsetxattr(fd, name, value, size, flags);
}

static int failing_fremovexattr(int fd, const char *name)
{
	return fails("fremovexattr") ? -1 : real.fremovexattr(fd, name);
}

static inline void put_failing_calls(void)
{
	real = sys;
	sys.fcntl = failing_fcntl;
	sys.fstat = failing_fstat;
	sys.ftruncate = failing_ftruncate;
	sys.futimens = failing_futimens;
	sys.ioctl = failing_ioctl;
	sys.openat = failing_openat;
	sys.lseek = failing_lseek;
	sys.mmap = no_mapping;
	sys.pread = failing_pread;
	sys.pwritev = failing_pwritev;
	sys.fallocate = failing_fallocate;
	sys.fchmod = failing_fchmod;
	sys.fgetxattr = failing_fgetxattr;
	sys.fsetxattr = failing_fsetxattr;
	sys.fremovexattr = failing_fremovexattr;
}

#endif

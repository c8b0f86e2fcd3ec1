/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls of the table `sys` that fail when `fails` says so. The test that includes this defines it, and
 * fills `real` before it puts them into the table.
 */
#ifndef TEST_FAILING_H
#define TEST_FAILING_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/sys.h"

static struct sys real;

/* With errno set. name: of the call. */
static bool fails(const char *name);

/* Giving up a lease can't fail. */
static inline int failing_fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (command == F_SETLEASE && argument == F_UNLCK)
		return real.fcntl(fd, command, argument);
	return fails("fcntl") ? -1 : real.fcntl(fd, command, argument);
}

static inline int failing_fstat(int fd, struct stat *st)
{
	return fails("fstat") ? -1 : real.fstat(fd, st);
}

static inline int failing_ftruncate(int fd, off_t length)
{
	return fails("ftruncate") ? -1 : real.ftruncate(fd, length);
}

static inline int failing_futimens(int fd, const struct timespec times[2])
{
	return fails("futimens") ? -1 : real.futimens(fd, times);
}

/* What is read is read by pread(2) then. */
static inline void *no_mapping(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	(void)address, (void)bytes, (void)protection, (void)flags, (void)fd, (void)offset;
	errno = ENODEV;
	return (void *)-1; /* MAP_FAILED */
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/proc.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>

ssize_t proc_text(char *text, size_t size, const char *format, ...)
{
	char path[64];
	va_list arguments;
	ssize_t got;
	int fd, error;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	fd = (int)sys.syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = sys.syscall(SYS_read, fd, text, size - 1);
	error = got < 0 ? errno : ENODATA;
	sys.syscall(SYS_close, fd);
	if (got <= 0) {
		errno = error;
		return -1;
	}
	text[got] = '\0';
	return got;
}

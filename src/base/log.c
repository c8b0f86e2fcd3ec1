/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include "base/layout.h"
#include "base/sys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum log_level log_threshold = LOG_LEVEL_WARN;

static const char *const names[] = {"", "error", "warn", "info", "debug"};
FAR static char file_path[4096];
static struct stat stderr_at_start; /* st_ino 0: there was none */

AT_START int log_init(const char *level, const char *file)
{
	int ret = level ? -EINVAL : 0;

	for (int i = LOG_LEVEL_ERROR; level && i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(level, names[i]) == 0) {
			log_threshold = (enum log_level)i;
			ret = 0;
		}
	}
	if (file && strlen(file) < sizeof(file_path))
		strcpy(file_path, file);
	/* fstat(3) may hand the kernel an empty name of libc's, on a page that nothing else touches. */
	if (sys.fstatat(STDERR_FILENO, START_STRING(""), &stderr_at_start, AT_EMPTY_PATH) < 0)
		stderr_at_start.st_ino = 0;
	return ret;
}

/* By the bare system call: opening the log file must not look like an open of the program's. */
static int open_log_file(void)
{
	return (int)sys.syscall(SYS_openat, AT_FDCWD, file_path,
				O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
}

static bool stderr_is_writable(void)
{
	struct stat now;
	struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return stderr_at_start.st_ino != 0 && sys.fstat(STDERR_FILENO, &now) == 0 &&
	       now.st_ino == stderr_at_start.st_ino && now.st_dev == stderr_at_start.st_dev &&
	       sys.poll(&poll_fd, 1, 0) == 1;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	int saved_errno = errno;
	size_t length = (size_t)snprintf(line, sizeof(line), "preallocate: %s: ", names[level]);
	va_list arguments;
	int fd;

	va_start(arguments, format);
	length += (size_t)vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
	va_end(arguments);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	/* A file's name may hold anything: a line stays one. */
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == '\x7f')
			line[i] = '?';
	line[length++] = '\n';

	if (file_path[0]) {
		fd = open_log_file();
		if (fd >= 0) {
			sys.syscall(SYS_write, fd, line, length);
			sys.close(fd);
		}
	} else if (stderr_is_writable()) {
		sys.syscall(SYS_write, STDERR_FILENO, line, length);
	}
	errno = saved_errno;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include "base/destination.h"
#include "base/layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 1024

enum log_level log_threshold = LOG_LEVEL_WARN;

static const char *const names[] = {"", "error", "warn", "info", "debug"};
static struct destination standard_error, file = {.fd = -1}; /* file: path NULL: none */
FAR static char file_path[DESTINATION_NAME_BYTES];
static atomic_bool file_failed;

AT_START int log_init(const char *level, const char *name)
{
	int ret = level ? -EINVAL : 0;

	for (int i = LOG_LEVEL_ERROR; level && i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(level, names[i]) == 0) {
			log_threshold = (enum log_level)i;
			ret = 0;
		}
	}
	destination_stream(&standard_error, STDERR_FILENO);
	if (name && name[0])
		destination_named(&file, name, file_path);
	return ret;
}

/* A file's name may hold anything: a line stays one. */
static size_t end_line(char *line, size_t length)
{
	if (length > LINE_BYTES - 2)
		length = LINE_BYTES - 2;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == '\x7f')
			line[i] = '?';
	line[length++] = '\n';
	return length;
}

/* Said once; the lines themselves go to standard error then. */
static void tell_of_file(int error)
{
	char line[LINE_BYTES];
	int length;

	if (atomic_exchange(&file_failed, true))
		return;
	length = snprintf(line, sizeof(line) - 1, "preallocate: warn: PREALLOCATE_LOG_FILE=%s: %s", file_path,
			  strerrordesc_np(error));
	destination_write(&standard_error, line, end_line(line, (size_t)length));
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LINE_BYTES];
	int saved_errno = errno, ret = -ENOENT;
	size_t length = (size_t)snprintf(line, sizeof(line), "preallocate: %s: ", names[level]);
	va_list arguments;

	va_start(arguments, format);
	length += (size_t)vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
	va_end(arguments);
	length = end_line(line, length);

	if (file.path || file.fd >= 0)
		ret = destination_write(&file, line, length);
	else
		destination_write(&standard_error, line, length);
	/* One that nobody reads fast enough is there all the same. */
	if (ret < 0 && ret != -EAGAIN && file.path) {
		tell_of_file(-ret);
		destination_write(&standard_error, line, length);
	}
	errno = saved_errno;
}

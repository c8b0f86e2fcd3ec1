/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include "base/layout.h"
#include "base/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum log_level log_threshold = LOG_LEVEL_WARN;

static const char *const names[] = {"", "error", "warn", "info", "debug"};
FAR static char file_path[4096];

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
	output_start();
	return ret;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	int saved_errno = errno;
	size_t length = (size_t)snprintf(line, sizeof(line), "preallocate: %s: ", names[level]);
	va_list arguments;

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

	output_line(file_path[0] ? file_path : NULL, line, length);
	errno = saved_errno;
}

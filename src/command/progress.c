/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/progress.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS INT64_C(1000000000)
#define EACH_NS INT64_C(250000000)

static struct {
	int64_t next;			/* 0: nobody has asked yet */
	bool nobody_looks;
	int width;			/* of what is shown */
} progress;

bool progress_is_due(void)
{
	struct timespec time;
	int64_t now;

	if (progress.nobody_looks)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
	if (!progress.next) {
		progress.nobody_looks = !isatty(STDERR_FILENO);
		progress.next = now + FIRST_NS;
	}
	if (now < progress.next)
		return false;
	progress.next = now + EACH_NS;
	return true;
}

void progress_show(const char *format, ...)
{
	char line[80]; /* wider ones would leave a line behind on a narrow terminal */
	va_list arguments;
	int before = progress.width;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	progress.width = fprintf(stderr, "\r%-*s", before, line) - 1;
	fflush(stderr);
}

void progress_clear(void)
{
	if (progress.width <= 0)
		return;
	fprintf(stderr, "\r%*s\r", progress.width, "");
	fflush(stderr);
	progress.width = 0;
}

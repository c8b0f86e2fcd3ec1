/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>

void (*interrupt)(void);

static void come(void)
{
	void (*handler)(void) = interrupt;

	interrupt = NULL;
	if (handler)
		handler();
}

ssize_t write(int fd, const void *buffer, size_t bytes)
{
	static ssize_t (*next)(int fd, const void *buffer, size_t bytes);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "write");
	come();
	return next(fd, buffer, bytes);
}

ssize_t pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	static ssize_t (*next)(int fd, const void *buffer, size_t bytes, off_t offset);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "pwrite");
	come();
	return next(fd, buffer, bytes, offset);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include <dlfcn.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

void (*interrupt)(void);
volatile int cancellation_points;

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

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	static ssize_t (*next)(int fd, const struct msghdr *message, int flags);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "sendmsg");
	cancellation_points++;
	return next(fd, message, flags);
}

ssize_t recv(int fd, void *buffer, size_t bytes, int flags)
{
	static ssize_t (*next)(int fd, void *buffer, size_t bytes, int flags);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "recv");
	cancellation_points++;
	return next(fd, buffer, bytes, flags);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	static int (*next)(struct pollfd *fds, nfds_t count, int timeout);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "poll");
	cancellation_points++;
	return next(fds, count, timeout);
}

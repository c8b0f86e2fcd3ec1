/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plugin's calls, which go to whatever libc it was bound to. */
#include <fcntl.h>
#include <unistd.h>

ssize_t plugin_write(int fd, const void *buffer, size_t bytes);
int plugin_append(const char *path, const void *buffer, size_t bytes);
int plugin_ftruncate(int fd, off_t size);

ssize_t plugin_write(int fd, const void *buffer, size_t bytes)
{
	return write(fd, buffer, bytes);
}

int plugin_append(const char *path, const void *buffer, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_APPEND);
	ssize_t written = write(fd, buffer, bytes);

	return close(fd) == 0 && written == (ssize_t)bytes ? 0 : -1;
}

int plugin_ftruncate(int fd, off_t size)
{
	return ftruncate(fd, size);
}

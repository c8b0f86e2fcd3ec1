/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls in which the kernel itself reads or writes the file: settled at either end. sendfile(2),
 * splice(2), copy_file_range(2), ioctl(2).
 */
#include "libc/export.h"

#include <linux/fs.h>

#define BOTH(type, call, one, other) \
	({ \
		struct plain first_, second_; \
		type result_; \
		int errno_; \
		begin_both(&first_, &second_, (one), (other)); \
		result_ = (call); \
		errno_ = errno; \
		plain_end(&second_); \
		plain_end(&first_); \
		errno = errno_; \
		result_; \
	})

static void begin_both(struct plain *first, struct plain *second, int one, int other)
{
	first->description = second->description = NULL;
	if (managed(one))
		plain_begin(first, one, 0);
	if (managed(other) && managed(other) != managed(one))
		plain_begin(second, other, 0);
}

EXPORT ssize_t sendfile(int to, int from, off_t *offset, size_t bytes)
{
	if (!managed(to) && !managed(from))
		return real()->sendfile(to, from, offset, bytes);
	return BOTH(ssize_t, real()->sendfile(to, from, offset, bytes), to, from);
}

ALIAS(sendfile64, sendfile);

EXPORT ssize_t splice(int from, off_t *from_offset, int to, off_t *to_offset, size_t bytes,
		      unsigned int flags)
{
	if (!managed(to) && !managed(from))
		return real()->splice(from, from_offset, to, to_offset, bytes, flags);
	return BOTH(ssize_t, real()->splice(from, from_offset, to, to_offset, bytes, flags), to,
		    from);
}

EXPORT ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t bytes,
			       unsigned int flags)
{
	if (!managed(to) && !managed(from))
		return real()->copy_file_range(from, from_offset, to, to_offset, bytes, flags);
	return BOTH(ssize_t,
		    real()->copy_file_range(from, from_offset, to, to_offset, bytes, flags), to,
		    from);
}

/* The other file of a request that names two, or -1. */
static int second_file(unsigned long request, void *argument)
{
	switch (request) {
	case FICLONE:
		return (int)(long)argument;
	case FICLONERANGE:
		return argument ? (int)((struct file_clone_range *)argument)->src_fd : -1;
	default:
		return -1;
	}
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct description *description = managed(fd);
	va_list arguments;
	void *argument;
	int other, result;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	other = second_file(request, argument);
	if (!description && !managed(other))
		return real()->ioctl(fd, request, argument);

	switch (request) {
	case FIOCLEX:
	case FIONCLEX:
		return real()->ioctl(fd, request, argument);
	case FIONREAD:
		result = real()->ioctl(fd, request, argument);
		if (result == 0)
			*(int *)argument =
				(int)files_clip_available(description, fd, *(int *)argument);
		return result;
	case FIOASYNC:
		return PLAIN(int, real()->ioctl(fd, request, argument), fd, KEEP_OWN);
	default:
		return BOTH(int, real()->ioctl(fd, request, argument), fd, other);
	}
}

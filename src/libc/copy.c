/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls in which the kernel itself reads or writes the file: settled at either end. sendfile(2),
 * splice(2), copy_file_range(2), ioctl(2).
 */
#include "libc/export.h"

#include "base/memory.h"
#include "files/reclaim.h"

#include <linux/fs.h>
#include <linux/loop.h>
#include <pthread.h>

/* Where the first is written to, which may leave a hole. */
enum writes { NOWHERE_PAST_END, AT_ITS_OFFSET, ANYWHERE };

#define BOTH(type, call, one, other, writes) \
	({ \
		struct plain first_, second_; \
		type result_; \
		int errno_; \
		begin_both(&first_, &second_, (one), (other), (writes)); \
		result_ = (call); \
		errno_ = errno; \
		plain_end(&second_); \
		plain_end(&first_); \
		errno = errno_; \
		result_; \
	})

static void begin_both(struct plain *first, struct plain *second, int one, int other,
		       enum writes writes)
{
	first->description = second->description = NULL;
	if (managed(one))
		plain_begin(first, one, 0);
	if (writes != NOWHERE_PAST_END)
		plain_leave_hole(first, writes == ANYWHERE);
	if (managed(other) && managed(other) != managed(one))
		plain_begin(second, other, 0);
}

EXPORT ssize_t sendfile(int to, int from, off_t *offset, size_t bytes)
{
	if (!managed(to) && !managed(from))
		return WITH_SPACE(ssize_t, REAL(sendfile)(to, from, offset, bytes),
				  reclaim_for(to));
	return WITH_SPACE(ssize_t,
			  BOTH(ssize_t, REAL(sendfile)(to, from, offset, bytes), to, from,
			       AT_ITS_OFFSET),
			  reclaim_for(to));
}

ALIAS(sendfile64, sendfile);

static void end_plain(void *plain)
{
	plain_end(plain);
}

static ssize_t splice_settled(int from, off_t *from_offset, int to, off_t *to_offset, size_t bytes,
			      unsigned int flags)
{
	struct plain plain;
	ssize_t result;
	int cancel, saved_errno;

	cancel = cancel_disable();
	plain_begin(&plain, managed(to) ? to : from, 0);
	if (managed(to))
		plain_leave_hole(&plain, to_offset);
	/* One end is a pipe, for which it may wait: it is a cancellation point, and stays one. */
	pthread_cleanup_push(end_plain, &plain);
	cancel_restore(cancel);
	result = REAL(splice)(from, from_offset, to, to_offset, bytes, flags);
	saved_errno = errno;
	cancel_disable();
	pthread_cleanup_pop(0);
	plain_end(&plain);
	cancel_restore(cancel);
	errno = saved_errno;
	return result;
}

EXPORT ssize_t splice(int from, off_t *from_offset, int to, off_t *to_offset, size_t bytes,
		      unsigned int flags)
{
	if (!managed(to) && !managed(from))
		return WITH_SPACE(ssize_t,
				  REAL(splice)(from, from_offset, to, to_offset, bytes, flags),
				  reclaim_for(to));
	return WITH_SPACE(ssize_t,
			  splice_settled(from, from_offset, to, to_offset, bytes, flags),
			  reclaim_for(to));
}

EXPORT ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t bytes,
			       unsigned int flags)
{
	if (!managed(to) && !managed(from))
		return WITH_SPACE(ssize_t,
				  REAL(copy_file_range)(from, from_offset, to, to_offset, bytes,
							  flags),
				  reclaim_for(to));
	pthread_testcancel();
	return WITH_SPACE(ssize_t,
			  BOTH(ssize_t,
			       REAL(copy_file_range)(from, from_offset, to, to_offset, bytes,
						       flags),
			       to, from, to_offset ? ANYWHERE : AT_ITS_OFFSET),
			  reclaim_for(to));
}

/* Requests of filesystems and devices that name other files, in structures of their own. */
#define EXT4_IOC_MOVE_EXT _IOWR('f', 15, char[40])
#define F2FS_IOC_MOVE_RANGE _IOWR(0xf5, 9, char[32])
#define XFS_IOC_SWAPEXT _IOWR('X', 109, char[192])
#define XFS_IOC_EXCHANGE_RANGE _IOW('X', 129, char[40])

/* Other files in a structure: which, doesn't matter. */
static bool names_others(unsigned long request)
{
	return request == FIDEDUPERANGE || request == FICLONERANGE || request == EXT4_IOC_MOVE_EXT ||
	       request == F2FS_IOC_MOVE_RANGE || request == XFS_IOC_SWAPEXT ||
	       request == XFS_IOC_EXCHANGE_RANGE;
}

/* The other file of a request that names two, or -1. */
static int second_file(unsigned long request, const void *argument)
{
	switch (request) {
	case FICLONE:
	case LOOP_SET_FD:
	case LOOP_CHANGE_FD:
		return (int)(long)argument;
	case LOOP_CONFIGURE:
		return (int)((const struct loop_config *)argument)->fd;
	default:
		return -1;
	}
}

/* A loop device takes the description itself, and holds it for as long as it likes. */
static bool is_kept_by_device(unsigned long request)
{
	return request == LOOP_SET_FD || request == LOOP_CHANGE_FD || request == LOOP_CONFIGURE;
}

/* All are settled, those that it isn't about as well. */
static int ioctl_of_many(int fd, unsigned long request, void *argument)
{
	int result, saved_errno;

	share_begin();
	result = REAL(ioctl)(fd, request, argument);
	saved_errno = errno;
	share_unbar();
	errno = saved_errno;
	return result;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct description *description = managed(fd);
	struct loop_config loop;
	va_list arguments;
	void *argument;
	int other, result;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (!descriptions_exist() || thread_state.vforked)
		return REAL(ioctl)(fd, request, argument);
	if (names_others(request))
		return ioctl_of_many(fd, request, argument);
	/* The kernel gets what we have looked at, whatever becomes of the program's. */
	if (request == LOOP_CONFIGURE) {
		if (!memory_read(&loop, argument, sizeof(loop)))
			return REAL(ioctl)(fd, request, argument);
		argument = &loop;
	}
	other = second_file(request, argument);
	if (managed(other) && is_kept_by_device(request))
		share_description(managed(other));
	if (!description && !managed(other))
		return REAL(ioctl)(fd, request, argument);

	switch (request) {
	case FIOCLEX:
	case FIONCLEX:
		return REAL(ioctl)(fd, request, argument);
	case FIONREAD:
		result = REAL(ioctl)(fd, request, argument);
		if (result == 0)
			*(int *)argument = (int)files_available(description, fd, *(int *)argument);
		return result;
	case FIOASYNC:
		return PLAIN(int, REAL(ioctl)(fd, request, argument), fd, KEEP_OWN);
	default:
		return BOTH(int, REAL(ioctl)(fd, request, argument), fd, other,
			    request == FICLONERANGE ? ANYWHERE : NOWHERE_PAST_END);
	}
}

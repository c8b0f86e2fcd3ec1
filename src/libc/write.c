/* SPDX-License-Identifier: GPL-2.0-or-later */
/* write(2), pwrite(2), writev(2), pwritev(2), pwritev2(2), dprintf(3). */
#include "libc/transfer.h"
#include "files/reclaim.h"

#include <stdio.h>
#include <stdlib.h>

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20 /* Linux 6.9: at the offset in spite of O_APPEND */
#endif

static ssize_t call_write(const struct transfer *t)
{
	return REAL(write)(t->fd, t->iov->iov_base, t->iov->iov_len);
}

static ssize_t call_pwrite(const struct transfer *t)
{
	return REAL(pwrite)(t->fd, t->iov->iov_base, t->iov->iov_len, t->offset);
}

static ssize_t call_writev(const struct transfer *t)
{
	return REAL(writev)(t->fd, t->iov, t->count);
}

static ssize_t call_pwritev(const struct transfer *t)
{
	return REAL(pwritev)(t->fd, t->iov, t->count, t->offset);
}

static ssize_t call_pwritev2(const struct transfer *t)
{
	return REAL(pwritev2)(t->fd, t->iov, t->count, t->at_offset ? t->offset : -1,
				t->to_end ? t->flags | RWF_APPEND : t->flags);
}

static struct transfer transfer_one(int fd, const struct iovec *iov, bool at_offset, off_t offset,
				    ssize_t (*call)(const struct transfer *))
{
	return (struct transfer){.fd = fd, .at_offset = at_offset, .offset = offset, .iov = iov,
				 .count = 1, .call = call, .bytes = transfer_bytes(iov, 1)};
}

static struct transfer transfer_many(int fd, const struct iovec *iov, int count, bool at_offset,
				     off_t offset, int flags,
				     ssize_t (*call)(const struct transfer *))
{
	return (struct transfer){.fd = fd, .at_offset = at_offset, .offset = offset, .iov = iov,
				 .count = count, .flags = flags & ~RWF_APPEND,
				 .to_end = flags & RWF_APPEND, .apart = flags & RWF_NOAPPEND,
				 .call = call, .bytes = transfer_bytes(iov, count)};
}

__attribute__((noinline)) static ssize_t one(struct description *description, int fd, const void *buffer, size_t bytes,
		   bool at_offset, off_t offset, ssize_t (*call)(const struct transfer *))
{
	struct iovec iov = {(void *)buffer, bytes};
	struct transfer t = transfer_one(fd, &iov, at_offset, offset, call);

	return files_write(description, &t);
}

static ssize_t many(struct description *description, int fd, const struct iovec *iov, int count,
		    bool at_offset, off_t offset, int flags,
		    ssize_t (*call)(const struct transfer *))
{
	struct transfer t = transfer_many(fd, iov, count, at_offset, offset, flags, call);

	return files_write(description, &t);
}

static ssize_t make(struct transfer *t)
{
	return t->call(t);
}

/* The space that a full filesystem lacks may be what we hold in another file. */
static ssize_t unmanaged(struct transfer *t, ssize_t written)
{
	if (written < 0 ? !space_is_lacking() : !descriptions_exist())
		return written;
	return reclaim_write(t, written, make);
}

static ssize_t unmanaged_one(int fd, const void *buffer, size_t bytes, bool at_offset, off_t offset,
			     ssize_t (*call)(const struct transfer *), ssize_t written)
{
	struct iovec iov = {(void *)buffer, bytes};
	struct transfer t = transfer_one(fd, &iov, at_offset, offset, call);

	return unmanaged(&t, written);
}

/* After the real call, which has read the list: otherwise it may not be touched. */
static ssize_t unmanaged_many(int fd, const struct iovec *iov, int count, bool at_offset,
			      off_t offset, int flags, ssize_t (*call)(const struct transfer *),
			      ssize_t written)
{
	struct transfer t;

	if (written < 0 ? !space_is_lacking() : (size_t)written == transfer_bytes(iov, count))
		return written;
	t = transfer_many(fd, iov, count, at_offset, offset, flags, call);
	return unmanaged(&t, written);
}

__attribute__((noinline)) static ssize_t rest_of_passage(const struct asked *asked, bool at_offset,
							 ssize_t written, int error)
{
	struct iovec iov = {(void *)asked->buffer, asked->bytes};
	struct transfer t = transfer_one(asked->fd, &iov, at_offset, asked->offset,
					 at_offset ? call_pwrite : call_write);

	return files_passed(asked->description, &t, written, error);
}

__attribute__((noinline)) static ssize_t write_managed(struct description *description, int fd,
						       const void *buffer, size_t bytes)
{
	struct passage passage;
	struct asked asked;
	ssize_t written;

	if (__builtin_expect(thread_state.vforked, 0))
		return real_calls.write(fd, buffer, bytes);
	if (__builtin_expect(!passage_begin(&passage, description, fd), 0))
		return one(description, fd, buffer, bytes, false, 0, call_write);
	asked_for(&asked, fd, buffer, bytes, 0, description);
	GLANCE_IN_MEMORY(passage);
	written = real_calls.write(fd, buffer, bytes);
	passage_end(&passage, asked.description, -1, written);
	if (__builtin_expect(written == (ssize_t)asked.bytes, 1))
		return written;
	return rest_of_passage(&asked, false, written, passage.error);
}

EXPORT ssize_t write(int fd, const void *buffer, size_t bytes)
{
	struct description *description = table_get(fd);
	struct asked asked;
	ssize_t written;

	if (__builtin_expect(description != NULL, 0))
		return write_managed(description, fd, buffer, bytes);
	asked.fd = fd;
	asked.buffer = buffer;
	asked.bytes = bytes;
	written = real_calls.write(fd, buffer, bytes);
	if (__builtin_expect(written == (ssize_t)asked.bytes, 1))
		return written;
	return unmanaged_one(asked.fd, asked.buffer, asked.bytes, false, 0, call_write, written);
}

ALIAS(__write, write);

__attribute__((noinline)) static ssize_t rest_of_overwrite(const struct asked *asked,
							   const struct glance *glance,
							   ssize_t written)
{
	struct iovec iov = {(void *)asked->buffer, asked->bytes};
	struct transfer t = transfer_one(asked->fd, &iov, true, asked->offset, call_pwrite);

	return files_overwrote(asked->description, &t, glance, written);
}

__attribute__((noinline)) static ssize_t
rest_of_ordinary_overwrite(const struct asked *asked, ssize_t written)
{
	struct iovec iov = {(void *)asked->buffer, asked->bytes};
	struct transfer t = transfer_one(asked->fd, &iov, true, asked->offset, call_pwrite);

	return files_overwrote_ordinary(asked->description, &t, written);
}

__attribute__((noinline)) static ssize_t pwrite_to_end(int fd, const void *buffer, size_t bytes,
						       off_t offset,
						       struct description *description)
{
	struct passage passage;
	struct asked asked;
	ssize_t written;

	if (offset < 0)
		return real_calls.pwrite(fd, buffer, bytes, offset);
	if (__builtin_expect(!passage_begin(&passage, description, fd), 0))
		return one(description, fd, buffer, bytes, true, offset, call_pwrite);
	asked_for(&asked, fd, buffer, bytes, offset, description);
	GLANCE_IN_MEMORY(passage);
	written = real_calls.pwrite(fd, buffer, bytes, offset);
	passage_end(&passage, asked.description, asked.offset, written);
	if (__builtin_expect(written == (ssize_t)asked.bytes, 1))
		return written;
	return rest_of_passage(&asked, true, written, passage.error);
}

__attribute__((noinline)) static ssize_t pwrite_ordinary(int fd, const void *buffer, size_t bytes,
							 off_t offset,
							 struct description *description)
{
	struct asked asked;
	uint32_t resizes;
	ssize_t written;

	if (!glance_overwrites_ordinary(description, offset, bytes, &resizes))
		return pwrite_to_end(fd, buffer, bytes, offset, description);
	asked_for(&asked, fd, buffer, bytes, offset, description);
	GLANCE_IN_MEMORY(resizes);
	written = real_calls.pwrite(fd, buffer, bytes, offset);
	if (written == (ssize_t)asked.bytes &&
	    glance_overwrote_ordinary(asked.description, asked.fd, resizes))
		return written;
	return rest_of_ordinary_overwrite(&asked, written);
}

/* The arguments stand in the registers in which they came. */
__attribute__((noinline)) static ssize_t pwrite_managed(int fd, const void *buffer, size_t bytes,
							off_t offset,
							struct description *description)
{
	struct glance glance;
	struct asked asked;
	ssize_t written;

	if (thread_state.vforked)
		return real_calls.pwrite(fd, buffer, bytes, offset);
	if (!slot_is_extended(atomic_load_explicit(&description->slot, memory_order_acquire)))
		return pwrite_ordinary(fd, buffer, bytes, offset, description);
	if (!glance_overwrites(&glance, description, offset, bytes))
		return pwrite_to_end(fd, buffer, bytes, offset, description);
	asked_for(&asked, fd, buffer, bytes, offset, description);
	GLANCE_IN_MEMORY(glance);
	written = real_calls.pwrite(fd, buffer, bytes, offset);
	if (written == (ssize_t)asked.bytes && glance_overwrote(&glance, asked.offset, asked.bytes))
		return written;
	return rest_of_overwrite(&asked, &glance, written);
}

EXPORT ssize_t pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	struct description *description = table_get(fd);
	struct asked asked;
	ssize_t written;

	if (__builtin_expect(description != NULL, 0))
		return pwrite_managed(fd, buffer, bytes, offset, description);
	asked.fd = fd;
	asked.buffer = buffer;
	asked.bytes = bytes;
	asked.offset = offset;
	written = real_calls.pwrite(fd, buffer, bytes, offset);
	if (__builtin_expect(written == (ssize_t)asked.bytes, 1))
		return written;
	return unmanaged_one(asked.fd, asked.buffer, asked.bytes, true, asked.offset, call_pwrite,
			     written);
}

ALIAS(pwrite64, pwrite);
ALIAS(__pwrite64, pwrite);

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	struct description *description = managed(fd);

	if (description && !iov_is_odd(iov, count))
		return many(description, fd, iov, count, false, 0, 0, call_writev);
	if (description && iov_may_turn_out(count))
		return PLAIN(ssize_t, REAL(writev)(fd, iov, count), fd, 0);
	return unmanaged_many(fd, iov, count, false, 0, 0, call_writev,
			      REAL(writev)(fd, iov, count));
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	struct description *description = managed(fd);

	if (description && offset >= 0 && !iov_is_odd(iov, count))
		return many(description, fd, iov, count, true, offset, 0, call_pwritev);
	if (description && offset >= 0 && iov_may_turn_out(count))
		return PLAIN(ssize_t, REAL(pwritev)(fd, iov, count, offset), fd, 0);
	return unmanaged_many(fd, iov, count, true, offset, 0, call_pwritev,
			      REAL(pwritev)(fd, iov, count, offset));
}

ALIAS(pwritev64, pwritev);

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	struct description *description = managed(fd);

	if (description && offset >= -1 && !iov_is_odd(iov, count))
		return many(description, fd, iov, count, offset != -1, offset, flags, call_pwritev2);
	if (description && offset >= -1 && iov_may_turn_out(count))
		return PLAIN(ssize_t, REAL(pwritev2)(fd, iov, count, offset, flags), fd, 0);
	return unmanaged_many(fd, iov, count, offset != -1, offset, flags, call_pwritev2,
			      REAL(pwritev2)(fd, iov, count, offset, flags));
}

ALIAS(pwritev64v2, pwritev2);

/* It writes from the inside, and mostly in the handler of a crash: on an ordinary file. */
EXPORT void backtrace_symbols_fd(void *const *addresses, int count, int fd)
{
	if (managed(fd))
		PLAIN(int, (REAL(backtrace_symbols_fd)(addresses, count, fd), 0), fd, 0);
	else
		REAL(backtrace_symbols_fd)(addresses, count, fd);
}

ALIAS(__backtrace_symbols_fd, backtrace_symbols_fd);

/* libc would write from the inside, past us. */
static int format_and_write(int fd, const char *format, va_list arguments)
{
	char *text;
	int length = vasprintf(&text, format, arguments);
	int done = 0, saved_errno;

	if (length < 0)
		return -1;
	while (done < length) {
		ssize_t written = write(fd, text + done, (size_t)(length - done));

		if (written < 0)
			break;
		done += (int)written;
	}
	saved_errno = errno;
	free(text);
	errno = saved_errno;
	return done == length ? length : -1;
}

EXPORT int vdprintf(int fd, const char *format, va_list arguments)
{
	if (!managed(fd))
		return REAL(vdprintf)(fd, format, arguments);
	return format_and_write(fd, format, arguments);
}

EXPORT int dprintf(int fd, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vdprintf(fd, format, arguments);
	va_end(arguments);
	return length;
}

/* With _FORTIFY_SOURCE; its check of %n is not made for managed files. */
EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments)
{
	if (!managed(fd))
		return REAL(__vdprintf_chk)(fd, flag, format, arguments);
	return format_and_write(fd, format, arguments);
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = __vdprintf_chk(fd, flag, format, arguments);
	va_end(arguments);
	return length;
}

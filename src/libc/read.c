/* SPDX-License-Identifier: GPL-2.0-or-later */
/* read(2), pread(2), readv(2), preadv(2), preadv2(2): a read stops where the program's data ends. */
#include "libc/transfer.h"

static ssize_t call_read(const struct transfer *t)
{
	return REAL(read)(t->fd, t->iov->iov_base, t->iov->iov_len);
}

static ssize_t call_pread(const struct transfer *t)
{
	return REAL(pread)(t->fd, t->iov->iov_base, t->iov->iov_len, t->offset);
}

static ssize_t call_readv(const struct transfer *t)
{
	return REAL(readv)(t->fd, t->iov, t->count);
}

static ssize_t call_preadv(const struct transfer *t)
{
	return REAL(preadv)(t->fd, t->iov, t->count, t->offset);
}

static ssize_t call_preadv2(const struct transfer *t)
{
	return REAL(preadv2)(t->fd, t->iov, t->count, t->at_offset ? t->offset : -1, t->flags);
}

static ssize_t one(struct description *description, int fd, void *buffer, size_t bytes,
		   bool at_offset, off_t offset, ssize_t (*call)(const struct transfer *))
{
	struct iovec iov = {buffer, bytes};
	struct transfer t = {.fd = fd, .at_offset = at_offset, .offset = offset, .iov = &iov,
			     .count = 1, .call = call,
			     .bytes = bytes < MAX_TRANSFER ? bytes : MAX_TRANSFER};

	return files_read(description, &t);
}

static ssize_t many(struct description *description, int fd, const struct iovec *iov, int count,
		    bool at_offset, off_t offset, int flags,
		    ssize_t (*call)(const struct transfer *))
{
	struct transfer t = {.fd = fd, .at_offset = at_offset, .offset = offset, .iov = iov,
			     .count = count, .flags = flags, .call = call,
			     .bytes = transfer_bytes(iov, count)};

	return files_read(description, &t);
}

EXPORT ssize_t read(int fd, void *buffer, size_t bytes)
{
	struct description *description = managed(fd);

	if (!description)
		return real_calls.read(fd, buffer, bytes);
	return one(description, fd, buffer, bytes, false, 0, call_read);
}

ALIAS(__read, read);

EXPORT ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t room)
{
	struct description *description = managed(fd);

	if (!description || bytes > room)
		return REAL(__read_chk)(fd, buffer, bytes, room);
	return one(description, fd, buffer, bytes, false, 0, call_read);
}

__attribute__((noinline)) static ssize_t pread_at_end(int fd, void *buffer, size_t bytes,
						      off_t offset,
						      struct description *description)
{
	if (offset < 0)
		return real_calls.pread(fd, buffer, bytes, offset);
	return one(description, fd, buffer, bytes, true, offset, call_pread);
}

/* The arguments stand in the registers in which they came. */
__attribute__((noinline)) static ssize_t pread_managed(int fd, void *buffer, size_t bytes,
						       off_t offset,
						       struct description *description)
{
	struct glance glance;
	struct asked asked;
	ssize_t got;

	if (thread_state.vforked)
		return real_calls.pread(fd, buffer, bytes, offset);
	if (!glance_reads(&glance, description, offset, bytes))
		return pread_at_end(fd, buffer, bytes, offset, description);
	asked_for(&asked, fd, buffer, bytes, offset, description);
	GLANCE_IN_MEMORY(glance);
	got = real_calls.pread(fd, buffer, bytes, offset);
	if (glance_holds(&glance, asked.description, asked.fd))
		return got;
	return pread_at_end(asked.fd, (void *)asked.buffer, asked.bytes, asked.offset,
			    asked.description);
}

EXPORT ssize_t pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	struct description *description = table_get(fd);

	if (__builtin_expect(!description, 1))
		return real_calls.pread(fd, buffer, bytes, offset);
	return pread_managed(fd, buffer, bytes, offset, description);
}

ALIAS(pread64, pread);
ALIAS(__pread64, pread);

EXPORT ssize_t __pread_chk(int fd, void *buffer, size_t bytes, off_t offset, size_t room)
{
	struct description *description = managed(fd);

	if (!description || offset < 0 || bytes > room)
		return REAL(__pread_chk)(fd, buffer, bytes, offset, room);
	return one(description, fd, buffer, bytes, true, offset, call_pread);
}

ALIAS(__pread64_chk, __pread_chk);

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	struct description *description = managed(fd);

	if (!description || iov_is_odd(iov, count))
		return description && iov_may_turn_out(count)
			       ? PLAIN(ssize_t, REAL(readv)(fd, iov, count), fd, 0)
			       : REAL(readv)(fd, iov, count);
	return many(description, fd, iov, count, false, 0, 0, call_readv);
}

EXPORT ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	struct description *description = managed(fd);

	if (!description || offset < 0 || iov_is_odd(iov, count))
		return description && iov_may_turn_out(count)
			       ? PLAIN(ssize_t, REAL(preadv)(fd, iov, count, offset), fd, 0)
			       : REAL(preadv)(fd, iov, count, offset);
	return many(description, fd, iov, count, true, offset, 0, call_preadv);
}

ALIAS(preadv64, preadv);

EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	struct description *description = managed(fd);

	if (!description || offset < -1 || iov_is_odd(iov, count))
		return description && iov_may_turn_out(count)
			       ? PLAIN(ssize_t, REAL(preadv2)(fd, iov, count, offset, flags), fd, 0)
			       : REAL(preadv2)(fd, iov, count, offset, flags);
	return many(description, fd, iov, count, offset != -1, offset, flags, call_preadv2);
}

ALIAS(preadv64v2, preadv2);

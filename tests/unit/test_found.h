/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program's writes and syncs on a twin (test_engage_twin.h), how often the guardian was asked for them,
 * and what is found in a copy of the file as it is at any moment. After cmocka.h.
 */
#ifndef TEST_FOUND_H
#define TEST_FOUND_H

#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "base/thread.h"
#include "files/engage.h"
#include "files/seal.h"
#include "recovery/recover.h"
#include "test_engage_twin.h"

#define PAGE 4096

static struct sys real;
static unsigned int questions, syncs;
static int sync_errno; /* 0: it succeeds */

static ssize_t counting_sendmsg(int fd, const struct msghdr *message, int flags)
{
	questions++;
	return real.sendmsg(fd, message, flags);
}

static int counting_fdatasync(int fd)
{
	syncs++;
	if (!sync_errno)
		return real.fdatasync(fd);
	errno = sync_errno;
	return -1;
}

/* How many questions the guardian was asked since. */
static unsigned int asked(void)
{
	unsigned int count = questions;

	questions = 0;
	return count;
}

static unsigned int synced(void)
{
	unsigned int count = syncs;

	syncs = 0;
	return count;
}

static ssize_t call_pwritev2(const struct transfer *t)
{
	return pwritev2(t->fd, t->iov, t->count, t->at_offset ? t->offset : -1, t->flags);
}

static ssize_t put_iov(struct twin *t, const struct iovec *iov, int count, int64_t offset, int flags)
{
	struct transfer transfer = {.fd = t->fd, .at_offset = offset >= 0, .offset = offset,
				    .iov = iov, .count = count, .flags = flags,
				    .call = call_pwritev2};

	for (int i = 0; i < count; i++)
		transfer.bytes += iov[i].iov_len;
	return files_write(table_get(t->fd), &transfer);
}

/* data: 'x' and '.', which stands for zero. */
static void put_with(struct twin *t, const char *data, int64_t offset, int flags)
{
	size_t length = strlen(data);
	char *bytes = strdup(data);
	struct iovec iov = {bytes, length};

	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '.')
			bytes[i] = 0;
	assert_int_equal(put_iov(t, &iov, 1, offset, flags), length);
	free(bytes);
}

static void append(struct twin *t, const char *data)
{
	put_with(t, data, -1, 0);
}

static void overwrite(struct twin *t, const char *data, int64_t offset)
{
	put_with(t, data, offset, 0);
}

static void sync_it(struct twin *t)
{
	assert_int_equal(files_sync(t->fd, fsync), 0);
}

static struct claim_slot *slot_of(struct twin *t)
{
	return atomic_load(&table_get(t->fd)->slot);
}

static int64_t data_end(struct twin *t)
{
	return atomic_load(&slot_of(t)->positions.data_end);
}

/* Ten bytes, and extended from there. */
static void begin_with(struct twin *t, int flags)
{
	twin_open(t, "a.log", flags);
	append(t, "xxxxx");
	append(t, "xxxxx");
	assert_true(twin_is_extended(t));
	assert_int_equal(data_end(t), 10);
	asked();
	synced();
}

static void begin(struct twin *t)
{
	begin_with(t, O_RDWR);
}

static void end(struct twin *t)
{
	files_closing(t->fd);
	close(t->fd);
	close(t->plain);
}


static void copy_bytes(int from, int to, int64_t size)
{
	char page[PAGE];

	assert_int_equal(ftruncate(to, size), 0);
	for (int64_t at = 0; at < size; at += PAGE) {
		static const char none[PAGE];
		ssize_t got = pread(from, page, sizeof(page), at);

		assert_true(got > 0);
		if (memcmp(page, none, (size_t)got) != 0)
			assert_int_equal(pwrite(to, page, (size_t)got, at), got);
	}
}

/* What recovery makes of the file, were all of it on the disk now: its size. */
static int64_t found_after(struct twin *t)
{
	struct certainty vouched = {.vouched = true};
	const struct recover_options options = {.certainty = &vouched};
	struct recovery recovery;
	struct mark mark, own = {0};
	struct record record;
	struct stat st;
	char path[4096];
	int64_t at;
	int copy;

	snprintf(path, sizeof(path), "%s/copy", twin_directory);
	unlink(path);
	copy = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(copy >= 0);
	assert_int_equal(fstat(t->fd, &st), 0);
	copy_bytes(t->fd, copy, st.st_size);
	assert_int_equal(mark_read(t->fd, &mark), 0);
	assert_int_equal(mark_identify(&own, copy), 0);
	at = record_place(st.st_size);
	if (record_read(copy, at, mark.key, mark.ino, &record) > 0) {
		record.ino = own.ino;
		assert_int_equal(record_write(copy, at, &record), 0);
	}
	mark.ino = own.ino;
	mark.generation = own.generation;
	assert_int_equal(mark_write(copy, &mark), 0);
	assert_int_equal(recover_file(copy, &options, &recovery), 0);
	assert_int_equal(fstat(copy, &st), 0);
	assert_int_equal(st.st_size, recovery.size);
	close(copy);
	return st.st_size;
}

#define assert_found(t, size) assert_int_equal(found_after(t), size)

static int found_set_up(void **state)
{
	int result = twin_set_up(state);

	real = sys;
	sys.sendmsg = counting_sendmsg;
	sys.fdatasync = counting_fdatasync;
	return result;
}

#endif

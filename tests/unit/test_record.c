/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of the end: as it is stored, its place, and what becomes of it when a call fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "recovery/digest.h"
#include "recovery/record.h"

#define PAGE RECORD_BYTES
#define STORED 72

static struct sys real;
static int error;      /* of the next calls, `times` times */
static int times;
static bool short_write, no_zero_range;
static unsigned int written;

static bool fails(void)
{
	if (times == 0)
		return false;
	times--;
	errno = error;
	return true;
}

static ssize_t failing_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	struct iovec less = {iov->iov_base, 100};

	written++;
	if (fails())
		return -1;
	return real.pwritev(fd, short_write ? &less : iov, count, offset);
}

/* What is read is read by pread(2) then. */
static void *no_mapping(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	(void)address, (void)bytes, (void)protection, (void)flags, (void)fd, (void)offset;
	errno = ENODEV;
	return (void *)-1; /* MAP_FAILED */
}

static ssize_t failing_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	return fails() ? -1 : real.pread(fd, buffer, bytes, offset);
}

static int failing_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	assert_int_equal(mode, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
	if (!no_zero_range)
		return real.fallocate(fd, mode, offset, bytes);
	errno = EOPNOTSUPP;
	return -1;
}

static void fail_at(int with, int so_often)
{
	error = with;
	times = so_often;
}

static int a_file(int64_t size)
{
	char path[] = "/var/tmp/preallocate-record.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static const struct record some = {
	.key = 0x12345678, .open = true, .ino = UINT64_C(0x1122334455667788),
	.synced_end = 5, .end = INT64_C(1) << 40, .nonzero_end = 7, .stride = 0x20304,
};

static void assert_same(const struct record *a, const struct record *b)
{
	assert_int_equal(a->key, b->key);
	assert_int_equal(a->open, b->open);
	assert_true(a->ino == b->ino && a->synced_end == b->synced_end);
	assert_true(a->end == b->end && a->nonzero_end == b->nonzero_end);
	assert_true(a->zeroes == b->zeroes && a->stride == b->stride);
}

static void its_place_is_the_last_whole_page(void **state)
{
	(void)state;
	assert_int_equal(record_place(0), -1);
	assert_int_equal(record_place(PAGE - 1), -1);
	assert_int_equal(record_place(PAGE), 0);
	assert_int_equal(record_place(2 * PAGE - 1), 0);
	assert_int_equal(record_place(2 * PAGE), PAGE);
	assert_true(record_place(INT64_MAX) > 0 && record_place(INT64_MAX) % PAGE == 0);
}

/* As it is on disks: it has to be read by every version to come. */
static void it_is_stored_little_endian(void **state)
{
	static unsigned char page[PAGE];
	static const unsigned char stored[PAGE] = {
		'p', 'r', 'e', 'a', 'l', 'l', 'o', 'c', 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12,
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 5, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 1, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2,
	};
	uint32_t sum = htole32(digest(stored, STORED));
	struct record record;

	(void)state;
	memset(page, 'x', sizeof(page));
	record_encode(&some, page);
	assert_memory_equal(page, stored, 8);
	assert_memory_equal(page + 8, &sum, sizeof(sum));
	assert_memory_equal(page + 12, stored + 12, PAGE - 12);
	assert_int_equal(record_decode(&record, page), 0);
	assert_same(&record, &some);
}

static void other_pages_are_none(void **state)
{
	static unsigned char page[PAGE];
	struct record record;

	(void)state;
	assert_int_equal(record_decode(&record, page), -EINVAL);
	record_encode(&some, page);
	for (int i = 0; i < STORED * 8; i++) {
		page[i / 8] ^= (unsigned char)(1 << i % 8);
		assert_int_equal(record_decode(&record, page), -EINVAL);
		page[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	for (int i = STORED; i < PAGE; i++) {
		page[i] = 1;
		assert_int_equal(record_decode(&record, page), -EINVAL);
		page[i] = 0;
	}
	assert_int_equal(record_decode(&record, page), 0);
}

static void what_somebody_made_up_is_none(void **state)
{
	static const struct record none[] = {
		{.key = 0, .end = 10},
		{.key = 1, .end = 10, .synced_end = -1},
		{.key = 1, .end = 10, .synced_end = 11},
		{.key = 1, .end = 10, .nonzero_end = -1},
		{.key = 1, .end = 10, .nonzero_end = 11},
		{.key = 1, .end = -1, .synced_end = -2},
		{.key = 1, .end = 10, .zeroes = -1},
		{.key = 1, .end = 10, .stride = -1},
		{.key = 1, .end = 10, .zeroes = 1, .stride = 1},
		{.key = 1, .end = 10, .zeroes = RECORD_LONGEST_STRIDE + 1},
		{.key = 1, .end = 10, .stride = RECORD_LONGEST_STRIDE + 1},
	};
	static const struct record whole = {.key = 1, .end = 10, .synced_end = 10,
					    .nonzero_end = 10, .zeroes = RECORD_LONGEST_STRIDE};
	static unsigned char page[PAGE];
	struct record record;
	uint32_t sum;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		record_encode(&none[i], page);
		assert_int_equal(record_decode(&record, page), -EINVAL);
	}
	record_encode(&whole, page);
	assert_int_equal(record_decode(&record, page), 0);
	assert_same(&record, &whole);
	/* Of a later version, perhaps. */
	page[48] = 2;
	memset(page + 8, 0, sizeof(sum));
	sum = htole32(digest(page, STORED));
	memcpy(page + 8, &sum, sizeof(sum));
	assert_int_equal(record_decode(&record, page), -EINVAL);
}

static void it_tells_where_later_data_end(void **state)
{
	static const struct {
		int64_t end, zeroes, stride, nonzero_end, told;
	} rows[] = {
		{100, 0, 0, 50, 50}, {100, 0, 0, 150, 150},
		{100, 3, 0, 99, 99}, {100, 3, 0, 100, 100}, {100, 3, 0, 101, 104},
		{100, 0, 10, 100, 100}, {100, 0, 10, 101, 110}, {100, 0, 10, 110, 110},
		{100, 0, 10, 111, 120}, {100, 0, 10, 99, 99},
		/* What can't be is not believed. */
		{-1, 3, 10, 100, 100}, {INT64_MIN, 3, 10, INT64_MAX, INT64_MAX},
		{0, -5, 0, 100, 100}, {0, 0, -5, 100, 100},
		{0, INT64_MAX, 0, 100, INT64_MAX}, {1, 0, INT64_MAX, 100, INT64_MAX},
		{0, 0, INT64_MAX, 100, INT64_MAX}, {0, 5, 0, INT64_MAX - 4, INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record record = {.end = rows[i].end, .zeroes = rows[i].zeroes,
					.stride = rows[i].stride};

		if (record_told_end(&record, rows[i].nonzero_end) != rows[i].told)
			fail_msg("row %zu: %lld", i,
				 (long long)record_told_end(&record, rows[i].nonzero_end));
	}
}

static void it_is_written_and_read(void **state)
{
	int fd = a_file(3 * PAGE);
	struct record record;

	(void)state;
	assert_int_equal(record_read(fd, PAGE, some.key, some.ino, &record), 0);
	assert_int_equal(record_write(fd, PAGE, &some), 0);
	assert_int_equal(record_read(fd, PAGE, some.key, some.ino, &record), 1);
	assert_same(&record, &some);
	assert_int_equal(record_read(fd, PAGE, some.key + 1, some.ino, &record), 0);
	assert_int_equal(record_read(fd, PAGE, some.key, some.ino + 1, &record), 0);
	assert_int_equal(record_read(fd, 0, some.key, some.ino, &record), 0);
	assert_int_equal(record_read(fd, -1, some.key, some.ino, &record), 0);
	/* Cut in the middle. */
	assert_int_equal(ftruncate(fd, 2 * PAGE - 1), 0);
	assert_int_equal(record_read(fd, PAGE, some.key, some.ino, &record), 0);
	close(fd);
}

static void an_interrupted_call_is_made_again(void **state)
{
	int fd = a_file(2 * PAGE);
	struct record record;

	(void)state;
	fail_at(EINTR, 3);
	assert_int_equal(record_write(fd, PAGE, &some), 0);
	assert_int_equal(times, 0);
	fail_at(EINTR, 3);
	assert_int_equal(record_read(fd, PAGE, some.key, some.ino, &record), 1);
	assert_int_equal(times, 0);
	close(fd);
}

static void a_call_that_fails_says_so(void **state)
{
	int fd = a_file(2 * PAGE);
	struct record record;

	(void)state;
	fail_at(EDQUOT, 1);
	assert_int_equal(record_write(fd, PAGE, &some), -EDQUOT);
	short_write = true;
	assert_int_equal(record_write(fd, PAGE, &some), -EIO);
	short_write = false;
	assert_int_equal(record_write(fd, PAGE, &some), 0);
	fail_at(EIO, 1);
	assert_int_equal(record_read(fd, PAGE, some.key, some.ino, &record), -EIO);
	close(fd);
}

static void cleared_it_is_zeroes(void **state)
{
	static const char zeroes[PAGE];
	char page[PAGE];
	int fd = a_file(3 * PAGE);

	(void)state;
	for (int how = 0; how < 2; how++) {
		no_zero_range = how == 1;
		assert_int_equal(pwrite(fd, "x", 1, PAGE - 1), 1);
		assert_int_equal(pwrite(fd, "x", 1, 2 * PAGE), 1);
		assert_int_equal(record_write(fd, PAGE, &some), 0);
		written = 0;
		assert_int_equal(record_clear(fd, PAGE), 0);
		/* By the journal, where there is one. */
		assert_int_equal(written, how);
		assert_int_equal(pread(fd, page, PAGE, PAGE), PAGE);
		assert_memory_equal(page, zeroes, PAGE);
		assert_int_equal(pread(fd, page, 1, PAGE - 1), 1);
		assert_int_equal(page[0], 'x');
		assert_int_equal(pread(fd, page, 1, 2 * PAGE), 1);
		assert_int_equal(page[0], 'x');
		assert_int_equal(lseek(fd, 0, SEEK_END), 3 * PAGE);
	}
	fail_at(EIO, 1);
	assert_int_equal(record_clear(fd, PAGE), -EIO);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	fail_at(0, 0);
	short_write = no_zero_range = false;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(its_place_is_the_last_whole_page, set_up),
		cmocka_unit_test_setup(it_is_stored_little_endian, set_up),
		cmocka_unit_test_setup(other_pages_are_none, set_up),
		cmocka_unit_test_setup(what_somebody_made_up_is_none, set_up),
		cmocka_unit_test_setup(it_tells_where_later_data_end, set_up),
		cmocka_unit_test_setup(it_is_written_and_read, set_up),
		cmocka_unit_test_setup(an_interrupted_call_is_made_again, set_up),
		cmocka_unit_test_setup(a_call_that_fails_says_so, set_up),
		cmocka_unit_test_setup(cleared_it_is_zeroes, set_up),
	};

	real = sys;
	sys.pwritev = failing_pwritev;
	sys.mmap = no_mapping;
	sys.pread = failing_pread;
	sys.fallocate = failing_fallocate;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

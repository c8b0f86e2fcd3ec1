/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mark: as it is stored, whose it is, and what becomes of it when a call fails. */
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
#include <sys/xattr.h>
#include <unistd.h>

#include "base/sys.h"
#include "recovery/digest.h"
#include "recovery/mark.h"

static struct sys real;
static const char *failing; /* this call, `times` times */
static int times, failures;
static ssize_t random_bytes; /* what getrandom(2) gives: 0: zeroes, < 0: an error */

ssize_t __wrap_getrandom(void *buffer, size_t bytes, unsigned int flags);
ssize_t __wrap_getrandom(void *buffer, size_t bytes, unsigned int flags)
{
	(void)flags;
	if (random_bytes < 0)
		return -1;
	memset(buffer, random_bytes ? 7 : 0, bytes);
	return (ssize_t)bytes;
}

static bool fails(const char *name)
{
	if (!failing || strcmp(name, failing) != 0 || failures == times)
		return false;
	failures++;
	errno = EIO;
	return true;
}

static int failing_fstat(int fd, struct stat *st)
{
	return fails("fstat") ? -1 : real.fstat(fd, st);
}

static int failing_openat(int dirfd, const char *path, int flags, ...)
{
	return fails("openat") ? -1 : real.openat(dirfd, path, flags);
}

static ssize_t failing_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	return fails("pread") ? -1 : real.pread(fd, buffer, bytes, offset);
}

static int failing_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return fails("ioctl") ? -1 : real.ioctl(fd, request, argument);
}

static int failing_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	return fails("fsetxattr") ? -1 : real.fsetxattr(fd, name, value, size, flags);
}

static ssize_t failing_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return fails("fgetxattr") ? -1 : real.fgetxattr(fd, name, value, size);
}

static int failing_fremovexattr(int fd, const char *name)
{
	return fails("fremovexattr") ? -1 : real.fremovexattr(fd, name);
}

static void fail_at(const char *name, int so_often)
{
	failing = name;
	times = so_often;
	failures = 0;
}

static int a_file(void)
{
	char path[] = "/var/tmp/preallocate-mark.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static const struct mark some = {
	.key = 0x12345678, .generation = 0xfedcba98, .flags = MARK_DOUBTED,
	.ino = UINT64_C(0x1122334455667788), .floor = 1, .data_end = INT64_C(1) << 33,
	.size_before = (INT64_C(1) << 40) + 5, .file_end = INT64_MAX,
};

static void assert_same(const struct mark *a, const struct mark *b)
{
	assert_int_equal(a->key, b->key);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->flags, b->flags);
	assert_true(a->ino == b->ino);
	assert_true(a->floor == b->floor && a->data_end == b->data_end);
	assert_true(a->size_before == b->size_before && a->file_end == b->file_end);
}

/* As it is on disks: it has to be read by every version to come. */
static void it_is_stored_little_endian(void **state)
{
	static const unsigned char stored[MARK_BYTES] = {
		0x71, 0x61, 1, 0, 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12,
		0x98, 0xba, 0xdc, 0xfe, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
		1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 1, 0, 0,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	};
	unsigned char bytes[MARK_BYTES];
	uint32_t sum = htole32(digest(stored, sizeof(stored)));
	struct mark mark;

	(void)state;
	mark_encode(&some, bytes);
	assert_memory_equal(bytes + 4, &sum, sizeof(sum));
	assert_memory_equal(bytes, stored, 4);
	assert_memory_equal(bytes + 8, stored + 8, MARK_BYTES - 8);
	assert_int_equal(mark_decode(&mark, bytes, MARK_BYTES), 0);
	assert_same(&mark, &some);
}

static void other_bytes_are_none(void **state)
{
	unsigned char bytes[MARK_BYTES + 1] = {0};
	struct mark mark;
	uint32_t sum;

	(void)state;
	mark_encode(&some, bytes);
	for (int64_t size = 0; size <= MARK_BYTES + 1; size++)
		assert_int_equal(mark_decode(&mark, bytes, size), size == MARK_BYTES ? 0 : -EINVAL);
	for (int i = 0; i < MARK_BYTES * 8; i++) {
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
		assert_int_equal(mark_decode(&mark, bytes, MARK_BYTES), -EINVAL);
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	/* Of a later version, perhaps: its digest is right. */
	bytes[0]++;
	memset(bytes + 4, 0, sizeof(sum));
	sum = htole32(digest(bytes, MARK_BYTES));
	memcpy(bytes + 4, &sum, sizeof(sum));
	assert_int_equal(mark_decode(&mark, bytes, MARK_BYTES), -EINVAL);
}

static void what_somebody_made_up_is_none(void **state)
{
	static const struct mark none[] = {
		{.key = 0, .floor = 1, .data_end = 2, .size_before = 3, .file_end = 4},
		{.key = 1, .floor = -1, .data_end = 2, .size_before = 3, .file_end = 4},
		{.key = 1, .floor = 3, .data_end = 2, .size_before = 3, .file_end = 4},
		{.key = 1, .floor = 1, .data_end = 4, .size_before = 3, .file_end = 4},
		{.key = 1, .floor = 1, .data_end = 2, .size_before = 5, .file_end = 4},
		{.key = 1, .floor = -4, .data_end = -3, .size_before = -2, .file_end = -1},
	};
	static const struct mark least = {.key = 1};
	unsigned char bytes[MARK_BYTES];
	struct mark mark;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		mark_encode(&none[i], bytes);
		assert_int_equal(mark_decode(&mark, bytes, MARK_BYTES), -EINVAL);
	}
	mark_encode(&least, bytes);
	assert_int_equal(mark_decode(&mark, bytes, MARK_BYTES), 0);
}

static void a_file_has_it_or_not(void **state)
{
	char long_one[MARK_BYTES + 9] = {0};
	int fd = a_file();
	struct mark mark;

	(void)state;
	assert_int_equal(mark_read(fd, &mark), -ENODATA);
	assert_int_equal(mark_remove(fd), -ENODATA);
	assert_int_equal(mark_write(fd, &some), 0);
	assert_int_equal(mark_read(fd, &mark), 0);
	assert_same(&mark, &some);
	assert_int_equal(fsetxattr(fd, MARK_NAME, long_one, sizeof(long_one), 0), 0);
	assert_int_equal(mark_read(fd, &mark), -EINVAL);
	assert_int_equal(fsetxattr(fd, MARK_NAME, long_one, 3, 0), 0);
	assert_int_equal(mark_read(fd, &mark), -EINVAL);
	assert_int_equal(mark_remove(fd), 0);
	assert_int_equal(mark_read(fd, &mark), -ENODATA);
	close(fd);
}

static void a_call_that_fails_says_so(void **state)
{
	int fd = a_file();
	struct mark mark;

	(void)state;
	fail_at("fsetxattr", 1);
	assert_int_equal(mark_write(fd, &some), -EIO);
	assert_int_equal(mark_read(fd, &mark), -ENODATA);
	assert_int_equal(mark_write(fd, &some), 0);
	fail_at("fgetxattr", 1);
	assert_int_equal(mark_read(fd, &mark), -EIO);
	/* Nobody would look after it until the next crash. */
	fail_at("fremovexattr", 3);
	assert_int_equal(mark_remove(fd), -EIO);
	assert_int_equal(failures, 3);
	assert_int_equal(mark_read(fd, &mark), 0);
	fail_at("fremovexattr", 2);
	assert_int_equal(mark_remove(fd), 0);
	close(fd);
}

static void it_tells_the_file(void **state)
{
	struct mark mark = {.floor = 5}, again;
	int fd = a_file(), other = a_file();
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(mark_identify(&mark, fd), 0);
	assert_int_equal(mark.ino, st.st_ino);
	assert_int_equal(mark.key, 0x07070707);
	assert_int_equal(mark.floor, 5);
	assert_true(mark_agrees(&mark, fd, &st));
	assert_int_equal(mark_identify(&again, other), 0);
	assert_true(again.ino != mark.ino);
	fail_at("fstat", 1);
	assert_int_equal(mark_identify(&again, fd), -EIO);
	fail_at("ioctl", 1);
	assert_int_equal(mark_identify(&again, fd), 0);
	assert_int_equal(again.generation, 0);
	close(fd);
	close(other);
}

static void a_key_is_never_zero(void **state)
{
	struct mark mark, again;
	int fd = a_file();

	(void)state;
	random_bytes = 0;
	assert_int_equal(mark_identify(&mark, fd), 0);
	assert_int_equal(mark.key, 1);
	random_bytes = -1;
	assert_int_equal(mark_identify(&mark, fd), 0);
	assert_int_equal(mark_identify(&again, fd), 0);
	assert_int_not_equal(mark.key, 0);
	assert_int_not_equal(mark.key, again.key);
	close(fd);
}

static void it_agrees_with_its_own_file(void **state)
{
	static const struct {
		int64_t data_end, size_before, file_end, size;
		uint16_t flags;
		bool agrees;
	} rows[] = {
		{5, 10, 20, 10, 0, true},
		{5, 10, 20, 15, 0, true}, /* in the middle of an allocation */
		{5, 10, 20, 20, 0, true},
		{5, 10, 20, 9, 0, false},
		{5, 10, 20, 21, 0, false},
		{5, 10, 20, 5, MARK_SETTLED, true},
		{5, 10, 20, 20, MARK_SETTLED, true},
		{5, 10, 20, 10, MARK_SETTLED, false},
		{5, 10, 20, 19, MARK_SETTLED, false},
		{5, 10, 20, 21, MARK_SETTLED, false},
		{5, 10, 20, 15, MARK_DOUBTED, true},
	};
	int fd = a_file();
	struct mark mark;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(mark_identify(&mark, fd), 0);
		assert_int_equal(fstat(fd, &st), 0);
		mark.flags = rows[i].flags;
		mark.data_end = rows[i].data_end;
		mark.size_before = rows[i].size_before;
		mark.file_end = rows[i].file_end;
		st.st_size = rows[i].size;
		if (mark_agrees(&mark, fd, &st) != rows[i].agrees)
			fail_msg("row %zu", i);
		mark.ino++;
		assert_false(mark_agrees(&mark, fd, &st));
		mark.ino--;
		if (!mark.generation)
			continue;
		mark.generation ^= 2;
		assert_false(mark_agrees(&mark, fd, &st));
		/* Not to be told isn't to be another one. */
		fail_at("ioctl", 1);
		assert_int_equal(mark_agrees(&mark, fd, &st), rows[i].agrees);
		mark.generation = 0;
		assert_int_equal(mark_agrees(&mark, fd, &st), rows[i].agrees);
	}
	close(fd);
}

static void before_a_cut_it_says_where_to(void **state)
{
	struct mark mark = {.key = 1, .flags = MARK_DOUBTED, .floor = 1, .data_end = 2,
			    .size_before = 10, .file_end = 30};
	int fd = a_file();
	struct mark found;

	(void)state;
	assert_int_equal(mark_settle(fd, &mark, 5, 20), 0);
	assert_int_equal(mark_read(fd, &found), 0);
	assert_same(&found, &mark);
	assert_int_equal(found.flags, MARK_SETTLED);
	assert_true(found.floor == 5 && found.data_end == 5);
	assert_true(found.size_before == 10 && found.file_end == 20);
	assert_int_equal(mark_settle(fd, &mark, 15, 20), 0);
	assert_int_equal(mark_read(fd, &found), 0);
	assert_true(found.floor == 15 && found.data_end == 15 && found.size_before == 15);
	fail_at("fsetxattr", 100);
	assert_int_equal(mark_settle(fd, &mark, 15, 20), -EIO);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	fail_at(NULL, 0);
	random_bytes = 1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_is_stored_little_endian, set_up),
		cmocka_unit_test_setup(other_bytes_are_none, set_up),
		cmocka_unit_test_setup(what_somebody_made_up_is_none, set_up),
		cmocka_unit_test_setup(a_file_has_it_or_not, set_up),
		cmocka_unit_test_setup(a_call_that_fails_says_so, set_up),
		cmocka_unit_test_setup(it_tells_the_file, set_up),
		cmocka_unit_test_setup(a_key_is_never_zero, set_up),
		cmocka_unit_test_setup(it_agrees_with_its_own_file, set_up),
		cmocka_unit_test_setup(before_a_cut_it_says_where_to, set_up),
	};

	real = sys;
	sys.fstat = failing_fstat;
	sys.openat = failing_openat;
	sys.pread = failing_pread;
	sys.ioctl = failing_ioctl;
	sys.fsetxattr = failing_fsetxattr;
	sys.fgetxattr = failing_fgetxattr;
	sys.fremovexattr = failing_fremovexattr;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

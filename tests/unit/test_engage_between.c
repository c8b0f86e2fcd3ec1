/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What other threads do in the middle of a call: here it comes out of the call itself. Mostly they
 * append to what was an ordinary file, so that it is extended: the call answers as the plain file
 * does.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_engage_twin.h"
#include "test_glanced.h"

static struct twin t;
static bool is_due;
static bool holds_gate; /* goes by the offset: nothing is extended before it has ended */

/* Once: in the next call. */
static void append_meanwhile(void)
{
	if (!is_due)
		return;
	is_due = false;
	assert_false(twin_is_extended(&t));
	twin_write(&t, 97, -1);
	assert_int_equal(twin_is_extended(&t), !holds_gate);
}

static ssize_t read_later(const struct transfer *transfer)
{
	append_meanwhile();
	return twin_call_read(transfer);
}

static int stat_later(void *argument)
{
	append_meanwhile();
	return twin_call_stat(argument);
}

static off_t seek_later(int fd, off_t offset, int whence)
{
	if (whence == SEEK_END)
		append_meanwhile();
	return lseek(fd, offset, whence);
}

static int flags_later(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (command == F_GETFL)
		append_meanwhile();
	return fcntl(fd, command, argument);
}

static void open_ordinary(const char *name, int flags)
{
	twin_open(&t, name, flags);
	twin_write(&t, 1000, -1);
	description_settle(table_get(t.fd));
	twin_due(&t);
	is_due = true;
}

/* offset < 0: read(2), whose offset is where the append begins, and goes on with it. */
static void read_meanwhile(int64_t offset)
{
	char ours[4096] = "", plain[4096] = "";
	struct iovec iov = {ours, sizeof(ours)};
	struct transfer transfer = {.fd = t.fd, .at_offset = offset >= 0, .offset = offset,
				    .iov = &iov, .count = 1, .bytes = sizeof(ours),
				    .call = read_later};
	ssize_t got = files_read(table_get(t.fd), &transfer);

	assert_false(is_due);
	iov.iov_base = plain;
	transfer.fd = t.plain;
	twin_same("read", got, errno, twin_call_read(&transfer));
	assert_memory_equal(ours, plain, sizeof(ours));
}

static void a_read_ends_where_the_data_ends(void **state)
{
	(void)state;
	open_ordinary("a.log", O_RDWR);
	read_meanwhile(900);
	twin_close(&t);
	open_ordinary("a.log", O_RDWR);
	holds_gate = true;
	read_meanwhile(-1);
	holds_gate = false;
	twin_seek(&t, 0, SEEK_CUR);
	twin_close(&t);
}

static void a_size_is_that_of_the_data(void **state)
{
	struct twin_stat call;
	int64_t size = -1;

	(void)state;
	open_ordinary("a.log", O_RDWR);
	call.fd = t.fd;
	assert_int_equal(twin_call_stat(&call), 0);
	assert_int_equal(files_stat_path(stat_later, &call, twin_dev, twin_ino, &size, 0), 0);
	assert_false(is_due);
	assert_int_equal(size, 1097);
	twin_close(&t);
}

static void the_end_is_that_of_the_data(void **state)
{
	(void)state;
	open_ordinary("a.log", O_RDWR);
	sys.lseek = seek_later;
	holds_gate = true;
	assert_int_equal(files_lseek(table_get(t.fd), t.fd, -7, SEEK_END), 1090);
	holds_gate = false;
	sys.lseek = lseek;
	assert_false(is_due);
	twin_close(&t);
}

static void the_flags_are_the_programs(void **state)
{
	(void)state;
	open_ordinary("a.log", O_RDWR | O_APPEND);
	sys.fcntl = flags_later;
	assert_true(files_flags(table_get(t.fd), t.fd) & O_APPEND);
	sys.fcntl = fcntl;
	assert_false(is_due);
	twin_close(&t);
}

static int bar_meanwhile(int fd, struct stat *st)
{
	if (is_due) {
		is_due = false;
		claim_bar();
		claim_unbar();
	}
	return fstat(fd, st);
}

/* By a fork, say, that began and ended after the append was found due: that is looked at anew. */
static void barred_meanwhile_it_is_not_extended(void **state)
{
	(void)state;
	open_ordinary("a.log", O_RDWR | O_APPEND);
	sys.fstat = bar_meanwhile;
	twin_write(&t, 97, -1);
	sys.fstat = fstat;
	assert_false(is_due);
	assert_false(twin_is_extended(&t));
	twin_write(&t, 97, -1);
	assert_true(twin_is_extended(&t));
	twin_close(&t);
}

static uint32_t opened_beside(enum share_kind kind, int flags)
{
	uint32_t reasons;
	struct twin other;
	int fd;

	twin_open(&other, "b.log", O_RDWR);
	share_opening();
	fd = open(other.path, O_RDWR | flags);
	share_begin();
	share_end(true, kind, 0);
	files_opened(fd, O_RDWR | flags, other.path);
	reasons = atomic_load(&table_get(fd)->reasons);
	files_closing(fd);
	close(fd);
	twin_close(&other);
	return reasons & KEEP_SHARED;
}

/* A child that came into being before the description was known may have the descriptor. */
static void opened_beside_a_fork_it_is_shared(void **state)
{
	(void)state;
	assert_true(opened_beside(SHARE_ALL, O_CLOEXEC));
	assert_true(opened_beside(SHARE_ALL, 0));
	assert_true(opened_beside(SHARE_INHERITED, 0));
	assert_false(opened_beside(SHARE_INHERITED, O_CLOEXEC));
}

static int made; /* how often */

static ssize_t write_later(const struct transfer *transfer)
{
	made++;
	append_meanwhile();
	return twin_call_write(transfer);
}

static ssize_t write_at_once(const struct transfer *transfer)
{
	made++;
	return twin_call_write(transfer);
}

static void overwrite(ssize_t (*call)(const struct transfer *transfer), size_t bytes)
{
	char data[100];
	struct iovec iov = {data, bytes};
	struct transfer transfer = {.fd = t.fd, .at_offset = true, .offset = 0, .iov = &iov,
				    .count = 1, .bytes = bytes, .call = call};
	ssize_t written;

	memset(data, 'o', sizeof(data));
	made = 0;
	written = glanced_write(table_get(t.fd), &transfer);
	transfer.fd = t.plain;
	twin_same("overwrite", written, errno, twin_call_write(&transfer));
}

static void overwritten_while_it_is_extended_is_written_again(void **state)
{
	(void)state;
	open_ordinary("a.log", O_RDWR);
	is_due = false;
	/* Its size is seen. */
	atomic_store(&table_get(t.fd)->retry_at, INT64_MAX);
	twin_write(&t, 1000, 0);
	overwrite(write_at_once, 100);
	assert_int_equal(made, 1);
	twin_due(&t);
	is_due = true;
	overwrite(write_later, 100);
	assert_int_equal(made, 2);
	/* Extended. */
	overwrite(write_at_once, 100);
	assert_int_equal(made, 1);
	twin_close(&t);
}

/* In the middle of our cut another thread's overwrite, past an end that a neighbour has moved, comes about. */
static struct transfer *under_way;

static int truncate_later(int fd, off_t length)
{
	struct transfer *transfer = under_way;

	under_way = NULL;
	if (transfer)
		assert_int_equal(twin_call_write(transfer), transfer->bytes);
	return ftruncate(fd, length);
}

static ssize_t cut_meanwhile(const struct transfer *transfer)
{
	struct transfer copy = *transfer;

	if (made++ > 0)
		return twin_call_write(transfer);
	under_way = &copy;
	keep_give_back(table_get(t.fd), t.fd);
	assert_null(under_way);
	return (ssize_t)transfer->bytes;
}

static void what_a_cut_has_taken_is_written_again(void **state)
{
	struct sys real = sys;

	(void)state;
	twin_open(&t, "a.keep", O_RDWR);
	twin_write(&t, 1000, 0);
	assert_true(atomic_load(&table_get(t.fd)->kept));
	assert_int_equal(truncate(t.path, 0) | truncate(t.plain_path, 0), 0);
	sys.ftruncate = truncate_later;
	overwrite(cut_meanwhile, 100);
	sys.ftruncate = real.ftruncate;
	assert_false(atomic_load(&table_get(t.fd)->kept));
	assert_int_equal(made, 2);
	twin_size(&t);
	twin_close(&t);
}

static ssize_t write_half(const struct transfer *transfer)
{
	struct iovec half = {transfer->iov->iov_base, transfer->iov->iov_len / 2};
	struct transfer first = *transfer;

	if (made++ > 0)
		return twin_call_write(transfer);
	first.iov = &half;
	return twin_call_write(&first);
}

/* The half may be what was cut. */
static void a_short_overwrite_is_written_again(void **state)
{
	(void)state;
	twin_open(&t, "a.keep", O_RDWR);
	twin_write(&t, 1000, 0);
	overwrite(write_half, 100);
	assert_int_equal(made, 2);
	twin_close(&t);
}

/* Where RWF_APPEND takes it, the offset says nothing. */
static void an_append_by_flag_tells_of_no_size(void **state)
{
	struct iovec iov = {"appended", 8};
	struct transfer transfer = {.at_offset = true, .to_end = true, .offset = 50000, .iov = &iov,
				    .count = 1, .bytes = 8, .call = write_at_once};
	uint32_t resizes;

	(void)state;
	twin_open(&t, "a.keep", O_RDWR);
	transfer.fd = t.fd;
	assert_int_equal(files_write(table_get(t.fd), &transfer), 8);
	assert_int_equal(pwrite(t.plain, "appended", 8, 50000), 8);
	assert_false(glance_overwrites_ordinary(table_get(t.fd), 50000, 8, &resizes));
	twin_close(&t);
}

/* The longer way knows of no end, and says so. */
static void only_overwrites_that_are_known_go_the_short_way(void **state)
{
	uint32_t resizes;

	(void)state;
	twin_open(&t, "a.keep", O_RDWR);
	twin_write(&t, 1000, 0);
	assert_true(glance_overwrites_ordinary(table_get(t.fd), 900, 100, &resizes));
	assert_true(glance_overwrote_ordinary(table_get(t.fd), t.fd, resizes));
	assert_false(glance_overwrote_ordinary(table_get(t.fd), t.plain, resizes));
	assert_false(glance_overwrites_ordinary(table_get(t.fd), 900, 101, &resizes));
	assert_false(glance_overwrites_ordinary(table_get(t.fd), 1001, 0, &resizes));
	assert_false(glance_overwrites_ordinary(table_get(t.fd), -1, 1, &resizes));
	atomic_store(&table_get(t.fd)->append, true);
	assert_false(glance_overwrites_ordinary(table_get(t.fd), 0, 100, &resizes));
	atomic_store(&table_get(t.fd)->append, false);
	twin_truncate(&t, 500, false);
	assert_false(glance_overwrites_ordinary(table_get(t.fd), 0, 500, &resizes));
	twin_close(&t);
	twin_open(&t, "a.keep", O_RDWR | O_DSYNC);
	twin_write(&t, 1000, 0);
	assert_false(glance_overwrites_ordinary(table_get(t.fd), 0, 100, &resizes));
	twin_close(&t);
	twin_open(&t, "a.keep", O_RDWR | O_APPEND);
	twin_write(&t, 1000, 0);
	assert_false(glance_overwrites_ordinary(table_get(t.fd), 0, 100, &resizes));
	twin_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_ends_where_the_data_ends),
		cmocka_unit_test(a_size_is_that_of_the_data),
		cmocka_unit_test(the_end_is_that_of_the_data),
		cmocka_unit_test(the_flags_are_the_programs),
		cmocka_unit_test(barred_meanwhile_it_is_not_extended),
		cmocka_unit_test(opened_beside_a_fork_it_is_shared),
		cmocka_unit_test(overwritten_while_it_is_extended_is_written_again),
		cmocka_unit_test(what_a_cut_has_taken_is_written_again),
		cmocka_unit_test(a_short_overwrite_is_written_again),
		cmocka_unit_test(an_append_by_flag_tells_of_no_size),
		cmocka_unit_test(only_overwrites_that_are_known_go_the_short_way),
	};

	return cmocka_run_group_tests(tests, twin_set_up, twin_tear_down);
}

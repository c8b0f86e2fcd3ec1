/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a file ends that was left extended: the decision, row by row; then recover_file on real files,
 * in every directory of PREALLOCATE_TEST_DIRECTORIES (separated by colons; default: TMPDIR or /var/tmp, and
 * /dev/shm), with every outcome and with every call failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "recovery/recover.h"
#include "test_failing_recovery.h"

#define PAGE RECORD_BYTES
#define DATA 5000	 /* the data of a new file end here */
#define SIZE (64 * PAGE) /* it was extended to this */
#define RECORD_AT (SIZE - PAGE)

/* --- the decision --- */

static const struct {
	const char *what;
	bool doubted, open, strip, zeroes_end;
	int64_t recorded, nonzero, synced; /* recorded 0: there is no record */
	int64_t zeroes, stride;
	int64_t used, block_end;
	int64_t end;
	enum recover_source source;
} rows[] = {
	/* The mark says: 100 synced, 200 when it was written; the file is 10000 long. */
	{"bytes that the mark knew", .used = 200, .block_end = 200, .end = 200, .source = RECOVER_BY_DATA},
	{"what the mark knew, as far as blocks are written", .zeroes_end = true, .used = 100, .block_end = 150, .end = 150,
	 .source = RECOVER_BY_MARK},
	{"all that it knew", .zeroes_end = true, .used = 100, .block_end = 4096, .end = 200, .source = RECOVER_BY_MARK},
	{"where bytes tell, nothing", .used = 100, .block_end = 10000, .end = 100,
	 .source = RECOVER_BY_MARK},
	{"the floor", .used = 100, .block_end = 100, .end = 100, .source = RECOVER_BY_MARK},
	{"bytes", .used = 300, .block_end = 4096, .end = 300,
	 .source = RECOVER_BY_DATA},
	{"bytes before that", .used = 150, .block_end = 150, .end = 150,
	 .source = RECOVER_BY_DATA},
	{"record", .recorded = 500, .nonzero = 300, .used = 300, .block_end = 4096,
	 .end = 500, .source = RECOVER_BY_RECORD},
	{"record, and bytes behind it", .recorded = 500, .nonzero = 300, .used = 700,
	 .block_end = 4096, .end = 700, .source = RECOVER_BY_DATA},
	{"record below the mark", .recorded = 150, .used = 200, .block_end = 200,
	 .end = 200, .source = RECOVER_BY_DATA},
	{"its bytes haven't come", .recorded = 500, .nonzero = 300, .synced = 250, .used = 299,
	 .block_end = 4096, .end = 299, .source = RECOVER_BY_DATA},
	{"nor what was synced", .recorded = 500, .nonzero = 300, .synced = 250, .used = 100,
	 .block_end = 4096, .end = 250, .source = RECOVER_BY_RECORD},
	{"just come", .recorded = 500, .nonzero = 300, .synced = 250, .used = 300,
	 .block_end = 4096, .end = 500, .source = RECOVER_BY_RECORD},
	{"of zeroes alone", .recorded = 500, .synced = 250, .used = 100, .block_end = 4096,
	 .end = 500, .source = RECOVER_BY_RECORD},
	{"kept to its habit", .recorded = 500, .nonzero = 300, .zeroes = 2,
	 .used = 700, .block_end = 4096, .end = 702, .source = RECOVER_BY_RECORD},
	{"to its length", .recorded = 500, .nonzero = 300, .stride = 60,
	 .used = 620, .block_end = 4096, .end = 620, .source = RECOVER_BY_DATA},
	{"to its length, and zeroes", .recorded = 500, .nonzero = 300, .stride = 60,
	 .used = 621, .block_end = 4096, .end = 680, .source = RECOVER_BY_RECORD},
	{"nothing behind it", .recorded = 500, .nonzero = 300, .zeroes = 2,
	 .used = 300, .block_end = 4096, .end = 500, .source = RECOVER_BY_RECORD},
	{"a habit of before the mark", .recorded = 150, .zeroes = 2,
	 .used = 200, .block_end = 200, .end = 200, .source = RECOVER_BY_DATA},
	{"nothing of it has come", .recorded = 500, .nonzero = 300, .synced = 250, .zeroes = 2,
	 .used = 299, .block_end = 4096, .end = 299, .source = RECOVER_BY_DATA},
	{"up to the last block", .recorded = 500, .nonzero = 300, .zeroes = 2,
	 .used = 4095, .block_end = 4096, .end = 4096, .source = RECOVER_BY_RECORD},
	{"torn", .recorded = 500, .nonzero = 300, .zeroes = 2,
	 .used = 4096, .block_end = 4096, .end = 4096, .source = RECOVER_BY_DATA},
	{"zeroes in the next block", .recorded = 500, .nonzero = 300, .zeroes = 2,
	 .used = 4096, .block_end = 8192, .end = 4098, .source = RECOVER_BY_RECORD},
	{"a habit longer than the file", .recorded = 500, .nonzero = 300, .stride = 15000,
	 .used = 700, .block_end = 10001, .end = 10000, .source = RECOVER_BY_RECORD},
	{"open, nothing behind the sync", .open = true, .recorded = 500, .synced = 250, .used = 100,
	 .block_end = 250, .end = 250, .source = RECOVER_BY_RECORD},
	{"open: the block", .open = true, .recorded = 500,
	 .synced = 250, .used = 300, .block_end = 4096, .end = 4096, .source = RECOVER_BY_BLOCK},
	{"the same, stripped", .open = true, .strip = true, .recorded = 500,
	 .synced = 250, .used = 300, .block_end = 4096, .end = 300, .source = RECOVER_BY_STRIP},
	{"no block but the record's", .open = true, .recorded = 5000,
	 .used = 300, .block_end = 4096, .end = 4096, .source = RECOVER_BY_BLOCK},
	{"doubted", .doubted = true, .used = 300, .block_end = 4096, .end = 4096,
	 .source = RECOVER_BY_BLOCK},
	{"doubted, stripped", .doubted = true, .strip = true, .used = 300, .block_end = 4096,
	 .end = 300, .source = RECOVER_BY_STRIP},
	{"doubted, nothing written", .doubted = true, .used = 200,
	 .block_end = 200, .end = 200, .source = RECOVER_BY_DATA},
	{"more than there is", .recorded = 20000, .used = 100, .block_end = 100, .end = 10000,
	 .source = RECOVER_BY_RECORD},
};

static void the_end_is_decided(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mark mark = {.key = 1, .flags = (rows[i].doubted ? MARK_DOUBTED : 0) |
					     (rows[i].zeroes_end ? MARK_ZEROES : 0),
				    .floor = 100, .data_end = 200, .size_before = 200,
				    .file_end = 10000};
		struct recover_facts facts = {
			.size = 10000,
			.has_record = rows[i].recorded > 0,
			.record = {.key = 1, .open = rows[i].open, .synced_end = rows[i].synced,
				   .end = rows[i].recorded, .nonzero_end = rows[i].nonzero,
				   .zeroes = rows[i].zeroes, .stride = rows[i].stride},
			.used = rows[i].used,
			.block_end = rows[i].block_end,
		};
		enum recover_source source;
		int64_t end = recover_end(&mark, &facts, rows[i].strip, &source);

		if (end != rows[i].end || source != rows[i].source)
			fail_msg("%s: %lld (%d)", rows[i].what, (long long)end, (int)source);
	}
}

static void the_search_begins_where_data_are_certain(void **state)
{
	struct mark mark = {.floor = 5, .data_end = 7};

	(void)state;
	assert_int_equal(recover_begin(&mark), 5);
	mark.flags = MARK_SETTLED;
	assert_int_equal(recover_begin(&mark), 7);
}

/* --- on files --- */

static char directory[PATH_MAX / 2];
static int fail_call; /* the call that fails, 1: the first; 0: none */
static int fail_errno;
static int calls;
static const char *failed;
static const char *failing; /* or these, `times` times */
static int times, modes_set;

static bool fails(const char *name)
{
	modes_set += !strcmp(name, "fchmod");
	if (failing && times > 0 && !strcmp(name, failing)) {
		times--;
		errno = fail_errno;
		return true;
	}
	if (++calls != fail_call)
		return false;
	failed = name;
	errno = fail_errno;
	return true;
}

static void fail_at(int call, int error)
{
	fail_call = call;
	fail_errno = error;
	calls = 0;
	failed = "none";
	failing = NULL;
}

static void fail_calls(const char *name, int error, int so_often)
{
	fail_at(0, error);
	failing = name;
	times = so_often;
}

struct file {
	char path[PATH_MAX];
	int fd;
	struct mark mark;
};

static const struct timespec then[2] = {{1000000000, 111}, {1100000000, 222}};

static void data_of(char bytes[static DATA])
{
	for (int i = 0; i < DATA; i++)
		bytes[i] = (char)('a' + i % 23);
}

/* Extended at DATA, and left so. False: no marks here. */
static bool file_new(struct file *file)
{
	char bytes[DATA];

	fail_at(0, 0);
	memset(file, 0, sizeof(*file));
	snprintf(file->path, sizeof(file->path), "%s/preallocate-recover.XXXXXX", directory);
	file->fd = mkstemp(file->path);
	assert_true(file->fd >= 0);
	data_of(bytes);
	assert_int_equal(pwrite(file->fd, bytes, DATA, 0), DATA);
	assert_int_equal(fallocate(file->fd, 0, DATA, SIZE - DATA), 0);
	assert_int_equal(mark_identify(&file->mark, file->fd), 0);
	file->mark.floor = file->mark.data_end = file->mark.size_before = DATA;
	file->mark.file_end = SIZE;
	assert_int_equal(lseek(file->fd, 7, SEEK_SET), 7);
	return mark_write(file->fd, &file->mark) == 0;
}

static void put(struct file *file, const char *bytes, int64_t at)
{
	assert_int_equal(pwrite(file->fd, bytes, strlen(bytes), at), strlen(bytes));
}

static void put_record(struct file *file, int64_t at, int64_t end, int64_t nonzero, bool open)
{
	struct record record = {.key = file->mark.key, .open = open, .ino = file->mark.ino,
				.end = end, .nonzero_end = nonzero};

	assert_int_equal(record_write(file->fd, at, &record), 0);
}

static void mark_again(struct file *file)
{
	assert_int_equal(mark_write(file->fd, &file->mark), 0);
}

static int64_t size_of(const struct file *file)
{
	struct stat st;

	assert_int_equal(fstat(file->fd, &st), 0);
	return st.st_size;
}

static bool is_marked(const struct file *file)
{
	return fgetxattr(file->fd, MARK_NAME, NULL, 0) >= 0;
}

static void assert_data(const struct file *file)
{
	char bytes[DATA], found[DATA];

	data_of(bytes);
	assert_int_equal(pread(file->fd, found, DATA, 0), DATA);
	assert_memory_equal(bytes, found, DATA);
}

static void assert_zeroes(const struct file *file, int64_t from, int64_t to)
{
	for (int64_t at = from; at < to; at++) {
		char byte = 'x';

		assert_int_equal(pread(file->fd, &byte, 1, at), 1);
		assert_int_equal(byte, 0);
	}
}

/* Recovered, and the file deleted. */
static void assert_recovered_as(struct file *file, const struct recover_options *options,
				enum recover_outcome outcome, int64_t size)
{
	struct recovery recovery = {.size_before = -1};
	struct recover_options dry = *options;
	struct stat before, after;

	assert_int_equal(futimens(file->fd, then), 0);
	assert_int_equal(fstat(file->fd, &before), 0);
	dry.dry_run = true;
	assert_int_equal(recover_file(file->fd, &dry, &recovery), 0);
	assert_int_equal(recovery.outcome, outcome);
	assert_int_equal(recovery.size, size);
	assert_int_equal(recovery.size_before, before.st_size);
	assert_int_equal(size_of(file), before.st_size);
	assert_int_equal(is_marked(file), outcome != RECOVER_UNMARKED);
	/* It has been read. */
	assert_int_equal(futimens(file->fd, then), 0);

	assert_int_equal(recover_file(file->fd, options, &recovery), 0);
	assert_int_equal(recovery.outcome, outcome);
	assert_int_equal(recovery.size, size);
	assert_int_equal(recovery.size_before, before.st_size);
	assert_int_equal(fstat(file->fd, &after), 0);
	assert_int_equal(after.st_size, size);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_mtim.tv_sec, then[1].tv_sec);
	assert_int_equal(after.st_mtim.tv_nsec, then[1].tv_nsec);
	if (outcome == RECOVER_CUT || outcome == RECOVER_WHOLE)
		assert_int_equal(after.st_atim.tv_sec, then[0].tv_sec);
	assert_int_equal(lseek(file->fd, 0, SEEK_CUR), 7);
	assert_false(is_marked(file));
	assert_data(file);
	/* Once more there is nothing to do. */
	assert_int_equal(recover_file(file->fd, options, &recovery), 0);
	assert_int_equal(recovery.outcome, RECOVER_UNMARKED);
}

static void file_delete(struct file *file)
{
	close(file->fd);
	unlink(file->path);
}

static struct certainty vouched = {.vouched = true};
static const struct recover_options plain = {.certainty = &vouched};

static void recovered_as(struct file *file, enum recover_outcome outcome, int64_t size)
{
	assert_recovered_as(file, &plain, outcome, size);
	file_delete(file);
}

#define NEW(file)                                                                                  \
	do {                                                                                       \
		if (!file_new(file)) {                                                             \
			file_delete(file);                                                         \
			return;                                                                    \
		}                                                                                  \
	} while (0)

static void an_empty_tail_is_cut(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	recovered_as(&file, RECOVER_CUT, DATA);
	/* Not by root, but by its owner the cut would take them away. */
	for (int i = 0; i < 3; i++) {
		static const mode_t bits[] = {S_ISUID, S_ISGID, 0};

		NEW(&file);
		assert_int_equal(fchmod(file.fd, bits[i] | 0755), 0);
		modes_set = 0;
		recovered_as(&file, RECOVER_CUT, DATA);
		assert_int_equal(modes_set, bits[i] ? 1 : 0);
	}
}

static void bytes_in_the_tail_are_kept(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	put(&file, "x", DATA);
	recovered_as(&file, RECOVER_CUT, DATA + 1);
	NEW(&file);
	put(&file, "foreign", 30 * PAGE + 5);
	recovered_as(&file, RECOVER_CUT, 30 * PAGE + 12);
	NEW(&file);
	put(&file, "last", SIZE - 4);
	recovered_as(&file, RECOVER_WHOLE, SIZE);
}

static void a_record_tells_of_zeroes(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	put_record(&file, RECORD_AT, DATA + 100, 0, false);
	recovered_as(&file, RECOVER_CUT, DATA + 100);
	/* One from before an extension that wasn't over. */
	NEW(&file);
	file.mark.size_before = SIZE / 2;
	mark_again(&file);
	put_record(&file, SIZE / 2 - PAGE, DATA + 100, 0, false);
	recovered_as(&file, RECOVER_CUT, DATA + 100);
	/* Two: the later one. */
	NEW(&file);
	file.mark.size_before = SIZE / 2;
	mark_again(&file);
	put_record(&file, SIZE / 2 - PAGE, DATA + 100, 0, false);
	put_record(&file, RECORD_AT, DATA + 200, 0, false);
	recovered_as(&file, RECOVER_CUT, DATA + 200);
	NEW(&file);
	file.mark.size_before = SIZE / 2;
	mark_again(&file);
	put_record(&file, SIZE / 2 - PAGE, DATA + 300, 0, false);
	put_record(&file, RECORD_AT, DATA + 200, 0, false);
	recovered_as(&file, RECOVER_CUT, DATA + 300);
}

static void a_record_of_something_else_is_data(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	file.mark.key++;
	put_record(&file, RECORD_AT, DATA + 100, 0, false);
	/* Its last byte that isn't zero is one of `end`. */
	assert_recovered_as(&file, &plain, RECOVER_CUT, RECORD_AT + 34);
	file_delete(&file);
	NEW(&file);
	put_record(&file, RECORD_AT - PAGE, DATA + 100, 0, false);
	assert_recovered_as(&file, &plain, RECOVER_CUT, RECORD_AT - PAGE + 34);
	file_delete(&file);
}

static void a_record_before_somebodys_bytes_is_cleared(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	file.mark.size_before = SIZE / 2;
	mark_again(&file);
	put_record(&file, SIZE / 2 - PAGE, DATA + 100, 0, false);
	put(&file, "x", SIZE / 2 + 5);
	assert_recovered_as(&file, &plain, RECOVER_CUT, SIZE / 2 + 6);
	assert_zeroes(&file, SIZE / 2 - PAGE, SIZE / 2 + 5);
	file_delete(&file);
	/* In a file of no whole number of pages somebody may write behind the last one. */
	NEW(&file);
	assert_int_equal(ftruncate(file.fd, SIZE + 10), 0);
	file.mark.file_end = SIZE + 10;
	mark_again(&file);
	put_record(&file, RECORD_AT, DATA + 100, 0, false);
	put(&file, "x", SIZE + 9);
	assert_recovered_as(&file, &plain, RECOVER_WHOLE, SIZE + 10);
	assert_zeroes(&file, RECORD_AT, SIZE);
	file_delete(&file);
}

static void in_doubt_the_block_is_kept(void **state)
{
	static const struct recover_options strip = {.strip_zeros = true, .certainty = &vouched};
	static const char zeroes[100];
	struct recovery recovery;
	struct file file;

	(void)state;
	for (int i = 0; i < 2; i++) {
		NEW(&file);
		if (i == 0) {
			file.mark.flags = MARK_DOUBTED;
			mark_again(&file);
		} else {
			put_record(&file, RECORD_AT, DATA + 10, 0, true);
		}
		put(&file, "x", 3 * PAGE);
		assert_int_equal(pwrite(file.fd, zeroes, 100, 3 * PAGE + 1), 100);
		fsync(file.fd);
		assert_int_equal(recover_file(file.fd, &plain, &recovery), 0);
		assert_true(recovery.size > 3 * PAGE + 1 && recovery.size <= SIZE);
		assert_int_equal(recovery.source, RECOVER_BY_BLOCK);
		assert_int_equal(recovery.size % PAGE, 0);
		assert_data(&file);
		assert_zeroes(&file, 3 * PAGE + 1, recovery.size);
		file_delete(&file);
		NEW(&file);
		file.mark.flags = MARK_DOUBTED;
		mark_again(&file);
		put(&file, "x", 3 * PAGE);
		assert_recovered_as(&file, &strip, RECOVER_CUT, 3 * PAGE + 1);
		file_delete(&file);
	}
}

static void only_the_floor_is_certain(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	/* What the mark saw, and what has come to the disk. */
	file.mark.data_end = file.mark.size_before = DATA + 3 * PAGE;
	mark_again(&file);
	recovered_as(&file, RECOVER_CUT, DATA);
	NEW(&file);
	file.mark.data_end = file.mark.size_before = DATA + 3 * PAGE;
	file.mark.flags = MARK_ZEROES;
	mark_again(&file);
	recovered_as(&file, RECOVER_CUT, (DATA + PAGE - 1) / PAGE * PAGE);
}

static void a_mark_that_does_not_fit_is_removed(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	file.mark.ino++;
	mark_again(&file);
	recovered_as(&file, RECOVER_COPY, SIZE);
	NEW(&file);
	assert_int_equal(ftruncate(file.fd, SIZE + 1), 0);
	recovered_as(&file, RECOVER_CHANGED, SIZE + 1);
	NEW(&file);
	if (file.mark.generation) {
		file.mark.generation ^= 2;
		mark_again(&file);
		assert_recovered_as(&file, &plain, RECOVER_CHANGED, SIZE);
	}
	file_delete(&file);
	NEW(&file);
	assert_int_equal(fsetxattr(file.fd, MARK_NAME, "nonsense", 8, 0), 0);
	recovered_as(&file, RECOVER_CORRUPT, SIZE);
	/* Written to, and yet its allocation wasn't over: by somebody else. */
	NEW(&file);
	file.mark.file_end = 2 * SIZE;
	mark_again(&file);
	put(&file, "x", 3 * PAGE);
	recovered_as(&file, RECOVER_CHANGED, SIZE);
	NEW(&file);
	assert_int_equal(mark_remove(file.fd), 0);
	recovered_as(&file, RECOVER_UNMARKED, SIZE);
}

static void an_allocation_that_was_not_over_is_cut(void **state)
{
	struct file file;

	(void)state;
	NEW(&file);
	file.mark.file_end = 2 * SIZE;
	mark_again(&file);
	recovered_as(&file, RECOVER_CUT, DATA);
	NEW(&file);
	assert_int_equal(ftruncate(file.fd, DATA), 0);
	recovered_as(&file, RECOVER_WHOLE, DATA);
}

static void a_cut_that_was_interrupted_is_finished(void **state)
{
	struct file file;

	(void)state;
	/* Before it: the record has told already. */
	NEW(&file);
	put_record(&file, RECORD_AT, DATA + 200, 0, false);
	assert_int_equal(mark_settle(file.fd, &file.mark, DATA + 100, SIZE), 0);
	recovered_as(&file, RECOVER_CUT, DATA + 100);
	/* After it: the zeroes at the end are data. */
	NEW(&file);
	assert_int_equal(mark_settle(file.fd, &file.mark, DATA + 100, SIZE), 0);
	assert_int_equal(ftruncate(file.fd, DATA + 100), 0);
	recovered_as(&file, RECOVER_WHOLE, DATA + 100);
	/* And whoever has written to it since has done so to his own file. */
	NEW(&file);
	assert_int_equal(mark_settle(file.fd, &file.mark, DATA + 100, SIZE), 0);
	assert_int_equal(ftruncate(file.fd, DATA + 200), 0);
	recovered_as(&file, RECOVER_CHANGED, DATA + 200);
}

/* --- when a call fails --- */

static void killed_after_the_cut_it_has_found_the_same_end(void **state)
{
	struct recovery recovery;
	struct file file;

	(void)state;
	NEW(&file);
	put_record(&file, RECORD_AT, DATA + 100, 0, false);
	fail_calls("fremovexattr", EIO, 100);
	assert_int_equal(recover_file(file.fd, &plain, &recovery), -EIO);
	fail_at(0, 0);
	assert_int_equal(size_of(&file), DATA + 100);
	recovered_as(&file, RECOVER_WHOLE, DATA + 100);
}

static void an_interrupted_cut_is_made_again(void **state)
{
	struct recovery recovery;
	struct file file;

	(void)state;
	NEW(&file);
	fail_calls("ftruncate", EINTR, 3);
	assert_int_equal(recover_file(file.fd, &plain, &recovery), 0);
	assert_int_equal(times, 0);
	assert_int_equal(size_of(&file), DATA);
	file_delete(&file);
}

/* A record to be cleared, bytes, and a cut: every call there is. */
static bool make_busy(struct file *file)
{
	if (!file_new(file))
		return false;
	assert_int_equal(fchmod(file->fd, 06755), 0);
	file->mark.size_before = SIZE / 2;
	mark_again(file);
	put_record(file, SIZE / 2 - PAGE, DATA + 100, 0, false);
	put_record(file, RECORD_AT, DATA + 200, 0, false);
	put(file, "x", SIZE / 2 + 5);
	return true;
}

static void whatever_fails_no_byte_is_lost(void **state)
{
	static const int errors[] = {EIO, EINTR, ENOMEM, ENOSPC, EPERM};
	const int64_t end = SIZE / 2 + 6;
	struct recovery recovery;
	struct file file;

	(void)state;
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (int call = 1;; call++) {
			int ret, made;
			char byte;

			if (!make_busy(&file)) {
				file_delete(&file);
				return;
			}
			fail_at(call, errors[e]);
			ret = recover_file(file.fd, &plain, &recovery);
			made = calls;
			fail_at(0, 0);
			assert_data(&file);
			assert_int_equal(pread(file.fd, &byte, 1, end - 1), 1);
			assert_int_equal(byte, 'x');
			if (size_of(&file) != SIZE && size_of(&file) != end)
				fail_msg("call %d fails: %lld", call, (long long)size_of(&file));
			/* The mark goes last. */
			assert_int_equal(is_marked(&file), ret < 0);
			if (ret == 0)
				assert_int_equal(size_of(&file), end);
			assert_int_equal(recover_file(file.fd, &plain, &recovery), 0);
			assert_int_equal(size_of(&file), end);
			assert_false(is_marked(&file));
			assert_zeroes(&file, SIZE / 2 - PAGE, SIZE / 2 + 5);
			file_delete(&file);
			if (made < call)
				break;
		}
	}
}

static void a_file_that_is_whole_and_a_call_that_fails(void **state)
{
	struct recovery recovery;
	struct file file;

	(void)state;
	for (int call = 1;; call++) {
		int made, ret;

		NEW(&file);
		put_record(&file, RECORD_AT, DATA + 100, 0, false);
		put(&file, "x", SIZE - 1);
		assert_int_equal(ftruncate(file.fd, SIZE), 0);
		fail_at(call, EIO);
		ret = recover_file(file.fd, &plain, &recovery);
		made = calls;
		fail_at(0, 0);
		assert_int_equal(size_of(&file), SIZE);
		assert_int_equal(is_marked(&file), ret < 0);
		file_delete(&file);
		if (made < call)
			break;
	}
}

/* A filesystem without extended attributes has no marked files. */
static void without_xattrs_there_is_nothing_to_do(void **state)
{
	struct recovery recovery;
	struct file file;

	(void)state;
	NEW(&file);
	fail_at(1, EOPNOTSUPP);
	assert_int_equal(recover_file(file.fd, &plain, &recovery), 0);
	assert_int_equal(recovery.outcome, RECOVER_UNMARKED);
	fail_at(1, EACCES);
	assert_int_equal(recover_file(file.fd, &plain, &recovery), -EACCES);
	fail_at(2, EIO);
	assert_int_equal(recover_file(file.fd, &plain, &recovery), -EIO);
	assert_string_equal(failed, "fstat");
	fail_at(0, 0);
	assert_true(is_marked(&file));
	assert_int_equal(size_of(&file), SIZE);
	file_delete(&file);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_end_is_decided),
	cmocka_unit_test(the_search_begins_where_data_are_certain),
	cmocka_unit_test(an_empty_tail_is_cut),
	cmocka_unit_test(bytes_in_the_tail_are_kept),
	cmocka_unit_test(a_record_tells_of_zeroes),
	cmocka_unit_test(a_record_of_something_else_is_data),
	cmocka_unit_test(a_record_before_somebodys_bytes_is_cleared),
	cmocka_unit_test(in_doubt_the_block_is_kept),
	cmocka_unit_test(only_the_floor_is_certain),
	cmocka_unit_test(a_mark_that_does_not_fit_is_removed),
	cmocka_unit_test(an_allocation_that_was_not_over_is_cut),
	cmocka_unit_test(a_cut_that_was_interrupted_is_finished),
	cmocka_unit_test(killed_after_the_cut_it_has_found_the_same_end),
	cmocka_unit_test(an_interrupted_cut_is_made_again),
	cmocka_unit_test(whatever_fails_no_byte_is_lost),
	cmocka_unit_test(a_file_that_is_whole_and_a_call_that_fails),
	cmocka_unit_test(without_xattrs_there_is_nothing_to_do),
};

#define TESTS (sizeof(tests) / sizeof(tests[0]))
#define DIRECTORIES 8

static int enter(void **state)
{
	snprintf(directory, sizeof(directory), "%s", (const char *)*state);
	return 0;
}

int main(void)
{
	static struct CMUnitTest all[TESTS * DIRECTORIES];
	const char *wanted = getenv("PREALLOCATE_TEST_DIRECTORIES");
	const char *tmp = getenv("TMPDIR");
	size_t count = 0;
	char *list, *name;

	if (asprintf(&list, "%s:/dev/shm", tmp ? tmp : "/var/tmp") < 0)
		return 1;
	put_failing_calls();
	for (char *next = strtok(wanted ? strdup(wanted) : list, ":");
	     next && count < TESTS * DIRECTORIES; next = strtok(NULL, ":")) {
		for (size_t i = 0; i < TESTS; i++) {
			if (asprintf(&name, "%s in %s", tests[i].name, next) < 0)
				return 1;
			all[count] = tests[i];
			all[count].name = name;
			all[count].setup_func = enter;
			all[count++].initial_state = next;
		}
	}
	return _cmocka_run_group_tests("recover", all, count, NULL, NULL);
}

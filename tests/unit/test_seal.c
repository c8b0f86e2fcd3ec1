/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guardian writes down about an extended file, on real files in TMPDIR (or /var/tmp) and in
 * /dev/shm: the mark, the record of the end, and what is told apart from them at a settle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "claim/seal.h"
#include "recovery/recover.h"
#include "test_failing_recovery.h"

#define PAGE RECORD_BYTES
#define START 100 /* the data of a new file end here */
#define FILE_END (17 * PAGE)
#define RECORD_AT (16 * PAGE)

static char directory[PATH_MAX / 2];
static const char *failing; /* at its next `times` calls */
static int times, fail_errno;
static bool works_all_the_same;

static bool fails(const char *name)
{
	if (!failing || times == 0 || strcmp(name, failing) != 0)
		return false;
	times--;
	errno = fail_errno;
	return true;
}

static void fail_at(const char *name, int error)
{
	failing = name;
	times = 1;
	fail_errno = error;
}

/* Fails after the write has been made, as a synchronous one may. */
struct file {
	char path[PATH_MAX];
	int second; /* another description, for what nobody sees */
	struct claim_slot slot;
	struct claimed claimed;
};

static struct file *watched;

static ssize_t late_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	if (!works_all_the_same)
		return failing_pwritev(fd, iov, count, offset);
	works_all_the_same = false;
	/* Killed now, the guardian leaves one that is known. */
	assert_int_equal(atomic_load(&watched->slot.record_at), offset);
	assert_int_equal(real.pwritev(fd, iov, count, offset), PAGE);
	errno = EIO;
	return -1;
}

static int no_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	(void)fd;
	(void)mode;
	(void)offset;
	(void)bytes;
	errno = EOPNOTSUPP;
	return -1;
}

static void file_new(struct file *file, int flags)
{
	char bytes[START];
	int fd;

	failing = NULL;
	works_all_the_same = false;
	sys.fallocate = failing_fallocate;
	memset((void *)file, 0, sizeof(*file));
	snprintf(file->path, sizeof(file->path), "%s/preallocate-seal.XXXXXX", directory);
	fd = mkstemp(file->path);
	assert_true(fd >= 0);
	close(fd);
	file->second = open(file->path, O_RDWR | O_CLOEXEC);
	fd = open(file->path, flags | O_CLOEXEC);
	assert_true(fd >= 0 && file->second >= 0);
	memset(bytes, 'x', START);
	assert_int_equal(pwrite(file->second, bytes, START, 0), START);
	filter_disengage(&file->slot.positions);
	file->claimed = (struct claimed){
		.certainty = {.vouched = true},
		.fd = fd,
		.readable = (flags & O_ACCMODE) != O_WRONLY,
		.options = {16 * PAGE, PAGE},
		.slot = &file->slot,
	};
	filter_disengage(&file->claimed.positions);
	assert_int_equal(seal_begin(&file->claimed, 0), 0);
}

static void extended(struct file *file, int flags)
{
	file_new(file, flags);
	assert_int_equal(claimed_extend(&file->claimed, START, START + 10, INT64_MAX), 0);
	assert_int_equal(atomic_load(&file->claimed.positions.file_end), FILE_END);
	/* tmpfs of before Linux 6.6 */
	if (file->claimed.mark.key == 0)
		fail_msg("no extended attributes in %s", directory);
}

static void wrote(struct file *file, int64_t end)
{
	filter_wrote(&file->slot.positions, end);
	filter_wrote(&file->claimed.positions, end);
	atomic_store(&file->slot.data_end_check, ~end);
}

static void file_delete(struct file *file)
{
	close(file->claimed.fd);
	close(file->second);
	unlink(file->path);
}

static void put(struct file *file, const char *bytes, int64_t at)
{
	assert_int_equal(pwrite(file->second, bytes, strlen(bytes), at), strlen(bytes));
}

static struct mark mark_of(struct file *file)
{
	struct mark mark;

	assert_int_equal(mark_read(file->second, &mark), 0);
	return mark;
}

static bool is_marked(struct file *file)
{
	return fgetxattr(file->second, MARK_NAME, NULL, 0) >= 0;
}

static bool recorded(struct file *file, int64_t at, struct record *record)
{
	int ret = record_read(file->second, at, file->claimed.mark.key, file->claimed.mark.ino,
			      record);

	assert_true(ret >= 0);
	return ret > 0;
}

static void assert_zeroes(struct file *file, int64_t from, int64_t to)
{
	for (int64_t at = from; at < to; at++) {
		char byte = 'x';

		assert_int_equal(pread(file->second, &byte, 1, at), 1);
		assert_int_equal(byte, 0);
	}
}

static bool is_on_tmpfs(struct file *file)
{
	struct statfs fs;

	assert_int_equal(fstatfs(file->second, &fs), 0);
	return fs.f_type == TMPFS_MAGIC;
}

/* --- the mark --- */

static bool was_marked;

static int watching_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	if (mode == 0)
		was_marked = is_marked(watched) &&
			     mark_of(watched).file_end == offset + bytes;
	return failing_fallocate(fd, mode, offset, bytes);
}

static void it_comes_before_each_allocation(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	watched = &file;
	sys.fallocate = watching_fallocate;
	for (int i = 0; i < 2; i++) {
		was_marked = false;
		assert_int_equal(claimed_extend(&file.claimed, START + i * FILE_END,
						START + i * FILE_END + 10, INT64_MAX), 0);
		assert_true(was_marked);
		wrote(&file, atomic_load(&file.claimed.positions.file_end));
	}
	sys.fallocate = failing_fallocate;
	file_delete(&file);
}

static void its_positions_are_possible_ones(void **state)
{
	static const struct {
		int64_t floor, data_end, synced, size; /* of the slot; the real size */
		int64_t marked_floor, marked_data_end;
	} rows[] = {
		{0, -1, 0, START, 0, START},
		{-5, -1, 0, START, 0, START},
		{50, -1, 0, START, 50, START},
		{INT64_MAX, -1, 0, START, START, START},
		{0, 80, 0, START, 0, 80},
		{0, 80, 70, START, 70, 80},
		{75, 80, 70, START, 75, 80},
		{90, 80, 0, START, 80, 80},
		{0, 80, 90, START, 80, 80},
		{0, START, 0, START, 0, START},
		{0, START + 1, 0, START, 0, START},
	};
	struct file file;
	struct mark mark;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		file_new(&file, O_RDWR);
		assert_int_equal(seal_begin(&file.claimed, rows[i].floor), 0);
		assert_int_equal(atomic_load(&file.slot.synced_end),
				 rows[i].floor < 0 ? 0 : rows[i].floor > START ? START : rows[i].floor);
		assert_int_equal(atomic_load(&file.slot.synced_end), file.claimed.mark.floor);
		assert_int_equal(atomic_load(&file.slot.recorded_end), file.claimed.mark.floor);
		assert_int_equal(atomic_load(&file.slot.key), file.claimed.mark.key);
		atomic_store(&file.claimed.positions.data_end, rows[i].data_end);
		atomic_store(&file.slot.synced_end, rows[i].synced);
		assert_int_equal(seal_mark(&file.claimed, rows[i].size, 5000), 0);
		mark = mark_of(&file);
		if (mark.floor != rows[i].marked_floor || mark.data_end != rows[i].marked_data_end ||
		    mark.size_before != rows[i].size || mark.file_end != 5000)
			fail_msg("row %zu: %lld, %lld", i, (long long)mark.floor,
				 (long long)mark.data_end);
		file_delete(&file);
	}
}

static void without_xattrs_only_memory_is_extended(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	fail_at("fsetxattr", EOPNOTSUPP);
	assert_int_equal(seal_mark(&file.claimed, START, 5000),
			 is_on_tmpfs(&file) ? 0 : -EOPNOTSUPP);
	assert_int_equal(file.claimed.mark.key == 0, is_on_tmpfs(&file));
	file.claimed.mark.key = 0;
	/* From then on nothing is written down. */
	assert_int_equal(seal_mark(&file.claimed, START, 5000), 0);
	assert_int_equal(seal_settle(&file.claimed, START), 0);
	seal_doubt(&file.claimed);
	assert_false(is_marked(&file));
	atomic_store(&file.claimed.positions.data_end, 70);
	atomic_store(&file.slot.nonzero_end, 60);
	assert_int_equal(seal_record(&file.claimed, true), 0);
	assert_int_equal(atomic_load(&file.slot.recorded_end), 70);
	assert_int_equal(atomic_load(&file.slot.recorded_open), 1);
	assert_int_equal(atomic_load(&file.slot.recorded_nonzero), 0);
	assert_int_equal(atomic_load(&file.slot.record_at), 0);
	put(&file, "x", START);
	seal_remove(&file.claimed);
	file_delete(&file);
}

static void a_mark_that_fails_is_no_extension(void **state)
{
	static const int errors[] = {ENOSPC, EDQUOT, EPERM, EIO};
	struct file file;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		file_new(&file, O_RDWR);
		fail_at("fsetxattr", errors[i]);
		times = 1000;
		assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX),
				 -errors[i]);
		assert_int_equal(lseek(file.second, 0, SEEK_END), START);
		assert_false(is_marked(&file));
		assert_int_equal(file.claimed.mark.key, 0);
		file_delete(&file);
	}
	file_new(&file, O_RDWR);
	fail_at("fstat", EIO);
	assert_int_equal(seal_begin(&file.claimed, 0), -EIO);
	file_delete(&file);
}

static void it_goes_with_the_settle(void **state)
{
	struct file file;
	struct mark mark;

	(void)state;
	extended(&file, O_RDWR);
	assert_int_equal(seal_settle(&file.claimed, 200), 0);
	mark = mark_of(&file);
	assert_int_equal(mark.flags, MARK_SETTLED);
	assert_int_equal(mark.data_end, 200);
	assert_int_equal(mark.file_end, FILE_END);
	/* It didn't come to that. */
	wrote(&file, 300);
	seal_doubt(&file.claimed);
	mark = mark_of(&file);
	assert_int_equal(mark.flags, MARK_DOUBTED);
	assert_int_equal(mark.data_end, 300);
	assert_true(mark.floor <= 300 && mark.size_before == 300);
	seal_remove(&file.claimed);
	assert_false(is_marked(&file));
	assert_int_equal(file.claimed.mark.key, 0);
	assert_int_equal(atomic_load(&file.slot.recorded_end), 0);
	file_delete(&file);
}

static void abandoned_it_is_left_in_doubt(void **state)
{
	struct certainty vouched = {.vouched = true};
	const struct recover_options options = {.certainty = &vouched};
	struct recovery recovery;
	struct file file;

	(void)state;
	extended(&file, O_RDWR);
	wrote(&file, 150);
	put(&file, "x", 3 * PAGE);
	/* Without a lease nobody knows. */
	file.claimed.certainty.vouched = false;
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_CHALLENGED), -ESTALE);
	assert_int_equal(mark_of(&file).flags, MARK_DOUBTED);
	assert_int_equal(mark_of(&file).data_end, 150);
	assert_int_equal(lseek(file.second, 0, SEEK_END), FILE_END);
	fsync(file.second);
	assert_int_equal(recover_file(file.second, &options, &recovery), 0);
	assert_int_equal(recovery.outcome, RECOVER_CUT);
	assert_int_equal(recovery.source, RECOVER_BY_BLOCK);
	assert_true(recovery.size >= 4 * PAGE);
	file_delete(&file);
}

/* --- the record --- */

static void it_is_written_in_the_last_page(void **state)
{
	static const struct timespec then[2] = {{1000000000, 111}, {1100000000, 222}};
	struct record record;
	struct file file;
	struct stat st;

	(void)state;
	extended(&file, O_RDWR);
	wrote(&file, 150);
	atomic_store(&file.slot.nonzero_end, 120);
	assert_int_equal(futimens(file.second, then), 0);
	assert_int_equal(seal_record(&file.claimed, true), 0);
	assert_int_equal(fstat(file.second, &st), 0);
	assert_true(recorded(&file, RECORD_AT, &record));
	assert_true(record.open && record.end == 150 && record.nonzero_end == 120);
	assert_int_equal(record.synced_end, 0);
	assert_int_equal(file.claimed.record_at, RECORD_AT);
	assert_int_equal(atomic_load(&file.slot.record_at), RECORD_AT);
	assert_int_equal(atomic_load(&file.slot.recorded_end), 150);
	assert_int_equal(atomic_load(&file.slot.recorded_open), 1);
	assert_int_equal(atomic_load(&file.slot.recorded_nonzero), 120);
	assert_int_equal(atomic_load(&file.slot.sequence) & 1, 0);
	assert_int_equal(st.st_mtim.tv_sec, then[1].tv_sec);
	assert_int_equal(st.st_mtim.tv_nsec, then[1].tv_nsec);
	assert_int_equal(st.st_atim.tv_sec, then[0].tv_sec);
	assert_int_equal(st.st_size, FILE_END);
	/* And again in the same place. */
	wrote(&file, 160);
	atomic_store(&file.slot.synced_end, 150);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	assert_true(recorded(&file, RECORD_AT, &record));
	assert_true(!record.open && record.end == 160 && record.synced_end == 150);
	/* On the disk already: no byte that could be missing. */
	assert_int_equal(record.nonzero_end, 0);
	assert_int_equal(atomic_load(&file.slot.recorded_nonzero), 0);
	file_delete(&file);
}

/* The offset is the program's: killed before it is put back, it would be lost. */
static void its_place_is_not_sought(void **state)
{
	struct file file;
	char byte;

	(void)state;
	extended(&file, O_RDWR);
	assert_int_equal(pread(file.second, &byte, 1, RECORD_AT), 1);
	fail_at("lseek", EIO);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	assert_int_equal(times, 1);
	file_delete(&file);
}

static void what_it_says_is_possible(void **state)
{
	static const struct {
		int64_t synced, nonzero, recorded_synced, recorded_nonzero; /* the end: 150 */
	} rows[] = {
		{0, 0, 0, 0},	   {100, 140, 100, 140}, {100, 150, 100, 150}, {100, 151, 100, 0},
		{100, 100, 100, 0}, {100, 101, 100, 101}, {151, 0, 150, 0},	{-1, 0, 0, 0},
		{INT64_MIN, INT64_MIN, 0, 0}, {INT64_MAX, INT64_MAX, 150, 0},
	};
	struct record record;
	struct file file;

	(void)state;
	extended(&file, O_RDWR);
	wrote(&file, 150);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		atomic_store(&file.slot.synced_end, rows[i].synced);
		atomic_store(&file.slot.nonzero_end, rows[i].nonzero);
		assert_int_equal(seal_record(&file.claimed, false), 0);
		assert_true(recorded(&file, RECORD_AT, &record));
		if (record.synced_end != rows[i].recorded_synced ||
		    record.nonzero_end != rows[i].recorded_nonzero || record.end != 150)
			fail_msg("row %zu: %lld, %lld", i, (long long)record.synced_end,
				 (long long)record.nonzero_end);
	}
	file_delete(&file);
}

/* Who asks has looked in the middle of another thread's append: text needs none. */
static void what_tells_its_end_needs_none(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	extended(&file, O_RDWR);
	wrote(&file, 150);
	atomic_store(&file.slot.nonzero_end, 150);
	assert_int_equal(claimed_record(&file.claimed, true, INT64_MAX), 0);
	assert_false(recorded(&file, RECORD_AT, &record));
	/* But one that says that zeroes may follow is closed. */
	atomic_store(&file.slot.nonzero_end, 140);
	assert_int_equal(claimed_record(&file.claimed, true, INT64_MAX), 0);
	assert_true(recorded(&file, RECORD_AT, &record) && record.open);
	atomic_store(&file.slot.nonzero_end, 150);
	assert_int_equal(claimed_record(&file.claimed, false, INT64_MAX), 0);
	assert_true(recorded(&file, RECORD_AT, &record) && !record.open && record.end == 150);
	file_delete(&file);
}

static void without_room_the_file_is_extended_for_it(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	extended(&file, O_RDWR);
	wrote(&file, RECORD_AT);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	assert_true(recorded(&file, RECORD_AT, &record));
	file_delete(&file);
	extended(&file, O_RDWR);
	wrote(&file, RECORD_AT + 1);
	assert_int_equal(seal_record(&file.claimed, false), -ENOSPC);
	assert_int_equal(claimed_record(&file.claimed, false, INT64_MAX), 0);
	assert_true(file.claimed.record_at > FILE_END);
	assert_true(recorded(&file, file.claimed.record_at, &record));
	assert_int_equal(record.end, RECORD_AT + 1);
	file_delete(&file);
	/* Neither room nor extension. */
	extended(&file, O_RDWR);
	wrote(&file, FILE_END);
	assert_int_equal(claimed_record(&file.claimed, false, FILE_END), -EFBIG);
	file_delete(&file);
	/* The first page is none. */
	extended(&file, O_RDWR);
	atomic_store(&file.claimed.positions.data_end, 0);
	atomic_store(&file.claimed.positions.file_end, PAGE);
	assert_int_equal(seal_record(&file.claimed, false), -ENOSPC);
	atomic_store(&file.claimed.positions.file_end, 10);
	assert_int_equal(seal_record(&file.claimed, false), -ENOSPC);
	file_delete(&file);
}

static void somebodys_bytes_are_not_written_over(void **state)
{
	struct file file;
	char byte;

	(void)state;
	extended(&file, O_RDWR);
	put(&file, "x", RECORD_AT + PAGE - 1);
	assert_int_equal(seal_record(&file.claimed, false), -EEXIST);
	assert_int_equal(atomic_load(&file.slot.record_at), 0);
	assert_int_equal(pread(file.second, &byte, 1, RECORD_AT + PAGE - 1), 1);
	assert_int_equal(byte, 'x');
	assert_zeroes(&file, RECORD_AT, RECORD_AT + 100);
	file_delete(&file);
	/* Into the record. */
	extended(&file, O_RDWR);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	put(&file, "x", RECORD_AT + 200);
	assert_int_equal(seal_record(&file.claimed, false), -EEXIST);
	assert_int_equal(pread(file.second, &byte, 1, RECORD_AT + 200), 1);
	assert_int_equal(byte, 'x');
	file_delete(&file);
}

static void a_call_that_fails_says_so(void **state)
{
	static const char *const names[] = {"fstat", "pread", "pwritev"};
	struct file file;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		extended(&file, O_RDWR);
		assert_int_equal(seal_record(&file.claimed, false), 0);
		wrote(&file, 150);
		fail_at(names[i], EIO);
		assert_int_equal(seal_record(&file.claimed, false), -EIO);
		assert_int_equal(atomic_load(&file.slot.recorded_end), START);
		assert_int_equal(atomic_load(&file.slot.sequence) & 1, 0);
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_FAILED), 0);
		assert_int_equal(lseek(file.second, 0, SEEK_END), 150);
		file_delete(&file);
	}
}

static void a_record_that_failed_and_is_there_is_no_data(void **state)
{
	struct file file;

	(void)state;
	for (int i = 0; i < 2; i++) {
		extended(&file, i == 0 ? O_RDWR : O_WRONLY);
		wrote(&file, 150);
		works_all_the_same = true;
		watched = &file;
		assert_int_equal(seal_record(&file.claimed, false), -EIO);
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_FAILED), 0);
		assert_int_equal(lseek(file.second, 0, SEEK_END), 150);
		file_delete(&file);
	}
}

static void a_description_that_cannot_read_has_one_too(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	extended(&file, O_WRONLY);
	wrote(&file, 150);
	for (int i = 0; i < 2; i++) {
		int ret = seal_record(&file.claimed, false);

		/* tmpfs can't tell the page from one that was written to (tail_is_provable). */
		assert_true(ret == 0 || (ret == -EEXIST && is_on_tmpfs(&file)));
		if (ret == 0)
			assert_true(recorded(&file, RECORD_AT, &record));
	}
	file_delete(&file);
}

static void an_extension_clears_it(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	extended(&file, O_RDWR);
	wrote(&file, 150);
	atomic_store(&file.slot.nonzero_end, 120);
	assert_int_equal(seal_record(&file.claimed, true), 0);
	atomic_store(&file.slot.synced_end, 140);
	assert_int_equal(claimed_extend(&file.claimed, 150, FILE_END + 1, INT64_MAX), 0);
	assert_false(recorded(&file, RECORD_AT, &record));
	assert_zeroes(&file, RECORD_AT, RECORD_AT + 100);
	assert_int_equal(file.claimed.record_at, 0);
	assert_int_equal(atomic_load(&file.slot.record_at), 0);
	assert_int_equal(atomic_load(&file.slot.recorded_open), 0);
	assert_int_equal(atomic_load(&file.slot.recorded_nonzero), 0);
	/* What it told stands in the mark. */
	assert_int_equal(atomic_load(&file.slot.recorded_end), 140);
	assert_int_equal(mark_of(&file).data_end, 150);
	assert_int_equal(mark_of(&file).floor, 140);
	file_delete(&file);
	/* Somebody's bytes in its place are kept. */
	extended(&file, O_RDWR);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	put(&file, "foreign", RECORD_AT + 100);
	assert_int_equal(claimed_extend(&file.claimed, START, FILE_END + 1, INT64_MAX), 0);
	{
		char bytes[8] = "";

		assert_int_equal(pread(file.second, bytes, 7, RECORD_AT + 100), 7);
		assert_string_equal(bytes, "foreign");
	}
	file_delete(&file);
	/* The record's page is not the program's: a write into it extends the file. */
	extended(&file, O_RDWR);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	assert_int_equal(claimed_extend(&file.claimed, START, RECORD_AT, INT64_MAX), 0);
	assert_int_equal(file.claimed.record_at, RECORD_AT);
	assert_int_equal(claimed_extend(&file.claimed, START, RECORD_AT + 1, INT64_MAX), 0);
	assert_int_equal(file.claimed.record_at, 0);
	assert_true(atomic_load(&file.claimed.positions.file_end) > FILE_END);
	file_delete(&file);
}

/* In mode write it follows the end of what is allocated. */
static void extended_and_recorded(struct file *file)
{
	extended(file, O_RDWR);
	file->claimed.written = true;
	wrote(file, 150);
	atomic_store(&file->slot.nonzero_end, 120);
	assert_int_equal(seal_record(&file->claimed, false), 0);
}

static void a_step_of_less_than_a_page_leaves_it_where_it_is(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	extended_and_recorded(&file);
	wrote(&file, 160);
	assert_int_equal(claimed_extend(&file.claimed, 160, FILE_END + 1, FILE_END + 285), 0);
	assert_int_equal(atomic_load(&file.claimed.positions.file_end), FILE_END + 285);
	assert_true(recorded(&file, RECORD_AT, &record));
	assert_int_equal(record.end, 160);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
	assert_int_equal(lseek(file.second, 0, SEEK_END), 160);
	file_delete(&file);
}

static ssize_t no_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	(void)fd;
	(void)iov;
	(void)count;
	(void)offset;
	errno = EIO;
	return -1;
}

static int fallocate_and_put(int fd, int mode, off_t offset, off_t bytes)
{
	int ret = failing_fallocate(fd, mode, offset, bytes);

	if (mode == 0)
		put(watched, "x", record_place(offset + bytes));
	return ret;
}

/* It fails before it is there, or after, or somebody's bytes are in the new one's place. */
static void one_that_cannot_be_moved_is_no_data(void **state)
{
	struct record record;
	struct file file;
	int64_t foreign;

	(void)state;
	for (int i = 0; i < 3; i++) {
		extended_and_recorded(&file);
		if (i == 0)
			sys.pwritev = no_pwritev;
		watched = &file;
		works_all_the_same = i == 1;
		if (i == 2)
			sys.fallocate = fallocate_and_put;
		assert_true(claimed_extend(&file.claimed, 150, FILE_END + 1, INT64_MAX) < 0);
		foreign = record_place(atomic_load(&file.claimed.positions.file_end));
		sys.pwritev = late_pwritev;
		sys.fallocate = failing_fallocate;
		assert_int_equal(file.claimed.record_at, RECORD_AT);
		assert_int_equal(atomic_load(&file.slot.record_at), RECORD_AT);
		assert_true(recorded(&file, RECORD_AT, &record));
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_FAILED), 0);
		assert_int_equal(lseek(file.second, 0, SEEK_END), i < 2 ? 150 : foreign + 1);
		assert_zeroes(&file, RECORD_AT, i < 2 ? 0 : RECORD_AT + 100);
		file_delete(&file);
	}
}

/* The guardian has ended between the new one and the old. */
static void of_two_records_none_is_data(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	extended_and_recorded(&file);
	assert_true(recorded(&file, RECORD_AT, &record));
	assert_int_equal(claimed_extend(&file.claimed, 150, FILE_END + 1, INT64_MAX), 0);
	assert_true(file.claimed.record_at > RECORD_AT);
	assert_int_equal(record_write(file.second, RECORD_AT, &record), 0);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
	assert_int_equal(lseek(file.second, 0, SEEK_END), 150);
	file_delete(&file);
}

static void one_that_cannot_be_cleared_stays_known(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	extended(&file, O_RDWR);
	wrote(&file, 150);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	sys.fallocate = no_fallocate;
	fail_at("pwritev", EIO);
	assert_int_equal(seal_extended(&file.claimed), -EIO);
	assert_int_equal(file.claimed.record_at, RECORD_AT);
	assert_true(recorded(&file, RECORD_AT, &record));
	assert_int_equal(seal_extended(&file.claimed), 0);
	assert_int_equal(file.claimed.record_at, 0);
	assert_false(recorded(&file, RECORD_AT, &record));
	sys.fallocate = failing_fallocate;
	file_delete(&file);
}

/* --- the proof at the settle --- */

static int64_t proof(struct file *file, int64_t from, int64_t to)
{
	return seal_tail_data_end(&file->claimed, true, from, to);
}

static void the_record_is_no_data(void **state)
{
	struct file file;

	(void)state;
	extended(&file, O_RDWR);
	assert_int_equal(proof(&file, START, FILE_END), START);
	put(&file, "x", 2 * PAGE);
	assert_int_equal(proof(&file, START, FILE_END), 2 * PAGE + 1);
	assert_int_equal(seal_record(&file.claimed, false), 0);
	assert_int_equal(proof(&file, START, FILE_END), 2 * PAGE + 1);
	assert_int_equal(proof(&file, 3 * PAGE, FILE_END), 3 * PAGE);
	assert_int_equal(proof(&file, RECORD_AT, FILE_END), RECORD_AT);
	/* Outside of what is asked for. */
	assert_int_equal(proof(&file, 3 * PAGE, RECORD_AT), 3 * PAGE);
	assert_true(proof(&file, RECORD_AT + 1, FILE_END) > RECORD_AT + 1);
	fail_at("pread", EIO);
	assert_int_equal(proof(&file, 3 * PAGE, FILE_END), -EIO);
	/* Somebody's bytes in it: no record any more. */
	put(&file, "x", RECORD_AT + 99);
	assert_int_equal(proof(&file, 3 * PAGE, FILE_END), RECORD_AT + 100);
	file_delete(&file);
}

static void bytes_behind_the_record_make_zeroes_of_it(void **state)
{
	struct record record;
	struct file file;

	(void)state;
	for (int i = 0; i < 3; i++) {
		extended(&file, O_RDWR);
		wrote(&file, 150);
		assert_int_equal(seal_record(&file.claimed, false), 0);
		put(&file, "foreign", FILE_END);
		if (i == 0)
			fail_at("pread", EIO);
		if (i == 1) {
			/* As on a filesystem that has no other way. */
			sys.fallocate = no_fallocate;
			fail_at("pwritev", EIO);
		}
		if (i == 0) {
			assert_int_equal(proof(&file, 150, FILE_END + 7), -EIO);
			assert_true(recorded(&file, RECORD_AT, &record));
		} else {
			int64_t end = proof(&file, 150, FILE_END + 7);

			assert_int_equal(end, i == 1 ? -EIO : FILE_END + 7);
		}
		sys.fallocate = failing_fallocate;
		failing = NULL;
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
		assert_int_equal(lseek(file.second, 0, SEEK_END), FILE_END + 7);
		assert_zeroes(&file, RECORD_AT, RECORD_AT + 100);
		assert_int_equal(atomic_load(&file.slot.record_at), 0);
		assert_int_equal(atomic_load(&file.slot.covered), FILE_END + 7 - 150);
		file_delete(&file);
	}
}

static void a_settled_file_has_neither(void **state)
{
	struct file file;

	(void)state;
	for (int i = 0; i < 2; i++) {
		extended(&file, i == 0 ? O_RDWR : O_WRONLY);
		wrote(&file, 150);
		if (seal_record(&file.claimed, true) < 0) {
			file_delete(&file);
			continue;
		}
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_IDLE), 0);
		assert_int_equal(lseek(file.second, 0, SEEK_END), 150);
		assert_false(is_marked(&file));
		assert_int_equal(atomic_load(&file.slot.record_at), 0);
		assert_int_equal(file.claimed.record_at, 0);
		assert_zeroes(&file, START, 150);
		file_delete(&file);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_comes_before_each_allocation),
	cmocka_unit_test(its_positions_are_possible_ones),
	cmocka_unit_test(without_xattrs_only_memory_is_extended),
	cmocka_unit_test(a_mark_that_fails_is_no_extension),
	cmocka_unit_test(it_goes_with_the_settle),
	cmocka_unit_test(abandoned_it_is_left_in_doubt),
	cmocka_unit_test(it_is_written_in_the_last_page),
	cmocka_unit_test(its_place_is_not_sought),
	cmocka_unit_test(what_it_says_is_possible),
	cmocka_unit_test(what_tells_its_end_needs_none),
	cmocka_unit_test(without_room_the_file_is_extended_for_it),
	cmocka_unit_test(somebodys_bytes_are_not_written_over),
	cmocka_unit_test(a_call_that_fails_says_so),
	cmocka_unit_test(a_record_that_failed_and_is_there_is_no_data),
	cmocka_unit_test(a_description_that_cannot_read_has_one_too),
	cmocka_unit_test(an_extension_clears_it),
	cmocka_unit_test(a_step_of_less_than_a_page_leaves_it_where_it_is),
	cmocka_unit_test(one_that_cannot_be_moved_is_no_data),
	cmocka_unit_test(of_two_records_none_is_data),
	cmocka_unit_test(one_that_cannot_be_cleared_stays_known),
	cmocka_unit_test(the_record_is_no_data),
	cmocka_unit_test(bytes_behind_the_record_make_zeroes_of_it),
	cmocka_unit_test(a_settled_file_has_neither),
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
	sys.pwritev = late_pwritev;
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
	return _cmocka_run_group_tests("seal", all, count, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The proof of emptiness on real files, in every directory of PREALLOCATE_TEST_DIRECTORIES
 * (separated by colons; default: TMPDIR or /tmp, and /dev/shm).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/sys.h"
#include "recovery/peek.h"
#include "recovery/tail.h"

#define PAGE INT64_C(4096)
#define MIB INT64_C(1048576)
#define OFFSET 77 /* where the description stands; must stay there */

static char directory[PATH_MAX / 2];
static struct sys real;
static struct {
	int call;     /* fails at this one, 0: the first */
	int error;
	int calls;
	size_t short_read; /* 0: none */
} fault;

static int restore_sys(void **state)
{
	(void)state;
	sys = real;
	memset(&fault, 0, sizeof(fault));
	return 0;
}

struct file {
	char path[PATH_MAX];
	int fd;	    /* what tail_data_end gets */
	int second; /* another description, for what nobody sees */
};

/* data bytes of data, then fallocate'd up to size; the pages of the tail are in no cache. */
static void file_new(struct file *file, int64_t data, int64_t size)
{
	char *bytes = malloc((size_t)data + 1);

	snprintf(file->path, sizeof(file->path), "%s/preallocate-tail.XXXXXX", directory);
	file->fd = mkstemp(file->path);
	assert_true(file->fd >= 0);
	file->second = open(file->path, O_RDWR | O_CLOEXEC);
	assert_true(file->second >= 0);
	memset(bytes, 'd', (size_t)data);
	assert_int_equal(write(file->fd, bytes, (size_t)data), data);
	free(bytes);
	if (size > data)
		assert_int_equal(fallocate(file->fd, 0, data, size - data), 0);
	assert_int_equal(lseek(file->fd, OFFSET, SEEK_SET), OFFSET);
}

static bool file_reopen(struct file *file, int flags)
{
	close(file->fd);
	file->fd = open(file->path, flags | O_CLOEXEC);
	if (file->fd < 0)
		return false;
	lseek(file->fd, OFFSET, SEEK_SET);
	return true;
}

static void file_delete(struct file *file)
{
	assert_int_equal(lseek(file->fd, 0, SEEK_CUR), OFFSET);
	close(file->fd);
	close(file->second);
	unlink(file->path);
}

static void put(struct file *file, const void *bytes, size_t count, int64_t at)
{
	assert_int_equal(pwrite(file->second, bytes, count, at), (ssize_t)count);
}

static void drop_cache(struct file *file)
{
	fsync(file->second);
	posix_fadvise(file->second, 0, 0, POSIX_FADV_DONTNEED);
}

/* The tail has been looked at by somebody: the filesystem has clean pages of it. */
static void read_tail(struct file *file, int64_t from, int64_t to)
{
	char *bytes = malloc((size_t)(to - from));

	posix_fadvise(file->second, 0, 0, POSIX_FADV_SEQUENTIAL);
	assert_int_equal(pread(file->second, bytes, (size_t)(to - from), from), to - from);
	free(bytes);
}

static const struct {
	int64_t from, to;
} tails[] = {
	{0, 1},
	{0, PAGE},
	{0, 4 * MIB},
	{1, 2},
	{100, PAGE - 1},
	{100, PAGE},
	{100, PAGE + 1},
	{100, 4 * MIB},
	{PAGE - 1, PAGE},
	{PAGE, PAGE + 1},
	{PAGE, 3 * PAGE},
	{PAGE, 2 * MIB + 17},
	{5 * PAGE + 5, MIB + 5},
	{300000, 900001},
};

static void an_allocated_tail_is_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct file file;
		int64_t from = tails[i].from, to = tails[i].to;

		file_new(&file, from, to);
		assert_int_equal(tail_data_end(file.fd, false, true, from, to), from);
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), from);
		drop_cache(&file);
		assert_int_equal(tail_data_end(file.fd, false, true, from, to), from);
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), from);
		file_delete(&file);
	}
}

static off_t no_lseek(int fd, off_t offset, int whence)
{
	(void)fd;
	(void)offset;
	(void)whence;
	fail_msg("an untouched tail was searched for data");
	return -1;
}

static bool knows_unwritten_extents(struct file *file)
{
	uint64_t range[2] = {0, 1}, state[5];
	struct statfs fs;
	struct fiemap map = {.fm_length = FIEMAP_MAX_OFFSET};

	/* cachestat(2), since Linux 6.5; tmpfs has no extents, overlayfs no pages. */
	return syscall(451, file->fd, range, state, 0) == 0 && fstatfs(file->fd, &fs) == 0 &&
	       fs.f_type != TMPFS_MAGIC && fs.f_type != OVERLAYFS_SUPER_MAGIC &&
	       ioctl(file->fd, FS_IOC_FIEMAP, &map) == 0;
}

/* Asking SEEK_DATA and reading what it reports is slow, and moves the offset. */
static void an_untouched_tail_is_not_searched(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, 100, 4 * MIB);
	if (!knows_unwritten_extents(&file)) {
		file_delete(&file);
		print_message("# skipped: %s can't tell what is unwritten\n", directory);
		return; /* cmocka 1.1.7 prints skip() as a failure in TAP */
	}
	sys.lseek = no_lseek;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB), 100);
		assert_int_equal(tail_data_end(file.fd, false, true, 100, 4 * MIB), 100);
	}
	file_delete(&file);
}

/* An interrupted thread's write goes by the offset. */
static void the_offset_is_left_alone(void **state)
{
	static const int64_t at[] = {PAGE, MIB - 1, MIB, 3 * MIB + 5, 4 * MIB - 1};
	struct file file;

	(void)state;
	file_new(&file, 100, 4 * MIB);
	sys.lseek = no_lseek;
	assert_int_equal(tail_data_end(file.fd, true, false, 100, 4 * MIB), 100);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		assert_int_equal(pwrite(file.second, "x", 1, at[i]), 1);
		assert_int_equal(tail_data_end(file.fd, true, false, 100, 4 * MIB), at[i] + 1);
		drop_cache(&file);
		assert_int_equal(tail_data_end(file.fd, true, false, 100, 4 * MIB), at[i] + 1);
		assert_int_equal(tail_data_end(file.fd, true, false, 100, at[i]),
				 i ? at[i - 1] + 1 : 100);
	}
	file_delete(&file);
}

static void a_hole_is_empty(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, 100, 100);
	assert_int_equal(ftruncate(file.second, 3 * MIB + 5), 0);
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 3 * MIB + 5), 100);
	file_delete(&file);
}

static void pages_that_were_only_read_are_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct file file;
		int64_t from = tails[i].from, to = tails[i].to;

		file_new(&file, from, to);
		drop_cache(&file);
		read_tail(&file, from, to);
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), from);
		file_delete(&file);
	}
}

static void written_zeroes_are_empty(void **state)
{
	char *zeroes = calloc(1, (size_t)(4 * MIB));

	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct file file;
		int64_t from = tails[i].from, to = tails[i].to;

		file_new(&file, from, to);
		put(&file, zeroes, (size_t)(to - from), from);
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), from);
		drop_cache(&file);
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), from);
		file_delete(&file);
	}
	free(zeroes);
}

/* In dirty pages, in written blocks, between zeroes that were written. */
enum company { ALONE, FLUSHED, AMONG_ZEROES };

static void find_byte(int64_t from, int64_t to, int64_t at, enum company company)
{
	static const char byte = 'x';
	struct file file;

	if (at < from || at >= to)
		return;
	file_new(&file, from, to);
	if (company == AMONG_ZEROES) {
		char *zeroes = calloc(1, (size_t)(to - from));

		put(&file, zeroes, (size_t)(to - from), from);
		free(zeroes);
	}
	put(&file, &byte, 1, at);
	if (company == FLUSHED)
		drop_cache(&file);
	assert_int_equal(tail_data_end(file.fd, true, true, from, to), at + 1);
	/* From right behind it on there is nothing. */
	if (at + 1 < to)
		assert_int_equal(tail_data_end(file.fd, true, true, at + 1, to), at + 1);
	file_delete(&file);
}

static void every_byte_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		int64_t from = tails[i].from, to = tails[i].to;
		int64_t page = (from + PAGE - 1) / PAGE * PAGE;
		const int64_t places[] = {
			from,	       from + 1,     page - 1,		page,
			page + 1,      page + PAGE - 1, page + PAGE,	page + 65535,
			page + 65536,  page + 65537, page + 131072,	(from + to) / 2,
			to - PAGE - 1, to - PAGE,    to / PAGE * PAGE - 1, to / PAGE * PAGE,
			to - 2,	       to - 1,
		};

		for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++)
			for (enum company company = ALONE; company <= AMONG_ZEROES; company++)
				find_byte(from, to, places[j], company);
	}
}

static void the_last_of_many_is_found(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, 100, 4 * MIB);
	put(&file, "one", 3, 5000);
	put(&file, "two\0\0", 5, 700000);
	put(&file, "three", 5, 3 * MIB);
	put(&file, "\0\0\0", 3, 3 * MIB + 70000);
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB), 3 * MIB + 5);
	/* What is looked at ends where it was said to. */
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 3 * MIB + 2), 3 * MIB + 2);
	assert_int_equal(tail_data_end(file.fd, true, true, 3 * MIB + 1, 3 * MIB + 2), 3 * MIB + 2);
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 3 * MIB), 700003);
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 5000), 100);
	assert_int_equal(tail_data_end(file.fd, true, true, 3 * MIB + 5, 4 * MIB), 3 * MIB + 5);
	file_delete(&file);
}

static void stores_through_a_mapping_are_found(void **state)
{
	struct file file;
	char *map;

	(void)state;
	file_new(&file, 100, 2 * MIB);
	map = mmap(NULL, (size_t)(2 * MIB), PROT_READ | PROT_WRITE, MAP_SHARED, file.second, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	map[200] = 'm';
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 2 * MIB), 201);
	map[MIB + 1] = 'm';
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 2 * MIB), MIB + 2);
	munmap(map, (size_t)(2 * MIB));
	file_delete(&file);
}

/* Nobody can read the page's bytes: all that the filesystem calls data is kept. */
static void through_a_write_only_description(void **state)
{
	struct file file;
	int64_t end;

	(void)state;
	file_new(&file, 100, 4 * MIB);
	assert_true(file_reopen(&file, O_WRONLY));
	assert_int_equal(tail_data_end(file.fd, false, true, 100, 4 * MIB), 100);
	drop_cache(&file);
	assert_int_equal(tail_data_end(file.fd, false, true, 100, 4 * MIB), 100);
	/* The data's own page isn't looked at, as the header says. */
	put(&file, "x", 1, 200);
	assert_int_equal(tail_data_end(file.fd, false, true, 100, 4 * MIB), 100);
	put(&file, "x", 1, MIB + 5);
	end = tail_data_end(file.fd, false, true, 100, 4 * MIB);
	assert_in_range(end, MIB + 6, MIB + 65536);
	assert_int_equal(end % PAGE, 0);
	put(&file, "x", 1, 4 * MIB - 1);
	assert_int_equal(tail_data_end(file.fd, false, true, 100, 4 * MIB), 4 * MIB);
	file_delete(&file);
}

/* A large folio, once written to as a whole, is data up to its own end for SEEK_DATA. */
static void through_a_write_only_description_behind_a_cut(void **state)
{
	const int64_t from = 16 * PAGE + 100;

	(void)state;
	for (int64_t data = 20 * PAGE; data <= MIB; data *= 2) {
		struct file file;

		file_new(&file, data, data);
		assert_true(file_reopen(&file, O_WRONLY));
		if (!tail_is_provable(file.fd, false)) {
			file_delete(&file);
			return;
		}
		assert_int_equal(ftruncate(file.second, from), 0);
		assert_int_equal(fallocate(file.second, 0, from, 4 * MIB - from), 0);
		put(&file, "0123456789", 10, from);
		assert_int_equal(tail_data_end(file.fd, false, true, from + 10, 4 * MIB), from + 10);
		put(&file, "x", 1, MIB + 5);
		assert_int_equal(tail_data_end(file.fd, false, true, from + 10, 4 * MIB), MIB + PAGE);
		file_delete(&file);
	}
}

/*
 * As a record comes and goes. ext4 splits a large folio there: from then on cachestat(2) takes for dirty what
 * isn't, and sync_file_range(2) changes nothing about it.
 */
static void through_a_write_only_description_behind_cleared_pages(void **state)
{
	static const char page[PAGE] = "record";
	const int64_t from = 8 * PAGE + 100, to = 12 * PAGE;

	(void)state;
	for (int64_t at = 9 * PAGE; at < to; at += PAGE) {
		struct file file;

		file_new(&file, to, to);
		assert_true(file_reopen(&file, O_WRONLY));
		if (!tail_is_provable(file.fd, false)) {
			file_delete(&file);
			return;
		}
		assert_int_equal(ftruncate(file.second, from), 0);
		assert_int_equal(fallocate(file.second, 0, from, to - from), 0);
		put(&file, "0123456789", 10, from);
		fsync(file.second);
		put(&file, page, sizeof(page), at);
		if (fallocate(file.second, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, at, PAGE) < 0)
			assert_int_equal(fallocate(file.second,
						   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
						   PAGE), 0);
		assert_int_equal(tail_data_end(file.fd, false, true, from + 10, to), from + 10);
		file_delete(&file);
	}
}

static void through_a_direct_description(void **state)
{
	static const int64_t places[] = {100, 101, PAGE - 1, PAGE, MIB + 5, 2 * MIB + 16};
	const int64_t from = 100, to = 2 * MIB + 17;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct file file;

		file_new(&file, from, to);
		if (!file_reopen(&file, O_RDWR | O_DIRECT)) {
			print_message("# skipped: no O_DIRECT in %s\n", directory);
			unlink(file.path);
			close(file.second);
			return; /* cmocka 1.1.7 prints skip() as a failure in TAP */
		}
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), from);
		put(&file, "x", 1, places[i]);
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), places[i] + 1);
		drop_cache(&file);
		assert_int_equal(tail_data_end(file.fd, true, true, from, to), places[i] + 1);
		file_delete(&file);
	}
}

/* More unwritten extents than one call of FIEMAP tells, and something behind them. */
static void many_extents_are_looked_at(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, PAGE, PAGE);
	assert_int_equal(ftruncate(file.second, 4 * MIB), 0);
	for (int64_t at = 2 * PAGE; at < 2 * MIB; at += 4 * PAGE)
		assert_int_equal(fallocate(file.second, 0, at, PAGE), 0);
	drop_cache(&file);
	assert_int_equal(tail_data_end(file.fd, true, true, PAGE, 4 * MIB), PAGE);
	put(&file, "x", 1, 2 * MIB + 5 * PAGE);
	drop_cache(&file);
	assert_int_equal(tail_data_end(file.fd, true, true, PAGE, 4 * MIB), 2 * MIB + 5 * PAGE + 1);
	file_delete(&file);
}

/* ---- Failing calls ---- */

static bool fails(void)
{
	if (fault.calls++ != fault.call)
		return false;
	errno = fault.error;
	return true;
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
	if (fault.error && fails())
		return -1;
	if (fault.short_read && bytes > fault.short_read)
		bytes = fault.short_read;
	return real.pread(fd, buffer, bytes, offset);
}

static off_t failing_lseek(int fd, off_t offset, int whence)
{
	return fails() ? -1 : real.lseek(fd, offset, whence);
}

static int failing_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	assert_int_equal(request, FS_IOC_FIEMAP);
	errno = EOPNOTSUPP;
	return -1;
}

static void without_fiemap_the_bytes_are_read(void **state)
{
	struct file file;

	(void)state;
	sys.ioctl = failing_ioctl;
	file_new(&file, PAGE, 4 * MIB);
	drop_cache(&file);
	assert_int_equal(tail_data_end(file.fd, true, true, PAGE, 4 * MIB), PAGE);
	put(&file, "x", 1, 3 * MIB);
	drop_cache(&file);
	assert_int_equal(tail_data_end(file.fd, true, true, PAGE, 4 * MIB), 3 * MIB + 1);
	file_delete(&file);
}

static void interrupted_and_short_reads_go_on(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, 100, 4 * MIB);
	put(&file, "x", 1, MIB);
	put(&file, "", 1, MIB + 200000);
	sys.mmap = no_mapping;
	sys.pread = failing_pread;
	fault.error = EINTR;
	for (fault.call = 0; fault.call < 4; fault.call++) {
		fault.calls = 0;
		assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB), MIB + 1);
	}
	fault.error = 0;
	fault.short_read = 4096;
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB), MIB + 1);
	file_delete(&file);
}

static void a_failing_call_is_reported(void **state)
{
	static const int errors[] = {EIO, EBADF, ENOMEM};
	struct file file;
	int reached;

	(void)state;
	file_new(&file, 100, 4 * MIB);
	put(&file, "x", 1, MIB);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fault.error = errors[i];
		sys.mmap = no_mapping;
		sys.pread = failing_pread;
		reached = 0;
		for (fault.call = 0; fault.call < 2; fault.call++) {
			fault.calls = 0;
			assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB), -errors[i]);
			reached++;
		}
		assert_int_equal(reached, 2);
		sys.mmap = real.mmap;
		sys.pread = real.pread;

		/* Every lseek: where we are, SEEK_DATA, SEEK_HOLE, and the way back. */
		sys.lseek = failing_lseek;
		for (fault.call = 0;; fault.call++) {
			int64_t ret;

			fault.calls = 0;
			ret = tail_data_end(file.fd, true, true, 100, 4 * MIB);
			if (fault.calls <= fault.call) {
				assert_int_equal(ret, MIB + 1);
				break;
			}
			assert_int_equal(ret, -errors[i]);
			lseek(file.fd, OFFSET, SEEK_SET);
		}
		assert_true(fault.call >= 4);
		sys.lseek = real.lseek;
	}
	file_delete(&file);
}

static ssize_t no_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	(void)fd, (void)buffer, (void)bytes, (void)offset;
	errno = EIO;
	return -1;
}

/* Who listens for it (FAN_ACCESS_PERM) would have our lease broken. */
static void nothing_is_read_by_a_call(void **state)
{
	static const int64_t places[] = {100, PAGE - 1, PAGE, MIB, 3 * MIB + 5, 4 * MIB};
	struct file file;
	char bytes[3 * PAGE];

	(void)state;
	file_new(&file, 100, 4 * MIB + 1);
	sys.pread = no_pread;
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB + 1), 100);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		put(&file, "x", 1, places[i]);
		assert_int_equal(tail_data_end(file.fd, true, i % 2, 100, 4 * MIB + 1), places[i] + 1);
	}
	assert_int_equal(peek(file.fd, bytes, sizeof(bytes), 4 * MIB - PAGE), PAGE + 1);
	assert_int_equal(bytes[PAGE], 'x');
	assert_int_equal(peek(file.fd, bytes, 10, 99), 10);
	assert_memory_equal(bytes, "dx\0\0\0\0\0\0\0\0", 10);
	/* That alone tells why. */
	assert_int_equal(ftruncate(file.second, MIB), 0);
	assert_int_equal(peek(file.fd, bytes, 10, MIB), -EIO);
	sys.pread = real.pread;
	assert_int_equal(peek(file.fd, bytes, 10, MIB), 0);
	file_delete(&file);
}

/* Somebody cuts the file while we look. */
static void a_file_that_ends_early_is_empty_there(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, 100, 100);
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB), 100);
	assert_int_equal(tail_data_end(file.fd, true, true, 3 * PAGE, 4 * MIB), 3 * PAGE);
	put(&file, "x", 1, 200);
	assert_int_equal(tail_data_end(file.fd, true, true, 100, 4 * MIB), 201);
	file_delete(&file);
}

static int enter_directory(void **state)
{
	snprintf(directory, sizeof(directory), "%s", (const char *)*state);
	return restore_sys(state);
}

#define test(function) {#function, function, enter_directory, restore_sys, NULL}

static const struct CMUnitTest tests[] = {
	test(an_allocated_tail_is_empty),
	test(an_untouched_tail_is_not_searched),
	test(the_offset_is_left_alone),
	test(a_hole_is_empty),
	test(pages_that_were_only_read_are_empty),
	test(written_zeroes_are_empty),
	test(every_byte_is_found),
	test(the_last_of_many_is_found),
	test(stores_through_a_mapping_are_found),
	test(through_a_write_only_description),
	test(through_a_write_only_description_behind_a_cut),
	test(through_a_write_only_description_behind_cleared_pages),
	test(through_a_direct_description),
	test(many_extents_are_looked_at),
	test(without_fiemap_the_bytes_are_read),
	test(interrupted_and_short_reads_go_on),
	test(a_failing_call_is_reported),
	test(nothing_is_read_by_a_call),
	test(a_file_that_ends_early_is_empty_there),
};

#define TESTS (sizeof(tests) / sizeof(tests[0]))
#define DIRECTORIES 16

int main(void)
{
	static struct CMUnitTest all[TESTS * DIRECTORIES];
	const char *wanted = getenv("PREALLOCATE_TEST_DIRECTORIES");
	const char *tmp = getenv("TMPDIR");
	size_t count = 0;
	char *list, *name;

	if (asprintf(&list, "%s:/dev/shm", tmp ? tmp : "/tmp") < 0)
		return 1;
	real = sys;
	for (char *next = strtok(wanted ? strdup(wanted) : list, ":");
	     next && count < TESTS * DIRECTORIES; next = strtok(NULL, ":")) {
		for (size_t i = 0; i < TESTS; i++) {
			if (asprintf(&name, "%s in %s", tests[i].name, next) < 0)
				return 1;
			all[count] = tests[i];
			all[count].name = name;
			all[count++].initial_state = next;
		}
	}
	return _cmocka_run_group_tests("tail", all, count, NULL, NULL);
}

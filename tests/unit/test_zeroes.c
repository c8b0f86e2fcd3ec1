/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode write: the zeroes that a claimed file is extended by are really written, in small steps, with
 * the blocks for more behind them; whatever somebody has put there stays, and what can't be written is left
 * as in mode zero. On real files in TMPDIR (or /var/tmp) and /dev/shm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "claim/seal.h"
#include "claim/zeroes.h"
#include "recovery/tail.h"
#include "test_failing_recovery.h"

#define PAGE 4096
#define MIB INT64_C(1048576)
#define AHEAD (16 * MIB)
#define START 5000 /* the data of a new file end here */

static char directory[PATH_MAX / 2];
static const char *failing; /* at its next `times` calls */
static int times, fail_errno;

struct file {
	char path[PATH_MAX];
	int second; /* another description, for what nobody sees */
	struct claim_slot slot;
	struct claimed claimed;
};

static struct file *watched;
static int64_t unseen_at; /* a byte comes there with the allocation, or the failing one; 0: none */
static bool device_writes_zeroes, size_is_refused;
static unsigned int writes;
static int64_t quota; /* bytes that KEEP_SIZE takes before it fails; 0: any number */

static bool fails(const char *name)
{
	if (!failing || times == 0 || strcmp(name, failing) != 0)
		return false;
	times--;
	errno = fail_errno;
	return true;
}

static void fail_at(const char *name, int error, int so_often)
{
	failing = name;
	fail_errno = error;
	times = so_often;
}

static int watching_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	int result;

	if (mode & 0x80) { /* FALLOC_FL_WRITE_ZEROES */
		errno = EOPNOTSUPP;
		return device_writes_zeroes ? 0 : -1;
	}
	if (size_is_refused && mode == 0) {
		errno = EIO;
		return -1;
	}
	if (quota && (mode & FALLOC_FL_KEEP_SIZE) && bytes > quota) {
		assert_int_equal(real.fallocate(fd, mode, offset, quota), 0);
		if (unseen_at)
			assert_int_equal(pwrite(watched->second, "u", 1, unseen_at), 1);
		unseen_at = 0;
		errno = EDQUOT;
		return -1;
	}
	result = failing_fallocate(fd, mode, offset, bytes);
	if (result == 0 && mode == 0 && unseen_at)
		assert_int_equal(pwrite(watched->second, "u", 1, unseen_at), 1);
	return result;
}

static ssize_t short_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	writes++;
	return failing_pwritev(fd, iov, count > 3 ? 3 : count, offset);
}

static void file_new(struct file *file, int flags)
{
	char bytes[START];
	int fd;

	fail_at(NULL, 0, 0);
	unseen_at = 0;
	writes = 0;
	quota = 0;
	device_writes_zeroes = size_is_refused = false;
	memset((void *)file, 0, sizeof(*file));
	watched = file;
	snprintf(file->path, sizeof(file->path), "%s/preallocate-zeroes.XXXXXX", directory);
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
		.readable = true,
		.writes = true,
		.options = {AHEAD, MIB},
		.slot = &file->slot,
	};
	filter_disengage(&file->claimed.positions);
	/* All of it had been synced: nothing has to be recorded. */
	assert_int_equal(seal_begin(&file->claimed, START), 0);
}

static void file_delete(struct file *file)
{
	fail_at(NULL, 0, 0);
	close(file->claimed.fd);
	close(file->second);
	unlink(file->path);
}

static int extend(struct file *file)
{
	int64_t data_end = atomic_load(&file->slot.positions.data_end);

	if (data_end < 0)
		data_end = START;
	return claimed_extend(&file->claimed, data_end, data_end + 10, INT64_MAX);
}

static void wrote(struct file *file, int64_t end)
{
	slot_wrote(&file->slot, end);
}

static int64_t file_end(struct file *file)
{
	return atomic_load(&file->claimed.positions.file_end);
}

static bool has_extents(struct file *file)
{
	struct statfs fs;

	assert_int_equal(fstatfs(file->second, &fs), 0);
	return (unsigned long)fs.f_type == EXT4_SUPER_MAGIC ||
	       (unsigned long)fs.f_type == XFS_SUPER_MAGIC;
}

static int64_t allocated(struct file *file)
{
	struct stat st;

	assert_int_equal(fstat(file->second, &st), 0);
	return st.st_blocks * 512;
}

static void assert_zero(struct file *file, int64_t from, int64_t to)
{
	assert_int_equal(tail_data_end(file->second, true, true, from, to), from);
}

static void settled_at(struct file *file, int64_t size)
{
	struct stat st;

	assert_int_equal(claimed_settle(&file->claimed, SETTLED_ASKED), 0);
	assert_int_equal(fstat(file->second, &st), 0);
	assert_int_equal(st.st_size, size);
}

static void they_are_written_in_small_steps(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	for (int i = 0; i < 3; i++) {
		int64_t from = i == 0 ? START : file_end(&file);

		assert_int_equal(extend(&file), 0);
		assert_in_range(file_end(&file) - from, MIB, 2 * MIB);
		assert_zero(&file, from, file_end(&file));
		if (has_extents(&file)) {
			assert_int_equal(tail_block_end(file.second, from, file_end(&file)),
					 file_end(&file));
			assert_true(allocated(&file) >= AHEAD);
		}
		assert_true(file.claimed.written);
		wrote(&file, file_end(&file));
		/* As if its last byte weren't zero: nothing has to be recorded. */
		atomic_store(&file.slot.nonzero_end, file_end(&file));
	}
	assert_in_range(atomic_load(&file.slot.bytes_zeroed), 3 * MIB, 6 * MIB);
	wrote(&file, file_end(&file));
	settled_at(&file, file_end(&file));
	file_delete(&file);
}

static void the_tail_goes_with_the_settle(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	assert_int_equal(extend(&file), 0);
	settled_at(&file, START);
	assert_true(allocated(&file) < MIB);
	/* What somebody has put among them is data. */
	assert_int_equal(extend(&file), 0);
	assert_int_equal(pwrite(file.second, "u", 1, 500000), 1);
	settled_at(&file, 500001);
	assert_zero(&file, START, 500000);
	file_delete(&file);
}

/* Where there is nothing to cut, no cut frees the blocks behind the size. */
static void no_blocks_stay_behind(void **state)
{
	struct file file;
	int64_t end;

	(void)state;
	for (int lost = 0; lost < 2; lost++) {
		file_new(&file, O_RDWR);
		assert_int_equal(extend(&file), 0);
		end = file_end(&file);
		wrote(&file, end);
		/* Another guardian's, of which that isn't known. */
		if (lost) {
			file.claimed.ahead_end = 0;
			claimed_adopt(&file.claimed);
		}
		settled_at(&file, end);
		assert_true(allocated(&file) <= end + 65536);
		file_delete(&file);
	}
	file_new(&file, O_RDWR);
	size_is_refused = true;
	assert_int_equal(extend(&file), -EIO);
	assert_true(allocated(&file) < MIB);
	file_delete(&file);
}

/* ext4 leaves what it has got of an allocation that fails (Linux 6.18). */
static void nor_does_a_part_of_what_has_failed(void **state)
{
	struct file file;
	int64_t end;

	(void)state;
	file_new(&file, O_RDWR);
	quota = 6 * MIB;
	assert_int_equal(extend(&file), 0);
	end = file_end(&file);
	assert_true(allocated(&file) <= end + 65536);
	wrote(&file, end);
	settled_at(&file, end);
	assert_true(allocated(&file) <= end + 65536);
	file_delete(&file);
}

static void what_comes_with_a_failed_allocation_stays(void **state)
{
	struct file file;
	char byte = 0;

	(void)state;
	file_new(&file, O_RDWR);
	quota = 6 * MIB;
	unseen_at = 300000;
	assert_int_equal(extend(&file), 0);
	assert_int_equal(pread(file.second, &byte, 1, 300000), 1);
	assert_int_equal(byte, 'u');
	settled_at(&file, 300001);
	assert_true(allocated(&file) <= 300001 + 65536);
	file_delete(&file);
}

static void what_comes_with_the_allocation_stays(void **state)
{
	struct file file;
	char byte = 0;

	(void)state;
	file_new(&file, O_RDWR);
	unseen_at = 300000;
	assert_int_equal(extend(&file), 0);
	assert_int_equal(writes, 0);
	assert_int_equal(pread(file.second, &byte, 1, unseen_at), 1);
	assert_int_equal(byte, 'u');
	settled_at(&file, unseen_at + 1);
	file_delete(&file);
}

static void where_the_device_writes_them_nobody_else_does(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	device_writes_zeroes = true;
	assert_int_equal(extend(&file), 0);
	assert_int_equal(writes, 0);
	settled_at(&file, START);
	file_delete(&file);
}

static void what_cannot_be_written_is_as_in_mode_zero(void **state)
{
	static const struct {
		const char *call;
		int error, times;
	} rows[] = {
		{"pwritev", EIO, 1}, {"pwritev", ENOSPC, 1000}, {"pwritev", EINTR, 3}, {"pread", EIO, 1},
	};
	struct file file;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		file_new(&file, O_RDWR);
		fail_at(rows[i].call, rows[i].error, rows[i].times);
		assert_int_equal(extend(&file), 0);
		fail_at(NULL, 0, 0);
		assert_true(file_end(&file) > START + MIB);
		assert_true(file.claimed.written);
		assert_zero(&file, START, file_end(&file));
		settled_at(&file, START);
		file_delete(&file);
	}
}

/* Direct I/O takes whole pages only. */
static void only_whole_pages_are_written(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR | (strcmp(directory, "/dev/shm") != 0 ? O_DIRECT : 0));
	file.claimed.options.prealloc_align = 512;
	assert_int_equal(extend(&file), 0);
	assert_true(file_end(&file) % PAGE != 0);
	assert_true(writes > 0);
	assert_int_equal(zeroes_write(&file.claimed.certainty, file.claimed.fd, 100, 200), 0);
	assert_int_equal(zeroes_write(&file.claimed.certainty, file.claimed.fd, PAGE, PAGE), 0);
	settled_at(&file, START);
	file_delete(&file);
}

/* Until the next sync all of what is written ahead would have to be taken for data. */
static void its_records_are_never_open(void **state)
{
	struct file file;

	(void)state;
	for (int written = 0; written < 2; written++) {
		file_new(&file, O_RDWR);
		file.claimed.writes = written;
		assert_int_equal(extend(&file), 0);
		wrote(&file, START + 10);
		assert_int_equal(claimed_record(&file.claimed, true, INT64_MAX), 0);
		assert_int_equal(atomic_load(&file.slot.recorded_end), START + 10);
		assert_int_equal(atomic_load(&file.slot.recorded_open), !written);
		settled_at(&file, START + 10);
		file_delete(&file);
	}
}

static int set_up(void **state)
{
	const char *name = *state ? *state : getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%s", name ? name : "/var/tmp");
	return 0;
}

#define IN(where, test) cmocka_unit_test_prestate_setup_teardown(test, set_up, NULL, where)
#define ALL_IN(where) \
	IN(where, they_are_written_in_small_steps), \
	IN(where, the_tail_goes_with_the_settle), \
	IN(where, no_blocks_stay_behind), \
	IN(where, nor_does_a_part_of_what_has_failed), \
	IN(where, what_comes_with_a_failed_allocation_stays), \
	IN(where, what_comes_with_the_allocation_stays), \
	IN(where, where_the_device_writes_them_nobody_else_does), \
	IN(where, what_cannot_be_written_is_as_in_mode_zero), \
	IN(where, only_whole_pages_are_written), \
	IN(where, its_records_are_never_open)

int main(void)
{
	static char memory[] = "/dev/shm";
	const struct CMUnitTest tests[] = {ALL_IN(NULL), ALL_IN(memory)};

	real = sys;
	sys.fallocate = watching_fallocate;
	sys.pwritev = short_pwritev;
	sys.mmap = no_mapping;
	sys.pread = failing_pread;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

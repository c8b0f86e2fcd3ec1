/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the library does so that the end of an extended file can be found after a crash: when it asks
 * for a record, and what is found in a copy of the file as it is at any moment.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/fs.h>
#include <sys/mman.h>

#include "test_found.h"

#define LOOK_BACK (1 << 20) /* of src/files/seal.c */

/* --- when the guardian is asked --- */

#define NONZERO_END(t) atomic_load(&slot_of(t)->nonzero_end)

static ino_t stat_ino(struct twin *t)
{
	struct stat st;

	assert_int_equal(fstat(t->fd, &st), 0);
	return st.st_ino;
}

static void data_that_tell_their_end_need_no_record(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xx..x");
	sync_it(&t);
	append(&t, "x");
	assert_int_equal(asked(), 0);
	assert_found(&t, 16);
	assert_found(&t, 16);
	end(&t);
}

static void zeroes_at_the_end_are_recorded(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xx...");
	assert_int_equal(asked(), 1);
	assert_found(&t, 15);
	/* The second one says that more may follow. */
	append(&t, "x..");
	assert_int_equal(asked(), 1);
	assert_true(found_after(&t) >= 18);
	append(&t, "x..");
	append(&t, "..");
	assert_int_equal(asked(), 0);
	sync_it(&t);
	assert_int_equal(asked(), 1);
	assert_found(&t, 23);
	assert_found(&t, 23);
	sync_it(&t);
	assert_int_equal(asked(), 0);
	append(&t, "...");
	assert_int_equal(asked(), 1);
	append(&t, "x");
	sync_it(&t);
	assert_int_equal(asked(), 0);
	assert_found(&t, 27);
	assert_found(&t, 27);
	/* Open, and then its end tells itself. */
	append(&t, "xx..");
	append(&t, "xx...");
	append(&t, "x");
	assert_int_equal(asked(), 2);
	sync_it(&t);
	assert_int_equal(asked(), 1);
	assert_found(&t, 37);
	assert_found(&t, 37);
	end(&t);
}

/* Should it come to the disk before what it tells of, nobody has been told that this is synced. */
static void a_record_knows_of_the_syncs_before_it(void **state)
{
	struct record record;
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "x.");
	append(&t, "x..");
	assert_int_equal(atomic_load(&slot_of(&t)->recorded_open), 1);
	assert_int_equal(atomic_load(&slot_of(&t)->recorded_end), 15);
	for (int i = 0; i < 2; i++) {
		sync_it(&t);
		assert_int_equal(record_read(t.fd, atomic_load(&slot_of(&t)->record_at),
					     atomic_load(&slot_of(&t)->key), stat_ino(&t), &record), 1);
		assert_false(record.open);
		assert_int_equal(record.end, 15 + i * 4);
		assert_int_equal(record.synced_end, i * 15);
		append(&t, i == 0 ? "x..." : "x.");
	}
	end(&t);
}

/* Open: the last block that was written to, where only zeroes were. */
static void after_a_kill_no_zero_byte_is_missing(void **state)
{
	static char zeroes[3 * PAGE + 1];
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "..");
	append(&t, "..");
	append(&t, "..");
	assert_true(found_after(&t) >= 14);
	memset(zeroes, '.', sizeof(zeroes) - 1);
	append(&t, zeroes);
	sync_it(&t);
	assert_found(&t, 16 + 3 * PAGE);
	end(&t);
}

static void a_synchronous_file_is_recorded_at_each_append(void **state)
{
	static const char *const records[] = {"x.", "x..", "x..."};
	struct twin t;
	int64_t size = 10;

	(void)state;
	begin_with(&t, O_RDWR | O_DSYNC);
	for (int i = 0; i < 3; i++) {
		append(&t, records[i]);
		size += (int64_t)strlen(records[i]);
		assert_int_equal(asked(), 1);
		assert_found(&t, size);
	}
	append(&t, "x");
	assert_int_equal(asked(), 0);
	assert_int_equal(atomic_load(&slot_of(&t)->synced_end), 20);
	assert_int_equal(atomic_load(&table_get(t.fd)->synced_end), 20);
	assert_int_equal(synced(), 0);
	end(&t);
}

static void a_synchronous_write_is_recorded_at_once(void **state)
{
	static const int flags[] = {RWF_DSYNC, RWF_SYNC};
	struct twin t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(&t);
		put_with(&t, "x..", -1, 0);
		put_with(&t, "x.", -1, 0);
		asked();
		put_with(&t, "x...", -1, flags[i]);
		assert_int_equal(asked(), 1);
		assert_int_equal(synced(), 1);
		assert_found(&t, 19);
		assert_int_equal(atomic_load(&slot_of(&t)->synced_end), 19);
		/* The kernel has synced what tells by itself. */
		put_with(&t, "x", -1, flags[i]);
		assert_int_equal(asked() + synced(), 0);
		assert_int_equal(atomic_load(&slot_of(&t)->synced), 1);
		end(&t);
	}
}

/* --- the last byte that isn't zero --- */

static int64_t last_nonzero_of(const struct iovec *iov, int count)
{
	struct transfer transfer = {.iov = iov, .count = count};
	struct claim_slot slot = {.nonzero_end = 0};

	for (int i = 0; i < count; i++)
		transfer.bytes += iov[i].iov_len;
	seal_note_write(&slot, &transfer, 100, (ssize_t)transfer.bytes);
	return atomic_load(&slot.nonzero_end);
}

static void it_is_looked_for_in_every_buffer(void **state)
{
	static char zeroes[LOOK_BACK];
	char x[2] = "x";
	struct iovec all[] = {{x, 1}, {zeroes, 3}, {NULL, 0}, {x, 2}, {zeroes, 5}};
	struct iovec first[] = {{x, 1}, {zeroes, 3}, {zeroes, 0}};
	struct iovec edge[] = {{x, 1}, {zeroes, LOOK_BACK - 1}};
	struct iovec beyond[] = {{x, 1}, {zeroes, LOOK_BACK}};
	struct iovec pieces[] = {{x, 1}, {zeroes, LOOK_BACK - PAGE / 2}, {zeroes, PAGE / 2}};
	struct iovec near[] = {{x, 1}, {zeroes, LOOK_BACK - PAGE / 2 - 1}, {zeroes, PAGE / 2}};
	struct iovec whole[] = {{zeroes, 7}, {x, 1}};
	char page[3 * PAGE] = {0};
	struct iovec in_page = {page, sizeof(page)};

	(void)state;
	assert_int_equal(last_nonzero_of(all, 5), 105);
	assert_int_equal(last_nonzero_of(first, 3), 101);
	assert_int_equal(last_nonzero_of(edge, 2), 101);
	assert_int_equal(last_nonzero_of(beyond, 2), 0);
	assert_int_equal(last_nonzero_of(pieces, 3), 0);
	assert_int_equal(last_nonzero_of(near, 3), 101);
	assert_int_equal(last_nonzero_of(whole, 2), 108);
	for (size_t i = 0; i < sizeof(page); i += 511) {
		page[i] = 'x';
		assert_int_equal(last_nonzero_of(&in_page, 1), 101 + i);
	}
}

static void a_short_write_has_its_own_last_byte(void **state)
{
	char bytes[10] = {'x', 'x', 0, 0, 0, 'x', 'x', 'x', 'x', 'x'};
	struct iovec iov = {bytes, sizeof(bytes)};
	struct transfer transfer = {.at_offset = true, .offset = 4, .iov = &iov, .count = 1,
				    .bytes = sizeof(bytes)};
	struct claim_slot slot = {.nonzero_end = 0};

	(void)state;
	seal_note_write(&slot, &transfer, 4, 5);
	assert_int_equal(atomic_load(&slot.nonzero_end), 6);
}

static void overwrites_move_it(void **state)
{
	static const struct {
		int64_t was, start, found;
		const char *bytes;
	} rows[] = {
		{20, 5, 20, "xx\0\0"},     /* before it */
		{20, 15, 20, "xx\0\0"},
		{20, 16, 18, "xx\0\0"},    /* over it: an earlier one, */
		{20, 16, 0, "\0\0\0\0"}, /* one before the write, which nobody knows, */
		{20, 16, 20, "\0\0\0x"},  /* or there again */
		{20, 18, 22, "\0\0\0x"},  /* and on */
		{20, 19, 0, "\0\0\0\0"},
		{20, 20, 20, "\0\0\0\0"}, /* behind it */
		{20, 20, 21, "x\0\0\0"},
		{0, 20, 0, "\0\0\0\0"},
		{0, 0, 4, "xxxx"},
	};
	struct iovec iov = {NULL, 4};
	struct transfer transfer = {.iov = &iov, .count = 1, .bytes = 4};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct claim_slot slot = {.nonzero_end = rows[i].was};

		iov.iov_base = (void *)rows[i].bytes;
		seal_note_write(&slot, &transfer, rows[i].start, 4);
		if (atomic_load(&slot.nonzero_end) != rows[i].found)
			fail_msg("row %zu: %lld", i, (long long)atomic_load(&slot.nonzero_end));
	}
}

static void zeroes_move_it(void **state)
{
	struct claim_slot slot = {.nonzero_end = 20};

	(void)state;
	seal_note_zeroes(&slot, 20, 30);
	seal_note_zeroes(&slot, 10, 19);
	assert_int_equal(atomic_load(&slot.nonzero_end), 20);
	seal_note_zeroes(&slot, 19, 20);
	assert_int_equal(atomic_load(&slot.nonzero_end), 0);
}

static void what_the_end_hangs_on(void **state)
{
	struct claim_slot slot = {.nonzero_end = 20};

	(void)state;
	atomic_store(&slot.positions.data_end, 20);
	assert_true(seal_hangs_on(&slot, NULL, 19, 1));
	assert_true(seal_hangs_on(&slot, NULL, 0, 30));
	assert_false(seal_hangs_on(&slot, NULL, 20, 1));
	assert_false(seal_hangs_on(&slot, NULL, 10, 9));
	/* The record tells, */
	atomic_store(&slot.recorded_end, 20);
	assert_false(seal_hangs_on(&slot, NULL, 19, 1));
	/* but not of what has come since, */
	atomic_store(&slot.recorded_open, 1);
	assert_true(seal_hangs_on(&slot, NULL, 19, 1));
	atomic_store(&slot.recorded_open, 0);
	atomic_store(&slot.recorded_end, 19);
	assert_true(seal_hangs_on(&slot, NULL, 19, 1));
	/* or by a byte of its own. */
	atomic_store(&slot.recorded_end, 20);
	atomic_store(&slot.recorded_nonzero, 15);
	assert_true(seal_hangs_on(&slot, NULL, 14, 1));
	assert_true(seal_is_at_stake(&slot, 14, 1));
	assert_false(seal_hangs_on(&slot, NULL, 15, 5));
	atomic_store(&slot.nonzero_end, 15);
	assert_false(seal_hangs_on(&slot, NULL, 19, 1));
}

/* --- what takes the end away --- */

static void zeroes_over_the_last_byte_lose_nothing_synced(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xxxxx");
	sync_it(&t);
	assert_int_equal(asked(), 0);
	/* The record is on the disk before the zeroes can be. */
	overwrite(&t, "...", 12);
	assert_int_equal(asked(), 1);
	assert_int_equal(synced(), 1);
	assert_found(&t, 15);
	assert_found(&t, 15);
	/* From then on the end hangs on no byte. */
	overwrite(&t, "xxx", 12);
	overwrite(&t, "...", 12);
	overwrite(&t, "...............", 0);
	assert_int_equal(asked() + synced(), 0);
	assert_found(&t, 15);
	end(&t);
}

static void zeroes_over_what_the_record_counts_on_lose_nothing_synced(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xxxxx.....");
	sync_it(&t);
	assert_int_equal(asked(), 1);
	synced();
	overwrite(&t, ".....", 10);
	assert_int_equal(asked(), 1);
	assert_int_equal(synced(), 1);
	assert_found(&t, 20);
	sync_it(&t);
	assert_found(&t, 20);
	end(&t);
}

static void what_was_not_synced_needs_no_sync(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xxxxx");
	overwrite(&t, "...", 12);
	assert_int_equal(asked(), 1);
	assert_int_equal(synced(), 0);
	assert_found(&t, 15);
	end(&t);
	begin_with(&t, O_RDWR | O_DSYNC);
	append(&t, "xxxxx");
	overwrite(&t, "...", 12);
	assert_int_equal(asked(), 1);
	assert_int_equal(synced(), 0);
	assert_found(&t, 15);
	end(&t);
}

static void other_bytes_over_the_last_one_cost_nothing(void **state)
{
	char *guarded = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov[] = {{guarded + PAGE - 3, 3}, {guarded, 2}};
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xxxxx");
	sync_it(&t);
	overwrite(&t, "yy", 13);
	/* Over it, and on: as one who goes on writing a list in brackets. */
	overwrite(&t, ",x", 14);
	memset(guarded, 'z', PAGE);
	assert_int_equal(put_iov(&t, iov, 2, 12, 0), 5);
	assert_int_equal(asked() + synced(), 0);
	assert_int_equal(NONZERO_END(&t), 17);
	/* What can't be read is no reason to fall over it. */
	assert_int_equal(mprotect(guarded, PAGE, PROT_NONE), 0);
	assert_int_equal(put_iov(&t, iov, 2, 12, 0), -1);
	assert_int_equal(errno, EFAULT);
	munmap(guarded, 2 * PAGE);
	end(&t);
}

static void a_write_at_the_offset_may_overwrite_too(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xxxxx");
	sync_it(&t);
	assert_int_equal(files_lseek(table_get(t.fd), t.fd, 13, SEEK_SET), 13);
	append(&t, "..");
	assert_int_equal(asked(), 1);
	assert_int_equal(synced(), 1);
	assert_found(&t, 15);
	end(&t);
}

static void a_hole_over_the_last_byte(void **state)
{
	const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct twin t;

	(void)state;
	for (int synced_before = 0; synced_before < 2; synced_before++) {
		begin(&t);
		append(&t, "xxxxx");
		if (synced_before)
			sync_it(&t);
		assert_int_equal(files_fallocate(table_get(t.fd), t.fd, hole, 0, 4, fallocate), 0);
		assert_int_equal(asked(), 0);
		assert_int_equal(files_fallocate(table_get(t.fd), t.fd, hole, 12, 3, fallocate), 0);
		assert_int_equal(asked(), 1);
		assert_int_equal(synced(), synced_before);
		assert_found(&t, 15);
		assert_found(&t, 15);
		end(&t);
	}
}

static void merged_zeroes_are_recorded(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	assert_int_equal(files_fallocate(table_get(t.fd), t.fd, 0, 10, 90, fallocate), 0);
	assert_int_equal(asked(), 1);
	assert_found(&t, 100);
	assert_int_equal(files_fallocate(table_get(t.fd), t.fd, FALLOC_FL_KEEP_SIZE, 10, 90,
					 fallocate), 0);
	assert_int_equal(asked(), 0);
	overwrite(&t, "x", 100);
	sync_it(&t);
	asked();
	synced();
	/* What is to be zeroed was synced: the record goes first. */
	if (files_fallocate(table_get(t.fd), t.fd, FALLOC_FL_ZERO_RANGE, 100, 1, fallocate) == 0) {
		assert_int_equal(asked(), 1);
		assert_int_equal(synced(), 1);
		assert_found(&t, 101);
	}
	if (files_fallocate(table_get(t.fd), t.fd, FALLOC_FL_ZERO_RANGE, 0, 200, fallocate) == 0)
		assert_found(&t, 200);
	end(&t);
}

/* --- while a sync is under way --- */

static struct twin *busy;
static const char *meanwhile;

static int busy_sync(int fd)
{
	int result = fsync(fd);

	append(busy, meanwhile);
	return result;
}

static int sync_of_a_busy_file(int fd)
{
	append(busy, meanwhile);
	return fsync(fd);
}

/* The other's record is in the place of ours, and may come to the disk by the sync. */
static void what_others_append_meanwhile_hides_nothing(void **state)
{
	int (*const calls[])(int) = {busy_sync, sync_of_a_busy_file};
	struct twin t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(&t);
		append(&t, "x....");
		busy = &t;
		meanwhile = "..";
		assert_int_equal(files_sync(t.fd, calls[i]), 0);
		assert_true(found_after(&t) >= 15);
		append(&t, "..");
		append(&t, "..");
		assert_true(found_after(&t) >= 15);
		end(&t);
	}
}

static int sync_and_extend(int fd)
{
	int result = fsync(fd);

	engage_extend(table_get(fd), slot_of(busy), 15, 100000);
	return result;
}

/* The record is gone with it, and the mark has to know. */
static void an_extension_meanwhile_hides_nothing(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "x....");
	busy = &t;
	assert_int_equal(files_sync(t.fd, sync_and_extend), 0);
	assert_int_equal(atomic_load(&slot_of(&t)->record_at), 0);
	assert_found(&t, 15);
	end(&t);
}

static int times_called;

static int settle_and_sync(int fd)
{
	if (times_called++ == 0)
		description_settle(table_get(fd));
	return fsync(fd);
}

static int settle_and_fail(int fd)
{
	times_called++;
	description_settle(table_get(fd));
	errno = EIO;
	return -1;
}

static void a_file_settled_meanwhile_is_an_ordinary_one(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "x....");
	times_called = 0;
	assert_int_equal(files_sync(t.fd, settle_and_sync), 0);
	/* The cut came after the first one. */
	assert_int_equal(times_called, 2);
	assert_false(twin_is_extended(&t));
	assert_int_equal(atomic_load(&table_get(t.fd)->synced_end), 15);
	assert_int_equal(fgetxattr(t.fd, MARK_NAME, NULL, 0), -1);
	end(&t);
	begin(&t);
	times_called = 0;
	assert_int_equal(files_sync(t.fd, settle_and_fail), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(times_called, 1);
	end(&t);
}

/* --- what is there at the beginning --- */

static void extend_again(struct twin *t)
{
	description_settle(table_get(t->fd));
	assert_false(twin_is_extended(t));
	twin_due(t);
	append(t, "x");
	assert_true(twin_is_extended(t));
}

static int64_t floor_of(struct twin *t)
{
	struct mark mark;

	assert_int_equal(mark_read(t->fd, &mark), 0);
	return mark.floor;
}

static int do_nothing(int fd)
{
	(void)fd;
	return 0;
}

static int do_fail(int fd)
{
	(void)fd;
	errno = EIO;
	return -1;
}

static void the_floor_is_what_was_synced(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	assert_int_equal(floor_of(&t), 0);
	append(&t, "xxxxx");
	sync_it(&t);
	append(&t, "xxxxx");
	extend_again(&t);
	assert_int_equal(floor_of(&t), 15);
	/* A sync that fails has synced nothing. */
	description_settle(table_get(t.fd));
	assert_int_equal(files_sync(t.fd, do_fail), -1);
	assert_int_equal(errno, EIO);
	extend_again(&t);
	assert_int_equal(floor_of(&t), 15);
	/* An ordinary file is synced as it is. */
	description_settle(table_get(t.fd));
	sync_it(&t);
	extend_again(&t);
	assert_int_equal(floor_of(&t), 22);
	/* What is cut is gone. */
	description_settle(table_get(t.fd));
	{
		struct plain plain;

		plain_begin(&plain, t.fd, 0);
		assert_int_equal(ftruncate(t.fd, 5), 0);
		plain_truncated(&plain, 23, 5);
		plain_end(&plain);
	}
	assert_int_equal(files_lseek(table_get(t.fd), t.fd, 0, SEEK_END), 5);
	append(&t, "xxxxx");
	extend_again(&t);
	assert_int_equal(floor_of(&t), 5);
	end(&t);
}

static void a_sync_of_everything_counts_for_good(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "x....");
	assert_int_equal(files_sync_all(t.fd, do_nothing), 0);
	assert_false(twin_is_extended(&t));
	twin_due(&t);
	append(&t, "x....");
	assert_true(twin_is_extended(&t));
	assert_int_equal(floor_of(&t), 15);
	extend_again(&t);
	assert_int_equal(floor_of(&t), 15);
	/* Not one that has failed. */
	assert_int_equal(files_sync_all(t.fd, do_fail), -1);
	assert_int_equal(errno, EIO);
	twin_due(&t);
	append(&t, "x");
	assert_int_equal(floor_of(&t), 15);
	end(&t);
}

/* --- when something fails --- */

static void an_error_that_we_were_told_is_passed_on_once(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xxxxx");
	sync_it(&t);
	sync_errno = EIO;
	overwrite(&t, "...", 12);
	assert_int_equal(synced(), 1);
	sync_errno = 0;
	assert_int_equal(files_sync(t.fd, fsync), -1);
	assert_int_equal(errno, EIO);
	sync_it(&t);
	end(&t);
}

static void a_sync_that_fails_is_the_programs_own(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "x....");
	assert_int_equal(files_sync(t.fd, do_fail), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(atomic_load(&table_get(t.fd)->synced_end), 0);
	assert_int_equal(files_sync(-1, fsync), -1);
	assert_int_equal(errno, EBADF);
	end(&t);
}

static void without_a_guardian_the_file_becomes_an_ordinary_one(void **state)
{
	struct twin t;

	begin(&t);
	append(&t, "xxxxx");
	kill((pid_t)atomic_load(&session.shared->guardian), SIGKILL);
	while (!claim_is_lost())
		usleep(1000);
	overwrite(&t, "...", 12);
	assert_false(twin_is_extended(&t));
	end(&t);
	twin_guardian(*state);
}

/* It died looking through the tail, by the offset that the program has, too. */
static void the_offset_outlives_the_guardian(void **state)
{
	struct twin t;

	begin(&t);
	append(&t, "xxxxx");
	kill((pid_t)atomic_load(&session.shared->guardian), SIGKILL);
	while (!claim_is_lost())
		usleep(1000);
	assert_int_equal(lseek(t.fd, 4000, SEEK_SET), 4000);
	atomic_store(&slot_of(&t)->seeks_from, 15 + 1);
	append(&t, "xx");
	description_settle(table_get(t.fd));
	assert_int_equal(lseek(t.fd, 0, SEEK_END), 17);
	end(&t);
	twin_guardian(*state);
}

/* Somebody has put bytes where the record is to be. */
static void a_record_that_cannot_be_made_settles_the_file(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "xxxxx");
	assert_int_equal(pwrite(t.fd, "foreign", 7,
				record_place(atomic_load(&slot_of(&t)->positions.file_end))), 7);
	overwrite(&t, "...", 12);
	assert_false(twin_is_extended(&t));
	assert_true(lseek(t.fd, 0, SEEK_END) > 15);
	end(&t);
}

/* A signal handler above a call that holds the lock can't wait for the guardian. */
static void above_the_lock_nobody_is_asked(void **state)
{
	struct owner_hold hold;
	struct claim_slot *slot;
	struct twin t;

	(void)state;
	for (int how = 0; how < 3; how++) {
		begin(&t);
		append(&t, "xxxxx");
		slot = slot_of(&t);
		assert_true(slot_lock(slot, &hold));
		if (how == 0) {
			append(&t, "..");
			assert_int_equal(asked(), 0);
			assert_true(twin_is_extended(&t));
		} else if (how == 1) {
			append(&t, "..");
			sync_it(&t);
			assert_false(twin_is_extended(&t));
		} else {
			files_fallocate(table_get(t.fd), t.fd,
					FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 14, 1, fallocate);
			assert_false(twin_is_extended(&t));
		}
		slot_unlock(slot, &hold);
		end(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_that_tell_their_end_need_no_record),
		cmocka_unit_test(zeroes_at_the_end_are_recorded),
		cmocka_unit_test(a_record_knows_of_the_syncs_before_it),
		cmocka_unit_test(after_a_kill_no_zero_byte_is_missing),
		cmocka_unit_test(a_synchronous_file_is_recorded_at_each_append),
		cmocka_unit_test(a_synchronous_write_is_recorded_at_once),
		cmocka_unit_test(it_is_looked_for_in_every_buffer),
		cmocka_unit_test(a_short_write_has_its_own_last_byte),
		cmocka_unit_test(overwrites_move_it),
		cmocka_unit_test(zeroes_move_it),
		cmocka_unit_test(what_the_end_hangs_on),
		cmocka_unit_test(zeroes_over_the_last_byte_lose_nothing_synced),
		cmocka_unit_test(zeroes_over_what_the_record_counts_on_lose_nothing_synced),
		cmocka_unit_test(what_was_not_synced_needs_no_sync),
		cmocka_unit_test(other_bytes_over_the_last_one_cost_nothing),
		cmocka_unit_test(a_write_at_the_offset_may_overwrite_too),
		cmocka_unit_test(a_hole_over_the_last_byte),
		cmocka_unit_test(merged_zeroes_are_recorded),
		cmocka_unit_test(what_others_append_meanwhile_hides_nothing),
		cmocka_unit_test(an_extension_meanwhile_hides_nothing),
		cmocka_unit_test(a_file_settled_meanwhile_is_an_ordinary_one),
		cmocka_unit_test(the_floor_is_what_was_synced),
		cmocka_unit_test(a_sync_of_everything_counts_for_good),
		cmocka_unit_test(an_error_that_we_were_told_is_passed_on_once),
		cmocka_unit_test(a_sync_that_fails_is_the_programs_own),
		cmocka_unit_test(without_a_guardian_the_file_becomes_an_ordinary_one),
		cmocka_unit_test(the_offset_outlives_the_guardian),
		cmocka_unit_test(a_record_that_cannot_be_made_settles_the_file),
		cmocka_unit_test(above_the_lock_nobody_is_asked),
	};

	return cmocka_run_group_tests(tests, found_set_up, twin_tear_down);
}

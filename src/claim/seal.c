/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/seal.h"

#include "base/sys.h"
#include "claim/lease.h"
#include "recovery/record.h"
#include "recovery/restore.h"
#include "recovery/tail.h"

#include <errno.h>
#include <sys/vfs.h>

/* Where that takes no xattr (tmpfs before Linux 6.6), so be it. */
static bool does_without_mark(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && is_in_memory(&fs);
}

static void publish(struct claimed *claimed, int64_t record_at, const struct record *record)
{
	struct claim_slot *slot = claimed->slot;

	claimed->record_at = record_at;
	atomic_store(&slot->record_at, record_at);
	/* Who looks without the lock never finds a habit that isn't recorded. */
	atomic_store(&slot->recorded_zeroes, 0);
	atomic_store(&slot->recorded_stride, 0);
	atomic_store(&slot->recorded_end, record->end);
	atomic_store(&slot->recorded_open, record->open);
	atomic_store(&slot->recorded_nonzero, record->nonzero_end);
	atomic_store(&slot->recorded_zeroes, record->zeroes);
	atomic_store(&slot->recorded_stride, record->stride);
}

/* There is none: the mark tells of an end. */
static void publish_none(struct claimed *claimed, int64_t end)
{
	publish(claimed, 0, &(struct record){.end = end});
}

int seal_begin(struct claimed *claimed, int64_t floor)
{
	struct stat st;
	int ret;

	if (sys.fstat(claimed->fd, &st) < 0)
		return -errno;
	if (floor > st.st_size)
		floor = st.st_size;
	claimed->mark = (struct mark){.floor = floor < 0 ? 0 : floor};
	claimed->habit = (struct habit){0};
	/* There is none. But one that couldn't be removed (seccomp) would be there for ever. */
	ret = mark_remove(claimed->fd);
	if (ret < 0 && ret != -ENODATA && ret != -EOPNOTSUPP)
		return ret;
	ret = mark_identify(&claimed->mark, claimed->fd);
	atomic_store(&claimed->slot->synced_end, claimed->mark.floor);
	atomic_store(&claimed->slot->key, claimed->mark.key);
	publish_none(claimed, claimed->mark.floor);
	return ret;
}

int seal_mark(struct claimed *claimed, int64_t size, int64_t file_end)
{
	struct mark *mark = &claimed->mark;
	int64_t data_end = atomic_load(&claimed->positions.data_end);
	int64_t synced = atomic_load(&claimed->slot->synced_end);
	int ret;

	if (!mark->key)
		return 0;
	mark->data_end = data_end >= 0 && data_end < size ? data_end : size;
	if (mark->floor < synced)
		mark->floor = synced;
	if (mark->floor > mark->data_end)
		mark->floor = mark->data_end;
	mark->size_before = size;
	mark->file_end = file_end;
	/* Where zeroes are written ahead blocks tell nothing, and a record follows. */
	mark->flags = mark->data_end > mark->floor && !claimed->writes && !claimed->written &&
				      atomic_load(&claimed->slot->nonzero_end) != mark->data_end
			      ? MARK_ZEROES
			      : 0;
	ret = mark_write(claimed->fd, mark);
	if (ret == -EOPNOTSUPP && does_without_mark(claimed->fd)) {
		mark->key = 0;
		return 0;
	}
	return ret;
}

/* 1, 0 or -errno. */
static int record_is_ours(const struct claimed *claimed, int64_t at)
{
	struct record record;

	/* A description that can't read: taken for what we have written. */
	if (!claimed->readable)
		return 1;
	return record_read(claimed->fd, at, claimed->mark.key, claimed->mark.ino, &record);
}

static int clear_record(struct claimed *claimed, int64_t at)
{
	return certainty_holds(&claimed->certainty, claimed->fd) ? record_clear(claimed->fd, at) : -ESTALE;
}

int seal_settle(struct claimed *claimed, int64_t end)
{
	return claimed->mark.key
		       ? mark_settle(claimed->fd, &claimed->mark, end,
				     atomic_load(&claimed->positions.file_end))
		       : 0;
}

void seal_remove(struct claimed *claimed)
{
	if (claimed->mark.key)
		mark_remove(claimed->fd);
	claimed->mark.key = 0;
	publish_none(claimed, 0);
}

void seal_doubt(struct claimed *claimed)
{
	if (!claimed->mark.key)
		return;
	claimed->mark.flags = MARK_DOUBTED;
	claimed->mark.data_end = atomic_load(&claimed->positions.data_end);
	if (claimed->mark.data_end > claimed->mark.size_before)
		claimed->mark.size_before = claimed->mark.data_end;
	mark_write(claimed->fd, &claimed->mark);
}

/* The place that it has, or may have. -errno. */
static int64_t find_place(const struct claimed *claimed)
{
	int64_t at = record_place(atomic_load(&claimed->positions.file_end)), used;

	if (claimed->record_at) {
		int ours = record_is_ours(claimed, claimed->record_at);

		return ours > 0 ? claimed->record_at : ours < 0 ? ours : -EEXIST;
	}
	if (at <= 0 || at < atomic_load(&claimed->positions.data_end))
		return -ENOSPC;
	/* A page is sooner read than sought, and a kill in the middle costs the program no offset. */
	used = tail_data_end(claimed->fd, claimed->readable, false, at, at + RECORD_BYTES);
	if (used < 0)
		return used;
	return used == at ? at : -EEXIST;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Where the data end now. Garbage in the slot would make it no record, and data. */
static struct record record_now(struct claimed *claimed, bool open)
{
	struct claim_slot *slot = claimed->slot;
	int64_t nonzero_end = atomic_load(&slot->nonzero_end);
	struct record record = {
		.key = claimed->mark.key,
		.open = open,
		.ino = claimed->mark.ino,
		.synced_end = atomic_load(&slot->synced_end),
		.end = atomic_load(&claimed->positions.data_end),
	};

	if (record.synced_end < 0)
		record.synced_end = 0;
	if (record.synced_end > record.end)
		record.synced_end = record.end;
	if (nonzero_end < 0 || nonzero_end > record.end)
		nonzero_end = 0;
	if (nonzero_end > record.synced_end)
		record.nonzero_end = nonzero_end;
	habit_note(&claimed->habit, record.end, nonzero_end);
	/* Until the next sync nobody is asked, whatever is appended. */
	if (!open)
		habit_tell(&claimed->habit, &record);
	return record;
}

/* Within a change of the sequence. */
static int write_record(struct claimed *claimed, const struct record *record)
{
	struct claim_slot *slot = claimed->slot;
	int64_t at = find_place(claimed);
	int ret;

	/* Before it is there: should the guardian end in between, the settle knows it for no data. */
	if (at > 0) {
		claimed->record_at = at;
		atomic_store(&slot->record_at, at);
	}
	ret = at < 0 ? (int)at
	      : certainty_is_whole(&claimed->certainty, claimed->fd)
		      ? record_write(claimed->fd, at, record)
		      : -EAGAIN;
	if (ret == 0)
		publish(claimed, at, record);
	return ret;
}

int seal_record(struct claimed *claimed, bool open)
{
	struct claim_slot *slot = claimed->slot;
	struct record record = record_now(claimed, open);
	struct stat before, after;
	int ret;

	if (!claimed->mark.key) {
		record.nonzero_end = 0;
		publish(claimed, 0, &record);
		return 0;
	}
	if (sys.fstat(claimed->fd, &before) < 0)
		return -errno;
	atomic_fetch_add(&slot->sequence, 1);
	ret = write_record(claimed, &record);
	if (sys.fstat(claimed->fd, &after) == 0 &&
	    !(same_time(&before.st_mtim, &after.st_mtim) &&
	      same_time(&before.st_atim, &after.st_atim)))
		restore_times(claimed->fd, &before);
	atomic_fetch_add(&slot->sequence, 1);
	return ret;
}

/* Neither their last byte tells where the data end, nor their last block, nor what the mark is sure of. */
static bool needs_record(struct claimed *claimed)
{
	int64_t data_end = atomic_load(&claimed->positions.data_end);

	if (!claimed->written || !claimed->mark.key || data_end <= claimed->mark.floor)
		return false;
	/* Not known before the first append. */
	if (atomic_load(&claimed->slot->nonzero_end) == 0 &&
	    tail_data_end(claimed->fd, claimed->readable, false, data_end - 1, data_end) == data_end)
		atomic_store(&claimed->slot->nonzero_end, data_end);
	return atomic_load(&claimed->slot->nonzero_end) != data_end;
}

/* A step of less than a page, up to RLIMIT_FSIZE, leaves it where it is. */
static bool record_stays(const struct claimed *claimed)
{
	return claimed->record_at == record_place(atomic_load(&claimed->positions.file_end));
}

/* Who finds the file in between goes by either: of two, the settle takes neither for data. */
static int move_record(struct claimed *claimed, const struct record *record)
{
	int64_t was_at = claimed->record_at;
	int ret;

	claimed->record_at = 0;
	ret = write_record(claimed, record);
	if (ret == 0)
		return clear_record(claimed, was_at);
	/* It has no room there, or can't be written: the one that is there is still ours. */
	if (claimed->record_at && record_is_ours(claimed, claimed->record_at) != 0 &&
	    clear_record(claimed, claimed->record_at) < 0)
		return ret;
	claimed->record_at = was_at;
	atomic_store(&claimed->slot->record_at, was_at);
	return ret;
}

int seal_extended(struct claimed *claimed)
{
	int ours = claimed->record_at ? record_is_ours(claimed, claimed->record_at) : 0, ret = 0;

	if (ours < 0)
		return ours;
	if (needs_record(claimed)) {
		struct record record = record_now(claimed, false);

		if (!ours)
			claimed->record_at = 0;
		ret = ours && !record_stays(claimed) ? move_record(claimed, &record)
						     : write_record(claimed, &record);
		/* No room yet: it comes with the next append that ends in a zero. */
		if (ret != -ENOSPC)
			return ret;
		ret = 0;
	}
	/* Somebody's bytes in its place stay, for the settle to find. */
	if (ours)
		ret = clear_record(claimed, claimed->record_at);
	if (ret == 0)
		publish_none(claimed, claimed->mark.floor);
	return ret;
}

/* Neither a record of ours at the end of the tail, nor a second one before it. */
static int64_t data_end_before_records(const struct claimed *claimed, bool may_seek, int64_t from, int64_t to)
{
	for (;;) {
		int64_t used = tail_data_end(claimed->fd, claimed->readable, may_seek, from, to), page;
		int ours;

		if (used <= from)
			return used;
		page = claimed->readable ? (used - 1) / RECORD_BYTES * RECORD_BYTES : claimed->record_at;
		if (page < from || page == 0 || used > page + RECORD_BYTES || used <= page)
			return used;
		ours = record_is_ours(claimed, page);
		if (ours <= 0)
			return ours < 0 ? ours : used;
		to = page;
		if (to == from)
			return from;
	}
}

int64_t seal_tail_data_end(struct claimed *claimed, bool may_seek, int64_t from, int64_t to)
{
	int64_t at = claimed->record_at, used = data_end_before_records(claimed, may_seek, from, to);
	int ours = at >= from && used > at ? record_is_ours(claimed, at) : 0;

	if (ours < 0)
		return ours;
	/* Somebody has written behind it: what is before that was zeroes. */
	if (ours) {
		int ret = clear_record(claimed, at);

		if (ret < 0)
			return ret;
		publish_none(claimed, atomic_load(&claimed->slot->recorded_end));
	}
	return used;
}

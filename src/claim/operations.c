/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/operations.h"

#include "base/sys.h"
#include "claim/lease.h"
#include "claim/seal.h"
#include "claim/zeroes.h"

#include <errno.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CACHE_PAGE 4096

/*
 * Times the step, where that grows with the file, but not less than this: each piece may be an extent, and with
 * more than four ext4 writes one block more at each sync.
 */
#define BLOCKS_AHEAD 128
#define LEAST_AHEAD (INT64_C(4) << 20)

/* How often the mark is tried on a full filesystem. */
#define ANNOUNCEMENTS 8

static int64_t op_getlength(void *file)
{
	const struct claimed *claimed = file;
	struct stat st;

	return sys.fstat(claimed->fd, &st) < 0 ? -errno : st.st_size;
}

static int64_t op_headroom(void *file)
{
	const struct claimed *claimed = file;
	struct statfs fs;

	if (fstatfs(claimed->fd, &fs) < 0)
		return INT64_MAX;
	return space_headroom(&fs, claimed->min_free);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The file's size grows in small steps, the blocks come in one piece. */
static void allocate_ahead(struct claimed *claimed, int64_t offset, int64_t bytes)
{
	int64_t size = claimed->options.prealloc_size;
	int64_t step = claimed->most;

	if (step > 0 && size / BLOCKS_AHEAD > step)
		size = least(size, step * BLOCKS_AHEAD > LEAST_AHEAD ? step * BLOCKS_AHEAD : LEAST_AHEAD);
	size = least(size, op_headroom(claimed) / SPACE_SHARE);
	if (offset + bytes <= claimed->ahead_end || size <= bytes)
		return;
	if (sys.fallocate(claimed->fd, FALLOC_FL_KEEP_SIZE, offset, size) == 0) {
		claimed->ahead_end = offset + size;
	} else if (errno != EOPNOTSUPP) {
		/* A part of it may be there (ext4 of Linux 6.18): others lack it now. If not at once, it goes later. */
		claimed->ahead_end = offset + size;
		if (op_getlength(claimed) == offset)
			claimed_free_ahead(claimed, offset);
	}
}

static int op_allocate(void *file, int64_t offset, int64_t bytes)
{
	struct claimed *claimed = file;
	int ret;

	if (claimed->piecemeal && cut_needs_quota(claimed->fd))
		return -EOPNOTSUPP;
	ret = seal_mark(claimed, offset, offset + bytes);
	if (ret < 0)
		return ret;
	if (claimed->writes || claimed->most > 0)
		allocate_ahead(claimed, offset, bytes);
	ret = grow(&claimed->certainty, claimed->fd, offset, bytes);
	if (ret < 0)
		return ret;
	/* What can't be written stays as in mode zero. */
	claimed->written |= claimed->writes;
	if (claimed->writes && zeroes_write(&claimed->certainty, claimed->fd, offset, offset + bytes) == 0)
		atomic_fetch_add(&claimed->slot->bytes_zeroed, (uint64_t)bytes);
	return 0;
}

bool claimed_write_has_come(const struct claimed *claimed)
{
	return claimed->write_end > 0 &&
	       sys.lseek(claimed->fd, 0, SEEK_CUR) != claimed->write_offset;
}

static int cut_to(struct claimed *claimed, int64_t length)
{
	int ret;

	/* After the proof, which may have seen none of it, or half. */
	if (claimed_write_has_come(claimed))
		return -ECANCELED;
	ret = cut(&claimed->certainty, claimed->fd, length);
	if (ret == 0)
		claimed->ahead_end = 0;
	return ret;
}

void claimed_free_ahead(struct claimed *claimed, int64_t size)
{
	/* An interrupted write may come in between: rather blocks too many. */
	if (claimed->ahead_end > size && claimed->write_end == 0)
		cut_to(claimed, size);
}

/*
 * On a full filesystem there may be no block for the mark (xfs_attr_set): then half of the tail goes
 * first, which the mark that is there allows for. Where others are quicker to take it, the file is cut
 * all the same: it must not end in our zeroes.
 */
static int announce_cut(struct claimed *claimed, int64_t length)
{
	int ret = seal_settle(claimed, length);

	for (int i = 0; (ret == -ENOSPC || ret == -EDQUOT) && i < ANNOUNCEMENTS; i++) {
		int64_t least = length > claimed->mark.size_before ? length
								    : claimed->mark.size_before;
		int64_t end = atomic_load(&claimed->positions.file_end);
		int64_t half = least + (end - least) / 2;

		half += -half & (CACHE_PAGE - 1);
		if (half >= end)
			break;
		ret = cut_to(claimed, half);
		if (ret < 0)
			return ret;
		atomic_store(&claimed->positions.file_end, half);
		ret = seal_settle(claimed, length);
	}
	return ret == -ENOSPC || ret == -EDQUOT ? 0 : ret;
}

static int op_truncate(void *file, int64_t length)
{
	struct claimed *claimed = file;
	int ret = claimed->settling ? announce_cut(claimed, length) : 0;

	return ret < 0 ? ret : cut_to(claimed, length);
}

static int64_t look_through(struct claimed *claimed, int64_t from, int64_t to)
{
	struct claim_slot *slot = claimed->slot;
	int64_t used;

	if (atomic_load(&slot->robbed))
		return seal_tail_data_end(claimed, false, from, to);
	atomic_store(&slot->seeks_from, sys.lseek(claimed->fd, 0, SEEK_CUR) + 1);
	used = seal_tail_data_end(claimed, true, from, to);
	atomic_store(&slot->seeks_from, 0);
	return used;
}

static int64_t op_tail_data_end(void *file, int64_t data_end, int64_t file_end)
{
	struct claimed *claimed = file;
	int64_t uncounted = atomic_load(&claimed->slot->uncounted_end);
	int64_t from = data_end, used;

	if (from < claimed->uncounted_end)
		from = claimed->uncounted_end;
	/* Garbage isn't believed. */
	if (from < uncounted && uncounted <= atomic_load(&claimed->positions.file_end))
		from = uncounted;
	if (from > file_end)
		return data_end;
	used = look_through(claimed, from, file_end);
	return used > from || used < 0 ? used : data_end;
}

int64_t space_headroom(const struct statfs *space, uint32_t min_free)
{
	struct statfs fs = *space;
	uint64_t kept = fs.f_blocks / 100 * min_free;

	if (fs.f_blocks == 0)
		return INT64_MAX;
	if (fs.f_bavail <= kept)
		return 0;
	if ((fs.f_bavail - kept) > (uint64_t)INT64_MAX / (uint64_t)fs.f_bsize)
		return INT64_MAX;
	return (int64_t)((fs.f_bavail - kept) * (uint64_t)fs.f_bsize);
}

const struct file_ops claimed_ops = {
	.getlength = op_getlength,
	.allocate = op_allocate,
	.truncate = op_truncate,
	.tail_data_end = op_tail_data_end,
	.headroom = op_headroom,
};

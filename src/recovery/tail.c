/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/tail.h"

#include "base/seccomp.h"
#include "base/sys.h"
#include "recovery/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CHUNK 65536
#define PAGE INT64_C(4096)
#define STEP (INT64_C(1) << 20)
#define FIEMAP_EXTENTS 32

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5, the same number on every architecture */
#endif

struct cache_range {
	uint64_t offset, bytes;
};

struct cache_state {
	uint64_t cached, dirty, writeback, evicted, recently_evicted; /* pages */
};

/*
 * A stacked filesystem answers for its own page cache, which is always empty: on overlayfs the
 * bytes are in the upper file's, while FIEMAP tells of the upper file's extents.
 */
static bool caches_by_itself(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* False: the kernel can't tell, or a filter might kill for a call that few programs make. */
static bool ask_cache(int fd, int64_t from, int64_t to, struct cache_state *state)
{
	struct cache_range range = {(uint64_t)from, (uint64_t)(to - from)};

	return !seccomp_is_in_force() && sys.syscall(SYS_cachestat, fd, &range, state, 0) == 0;
}

/* Nothing of [from, to) is in the page cache. False also when it can't be told. */
static bool is_uncached(int fd, int64_t from, int64_t to)
{
	struct cache_state state;

	return ask_cache(fd, from, to, &state) && state.cached == 0;
}

/*
 * Written out, [from, to) alone: FIEMAP_FLAG_SYNC would write the whole file, while somebody waits
 * for it.
 */
static bool is_written_out(int fd, int64_t from, int64_t to)
{
	const unsigned int all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				 SYNC_FILE_RANGE_WAIT_AFTER;

	return sys.sync_file_range(fd, from, to - from, all) == 0;
}

static bool is_clean(int fd, int64_t from, int64_t to)
{
	struct cache_state state;

	return is_written_out(fd, from, to) && ask_cache(fd, from, to, &state) && state.dirty == 0 &&
	       state.writeback == 0;
}

union extents {
	struct fiemap map;
	char space[sizeof(struct fiemap) + FIEMAP_EXTENTS * sizeof(struct fiemap_extent)];
};

/* The first extents of [from, to). 0 or -errno. */
static int map_extents(int fd, int64_t from, int64_t to, uint32_t flags, union extents *extents)
{
	memset(&extents->map, 0, sizeof(extents->map));
	extents->map.fm_start = (uint64_t)from;
	extents->map.fm_length = (uint64_t)(to - from);
	extents->map.fm_flags = flags;
	extents->map.fm_extent_count = FIEMAP_EXTENTS;
	return sys.ioctl(fd, FS_IOC_FIEMAP, &extents->map) < 0 ? -errno : 0;
}

/* The extent map of [from, to) has nothing but unwritten extents and holes. */
static bool is_unwritten(int fd, int64_t from, int64_t to)
{
	union extents u;

	if (map_extents(fd, from, to, 0, &u) < 0)
		return false;
	if (u.map.fm_mapped_extents == FIEMAP_EXTENTS)
		return false;
	for (uint32_t i = 0; i < u.map.fm_mapped_extents; i++) {
		const struct fiemap_extent *extent = &u.map.fm_extents[i];

		if (!(extent->fe_flags & FIEMAP_EXTENT_UNWRITTEN) &&
		    extent->fe_logical + extent->fe_length > (uint64_t)from)
			return false;
	}
	return true;
}

bool tail_is_provable(int fd, bool readable)
{
	struct fiemap map = {.fm_length = 1};

	return readable || sys.ioctl(fd, FS_IOC_FIEMAP, &map) == 0;
}

bool tail_is_vacant(int fd, int64_t from)
{
	int64_t page = (from + PAGE - 1) / PAGE * PAGE;

	return caches_by_itself(fd) && is_uncached(fd, page, INT64_MAX) &&
	       is_unwritten(fd, page, INT64_MAX);
}

/*
 * The end of the last byte that isn't zero in [from, to), or from. Reads whole aligned pages into
 * an aligned buffer: the description may be an O_DIRECT one.
 */
static int64_t last_nonzero(int fd, int64_t from, int64_t to)
{
	_Alignas(4096) char buffer[CHUNK];
	int64_t found = from;

	for (int64_t at = from / PAGE * PAGE; at < to;) {
		/* No page behind `to`: it would be in the cache from then on, and count as data. */
		int64_t pages = (to - at + PAGE - 1) / PAGE * PAGE;
		ssize_t got = peek(fd, buffer, (size_t)(pages < CHUNK ? pages : CHUNK), at);
		int64_t end;

		if (got < 0)
			return got;
		if (got == 0)
			break;
		end = at + got < to ? at + got : to;
		while (end > at && end > found && !buffer[end - 1 - at])
			end--;
		if (end > at && end > found)
			found = end;
		at += got;
	}
	return found;
}

/* Every run of data that SEEK_DATA reports in [from, to). Clean read-ahead pages count as data. */
static int64_t scan_data(int fd, bool readable, int64_t from, int64_t to, bool *moved)
{
	int64_t found = from;

	for (int64_t at = from; at < to;) {
		int64_t data = sys.lseek(fd, at, SEEK_DATA);
		int64_t hole, end;

		if (data < 0)
			return errno == ENXIO ? found : -errno;
		*moved = true;
		if (data >= to)
			break;
		hole = sys.lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if (hole > to)
			hole = to;
		end = readable ? last_nonzero(fd, data, hole) : hole;
		if (end < 0)
			return end;
		if (end > data)
			found = end;
		at = hole;
	}
	return found;
}

/*
 * Without moving the offset: read in steps, but for those that are neither in the cache nor written
 * out. from: the begin of a page.
 */
static int64_t read_data(int fd, int64_t from, int64_t to)
{
	bool is_told = caches_by_itself(fd);
	int64_t found = from;

	for (int64_t at = from; at < to; at += STEP) {
		int64_t end = to - at < STEP ? to : at + STEP, used;

		if (is_told && is_uncached(fd, at, end) && is_unwritten(fd, at, end))
			continue;
		used = last_nonzero(fd, at, end);
		if (used < 0)
			return used;
		if (used > at)
			found = used;
	}
	return found;
}

/* Without an extent map: on tmpfs by the folio; all of it where SEEK_DATA doesn't tell either. */
static int64_t last_data(int fd, int64_t from, int64_t to)
{
	off_t offset = sys.lseek(fd, 0, SEEK_CUR);
	bool moved = false;
	int64_t found;

	if (offset < 0)
		return -errno;
	found = scan_data(fd, false, from, to, &moved);
	if (moved && sys.lseek(fd, offset, SEEK_SET) < 0)
		return -errno;
	return found;
}

int64_t tail_block_end(int fd, int64_t from, int64_t to)
{
	int64_t found = from, at = from;
	union extents u;

	do {
		int ret = map_extents(fd, at, to, FIEMAP_FLAG_SYNC, &u);

		if (ret == -EOPNOTSUPP || ret == -ENOTTY)
			return last_data(fd, from, to);
		if (ret < 0)
			return ret;
		for (uint32_t i = 0; i < u.map.fm_mapped_extents; i++) {
			const struct fiemap_extent *extent = &u.map.fm_extents[i];

			at = (int64_t)(extent->fe_logical + extent->fe_length);
			if (!(extent->fe_flags & FIEMAP_EXTENT_UNWRITTEN) && at > found)
				found = at < to ? at : to;
		}
	} while (u.map.fm_mapped_extents == FIEMAP_EXTENTS && at < to);
	return found;
}

int64_t tail_data_end(int fd, bool readable, bool may_seek, int64_t from, int64_t to)
{
	int64_t page = (from + PAGE - 1) / PAGE * PAGE;
	int64_t found = from;
	bool moved = false;
	int64_t used;
	off_t offset;

	if (page > to)
		page = to;
	if (readable && page > from) {
		found = last_nonzero(fd, from, page);
		if (found < 0)
			return found;
	}
	if (page == to ||
	    (caches_by_itself(fd) && is_uncached(fd, page, to) && is_unwritten(fd, page, to)))
		return found;
	/*
	 * A folio of the cache that reaches over the end of the data counts as data up to its own end:
	 * who can't read it lets the extents tell what of it was written.
	 */
	if (!readable && caches_by_itself(fd) && is_clean(fd, page, to) &&
	    is_unwritten(fd, page, to))
		return found;

	if (!may_seek && readable) {
		used = read_data(fd, page, to);
		return used < 0 || used > page ? used : found;
	}
	offset = sys.lseek(fd, 0, SEEK_CUR);
	if (offset < 0)
		return -errno;
	used = scan_data(fd, readable, page, to, &moved);
	if (moved && sys.lseek(fd, offset, SEEK_SET) < 0)
		return -errno;
	/*
	 * The same folio, on a stacked filesystem; or cachestat(2) takes for dirty what isn't: the kernel's
	 * mark in its index outlives the split of a large folio.
	 */
	if (used > page && !readable) {
		int64_t written = tail_block_end(fd, page, to);

		if (written >= 0 && written < used)
			used = written;
	}
	return used < 0 || used > page ? used : found;
}

/*
 * ext4 and XFS turn an unwritten extent into a written one before a page's write-back is over, in the
 * same journal as the size that comes after it. btrfs does it later, and a stacked filesystem has no pages.
 */
int tail_write_out(int fd, int64_t from, int64_t to)
{
	struct statfs fs;
	bool at_once = fstatfs(fd, &fs) == 0 && ((unsigned long)fs.f_type == EXT4_SUPER_MAGIC ||
						 (unsigned long)fs.f_type == XFS_SUPER_MAGIC);

	if (at_once && is_written_out(fd, from, to))
		return 0;
	/* A write that failed isn't told of a second time. */
	if (at_once && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
		return -errno;
	return sys.fdatasync(fd) < 0 ? -errno : 0;
}

int64_t tail_dirty_bytes(int fd, int64_t to)
{
	struct cache_state state;

	if (to <= 0)
		return 0;
	if (!caches_by_itself(fd) || !ask_cache(fd, 0, to, &state))
		return -EOPNOTSUPP;
	return (int64_t)(state.dirty + state.writeback) * PAGE;
}

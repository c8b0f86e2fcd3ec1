/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/search.h"

#include "base/sys.h"
#include "recovery/peek.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#define PAGE INT64_C(4096)
#define CHUNK INT64_C(65536)

/* What it costs to have one read, or to have some runs listed, however short they are. */
#define READ_COST CHUNK
#define LIST_COST (CHUNK / 4)

/* No more runs than that are in a window of the least width: they begin and end at sectors. */
#define RUNS 64
#define LEAST_WIDTH INT64_C(16384)
#define FIRST_WIDTH (INT64_C(16) << 20)
#define MOST_WIDTH (INT64_C(1) << 60)

/* What was written to, in the order of the file; as many as there is room for. */
struct runs {
	int count;
	bool are_all;
	struct {
		int64_t from, to;
	} run[RUNS];
};

union extents {
	struct fiemap map;
	char space[sizeof(struct fiemap) + RUNS * sizeof(struct fiemap_extent)];
};

static int map_extents(int fd, int64_t from, int64_t to, uint32_t flags, union extents *extents)
{
	memset(&extents->map, 0, sizeof(extents->map));
	extents->map.fm_start = (uint64_t)from;
	extents->map.fm_length = (uint64_t)(to - from);
	extents->map.fm_flags = flags;
	extents->map.fm_extent_count = RUNS;
	return sys.ioctl(fd, FS_IOC_FIEMAP, &extents->map) < 0 ? -errno : 0;
}

static void add_run(struct runs *runs, int64_t from, int64_t to)
{
	runs->run[runs->count].from = from;
	runs->run[runs->count++].to = to;
}

static int list_extents(int fd, int64_t from, int64_t to, struct runs *runs)
{
	union extents extents;
	int ret = map_extents(fd, from, to, 0, &extents);

	if (ret < 0)
		return ret;
	runs->count = 0;
	runs->are_all = extents.map.fm_mapped_extents < RUNS;
	for (uint32_t i = 0; i < extents.map.fm_mapped_extents && i < RUNS; i++) {
		const struct fiemap_extent *extent = &extents.map.fm_extents[i];
		uint64_t start = extent->fe_logical, end = start + extent->fe_length;

		if (extent->fe_flags & FIEMAP_EXTENT_UNWRITTEN)
			continue;
		if (start < (uint64_t)from)
			start = (uint64_t)from;
		if (end > (uint64_t)to || end < extent->fe_logical)
			end = (uint64_t)to;
		if (start < end)
			add_run(runs, (int64_t)start, (int64_t)end);
	}
	return 0;
}

/* On tmpfs they are its folios. */
static int list_data(int fd, int64_t from, int64_t to, struct runs *runs)
{
	runs->count = 0;
	runs->are_all = true;
	for (int64_t at = from; at < to;) {
		int64_t data = sys.lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno != ENXIO)
			return -errno;
		if (data < 0 || data >= to)
			return 0;
		hole = sys.lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if (runs->count == RUNS) {
			runs->are_all = false;
			return 0;
		}
		add_run(runs, data, hole < to ? hole : to);
		at = hole;
	}
	return 0;
}

static int pay(struct search *search, int64_t cost)
{
	search->spent += cost;
	if (search->left >= 0) {
		if (search->left < cost)
			return RECOVER_BEYOND;
		search->left -= cost;
	}
	return search->gives_way && search->gives_way(search->context, search->spent) ? -EINTR : 0;
}

/*
 * The end of the last byte in [from, to) that isn't zero, or from. Whole aligned pages into an aligned buffer: the
 * description may be an O_DIRECT one.
 */
static int64_t last_nonzero(struct search *search, int64_t from, int64_t to)
{
	_Alignas(4096) char buffer[CHUNK];

	for (int64_t end = to; end > from;) {
		int64_t at = (end - 1) / CHUNK * CHUNK, pages, left;
		ssize_t got;
		int ret = pay(search, READ_COST);

		if (ret < 0)
			return ret;
		if (at < from / PAGE * PAGE)
			at = from / PAGE * PAGE;
		pages = (end - at + PAGE - 1) / PAGE * PAGE;
		got = peek(search->fd, buffer, (size_t)pages, at);
		if (got < 0)
			return got;
		left = end - at < got ? end - at : got;
		while (left > 0 && !buffer[left - 1])
			left--;
		if (left > 0 && at + left > from)
			return at + left;
		end = at;
	}
	return from;
}

struct lister {
	int (*list)(int fd, int64_t from, int64_t to, struct runs *runs);
	off_t offset; /* before the first lseek; -1: there is none */
};

/* All that is in the cache comes to the disk first: till then the map doesn't tell of it. */
static int choose_lister(struct search *search, int64_t to, struct lister *lister)
{
	union extents extents;
	int ret = map_extents(search->fd, to - 1, to, FIEMAP_FLAG_SYNC, &extents);

	*lister = (struct lister){list_extents, -1};
	if (ret != -EOPNOTSUPP && ret != -ENOTTY)
		return ret;
	*lister = (struct lister){list_data, sys.lseek(search->fd, 0, SEEK_CUR)};
	return lister->offset < 0 ? -errno : 0;
}

static int look_through(struct search *search, const struct runs *runs, int64_t *used, int64_t *block_end)
{
	for (int i = runs->count - 1; i >= 0; i--) {
		int64_t from = runs->run[i].from, to = runs->run[i].to, end;

		if (*block_end < 0)
			*block_end = to;
		end = last_nonzero(search, from, to);
		if (end < 0)
			return (int)end;
		if (end > from) {
			*used = end;
			return 1;
		}
	}
	return 0;
}

/* Window by window: one with many runs is made narrower, with few the next is wider. */
static int look_backward(struct search *search, const struct lister *lister, int64_t from, int64_t to,
			 int64_t *used, int64_t *block_end)
{
	int64_t width = FIRST_WIDTH;
	struct runs runs;

	for (int64_t end = to; end > from;) {
		int64_t start = end - from > width ? end - width : from;
		int ret = pay(search, LIST_COST);

		if (ret == 0)
			ret = lister->list(search->fd, start, end, &runs);
		if (ret < 0)
			return ret;
		if (!runs.are_all && width > LEAST_WIDTH) {
			width /= 2;
			continue;
		}
		ret = look_through(search, &runs, used, block_end);
		if (ret != 0)
			return ret < 0 ? ret : 0;
		if (runs.count < RUNS / 4 && width < MOST_WIDTH)
			width *= 2;
		end = start;
	}
	return 0;
}

int search_last(struct search *search, int64_t from, int64_t to, int64_t *used, int64_t *block_end)
{
	struct lister lister;
	int ret;

	*used = from;
	*block_end = -1;
	ret = from < to ? choose_lister(search, to, &lister) : 0;
	if (ret == 0 && from < to) {
		ret = look_backward(search, &lister, from, to, used, block_end);
		if (lister.offset >= 0 && sys.lseek(search->fd, lister.offset, SEEK_SET) < 0 && ret == 0)
			ret = -errno;
	}
	if (*block_end < *used)
		*block_end = *used;
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter/filter.h"

#include <errno.h>

void filter_disengage(struct filter_positions *positions)
{
	atomic_store(&positions->data_end, FILTER_UNKNOWN);
	atomic_store(&positions->file_end, FILTER_UNKNOWN);
}

int filter_engage(struct filter_positions *positions, const struct file_ops *ops, void *file)
{
	int64_t length = ops->getlength(file);

	if (length < 0)
		return (int)length;
	atomic_store(&positions->file_end, length);
	atomic_store(&positions->data_end, length);
	return 0;
}

static int64_t align_up(int64_t value, int64_t align)
{
	int64_t rest = value % align;

	if (rest == 0)
		return value;
	if (value > INT64_MAX - (align - rest))
		return INT64_MAX;
	return value + (align - rest);
}

static int64_t add_saturated(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/*
 * A failed fallocate may leave the size grown: ext4 does on ENOSPC. Taking that for the program's
 * size would make NULs part of its data, so the old end is restored before anybody looks.
 */
static void put_back(struct filter_positions *positions, const struct file_ops *ops, void *file,
		     int64_t file_end)
{
	int64_t length = ops->getlength(file);
	int64_t used;

	if (length <= file_end)
		return;
	used = ops->tail_data_end(file, file_end, length);
	if (used == file_end && ops->truncate(file, file_end) == 0)
		return;
	atomic_store(&positions->file_end, length);
}

/* One try to allocate up to prealloc_end. */
static int extend_to(struct filter_positions *positions, const struct file_ops *ops, void *file,
		     int64_t prealloc_end)
{
	int64_t file_end = atomic_load(&positions->file_end);
	int ret = ops->allocate(file, file_end, prealloc_end - file_end);

	if (ret < 0) {
		put_back(positions, ops, file, file_end);
		return ret;
	}
	atomic_store(&positions->file_end, prealloc_end);
	return 0;
}

int filter_handle_write(struct filter_positions *positions, const struct filter_options *options,
			const struct file_ops *ops, void *file, int64_t offset, int64_t end,
			int64_t max_end)
{
	int64_t file_end = atomic_load(&positions->file_end);
	int64_t start = end > file_end ? end : file_end;
	int64_t size = options->prealloc_size;
	int64_t headroom;
	int ret;

	if (end <= file_end)
		return 0;
	if (end > max_end)
		return -EFBIG;
	if (offset > add_saturated(file_end, size))
		return -EDOM;

	headroom = ops->headroom(file);
	for (;;) {
		int64_t prealloc_end = align_up(add_saturated(start, size), options->prealloc_align);

		if (prealloc_end > max_end)
			prealloc_end = max_end;
		ret = prealloc_end - file_end <= headroom
			      ? extend_to(positions, ops, file, prealloc_end)
			      : -ENOSPC;
		if (ret != -ENOSPC && ret != -EDQUOT)
			return ret;
		if (size < options->prealloc_align || atomic_load(&positions->file_end) != file_end)
			return ret;
		size /= 2;
	}
}

/* Unknown stays unknown. */
static void raise_to(_Atomic int64_t *position, int64_t end)
{
	int64_t seen = atomic_load(position);

	while (seen >= 0 && seen < end)
		if (atomic_compare_exchange_weak(position, &seen, end))
			return;
}

void filter_wrote(struct filter_positions *positions, int64_t end)
{
	/* In this order: file_end is never seen below data_end. */
	raise_to(&positions->file_end, end);
	raise_to(&positions->data_end, end);
}

int filter_settle(struct filter_positions *positions, const struct file_ops *ops, void *file,
		  int64_t *covered)
{
	int64_t data_end = atomic_load(&positions->data_end);
	int64_t length, used;
	int ret;

	*covered = 0;
	if (data_end < 0)
		return 0;

	length = ops->getlength(file);
	if (length < 0)
		return (int)length;
	atomic_store(&positions->file_end, length);

	/* Somebody whom we don't see has cut the file: the size is theirs. */
	if (length <= data_end) {
		atomic_store(&positions->data_end, length);
		return 0;
	}

	used = ops->tail_data_end(file, data_end, length);
	if (used < 0)
		return (int)used;
	if (used > data_end) {
		*covered = used - data_end;
		atomic_store(&positions->data_end, used);
	}
	if (used < length) {
		ret = ops->truncate(file, used);
		if (ret < 0)
			return ret;
	}
	atomic_store(&positions->file_end, used);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that consists of numbers, and fails where a test wants it to. */
#ifndef TEST_FILTER_FAKE_H
#define TEST_FILTER_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "filter/filter.h"

#define KIB INT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

enum op { OP_GETLENGTH, OP_ALLOCATE, OP_TRUNCATE, OP_TAIL, OP_HEADROOM, OPS };

struct fake {
	int64_t size;
	int64_t unseen_end; /* the last byte of somebody whom the filter doesn't see ends here */
	int64_t headroom;
	int64_t space;	    /* allocations that end past this have no room; < 0: no limit */
	int space_error;    /* and fail so */
	int64_t grown_by;   /* a failed allocation leaves the size grown by this */

	int error[OPS];	    /* fails with it, from call number `from` on (0: the first) */
	int from[OPS];
	int calls[OPS];

	int64_t ends[64];   /* what every call of allocate asked for */
	int64_t cut_to;	    /* the last truncate, -1: none */
};

static inline void fake_init(struct fake *fake, int64_t size)
{
	*fake = (struct fake){.size = size, .headroom = INT64_MAX, .space = -1, .cut_to = -1};
}

static inline int fake_fails(struct fake *fake, enum op op)
{
	return fake->calls[op]++ >= fake->from[op] ? fake->error[op] : 0;
}

static inline int64_t fake_getlength(void *file)
{
	struct fake *fake = file;
	int ret = fake_fails(fake, OP_GETLENGTH);

	return ret ? ret : fake->size;
}

static inline int fake_allocate(void *file, int64_t offset, int64_t bytes)
{
	struct fake *fake = file;
	int ret;

	assert_true(offset >= 0);
	assert_true(bytes > 0);
	assert_true(offset <= INT64_MAX - bytes);
	assert_int_equal(offset, fake->size);
	assert_true(fake->calls[OP_ALLOCATE] < 64);
	fake->ends[fake->calls[OP_ALLOCATE]] = offset + bytes;
	ret = fake_fails(fake, OP_ALLOCATE);
	if (!ret && fake->space >= 0 && offset + bytes > fake->space)
		ret = fake->space_error;
	fake->size = ret ? fake->size + fake->grown_by : offset + bytes;
	return ret;
}

static inline int fake_truncate(void *file, int64_t length)
{
	struct fake *fake = file;
	int ret = fake_fails(fake, OP_TRUNCATE);

	assert_true(length < fake->size);
	assert_true(length >= fake->unseen_end);
	if (!ret)
		fake->size = fake->cut_to = length;
	return ret;
}

static inline int64_t fake_tail_data_end(void *file, int64_t data_end, int64_t file_end)
{
	struct fake *fake = file;
	int ret = fake_fails(fake, OP_TAIL);

	assert_true(data_end < file_end);
	assert_true(file_end <= fake->size);
	if (ret)
		return ret;
	if (fake->unseen_end <= data_end)
		return data_end;
	return fake->unseen_end < file_end ? fake->unseen_end : file_end;
}

static inline int64_t fake_headroom(void *file)
{
	struct fake *fake = file;
	int ret = fake_fails(fake, OP_HEADROOM);

	return ret ? ret : fake->headroom;
}

static const struct file_ops fake_ops = {
	.getlength = fake_getlength,
	.allocate = fake_allocate,
	.truncate = fake_truncate,
	.tail_data_end = fake_tail_data_end,
	.headroom = fake_headroom,
};

static inline void fake_engage(struct fake *fake, struct filter_positions *positions, int64_t size)
{
	fake_init(fake, size);
	assert_int_equal(filter_engage(positions, &fake_ops, fake), 0);
	fake->calls[OP_GETLENGTH] = 0;
}

/* An engaged file with data up to data_end and our preallocation up to file_end. */
static inline void fake_extended(struct fake *fake, struct filter_positions *positions,
				 int64_t data_end, int64_t file_end)
{
	fake_init(fake, file_end);
	atomic_init(&positions->data_end, data_end);
	atomic_init(&positions->file_end, file_end);
}

#define assert_positions(positions, wanted_data_end, wanted_file_end)                              \
	do {                                                                                       \
		assert_int_equal(atomic_load(&(positions)->data_end), wanted_data_end);            \
		assert_int_equal(atomic_load(&(positions)->file_end), wanted_file_end);            \
	} while (0)

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes in the xattr are no mark, or one that is sound and is stored as the same bytes. */
#define FUZZ_NAME "mark"
#include "fuzz.h"

#include <endian.h>

#include "recovery/digest.h"
#include "recovery/recover.h"

static void decode_and_encode(const void *bytes, size_t size)
{
	unsigned char again[MARK_BYTES];
	struct mark mark;

	if (mark_decode(&mark, bytes, (int64_t)size) < 0)
		return;
	require(size == MARK_BYTES, "a mark of another length");
	mark_encode(&mark, again);
	require(!memcmp(bytes, again, MARK_BYTES), "the mark is stored as other bytes");
	require(mark.key, "a mark without a key");
	require(mark.floor >= 0 && mark.floor <= mark.data_end &&
		mark.data_end <= mark.size_before && mark.size_before <= mark.file_end,
		"positions out of order");
	require(recover_begin(&mark) == (mark.flags & MARK_SETTLED ? mark.data_end : mark.floor),
		"another beginning");
}

/* What chance would never find. */
static void put_right(unsigned char bytes[static MARK_BYTES])
{
	static const unsigned char magic[2] = {0x71, 0x61};
	uint32_t sum;

	memcpy(bytes, magic, sizeof(magic));
	memset(bytes + 4, 0, sizeof(sum));
	sum = htole32(digest(bytes, MARK_BYTES));
	memcpy(bytes + 4, &sum, sizeof(sum));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char bytes[MARK_BYTES] = {0};

	decode_and_encode(data, size);
	memcpy(bytes, data, size < MARK_BYTES ? size : MARK_BYTES);
	put_right(bytes);
	decode_and_encode(bytes, MARK_BYTES);
	return 0;
}

#ifndef WITH_LIBFUZZER
static size_t fuzz_make(unsigned int *random, uint8_t *data, size_t size)
{
	struct mark mark = {.key = 1, .ino = 12};

	(void)size;
	mark.floor = rand_r(random) % 5000;
	mark.data_end = mark.floor + rand_r(random) % 3 * 4096;
	mark.size_before = mark.data_end + rand_r(random) % 2 * 1048576;
	mark.file_end = mark.size_before + INT64_C(134217728);
	mark_encode(&mark, data);
	return fuzz_mutate(random, data, MARK_BYTES);
}
#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any page is no record, or one that is sound and is written as the same bytes; and whatever mark,
 * record and file meet, the end is a possible one.
 */
#define FUZZ_NAME "record"
#include "fuzz.h"

#include <endian.h>

#include "recovery/digest.h"
#include "recovery/recover.h"

#define STORED 72 /* bytes of it that aren't always zero */
#define DIGEST_AT 8

static bool decode_and_encode(const unsigned char page[static RECORD_BYTES], struct record *record)
{
	static unsigned char again[RECORD_BYTES];

	if (record_decode(record, page) < 0)
		return false;
	record_encode(record, again);
	require(!memcmp(page, again, RECORD_BYTES), "the record is written as other bytes");
	require(record->key, "a record without a key");
	require(record->synced_end >= 0 && record->synced_end <= record->end &&
		record->nonzero_end >= 0 && record->nonzero_end <= record->end,
		"positions out of order");
	require(record->zeroes >= 0 && record->zeroes <= RECORD_LONGEST_STRIDE &&
		record->stride >= 0 && record->stride <= RECORD_LONGEST_STRIDE &&
		(!record->zeroes || !record->stride), "a habit that can't be");
	return true;
}

static void put_right(unsigned char page[static RECORD_BYTES])
{
	uint32_t sum;

	memcpy(page, "prealloc", 8);
	memset(page + DIGEST_AT, 0, sizeof(sum));
	sum = htole32(digest(page, STORED));
	memcpy(page + DIGEST_AT, &sum, sizeof(sum));
}

static int64_t next_position(const uint8_t **data, size_t *size)
{
	uint64_t value = 0;
	size_t bytes = *size < sizeof(value) ? *size : sizeof(value);

	memcpy(&value, *data, bytes);
	*data += bytes;
	*size -= bytes;
	return (int64_t)(le64toh(value) >> 1);
}

static int64_t next_below(const uint8_t **data, size_t *size, int64_t limit)
{
	int64_t position = next_position(data, size);

	return limit == INT64_MAX ? position : position % (limit + 1);
}

/* What else there is says of a file that recover_file has looked through. */
static void end_is_possible(const struct record *record, const uint8_t *data, size_t size)
{
	uint8_t bits = size > 0 ? data[0] : 0;
	struct recover_facts facts = {.has_record = record != NULL};
	struct mark mark = {.key = 1, .flags = bits & 2 ? MARK_DOUBTED : 0};
	enum recover_source source;
	int64_t begin, end;

	if (size > 0) {
		data++;
		size--;
	}
	facts.size = next_position(&data, &size);
	mark.file_end = INT64_MAX;
	mark.size_before = bits & 4 ? facts.size : next_below(&data, &size, facts.size);
	mark.data_end = next_below(&data, &size, mark.size_before);
	mark.floor = next_below(&data, &size, mark.data_end);
	begin = recover_begin(&mark);
	facts.used = begin + next_below(&data, &size, facts.size - begin);
	facts.block_end = facts.used + next_below(&data, &size, facts.size - facts.used);
	if (record)
		facts.record = *record;
	end = recover_end(&mark, &facts, bits & 8, &source);
	require(end >= facts.used, "what was proved to hold bytes would be cut");
	require(end <= facts.size, "the file would grow");
	require(end >= begin, "below what the mark says");
	require(!record || end >= (record->synced_end < facts.size ? record->synced_end
									 : facts.size),
		"below what was synced");
	require(source <= RECOVER_BY_STRIP, "a source that isn't");
	require((bits & 8) || !(bits & 2) || end >= facts.block_end, "in doubt, and not to the block");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *page = calloc(1, RECORD_BYTES);
	size_t head = size < STORED ? size : STORED;
	struct record record;

	require(page != NULL, "no memory");
	memcpy(page, data, size < RECORD_BYTES ? size : RECORD_BYTES);
	decode_and_encode(page, &record);
	memset(page + head, 0, (size_t)RECORD_BYTES - head);
	put_right(page);
	end_is_possible(decode_and_encode(page, &record) ? &record : NULL, data + head, size - head);
	if (size > 0) {
		page[STORED + data[0] % (RECORD_BYTES - STORED)] = 1;
		require(record_decode(&record, page) < 0, "bytes behind a record");
	}
	free(page);
	return 0;
}

#ifndef WITH_LIBFUZZER
static size_t fuzz_make(unsigned int *random, uint8_t *data, size_t size)
{
	static unsigned char page[RECORD_BYTES];
	struct record record = {.key = 1, .ino = 12, .open = rand_r(random) & 1};

	record.nonzero_end = rand_r(random) % 10000;
	record.end = record.nonzero_end + rand_r(random) % 10000;
	record.synced_end = rand_r(random) % (record.end + 1);
	if (rand_r(random) & 1)
		record.zeroes = rand_r(random) % 100;
	else
		record.stride = rand_r(random) % 5000;
	record_encode(&record, page);
	memcpy(data, page, STORED);
	for (size_t i = STORED; i < 120 && i < size; i++)
		data[i] = (uint8_t)rand_r(random);
	return fuzz_mutate(random, data, 120);
}
#endif

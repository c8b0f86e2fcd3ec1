/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/record.h"

#include "base/sys.h"
#include "recovery/peek.h"
#include "recovery/digest.h"

#include <endian.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

static const char magic[8] = "prealloc";

/* All little endian; zeroes up to the end of the page. */
struct stored {
	char magic[8];
	uint32_t digest; /* of the rest */
	uint32_t key;
	uint64_t ino;
	int64_t synced_end, end, nonzero_end;
	uint64_t open;
	int64_t zeroes, stride;
};

int64_t record_place(int64_t file_end)
{
	return file_end < RECORD_BYTES ? -1 : (file_end / RECORD_BYTES - 1) * RECORD_BYTES;
}

int64_t record_told_end(const struct record *record, int64_t nonzero_end)
{
	int64_t more = record->zeroes > 0 ? record->zeroes : 0;

	/* Anything may be in the slot of a program that has scribbled over it. */
	if (record->end < 0 || nonzero_end <= record->end)
		return nonzero_end;
	if (record->stride > 0) {
		int64_t over = (nonzero_end - record->end) % record->stride;

		more = over > 0 ? record->stride - over : 0;
	}
	return nonzero_end > INT64_MAX - more ? INT64_MAX : nonzero_end + more;
}

static uint32_t digest_of(const struct stored *stored)
{
	struct stored copy = *stored;

	copy.digest = 0;
	return digest(&copy, sizeof(copy));
}

void record_encode(const struct record *record, unsigned char page[static RECORD_BYTES])
{
	struct stored stored = {
		.key = htole32(record->key),
		.ino = htole64(record->ino),
		.synced_end = (int64_t)htole64((uint64_t)record->synced_end),
		.end = (int64_t)htole64((uint64_t)record->end),
		.nonzero_end = (int64_t)htole64((uint64_t)record->nonzero_end),
		.open = htole64(record->open),
		.zeroes = (int64_t)htole64((uint64_t)record->zeroes),
		.stride = (int64_t)htole64((uint64_t)record->stride),
	};

	memcpy(stored.magic, magic, sizeof(magic));
	stored.digest = htole32(digest_of(&stored));
	memset(page, 0, RECORD_BYTES);
	memcpy(page, &stored, sizeof(stored));
}

static bool is_zero(const unsigned char *bytes, size_t count)
{
	while (count > 0 && !bytes[count - 1])
		count--;
	return count == 0;
}

static bool is_habit(int64_t zeroes, int64_t stride)
{
	return zeroes >= 0 && zeroes <= RECORD_LONGEST_STRIDE && stride >= 0 &&
	       stride <= RECORD_LONGEST_STRIDE && (!zeroes || !stride);
}

int record_decode(struct record *record, const unsigned char page[static RECORD_BYTES])
{
	struct stored stored;

	memcpy(&stored, page, sizeof(stored));
	if (memcmp(stored.magic, magic, sizeof(magic)) != 0 ||
	    le32toh(stored.digest) != digest_of(&stored) ||
	    !is_zero(page + sizeof(stored), RECORD_BYTES - sizeof(stored)))
		return -EINVAL;
	*record = (struct record){
		.key = le32toh(stored.key),
		.open = stored.open != 0,
		.ino = le64toh(stored.ino),
		.synced_end = (int64_t)le64toh((uint64_t)stored.synced_end),
		.end = (int64_t)le64toh((uint64_t)stored.end),
		.nonzero_end = (int64_t)le64toh((uint64_t)stored.nonzero_end),
		.zeroes = (int64_t)le64toh((uint64_t)stored.zeroes),
		.stride = (int64_t)le64toh((uint64_t)stored.stride),
	};
	/* Somebody may have made it up. */
	if (!record->key || le64toh(stored.open) > 1 || record->synced_end < 0 ||
	    record->synced_end > record->end || record->nonzero_end < 0 ||
	    record->nonzero_end > record->end || !is_habit(record->zeroes, record->stride))
		return -EINVAL;
	return 0;
}

static int write_page(int fd, int64_t at, unsigned char *page)
{
	struct iovec iov = {page, RECORD_BYTES};
	ssize_t written;

	do
		written = sys.pwritev(fd, &iov, 1, at);
	while (written < 0 && errno == EINTR);
	if (written < 0)
		return -errno;
	return written == RECORD_BYTES ? 0 : -EIO;
}

int record_write(int fd, int64_t at, const struct record *record)
{
	alignas(4096) unsigned char page[RECORD_BYTES];

	record_encode(record, page);
	return write_page(fd, at, page);
}

/*
 * ZERO_RANGE makes the page an unwritten one by the journal: never before the mark that has taken the
 * record's place. tmpfs has none of both.
 */
int record_clear(int fd, int64_t at)
{
	alignas(4096) unsigned char page[RECORD_BYTES];

	if (sys.fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, at, RECORD_BYTES) == 0)
		return 0;
	memset(page, 0, sizeof(page));
	return write_page(fd, at, page);
}

int record_read(int fd, int64_t at, uint32_t key, uint64_t ino, struct record *record)
{
	alignas(4096) unsigned char page[RECORD_BYTES];
	ssize_t got;

	if (at < 0)
		return 0;
	got = peek(fd, page, sizeof(page), at);
	if (got < 0)
		return (int)got;
	return got == RECORD_BYTES && record_decode(record, page) == 0 && record->key == key &&
	       record->ino == ino;
}

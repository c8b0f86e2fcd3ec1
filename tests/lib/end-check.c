/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * end-check -k|-p [-v] [-f FILES] [-s SNAPSHOT] ACKNOWLEDGED FILE
 *
 * What is left of an appender's file, or of its FILE.0 ..., each written by one writer alone: after
 * a kill (-k) all that a write had returned for must be there, after a power loss (-p) all that a
 * sync had; with -s what the older copy SNAPSHOT says of it. Prints a word for each file, -v with
 * its numbers:
 *
 *	exact		ends with the last byte that must be there, or with a later written one
 *	absent		isn't there, and needn't be
 *	block		NULs after what must be there, up to a block's end
 *	open		NULs after what needn't be there, up to a block's end
 *	hollow		ends where a record does, but its last bytes aren't there
 *	nuls		NULs after that, up to somewhere else
 *	lost		something is missing that must be there, or bytes are none of ours
 *
 * with "unsynced-" before it where nothing must be there, and "-holes" after it where bytes are
 * missing that needn't be there, before others that are.
 */
#include "records.h"

#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int killed = -1, verbose;
static size_t block = 4096;

struct expectation {
	char *bytes;  /* all that the writer has written, and what it may have been writing */
	size_t size;
	size_t least; /* so much must be there */
	size_t written;
	size_t ends;  /* how many record ends */
	size_t *end_of;
	size_t holes; /* bytes missing between least and the end */
};

static void written_by(struct expectation *expected, const struct acknowledged *ack, unsigned w)
{
	uint64_t records = ack->writers[w].records + 1, sequence = 0;
	size_t room = (size_t)ack->writers[w].bytes + 2 * (size_t)ack->longest;

	expected->bytes = malloc(room);
	expected->end_of = malloc(records * sizeof(*expected->end_of));
	for (expected->size = 0; sequence < records; sequence++) {
		size_t length = record_length(ack, w, sequence);

		if (expected->size + length > room)
			errx(99, "writer %u has more bytes than it acknowledged", w);
		record_make(expected->bytes + expected->size, length, w | ack->zeroes, sequence);
		expected->written = expected->size;
		expected->size += length;
		expected->end_of[expected->ends++] = expected->size;
	}
}

static int ends_a_record(const struct expectation *expected, size_t size)
{
	for (size_t i = 0; i < expected->ends; i++) {
		if (expected->end_of[i] == size)
			return 1;
	}
	return 0;
}

/* The first byte that is wrong, or SIZE_MAX. */
static size_t first_wrong(struct expectation *expected, const char *bytes, size_t size)
{
	size_t both = size < expected->size ? size : expected->size;

	for (size_t i = 0; i < both; i++) {
		if (bytes[i] == expected->bytes[i])
			continue;
		if (i < expected->least || bytes[i] != '\0')
			return i;
		expected->holes++;
	}
	for (size_t i = both; i < size; i++) {
		if (bytes[i] != '\0')
			return i;
	}
	return size < expected->least ? size : SIZE_MAX;
}

/* After the last byte that isn't zero, and after the zeroes that were written behind it. */
static size_t end_of_what_is_there(const struct expectation *expected, const char *bytes,
				   size_t size)
{
	size_t end = size < expected->size ? size : expected->size;

	while (end > expected->least && bytes[end - 1] == '\0')
		end--;
	while (end < expected->size && end < size && expected->bytes[end] == '\0')
		end++;
	return end;
}

static const char *judge(struct expectation *expected, const char *bytes, size_t size, size_t *at)
{
	size_t end;

	*at = first_wrong(expected, bytes, size);
	if (*at != SIZE_MAX)
		return "lost";
	end = end_of_what_is_there(expected, bytes, size);
	*at = end;
	/* What is counted as a hole behind the end is what the file ends with. */
	for (size_t i = end; i < size && i < expected->size; i++)
		expected->holes -= expected->bytes[i] != '\0';
	if (size == end)
		return "exact";
	if (ends_a_record(expected, size))
		return "hollow";
	if (size % block != 0 || size - end >= block)
		return "nuls";
	return end > expected->least ? "open" : "block";
}

static int check(const char *path, const struct acknowledged *least,
		 const struct acknowledged *ack, unsigned w)
{
	struct expectation expected = { 0 };
	size_t size = 0, at = 0;
	char *bytes = file_content(path, &size);
	const char *verdict;
	struct stat st;

	if (stat(path, &st) == 0)
		block = (size_t)st.st_blksize;
	written_by(&expected, ack, w);
	expected.least = killed ? least->writers[w].bytes : least->writers[w].synced_bytes;
	if (bytes)
		verdict = judge(&expected, bytes, size, &at);
	else
		verdict = expected.least ? "lost" : "absent";
	printf("%s%s%s", expected.least || !strcmp(verdict, "lost") ? "" : "unsynced-", verdict,
	       bytes && expected.holes ? "-holes" : "");
	if (verbose)
		printf(" size %zu, right up to %zu, needed %zu, written %zu, %zu missing in holes: %s",
		       size, at, expected.least, expected.written, expected.holes, path);
	putchar('\n');
	free(bytes);
	free(expected.bytes);
	free(expected.end_of);
	return !strcmp(verdict, "lost");
}

int main(int argc, char **argv)
{
	int option, wrong = 0;
	const struct acknowledged *ack, *snapshot = NULL;
	unsigned files = 0;

	while ((option = getopt(argc, argv, "kpvf:s:")) != -1) {
		switch (option) {
		case 'k': killed = 1; break;
		case 'p': killed = 0; break;
		case 'v': verbose = 1; break;
		case 'f': files = (unsigned)atoi(optarg); break;
		case 's': snapshot = acknowledged_map(optarg); break;
		default: return 99;
		}
	}
	if (argc - optind != 2 || killed < 0)
		errx(99, "usage: end-check -k|-p [-v] [-f FILES] [-s SNAPSHOT] ACKNOWLEDGED FILE");
	ack = acknowledged_map(argv[optind]);
	if (!snapshot)
		snapshot = ack;
	if (!files)
		return check(argv[optind + 1], snapshot, ack, 0);
	for (unsigned w = 0; w < files; w++) {
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s.%u", argv[optind + 1], w);
		wrong |= check(name, snapshot, ack, w);
	}
	return wrong;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER 28
#define TRAILER 9

struct acknowledged *acknowledged_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	struct acknowledged *ack;

	if (fd < 0 || ftruncate(fd, sizeof(*ack)) < 0)
		err(99, "%s", path);
	ack = mmap(NULL, sizeof(*ack), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ack == MAP_FAILED)
		err(99, "mmap %s", path);
	close(fd);
	return ack;
}

uint64_t acknowledged_bytes(const struct acknowledged *ack)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < WRITERS; w++)
		sum += ack->writers[w].bytes;
	return sum;
}

static uint64_t scramble(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

size_t record_length(const struct acknowledged *ack, unsigned writer, uint64_t sequence)
{
	uint32_t shortest = ack->shortest, longest = ack->longest;

	return shortest + scramble(sequence * WRITERS + writer) % (longest - shortest + 1);
}

/* One byte, a few, or as many as there is room for: over the borders of blocks and pages. */
static size_t zeroes_at_end(size_t length, uint64_t random)
{
	size_t most = length - HEADER;

	switch (random & 3) {
	case 0: return 0;
	case 1: return 1 + (random >> 2) % 8;
	default: return 1 + (random >> 2) % most;
	}
}

/* Each habit is kept for some records, of which two and more follow each other often. */
static size_t zeroes_by_habit(size_t length, uint64_t sequence, uint64_t random)
{
	switch (scramble(sequence / 23) % 5) {
	case 0: return 0;
	case 1: return 3;
	case 2: return zeroes_at_end(length, random);
	default: return 1;
	}
}

void record_make(char *buffer, size_t length, unsigned writer, uint64_t sequence)
{
	char text[HEADER + 1];
	uint64_t letters = scramble(sequence * WRITERS + (writer & ~ENDINGS));
	uint32_t sum = 2166136261u;

	snprintf(text, sizeof(text), "R%016llx%04x%06x:", (unsigned long long)sequence,
		 writer & 0xffff, (unsigned)length & 0xffffff);
	memcpy(buffer, text, HEADER);
	for (size_t i = HEADER; i < length - TRAILER; i++)
		buffer[i] = (char)('a' + (letters + i) % 26);
	for (size_t i = 0; i < length - TRAILER; i++)
		sum = (sum ^ (unsigned char)buffer[i]) * 16777619u;
	snprintf(text, sizeof(text), "%08x", sum);
	memcpy(buffer + length - TRAILER, text, TRAILER - 1);
	buffer[length - 1] = '\n';
	if (writer & ENDS_IN_ZEROES) {
		size_t zeroes = zeroes_at_end(length, scramble(letters));

		memset(buffer + length - zeroes, 0, zeroes);
	} else if (writer & ENDS_BY_HABIT) {
		size_t zeroes = zeroes_by_habit(length, sequence, scramble(letters));

		memset(buffer + length - zeroes, 0, zeroes);
	}
}

static int complain(const char *what, const char *bytes, size_t size, size_t at)
{
	size_t nul = at;

	while (nul < size && bytes[nul] == '\0')
		nul++;
	fprintf(stderr, "at byte %zu of %zu: %s", at, size, what);
	if (nul > at)
		fprintf(stderr, ", %zu NULs", nul - at);
	fprintf(stderr, "\n  there: ");
	for (size_t i = at; i < size && i < at + 60; i++)
		fputc(bytes[i] > ' ' && bytes[i] < 127 ? bytes[i] : '.', stderr);
	fputc('\n', stderr);
	return 1;
}

/* A killed write may have brought a part: it must be the beginning of what a writer was to write. */
static int tail_is_in_flight(const char *bytes, size_t size, size_t at,
			     const struct acknowledged *ack, const uint64_t *seen, char *expected)
{
	for (unsigned w = 0; w < WRITERS; w++) {
		size_t length = record_length(ack, w, seen[w]);

		record_make(expected, length, w | ack->zeroes, seen[w]);
		if (size - at < length && !memcmp(bytes + at, expected, size - at))
			return 1;
	}
	return 0;
}

int records_verify(const char *bytes, size_t size, const struct acknowledged *before,
		   const struct acknowledged *after, enum in_flight in_flight)
{
	static char expected[RECORD_MAX];
	uint64_t seen[WRITERS] = { 0 };
	size_t at = 0;

	while (at < size) {
		char header[HEADER + 1] = "";
		unsigned long long sequence;
		unsigned writer, length, zeroes;

		memcpy(header, bytes + at, size - at < HEADER ? size - at : HEADER);
		if (sscanf(header, "R%16llx%4x%6x:", &sequence, &writer, &length) != 3 ||
		    (writer & ~ENDINGS) >= WRITERS || length < RECORD_MIN || length > RECORD_MAX ||
		    length > size - at) {
			if (in_flight == WRITE_IN_FLIGHT &&
			    tail_is_in_flight(bytes, size, at, after, seen, expected))
				break;
			return complain("not a record", bytes, size, at);
		}
		zeroes = writer & ENDINGS;
		writer &= ~ENDINGS;
		record_make(expected, length, writer | zeroes, sequence);
		if (memcmp(bytes + at, expected, length))
			return complain("a damaged record", bytes, size, at);
		if (sequence != seen[writer]) {
			fprintf(stderr, "writer %u: expected its record %llu\n", writer,
				(unsigned long long)seen[writer]);
			return complain("a record lost or twice", bytes, size, at);
		}
		seen[writer]++;
		at += length;
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		uint64_t most = after->writers[w].records + (in_flight == WRITE_IN_FLIGHT);

		if (seen[w] < before->writers[w].records || seen[w] > most) {
			fprintf(stderr, "writer %u: %llu records in %zu bytes, %llu acknowledged\n",
				w, (unsigned long long)seen[w], size,
				(unsigned long long)before->writers[w].records);
			return 1;
		}
	}
	return 0;
}

char *file_content(const char *path, size_t *size)
{
	struct stat st;
	char *bytes;
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		err(99, "%s", path);
	bytes = malloc((size_t)st.st_size + 1);
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, bytes + have, (size_t)st.st_size - have);

		if (n < 0)
			err(99, "read %s", path);
		if (n == 0) {
			/* It would be a tail of NULs to the next reader. */
			fprintf(stderr, "%s: size %lld, but %zu bytes to read\n", path,
				(long long)st.st_size, have);
			exit(97);
		}
		have += (size_t)n;
	}
	close(fd);
	*size = have;
	return bytes;
}

int file_verify(const char *path, const struct acknowledged *least,
		const struct acknowledged *most, enum in_flight in_flight)
{
	struct acknowledged *before = malloc(sizeof(*before));
	char *bytes;
	size_t size;
	int wrong;

	memcpy(before, least, sizeof(*before));
	bytes = file_content(path, &size);
	if (!bytes)
		err(99, "%s", path);
	wrong = records_verify(bytes, size, before, most, in_flight);
	free(bytes);
	free(before);
	return wrong;
}

static void only_writer(struct acknowledged *one, const struct acknowledged *all, unsigned writer)
{
	memset(one, 0, sizeof(*one));
	one->shortest = all->shortest;
	one->longest = all->longest;
	one->zeroes = all->zeroes;
	one->writers[writer] = all->writers[writer];
}

int files_verify(const char *path, unsigned files, const struct acknowledged *least,
		 const struct acknowledged *most, enum in_flight in_flight)
{
	static struct acknowledged before, after;
	char name[PATH_MAX];
	int wrong = 0;

	if (!files)
		return file_verify(path, least, most, in_flight);
	for (unsigned i = 0; i < files; i++) {
		char *bytes;
		size_t size;

		only_writer(&before, least, i);
		snprintf(name, sizeof(name), "%s.%u", path, i);
		bytes = file_content(name, &size);
		only_writer(&after, most, i);
		if (!bytes) {
			wrong |= before.writers[i].records != 0;
			continue;
		}
		if (records_verify(bytes, size, &before, &after, in_flight)) {
			fprintf(stderr, "in %s\n", name);
			wrong = 1;
		}
		free(bytes);
	}
	return wrong;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Self-describing records, so that a checker can tell which byte of a file is right.
 *
 * Every byte follows from (writer, sequence, length), all are printable: a NUL is never ours, unless
 * the writer's records end in zeroes. The writer tells in a mapped file how many of its records
 * write(2) has returned for, and how many a sync, so that the numbers survive its death.
 */
#ifndef TESTS_LIB_RECORDS_H
#define TESTS_LIB_RECORDS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_MIN 40
#define RECORD_MAX (1 << 20)
#define WRITERS 64

/* Joined to a writer's number in record_make: most of its records end in zeroes; in as many for a while. */
#define ENDS_IN_ZEROES 0x8000u
#define ENDS_BY_HABIT 0x4000u
#define ENDINGS (ENDS_IN_ZEROES | ENDS_BY_HABIT)

struct writer {
	_Atomic uint64_t records; /* acknowledged */
	_Atomic uint64_t bytes;
	_Atomic uint64_t synced_records; /* a sync that began after them has returned */
	_Atomic uint64_t synced_bytes;
};

struct acknowledged {
	_Atomic uint32_t shortest, longest; /* of all records in the file */
	_Atomic uint32_t zeroes;            /* of ENDINGS, or 0 */
	struct writer writers[WRITERS];
};

/* Maps the file, created where it is missing; exits with a message on failure. */
struct acknowledged *acknowledged_map(const char *path);

uint64_t acknowledged_bytes(const struct acknowledged *ack);

size_t record_length(const struct acknowledged *ack, unsigned writer, uint64_t sequence);

/* Fills length bytes at buffer. */
void record_make(char *buffer, size_t length, unsigned writer, uint64_t sequence);

/* What is wrong with an image of the file is printed to stderr; 0 where nothing is. */
enum in_flight { NOTHING_IN_FLIGHT, WRITE_IN_FLIGHT };

int records_verify(const char *bytes, size_t size, const struct acknowledged *before,
		   const struct acknowledged *after, enum in_flight in_flight);

/*
 * Opens, reads and verifies. What least acknowledges before the open must be there; both may be
 * the same.
 */
int file_verify(const char *path, const struct acknowledged *least,
		const struct acknowledged *most, enum in_flight in_flight);

/* PATH.0 to PATH.(files - 1), each with what its writer alone has written; 0 files: PATH, by all. */
int files_verify(const char *path, unsigned files, const struct acknowledged *least,
		 const struct acknowledged *most, enum in_flight in_flight);

/* The whole content from malloc, its length in *size; NULL where there is no such file. */
char *file_content(const char *path, size_t *size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs share that the figures come from. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "preallocate.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The exit status that says: what was asked for can't be timed here. */
#define NOT_HERE 3

/* Appends, each with a sync, after which every mode that extends a file has extended it. */
#define APPENDS 16

/* In seconds. */
static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline long positive(const char *word)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(word, &end, 10);
	if (errno || end == word || *end || number <= 0)
		errx(2, "not a number above 0: %s", word);
	return number;
}

/* 4 KiB, none of them zero: how an append ends that ends in zeroes is a question of its own. */
static inline const char *record(void)
{
	static char bytes[4096];

	if (!bytes[0])
		memset(bytes, 'r', sizeof(bytes));
	return bytes;
}

static inline void append(int fd, const char *name, size_t bytes)
{
	if (write(fd, record(), bytes) != (ssize_t)bytes)
		err(1, "%s", name);
}

/* Of so many blocks of 4 KiB, open for reading and writing. Nothing was appended by this descriptor. */
static inline int ordinary_file(const char *name, long blocks)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		err(1, "%s", name);
	for (long i = 0; i < blocks; i++)
		append(fd, name, 4096);
	if (fsync(fd) < 0 && errno != EINVAL) /* a device */
		err(1, "%s", name);
	if (close(fd) < 0)
		err(1, "%s", name);
	fd = open(name, O_RDWR);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

/* Ends the program if the library is there and the file isn't extended: what is timed would be something else. */
static inline void check_extended(int fd, const char *name)
{
	struct preallocate_statistics statistics = {.size = sizeof(statistics)};

	if (!preallocate_get_statistics)
		return;
	if (preallocate_get_statistics(fd, &statistics) < 0)
		err(1, "%s isn't managed", name);
	if (statistics.data_end < 0)
		errx(NOT_HERE, "%s isn't extended", name);
}

/*
 * As above, but appended to, so that the library extends it. surely: ends the program where it doesn't;
 * mode auto may have its reasons.
 */
static inline int extended_file(const char *name, long blocks, bool surely)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		err(1, "%s", name);
	for (long i = 0; i < blocks + APPENDS; i++) {
		append(fd, name, 4096);
		if (i >= blocks && fdatasync(fd) < 0)
			err(1, "%s", name);
	}
	if (surely)
		check_extended(fd, name);
	return fd;
}

#endif

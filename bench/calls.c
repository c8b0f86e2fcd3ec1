/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * calls [-e] CALL COUNT FILE: makes the call COUNT times, in 50 batches, and prints nanoseconds per call, of the
 * fastest batch. CALL is pwrite, pread or read, of 1 byte, lseek or fstat. FILE gets 64 KiB of data, and the calls stay
 * inside. It is opened anew afterwards, an ordinary file; with -e it is one that the library extends, by appends
 * made just before. Where it isn't extended then, calls exits with 3.
 */
#include "bench.h"

#include <sys/stat.h>

#define BATCHES 50
#define BLOCKS 16

static char byte = 'x';
static struct stat status;

#define CALLS(X) \
	X(pwrite, pwrite(fd, &byte, 1, 7)) \
	X(pread, pread(fd, &byte, 1, 7)) \
	X(read, read(fd, &byte, 1)) \
	X(lseek, lseek(fd, 7, SEEK_SET)) \
	X(fstat, fstat(fd, &status))

/* A loop of its own for each, so that it is the call that is timed. */
#define BATCH(name, call) \
	static void batch_##name(int fd, long count) \
	{ \
		while (count--) \
			if ((call) < 0) \
				err(1, #name); \
	}

CALLS(BATCH)

static const struct {
	const char *name;
	void (*batch)(int fd, long count);
} calls[] = {
#define ROW(name, call) {#name, batch_##name},
	CALLS(ROW)
};

/* In seconds. */
static double fastest(size_t call, int fd, long count)
{
	double least = -1;

	for (int i = 0; i < BATCHES; i++) {
		double started = now(), took;

		calls[call].batch(fd, count);
		took = now() - started;
		if (least < 0 || took < least)
			least = took;
	}
	return least;
}

int main(int argc, char **argv)
{
	bool extended = false;
	size_t call = 0;
	int option, fd;
	long count;

	while ((option = getopt(argc, argv, "e")) != -1) {
		if (option != 'e')
			return 2;
		extended = true;
	}
	if (argc - optind != 3)
		errx(2, "usage: calls [-e] CALL COUNT FILE");
	while (call < sizeof(calls) / sizeof(calls[0]) && strcmp(calls[call].name, argv[optind]))
		call++;
	if (call == sizeof(calls) / sizeof(calls[0]))
		errx(2, "unknown call: %s", argv[optind]);
	count = (positive(argv[optind + 1]) + BATCHES - 1) / BATCHES;
	fd = extended ? extended_file(argv[optind + 2], BLOCKS, true) : ordinary_file(argv[optind + 2], BLOCKS);
	printf("%.2f\n", fastest(call, fd, count) / (double)count * 1e9);
	return close(fd);
}

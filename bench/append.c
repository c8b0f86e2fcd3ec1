/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * append [-p | -P | -f SIZE] [-a] [-w] [-s | -e EVERY] [-z] BYTES COUNT FILE: appends COUNT records of BYTES and
 * prints records per second. Every record, or every EVERYth, is followed by fdatasync, unless -s. Preallocates by
 * hand, as a program does that was written for it, with -p 128 MiB ahead, with -P zeroes that it writes, 1 MiB ahead.
 * -a: O_APPEND, -w: pwrite, else write. -z: a record ends in zero bytes. -f: the file has this many bytes before, a
 * hole.
 */
#include "bench.h"

#include <stdint.h>

#define AHEAD (INT64_C(128) << 20)
#define ZEROES_AHEAD (INT64_C(1) << 20)

static int64_t ahead(int fd, int64_t allocated, bool with_zeroes)
{
	static char zeroes[ZEROES_AHEAD];

	if (allocated % AHEAD == 0 && fallocate(fd, with_zeroes ? FALLOC_FL_KEEP_SIZE : 0, allocated, AHEAD) < 0)
		err(1, "fallocate");
	if (!with_zeroes)
		return allocated + AHEAD;
	if (pwrite(fd, zeroes, sizeof(zeroes), allocated) != sizeof(zeroes))
		err(1, "zeroes");
	return allocated + ZEROES_AHEAD;
}

int main(int argc, char **argv)
{
	bool by_hand = false, with_zeroes = false, positioned = false, synced = true, zeroes = false;
	int flags = O_RDWR | O_CREAT | O_TRUNC, option, fd;
	int64_t end = 0, allocated = 0;
	long count, every = 1;
	size_t bytes;
	double started;
	char *record;

	while ((option = getopt(argc, argv, "pPawse:zf:")) != -1) {
		switch (option) {
		case 'p': by_hand = true; break;
		case 'P': by_hand = with_zeroes = true; break;
		case 'a': flags |= O_APPEND; break;
		case 'w': positioned = true; break;
		case 's': synced = false; break;
		case 'e': every = atol(optarg); break;
		case 'z': zeroes = true; break;
		case 'f': end = positive(optarg); break;
		default: return 2;
		}
	}
	if (argc - optind != 3 || (by_hand && end))
		errx(2, "usage: append [-p | -P | -f SIZE] [-a] [-w] [-s | -e EVERY] [-z] BYTES COUNT FILE");
	bytes = (size_t)atol(argv[optind]);
	count = atol(argv[optind + 1]);
	record = malloc(bytes);
	if (!record)
		err(1, "malloc");
	memset(record, 'r', bytes);
	if (zeroes)
		memset(record + bytes / 2, 0, bytes - bytes / 2);
	/* O_APPEND would append behind what was allocated by hand. */
	fd = open(argv[optind + 2], by_hand ? flags & ~O_APPEND : flags, 0644);
	if (fd < 0 || (end && (ftruncate(fd, end) < 0 || lseek(fd, end, SEEK_SET) < 0)) || fsync(fd) < 0)
		err(1, "%s", argv[optind + 2]);

	started = now();
	for (long i = 0; i < count; i++) {
		ssize_t written;

		if (by_hand && end + (int64_t)bytes > allocated)
			allocated = ahead(fd, allocated, with_zeroes);
		written = positioned ? pwrite(fd, record, bytes, end) : write(fd, record, bytes);
		if (written != (ssize_t)bytes || (synced && (i + 1) % every == 0 && fdatasync(fd) < 0))
			err(1, "write");
		end += (int64_t)bytes;
	}
	printf("%.0f\n", (double)count / (now() - started));
	if (by_hand && ftruncate(fd, end) < 0)
		err(1, "ftruncate");
	return close(fd);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * append [-p | -P | -f SIZE] [-b OTHER] [-a] [-w] [-s | -e EVERY] [-z] BYTES COUNT FILE: appends COUNT records of
 * BYTES and prints records per second. Every record, or every EVERYth, is followed by fdatasync, unless -s.
 * Preallocates by hand, as a program does that was written for it, with -p 128 MiB ahead, with -P zeroes that it
 * writes, 1 MiB ahead. -a: O_APPEND, -w: pwrite, else write. -z: a record ends in zero bytes. -f: the file has this
 * many bytes before, a hole.
 *
 * -b: what -p and -P say is for the file OTHER, which is appended to in turn with FILE, a hundred records at a time.
 * Prints the ratio of their throughputs, the medians of a hundred's: whatever slows the machine down, slows down both.
 */
#include "bench.h"

#include <stdint.h>

#define AHEAD (INT64_C(128) << 20)
#define ZEROES_AHEAD (INT64_C(1) << 20)
#define TURN 100

struct appender {
	const char *path;
	bool by_hand, with_zeroes, positioned, synced;
	int flags, fd;
	long every;
	size_t bytes;
	const char *record;
	int64_t end, allocated; /* allocated: by hand */
	long appended;
};

static void allocate(struct appender *appender)
{
	static char zeroes[ZEROES_AHEAD];

	if (appender->allocated % AHEAD == 0 &&
	    fallocate(appender->fd, appender->with_zeroes ? FALLOC_FL_KEEP_SIZE : 0, appender->allocated, AHEAD) < 0)
		err(1, "fallocate");
	if (!appender->with_zeroes) {
		appender->allocated += AHEAD;
		return;
	}
	if (pwrite(appender->fd, zeroes, sizeof(zeroes), appender->allocated) != sizeof(zeroes))
		err(1, "zeroes");
	appender->allocated += ZEROES_AHEAD;
}

static void start(struct appender *appender)
{
	/* O_APPEND would append behind what was allocated by hand. */
	if (appender->by_hand)
		appender->flags &= ~O_APPEND;
	appender->fd = open(appender->path, O_RDWR | O_CREAT | O_TRUNC | appender->flags, 0644);
	if (appender->fd < 0 ||
	    (appender->end && (ftruncate(appender->fd, appender->end) < 0 ||
			       lseek(appender->fd, appender->end, SEEK_SET) < 0)) ||
	    fsync(appender->fd) < 0)
		err(1, "%s", appender->path);
}

/* Seconds. */
static double append_some(struct appender *appender, long count)
{
	double started = now();
	size_t bytes = appender->bytes;

	while (count-- > 0) {
		ssize_t written;

		if (appender->by_hand && appender->end + (int64_t)bytes > appender->allocated)
			allocate(appender);
		written = appender->positioned ? pwrite(appender->fd, appender->record, bytes, appender->end)
					       : write(appender->fd, appender->record, bytes);
		if (written != (ssize_t)bytes ||
		    (appender->synced && ++appender->appended % appender->every == 0 && fdatasync(appender->fd) < 0))
			err(1, "write");
		appender->end += (int64_t)bytes;
	}
	return now() - started;
}

static int finish(const struct appender *appender)
{
	if (appender->by_hand && ftruncate(appender->fd, appender->end) < 0)
		err(1, "ftruncate");
	return close(appender->fd);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The first turn of each is for what is done once: the guardian's start, an auto file's first syncs. */
static double ratio(struct appender *one, struct appender *other, long turns)
{
	double *seconds = calloc((size_t)turns * 2, sizeof(*seconds));
	double result;

	if (!seconds)
		err(1, "calloc");
	append_some(one, TURN);
	append_some(other, TURN);
	for (long i = 0; i < turns; i++) {
		seconds[i] = append_some(one, TURN);
		seconds[turns + i] = append_some(other, TURN);
	}
	qsort(seconds, (size_t)turns, sizeof(*seconds), compare);
	qsort(seconds + turns, (size_t)turns, sizeof(*seconds), compare);
	result = seconds[turns + turns / 2] / seconds[turns / 2];
	free(seconds);
	return result;
}

int main(int argc, char **argv)
{
	struct appender appender = {.synced = true, .every = 1}, other = {.path = NULL};
	bool by_hand = false, with_zeroes = false, zeroes = false;
	char *record;
	long count;
	int option;

	while ((option = getopt(argc, argv, "pPawse:zf:b:")) != -1) {
		switch (option) {
		case 'p': by_hand = true; break;
		case 'P': by_hand = with_zeroes = true; break;
		case 'a': appender.flags |= O_APPEND; break;
		case 'w': appender.positioned = true; break;
		case 's': appender.synced = false; break;
		case 'e': appender.every = positive(optarg); break;
		case 'z': zeroes = true; break;
		case 'f': appender.end = positive(optarg); break;
		case 'b': other.path = optarg; break;
		default: return 2;
		}
	}
	if (argc - optind != 3 || (by_hand && appender.end) || (other.path && !by_hand))
		errx(2, "usage: append [-p | -P | -f SIZE] [-b OTHER] [-a] [-w] [-s | -e EVERY] [-z] BYTES COUNT FILE");
	appender.bytes = (size_t)positive(argv[optind]);
	count = positive(argv[optind + 1]);
	record = malloc(appender.bytes);
	if (!record)
		err(1, "malloc");
	memset(record, 'r', appender.bytes);
	if (zeroes)
		memset(record + appender.bytes / 2, 0, appender.bytes - appender.bytes / 2);
	appender.record = record;
	appender.path = argv[optind + 2];
	if (!other.path) {
		appender.by_hand = by_hand;
		appender.with_zeroes = with_zeroes;
		start(&appender);
		printf("%.0f\n", (double)count / append_some(&appender, count));
		return finish(&appender);
	}
	appender.path = other.path;
	other = appender;
	other.by_hand = true;
	other.with_zeroes = with_zeroes;
	appender.path = argv[optind + 2];
	start(&appender);
	start(&other);
	printf("%.4f\n", ratio(&appender, &other, count / TURN));
	return finish(&appender) | finish(&other);
}

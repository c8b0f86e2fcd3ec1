/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scale [-a] [-e] THREADS COUNT FILE...: so many threads write COUNT records of 4 KiB each, at the same time; prints
 * records per second, of all threads together. Each overwrites, by pwrite, a range of 1 MiB of its own, well inside the
 * data; the file is one that they share, or each has its own, if there are more FILEs. -a: they append, by write.
 * -e: exits with 3 where the library is there and hasn't extended a file that is overwritten.
 */
#include "bench.h"

#include <pthread.h>

#define RECORD 4096
#define RECORDS 256 /* of a thread's range */
#define RANGE ((off_t)RECORD * RECORDS)

struct writer {
	pthread_t thread;
	int fd;
	off_t start;
};

static pthread_barrier_t barrier;
static const char *bytes; /* of a record */
static bool appends;
static long count;

static void *writes(void *data)
{
	const struct writer *writer = data;

	pthread_barrier_wait(&barrier);
	for (long i = 0; i < count; i++) {
		off_t at = writer->start + i % RECORDS * RECORD;
		ssize_t written = appends ? write(writer->fd, bytes, RECORD) : pwrite(writer->fd, bytes, RECORD, at);

		if (written != RECORD)
			err(1, "write");
	}
	return NULL;
}

static int opened(const char *name, long threads, bool surely)
{
	int fd;

	if (!appends)
		return extended_file(name, threads * RECORDS, surely);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static double run(struct writer *writers, long threads)
{
	double started;

	errno = pthread_barrier_init(&barrier, NULL, (unsigned int)threads + 1);
	if (errno)
		err(1, "pthread_barrier_init");
	for (long i = 0; i < threads; i++) {
		errno = pthread_create(&writers[i].thread, NULL, writes, &writers[i]);
		if (errno)
			err(1, "pthread_create");
	}
	pthread_barrier_wait(&barrier);
	started = now();
	for (long i = 0; i < threads; i++)
		pthread_join(writers[i].thread, NULL);
	return now() - started;
}

int main(int argc, char **argv)
{
	bool surely = false;
	struct writer *writers;
	long threads, files;
	int option;

	while ((option = getopt(argc, argv, "ae")) != -1) {
		switch (option) {
		case 'a': appends = true; break;
		case 'e': surely = true; break;
		default: return 2;
		}
	}
	files = argc - optind - 2;
	if (files < 1)
		errx(2, "usage: scale [-a] [-e] THREADS COUNT FILE...");
	threads = positive(argv[optind]);
	count = positive(argv[optind + 1]);
	bytes = record();
	writers = calloc((size_t)threads, sizeof(*writers));
	if (!writers)
		err(1, "calloc");
	for (long i = 0; i < threads; i++) {
		writers[i].fd = i < files ? opened(argv[optind + 2 + i], threads, surely) : writers[i % files].fd;
		writers[i].start = i * RANGE;
	}
	printf("%.0f\n", (double)(threads * count) / run(writers, threads));
	free(writers);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * open-loop [-r READERS] [-n OPENS] ACKNOWLEDGED FILE
 *
 * READERS processes open FILE, OPENS times in all, as fast as they can, while somebody appends.
 * Each open must see all that was acknowledged before, at most a write in flight more, no NUL.
 */
#include "records.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Only what is new to this reader is read: the test is about the end. */
static int look(const char *path, const struct acknowledged *ack, off_t *known)
{
	static char bytes[1 << 20];
	off_t least = (off_t)acknowledged_bytes(ack), most;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		warn("%s", path);
		return 1;
	}
	if (*known < st.st_size - (off_t)sizeof(bytes))
		*known = st.st_size - (off_t)sizeof(bytes);
	while ((n = pread(fd, bytes, sizeof(bytes), *known)) > 0) {
		const char *nul = memchr(bytes, 0, (size_t)n);

		if (nul) {
			warnx("a NUL at %lld, size %lld, acknowledged %lld",
			      (long long)(*known + (nul - bytes)), (long long)st.st_size,
			      (long long)least);
			return 1;
		}
		*known += n;
	}
	close(fd);
	most = (off_t)acknowledged_bytes(ack) + (off_t)ack->longest * WRITERS;
	if (*known < least || *known > most) {
		warnx("%lld bytes seen, %lld to %lld are there", (long long)*known,
		      (long long)least, (long long)most);
		return 1;
	}
	return 0;
}

static int reader(const char *path, const struct acknowledged *ack, int opens)
{
	off_t known = 0;
	double slowest = 0;

	for (int i = 0; i < opens; i++) {
		double start = now(), took;

		if (look(path, ack, &known))
			return 1;
		took = now() - start;
		if (took > slowest)
			slowest = took;
	}
	fprintf(stderr, "%d opens, the slowest took %.1f ms\n", opens, slowest * 1e3);
	return 0;
}

int main(int argc, char **argv)
{
	int readers = 5, opens = 5000, option, wrong = 0, status;
	struct acknowledged *ack;

	while ((option = getopt(argc, argv, "r:n:")) != -1) {
		switch (option) {
		case 'r': readers = atoi(optarg); break;
		case 'n': opens = atoi(optarg); break;
		default: return 99;
		}
	}
	if (argc - optind != 2)
		errx(99, "usage: open-loop [-r READERS] [-n OPENS] ACKNOWLEDGED FILE");
	ack = acknowledged_map(argv[optind]);
	for (int i = 0; i < readers; i++) {
		if (fork() == 0)
			_exit(reader(argv[optind + 1], ack, opens / readers));
	}
	while (wait(&status) > 0)
		wrong |= status != 0;
	return wrong;
}

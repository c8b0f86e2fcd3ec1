/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * open [-e] [-r] [-w] hold FILES DIRECTORY: opens so many new files for writing, appends a record to each, and prints by
 * how many bytes of private memory the process has grown, for each file; -r: of resident memory, what it shares included.
 * -w: then waits for the end of standard input, with all files open. -e: exits with 3 where the library is there and
 * hasn't extended them.
 *
 * open [-a] [-m] close COUNT DIRECTORY: opens, for writing, and closes files, COUNT times, a thousand files in turn,
 * and prints microseconds for each; -m: by how many bytes of private memory the process has grown, in all. -a:
 * appends a record in between.
 *
 * open round MILLISECONDS FILES DIRECTORY: so many files open, to one after the other a record is appended, for so
 * long; prints appends per second. The first append to each isn't counted.
 *
 * A record has 100 bytes, and is written by write(2); nothing is synced.
 */
#include "bench.h"

#include <limits.h>
#include <sys/resource.h>

#define RECORD 100
#define IN_TURN 1000

static bool appends, extended, grows, resident, waits;

/* Sum of the lines of smaps_rollup that begin so, in bytes. By read(2): stdio would allocate. */
static long memory(const char *key)
{
	static char text[4096];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	long sum = 0;

	if (length <= 0 || close(fd) < 0)
		err(1, "/proc/self/smaps_rollup");
	text[length] = '\0';
	for (char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		if (!strncmp(line + 1, key, strlen(key)))
			sum += strtol(strchr(line, ':') + 1, NULL, 10) * 1024;
	}
	return sum;
}

static long used(void)
{
	return memory(resident ? "Rss:" : "Private_");
}

static void raise_limit(long files)
{
	rlim_t wanted = (rlim_t)files + 64;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "getrlimit");
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		errx(NOT_HERE, "%ld open files aren't allowed", files);
}

static int opened(const char *directory, long number, int flags)
{
	char name[PATH_MAX];
	int fd;

	snprintf(name, sizeof(name), "%s/%ld.log", directory, number);
	fd = open(name, O_WRONLY | flags, 0600);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void close_file(int fd)
{
	if (close(fd) < 0)
		err(1, "close");
}

static int *new_files(const char *directory, long files)
{
	int *fds = calloc((size_t)files, sizeof(*fds));

	if (!fds)
		err(1, "calloc");
	for (long i = 0; i < files; i++) {
		fds[i] = opened(directory, i, O_CREAT | O_EXCL);
		append(fds[i], directory, RECORD);
	}
	return fds;
}

static void close_all(int *fds, long files)
{
	for (long i = 0; i < files; i++)
		close_file(fds[i]);
	free(fds);
}

/* What the first file takes, a helper for all of them, isn't what each takes. */
static void hold(long files, const char *directory)
{
	size_t bytes = (size_t)files * sizeof(int);
	long before;
	int *fds, first;
	char c;

	raise_limit(files);
	first = opened(directory, files, O_CREAT | O_EXCL);
	append(first, directory, RECORD);
	before = used();
	fds = new_files(directory, files);
	for (long i = 0; extended && i < files; i++)
		check_extended(fds[i], directory);
	printf("%.1f\n", (double)(used() - before - (long)bytes) / (double)files);
	fflush(stdout);
	while (waits && read(STDIN_FILENO, &c, 1) > 0)
		;
	close_all(fds, files);
	close_file(first);
}

static void open_and_close(long count, const char *directory)
{
	for (long i = 0; i < count; i++) {
		int fd = opened(directory, i % IN_TURN, appends ? O_APPEND : 0);

		if (appends)
			append(fd, directory, RECORD);
		close_file(fd);
	}
}

static void one_by_one(long count, const char *directory)
{
	double started;
	long before;

	for (long i = 0; i < IN_TURN; i++)
		close_file(opened(directory, i, O_CREAT | O_EXCL));
	open_and_close(10, directory);
	before = used();
	started = now();
	open_and_close(count, directory);
	if (grows)
		printf("%ld\n", used() - before);
	else
		printf("%.3f\n", (now() - started) / (double)count * 1e6);
}

static void in_turn(long milliseconds, long files, const char *directory)
{
	double started, took;
	long count = 0;
	int *fds;

	raise_limit(files);
	fds = new_files(directory, files);
	started = now();
	do {
		for (int i = 0; i < 1000; i++)
			append(fds[count++ % files], directory, RECORD);
		took = now() - started;
	} while (took * 1e3 < (double)milliseconds);
	printf("%.0f\n", (double)count / took);
	close_all(fds, files);
}

int main(int argc, char **argv)
{
	int option, words;

	while ((option = getopt(argc, argv, "aermw")) != -1) {
		switch (option) {
		case 'a': appends = true; break;
		case 'e': extended = true; break;
		case 'r': resident = true; break;
		case 'm': grows = true; break;
		case 'w': waits = true; break;
		default: return 2;
		}
	}
	words = argc - optind;
	argv += optind;
	if (words == 3 && !strcmp(argv[0], "hold"))
		hold(positive(argv[1]), argv[2]);
	else if (words == 3 && !strcmp(argv[0], "close"))
		one_by_one(positive(argv[1]), argv[2]);
	else if (words == 4 && !strcmp(argv[0], "round"))
		in_turn(positive(argv[1]), positive(argv[2]), argv[3]);
	else
		errx(2, "usage: open [-e] [-r] [-w] hold FILES DIRECTORY | [-a] [-m] close COUNT DIRECTORY | "
			"round MILLISECONDS FILES DIRECTORY");
	return 0;
}

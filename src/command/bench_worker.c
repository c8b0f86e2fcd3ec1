/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command/bench.h"
#include "command/command.h"
#include "preallocate.h"

/*
 * What a long-lived file costs only once isn't counted: its first allocation, and the appends from which
 * mode auto learns. A quarter of the time, and never fewer records than auto needs.
 */
#define WARM_UP_SHARE 4
#define RECORDS_MIN 8

struct work {
	int fd;
	char *record;
	size_t bytes;
	int64_t records;		/* so far */
	const char *step;		/* that failed: "make", "write", "sync" */
	int error;
};

int64_t bench_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int fail(struct work *work, const char *step, int error)
{
	work->step = step;
	work->error = error;
	return -error;
}

static int append(struct work *work)
{
	ssize_t written = write(work->fd, work->record, work->bytes);

	if (written != (ssize_t)work->bytes)
		return fail(work, "write", written < 0 ? errno : ENOSPC);
	if (fdatasync(work->fd) < 0)
		return fail(work, "sync", errno);
	work->records++;
	return 0;
}

/* For so long, but a few records in any case, and not past that length of the file. */
static int append_for(struct work *work, int64_t duration, int64_t length)
{
	int64_t deadline = bench_now() + duration;
	int64_t first = work->records;
	int result = 0;

	while (!result && (work->records + 1) * (int64_t)work->bytes <= length &&
	       (work->records < first + RECORDS_MIN || bench_now() < deadline))
		result = append(work);
	return result;
}

/* Not linked, but looked up: the library is there if it was preloaded. */
static bool ask_library(int fd, struct preallocate_statistics *statistics)
{
	int (*get)(int, struct preallocate_statistics *) =
		dlsym(RTLD_DEFAULT, "preallocate_get_statistics");

	statistics->size = sizeof(*statistics);
	if (get)
		get(fd, statistics);
	return get;
}

static void work_and_tell(struct work *work, int64_t duration)
{
	struct preallocate_statistics statistics = { 0 };
	int64_t warm_up = duration / WARM_UP_SHARE;
	int result = append_for(work, warm_up, BENCH_FILE_MAX / WARM_UP_SHARE);
	int64_t before = work->records;
	int64_t started = bench_now();
	int64_t taken;
	bool loaded;

	if (!result)
		append_for(work, duration - warm_up, BENCH_FILE_MAX);
	taken = bench_now() - started;
	loaded = ask_library(work->fd, &statistics);
	printf("%s %d %" PRId64 " %" PRId64 " %d %" PRIu64 " %" PRIu64 "\n", work->step, work->error,
	       work->records - before, taken, loaded, statistics.extended_bytes,
	       statistics.keep_bytes);
}

/* Readable, too: on tmpfs the library can't prove the tail of another one empty. */
static int make_file(struct work *work, const char *path)
{
	work->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (work->fd < 0 || fsync(work->fd) < 0)
		return fail(work, "make", errno);
	return 0;
}

int bench_work(int argc, char **argv)
{
	struct work work = { .fd = -1, .step = "-" };

	if (argc != 3) {
		complain("bench --worker needs BYTES SECONDS FILE; it is for preallocate bench itself");
		return STATUS_TROUBLE;
	}
	work.bytes = (size_t)atol(argv[0]);
	work.record = malloc(work.bytes + 1);
	if (!work.record) {
		complain("out of memory");
		return STATUS_TROUBLE;
	}
	memset(work.record, 'r', work.bytes);
	if (make_file(&work, argv[2]))
		printf("%s %d 0 0 1 0 0\n", work.step, work.error);
	else
		work_and_tell(&work, (int64_t)(atof(argv[1]) * 1e9));
	if (work.fd >= 0)
		close(work.fd);
	free(work.record);
	return work.error ? STATUS_FAILED : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "claim/settle.h"
#include "command/command.h"
#include "command/program.h"
#include "command/progress.h"
#include "rules/rules.h"

enum { OPTION_JSON = 0x100, OPTION_SECONDS, OPTION_WORKER };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "help", no_argument, NULL, 'h' },
	/* Ours alone: what is measured is this program itself. */
	{ "worker", no_argument, NULL, OPTION_WORKER },
	{ 0 },
};

#define SECONDS_DEFAULT 25.0
#define WORKERS (BENCH_ROUNDS * BENCH_SIZES * BENCH_WAYS)

/* Beside the preallocation and the file: what is being freed of the last one. */
#define SPARE (INT64_C(64) << 20)

static int take_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	if (end != text && !*end && *seconds >= 0.1 && *seconds <= 3600)
		return 0;
	complain("--seconds=%s: no such duration; write a number from 0.1 to 3600", text);
	return STATUS_TROUBLE;
}

static int check_place(const struct bench *bench)
{
	struct stat status;

	if (stat(bench->directory, &status) < 0)
		complain("%s: can't be looked at: %s; name a directory that is there", bench->directory,
			 strerror(errno));
	else if (!S_ISDIR(status.st_mode))
		complain("%s: is no directory; name the one where the files will be", bench->directory);
	else if (eaccess(bench->directory, W_OK | X_OK) < 0)
		complain("%s: no file can be made there: %s; name a directory that you may write to",
			 bench->directory, strerror(errno));
	else
		return 0;
	return STATUS_FAILED;
}

/* As much as one file takes at a time; below min-free nothing would be preallocated. */
static int check_space(struct bench *bench)
{
	const struct rule_options options = RULE_OPTIONS_DEFAULT;
	int64_t taken = options.prealloc_size + BENCH_FILE_MAX + SPARE;
	struct statfs fs;

	if (statfs(bench->directory, &fs) < 0) {
		complain("%s: its filesystem is unknown: %s", bench->directory, strerror(errno));
		return STATUS_FAILED;
	}
	filesystem_name(fs.f_type, bench->filesystem);
	bench->in_memory = fs.f_type == TMPFS_MAGIC || (unsigned int)fs.f_type == RAMFS_MAGIC;
	bench->needed = taken + (int64_t)((double)fs.f_blocks * (double)fs.f_bsize / 100) *
					options.min_free;
	if (space_headroom(&fs, (uint32_t)options.min_free) >= taken)
		return 0;
	complain("%s: too little space, %" PRId64 " MiB are free: the benchmark needs about %" PRId64
		 " MiB, which it gives back; free some, or name a directory on another disk",
		 bench->directory, (int64_t)fs.f_bavail * fs.f_bsize >> 20, bench->needed >> 20);
	return STATUS_FAILED;
}

static int check_ourselves(void)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0) {
		complain("/proc/self/exe: can't be read: %s; mount /proc", strerror(errno));
		return STATUS_TROUBLE;
	}
	self[length] = '\0';
	return program_check(self);
}

/* Each way follows another one each round: what one leaves to be written is the next one's cost. */
static enum bench_way way_at(int round, int position)
{
	int step = 1 + round % (BENCH_WAYS - 1);

	_Static_assert(BENCH_WAYS == 5, "a step comes by all of them where their number is prime");
	return (enum bench_way)((round + position * step) % BENCH_WAYS);
}

/* 0, an exit status after a message, or minus the signal that was to end us. */
static int run_rounds(struct bench *bench)
{
	bench->started = bench_now();
	for (bench->round = 0; bench->round < BENCH_ROUNDS; bench->round++) {
		for (int size = 0; size < BENCH_SIZES; size++) {
			for (int i = 0; i < BENCH_WAYS; i++) {
				enum bench_way way = way_at(bench->round, i);
				int status = bench_run_worker(bench, size, way);

				unlink(bench->path);
				if (status)
					return status;
			}
		}
	}
	return 0;
}

/* In a directory of our own, which is gone when this returns. The same. */
static int measure(struct bench *bench)
{
	char *own;
	int status;

	if (asprintf(&own, "%s/preallocate-bench.XXXXXX", bench->directory) < 0) {
		complain("out of memory");
		return STATUS_TROUBLE;
	}
	if (!mkdtemp(own)) {
		complain("%s: no directory can be made there: %s; name one that you may write to",
			 bench->directory, strerror(errno));
		free(own);
		return STATUS_FAILED;
	}
	if (asprintf(&bench->path, "%s/records", own) < 0) {
		complain("out of memory");
		status = STATUS_TROUBLE;
	} else {
		status = run_rounds(bench);
		free(bench->path);
	}
	progress_clear();
	if (rmdir(own) < 0) {
		complain("%s: can't be removed: %s; remove it", own, strerror(errno));
		status = status ? status : STATUS_FAILED;
	}
	free(own);
	return status;
}

static int bench_directory(struct bench *bench, bool json)
{
	int status = check_place(bench);

	if (!status)
		status = check_space(bench);
	if (!status)
		status = check_ourselves();
	if (status)
		return status;
	bench_hold_signals();
	status = measure(bench);
	bench_release_signals();
	/* The one that was to end us does so now, for whoever asks how we ended. */
	if (status < 0)
		raise(-status);
	if (status)
		return status < 0 ? STATUS_TROUBLE : status;
	bench_conclude(bench);
	if (json)
		bench_print_json(bench);
	else
		bench_print(bench);
	return 0;
}

static int run_bench(int argc, char **argv)
{
	struct bench bench = { 0 };
	double seconds = SECONDS_DEFAULT;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (option == OPTION_WORKER)
			return bench_work(argc - optind, argv + optind);
		if (option == OPTION_JSON)
			json = true;
		else if (option != OPTION_SECONDS)
			return command_other_option(&bench_command, option, argv);
		else if (take_seconds(optarg, &seconds))
			return STATUS_TROUBLE;
	}
	if (argc - optind != 1) {
		complain("bench needs the path of one directory; see preallocate help bench");
		return STATUS_TROUBLE;
	}
	bench.directory = argv[optind];
	bench.seconds = seconds / WORKERS;
	return bench_directory(&bench, json);
}

const struct command bench_command = {
	.name = "bench",
	.summary = "measure what each mode gains on a disk",
	.usage =
	"Usage: preallocate bench [OPTION...] DIRECTORY\n"
	"\n"
	"Appends to files in a directory of its own below DIRECTORY, with fdatasync after each record,\n"
	"without the library and in each mode; prints records per second, and the rule to use there.\n"
	"Takes half a minute, and removes what it has made.\n"
	"\n"
	"      --seconds=N          how long to append, in all (default 25)\n"
	"      --json               print JSON\n"
	"  -h, --help               print this\n"
	"\n"
	"Exits with 1 if DIRECTORY can't be measured.\n",
	.run = run_bench,
};

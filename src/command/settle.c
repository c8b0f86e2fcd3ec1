/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command/command.h"
#include "command/json.h"
#include "command/paths.h"
#include "recovery/mark.h"

enum { OPTION_JSON = 0x100 };

static const struct option long_options[] = {
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

#define PROBLEM_MAX 80

struct settled {
	struct stat before;
	struct stat after;
	int64_t waited;			/* ns, until whoever held the file extended had given way */
};

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What a copy or a cut has left of a mark is no sign of it. */
static bool is_still_extended(int fd, const struct stat *st)
{
	struct mark mark;

	return mark_read(fd, &mark) == 0 && !(mark.flags & MARK_SETTLED) && mark_agrees(&mark, fd, st);
}

/*
 * An open(2) breaks the lease that holds the file extended, and waits until the size is true. Where there is no
 * lease, after a crash or with exclusive=assume, nobody is told.
 */
static int settle(const char *path, struct settled *settled)
{
	int64_t start = now();
	int fd = open_regular(path, O_RDONLY, &settled->before);
	int result = 0;

	settled->waited = now() - start;
	if (fd < 0)
		return fd;
	if (fstat(fd, &settled->after) < 0)
		result = -errno;
	else if (is_still_extended(fd, &settled->after))
		result = -EUCLEAN;
	close(fd);
	return result;
}

/* *reason: "", or what the kernel says. */
static void explain(const struct settled *settled, int error, char problem[static PROBLEM_MAX],
		    const char **reason)
{
	if (error == -EINVAL && !S_ISREG(settled->before.st_mode)) {
		snprintf(problem, PROBLEM_MAX, "is %s; only regular files can be settled",
			 file_type_name(settled->before.st_mode));
		*reason = "";
	} else if (error == -EUCLEAN) {
		snprintf(problem, PROBLEM_MAX, "is still extended, by a crash or exclusive=assume; see preallocate recover");
		*reason = "";
	} else {
		snprintf(problem, PROBLEM_MAX, "can't be opened");
		*reason = strerror(-error);
	}
}

static void complain_about(const char *path, const struct settled *settled, int error)
{
	char problem[PROBLEM_MAX];
	const char *reason;

	explain(settled, error, problem, &reason);
	complain("%s: %s%s%s", path, problem, *reason ? ": " : "", reason);
}

static void print_text(const char *path, const struct settled *settled, bool verbose)
{
	int64_t before = settled->before.st_size;
	int64_t after = settled->after.st_size;

	if (after < before)
		printf("%s: settled, %" PRId64 " bytes instead of %" PRId64, path, after, before);
	else if (verbose)
		printf("%s: was settled, %" PRId64 " bytes", path, after);
	else
		return;
	if (verbose)
		printf(", after %" PRId64 ".%03d ms", settled->waited / 1000000,
		       (int)(settled->waited / 1000 % 1000));
	putchar('\n');
}

static void print_json(const char *path, const struct settled *settled, int error)
{
	char problem[PROBLEM_MAX];
	const char *reason;

	json_object_begin();
	json_string("path", path);
	if (error) {
		explain(settled, error, problem, &reason);
		json_string("error", problem);
		if (*reason)
			json_string("reason", reason);
	} else {
		json_number("size_before", settled->before.st_size);
		json_number("size", settled->after.st_size);
		json_number("waited_ns", settled->waited);
	}
	json_object_end();
}

static int settle_all(char **paths, bool verbose, bool json)
{
	int status = 0;

	if (json)
		json_begin();
	for (; *paths; paths++) {
		struct settled settled = { 0 };
		int error = settle(*paths, &settled);

		if (error) {
			complain_about(*paths, &settled, error);
			status = STATUS_FAILED;
		}
		if (json)
			print_json(*paths, &settled, error);
		else if (!error)
			print_text(*paths, &settled, verbose);
	}
	if (json)
		json_end();
	return status;
}

static int run_settle(int argc, char **argv)
{
	bool verbose = false;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":hv", long_options, NULL)) != -1) {
		if (option == 'v')
			verbose = true;
		else if (option == OPTION_JSON)
			json = true;
		else
			return command_other_option(&settle_command, option, argv);
	}
	if (optind == argc) {
		complain("settle needs the path of a file; see preallocate help settle");
		return STATUS_TROUBLE;
	}
	return settle_all(argv + optind, verbose, json);
}

const struct command settle_command = {
	.name = "settle",
	.summary = "give files their true size, before a backup for instance",
	.usage =
	"Usage: preallocate settle [OPTION...] PATH...\n"
	"\n"
	"Makes whoever holds PATH extended give its preallocation back, and waits for it. The program then\n"
	"leaves the file alone for a second, longer if it was opened before. Says which files had been\n"
	"extended.\n"
	"\n"
	"  -v, --verbose            name every file, and the time that it took\n"
	"      --json               print JSON\n"
	"  -h, --help               print this\n"
	"\n"
	"Exits with 1 if a PATH can't be opened, or stays extended, after a crash or with exclusive=assume.\n",
	.run = run_settle,
};

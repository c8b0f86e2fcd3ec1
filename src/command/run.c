/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "command/library.h"
#include "command/paths.h"
#include "command/program.h"
#include "command/selection.h"

struct run_options {
	struct selection selection;
	const char *report;		/* "stderr" or a path; NULL: as inherited */
	const char *log;		/* NULL: as inherited */
};

enum { OPTION_REPORT = 0x100, OPTION_LOG };

static const struct option long_options[] = {
	SELECTION_LONG_OPTIONS,
	{ "report", optional_argument, NULL, OPTION_REPORT },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int take_report(struct run_options *options, const char *file)
{
	if (file && !*file) {
		complain("--report=: there is no file name; write --report=FILE, or --report for "
			 "standard error");
		return STATUS_TROUBLE;
	}
	options->report = file ? file : "stderr";
	return 0;
}

static int take_log(struct run_options *options, const char *level)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (!strcmp(level, levels[i])) {
			options->log = level;
			return 0;
		}
	}
	complain("--log=%s: no such level; write error, warn, info or debug", level);
	return STATUS_TROUBLE;
}

static int take_option(struct run_options *options, int option, char **argv)
{
	if (selection_owns(option))
		return selection_take(&options->selection, option, optarg);
	switch (option) {
	case OPTION_REPORT:
		return take_report(options, optarg);
	case OPTION_LOG:
		return take_log(options, optarg);
	default:
		return command_other_option(&run_command, option, argv);
	}
}

static int check_rules_given(struct selection *selection, const char *command)
{
	struct rules *rules = NULL;
	int status = selection_load(selection, &rules);

	if (!status && rules_count(rules) == 0) {
		complain("there is no rule before '%s', so no file would be managed; give a pattern, such as "
			 "preallocate run -m '*.log' -- %s", command, command);
		status = STATUS_TROUBLE;
	}
	rules_free(rules);
	return status;
}

/* The library writes it when nobody can be told any more that it can't be written. option: how it was given. */
static int check_writable(const char *option, const char *file)
{
	int fd;

	if (!file || !*file || !strcmp(file, "stderr"))
		return 0;
	fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (fd < 0 && errno != ENXIO) {
		complain("%s=%s: can't be written: %s; name a file that can", option, file,
			 strerror(errno));
		return STATUS_TROUBLE;
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

/* The program may change its directory before it writes to it. */
static int export_file(const char *name, const char *file)
{
	char *path;
	int failed;

	if (!file || !*file || !strcmp(file, "stderr"))
		return file && setenv(name, file, 1);
	path = absolute_path(file);
	failed = !path || setenv(name, path, 1);
	free(path);
	return failed;
}

static int check_files(const struct run_options *options)
{
	int status = options->report ? check_writable("--report", options->report)
				     : check_writable("PREALLOCATE_REPORT", getenv("PREALLOCATE_REPORT"));

	return status ? status : check_writable("PREALLOCATE_LOG_FILE", getenv("PREALLOCATE_LOG_FILE"));
}

static int export_all(const struct run_options *options)
{
	int status = selection_export(&options->selection);

	if (!status)
		status = library_preload();
	if (status)
		return status;
	if (export_file("PREALLOCATE_REPORT", options->report ? options->report : getenv("PREALLOCATE_REPORT")) ||
	    export_file("PREALLOCATE_LOG_FILE", getenv("PREALLOCATE_LOG_FILE")) ||
	    (options->log && setenv("PREALLOCATE_LOG", options->log, 1))) {
		complain("the environment can't be set: %s", strerror(errno));
		return STATUS_TROUBLE;
	}
	return 0;
}

static int become(const char *path, char **argv)
{
	int error;

	/* The path holds a slash, so this only adds that a text without #! goes to /bin/sh. */
	execvp(path, argv);
	error = errno;
	complain("%s: can't be executed: %s", path, strerror(error));
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

static int run_run(int argc, char **argv)
{
	struct run_options options = { 0 };
	char path[PATH_MAX];
	int option;
	int status;

	while ((option = getopt_long(argc, argv, "+:h" SELECTION_SHORT_OPTIONS, long_options,
				     NULL)) != -1) {
		status = take_option(&options, option, argv);
		if (status || option == 'h')
			return status;
	}
	if (optind == argc) {
		complain("there is no command to run; write preallocate run -m '*.log' -- COMMAND");
		return STATUS_TROUBLE;
	}
	status = check_rules_given(&options.selection, argv[optind]);
	if (!status)
		status = program_find(argv[optind], path, sizeof(path));
	if (!status)
		status = program_check(path);
	if (!status)
		status = check_files(&options);
	if (!status)
		status = export_all(&options);
	return status ? status : become(path, argv + optind);
}

const struct command run_command = {
	.name = "run",
	.summary = "start a program whose files are preallocated",
	.usage =
	"Usage: preallocate run [OPTION...] [--] COMMAND [ARGUMENT...]\n"
	"\n"
	"Becomes COMMAND, with space allocated ahead in the files that a rule matches.\n"
	"\n"
	SELECTION_USAGE
	"\n"
	"      --report[=FILE]      say what was done for each file when it is closed, on standard error or\n"
	"                           at the end of FILE; JSON, a line each, if its name ends in .json\n"
	"      --log=LEVEL          error, warn, info or debug (default warn)\n"
	"  -h, --help               print this\n"
	"\n"
	"Exits with 125 if preallocate fails, 126 if COMMAND can't be executed, 127 if there is no\n"
	"COMMAND, else as COMMAND does.\n",
	.run = run_run,
};

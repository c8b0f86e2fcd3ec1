/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every subcommand is made of, and shares. */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <getopt.h>

/* As env(1) and timeout(1): the other statuses of `run` are the program's own. */
enum {
	STATUS_FAILED = 1,		/* a file or rule isn't as it should be */
	STATUS_TROUBLE = 125,		/* wrongly used, or we failed */
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
};

struct command {
	const char *name;
	const char *summary;
	const char *usage;
	int (*run)(int argc, char **argv);	/* the exit status; argv[0] is the subcommand */
};

extern const struct command run_command;
extern const struct command check_rules_command;
extern const struct command match_command;
extern const struct command settle_command;
extern const struct command trim_command;
extern const struct command recover_command;
extern const struct command bench_command;

/* One line on standard error: preallocate: what is wrong; what would be right. */
__attribute__((format(printf, 1, 2)))
void complain(const char *format, ...);

/* For what getopt_long returned and the caller doesn't know: 'h', ':' or '?'. The exit status. */
int command_other_option(const struct command *command, int option, char **argv);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_version(int argc, char **argv);
static int run_help(int argc, char **argv);

static const struct command version_command = {
	.name = "version",
	.summary = "print the version",
	.usage = "Usage: preallocate version\n",
	.run = run_version,
};

static const struct command help_command = {
	.name = "help",
	.summary = "print this, or how to use one subcommand",
	.usage = "Usage: preallocate help [SUBCOMMAND]\n",
	.run = run_help,
};

static const struct command *const commands[] = {
	&run_command,
	&check_rules_command,
	&match_command,
	&settle_command,
	&trim_command,
	&recover_command,
	&bench_command,
	&version_command,
	&help_command,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

void complain(const char *format, ...)
{
	char line[8192] = "preallocate: ";
	size_t prefix = strlen(line);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + prefix, sizeof(line) - prefix, format, arguments);
	va_end(arguments);
	/* A name may hold anything, also what would move a terminal's cursor. */
	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	fprintf(stderr, "%s\n", line);
}

int command_other_option(const struct command *command, int option, char **argv)
{
	const char *word = argv[optind - 1];

	if (option == 'h') {
		fputs(command->usage, stdout);
		return 0;
	}
	if (option == ':')
		complain("option '%s' needs a value; see preallocate help %s", word, command->name);
	else if (!strncmp(word, "--", 2) && optopt)
		complain("option '%.*s' takes no value; see preallocate help %s",
			 (int)strcspn(word, "="), word, command->name);
	else if (!strncmp(word, "--", 2))
		complain("there is no option '%s'; see preallocate help %s", word, command->name);
	else
		complain("there is no option '-%c'; see preallocate help %s", optopt, command->name);
	return STATUS_TROUBLE;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

static int run_version(int argc, char **argv)
{
	if (argc > 1) {
		complain("version takes no argument, but got '%s'", argv[1]);
		return STATUS_TROUBLE;
	}
	puts("preallocate " PACKAGE_VERSION);
	return 0;
}

static void print_usage(FILE *stream)
{
	fputs("Usage: preallocate SUBCOMMAND [OPTION...] [ARGUMENT...]\n"
	      "\n"
	      "Allocates space ahead of the files that a program appends to.\n"
	      "\n"
	      "Subcommands:\n", stream);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-12s  %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "For a first try:\n"
	      "  preallocate run -m '*.log' -- COMMAND [ARGUMENT...]\n", stream);
}

static int run_help(int argc, char **argv)
{
	const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;

	if (argc > 2) {
		complain("help takes one subcommand, but got '%s' too", argv[2]);
		return STATUS_TROUBLE;
	}
	if (argc > 1 && !command) {
		complain("there is no subcommand '%s'; see preallocate help", argv[1]);
		return STATUS_TROUBLE;
	}
	if (command)
		fputs(command->usage, stdout);
	else
		print_usage(stdout);
	return 0;
}

static const struct command *choose_command(const char *word)
{
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return &help_command;
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		return &version_command;
	return find_command(word);
}

/* Output that didn't arrive, on a full disk for instance, is a failure too. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	complain("standard output can't be written: %s", strerror(errno));
	return status ? status : STATUS_TROUBLE;
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_usage(stderr);
		return STATUS_TROUBLE;
	}
	command = choose_command(argv[1]);
	if (!command) {
		complain("there is no subcommand '%s'; see preallocate help", argv[1]);
		return STATUS_TROUBLE;
	}
	opterr = 0;
	return finish(command->run(argc - 1, argv + 1));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules that a command line gives, after those of the configuration and the environment. */
#ifndef COMMAND_SELECTION_H
#define COMMAND_SELECTION_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "rules/rules.h"

/* One -m or -r, in the order given: the last match wins. */
struct selected {
	const char *option;
	const char *text;
	char *rule;			/* as PREALLOCATE_RULES takes it */
};

struct selection {
	const char *config;		/* the file of -c; NULL: PREALLOCATE_CONFIG or the default */
	struct selected *list;
	size_t count;
	bool has_match;
	char options[512];		/* what --mode and the like add to each -m, blank first */
	const char *last_option;	/* one of them, for a message */
};

#define SELECTION_SHORT_OPTIONS "m:r:c:"
enum { SELECTION_FIRST_LONG = 0x200, SELECTION_LAST_LONG = 0x2ff };
#define SELECTION_LONG_OPTIONS \
	{ "match", required_argument, NULL, 'm' }, \
	{ "rule", required_argument, NULL, 'r' }, \
	{ "config", required_argument, NULL, 'c' }, \
	{ "mode", required_argument, NULL, SELECTION_FIRST_LONG }, \
	{ "prealloc-size", required_argument, NULL, SELECTION_FIRST_LONG + 1 }, \
	{ "prealloc-align", required_argument, NULL, SELECTION_FIRST_LONG + 2 }, \
	{ "exclusive", required_argument, NULL, SELECTION_FIRST_LONG + 3 }, \
	{ "idle", required_argument, NULL, SELECTION_FIRST_LONG + 4 }
#define SELECTION_USAGE \
	"  -m, --match=PATTERN      manage files that match, such as '*.log' or '/srv/db/**'\n" \
	"  -r, --rule=RULE          one more rule: 'PATTERN OPTION=VALUE...'\n" \
	"  -c, --config=FILE        read rules from FILE, not from the default configuration\n" \
	"      --mode=MODE          zero, write, auto, keep or off (default auto)\n" \
	"      --prealloc-size=N    how much to allocate ahead (default 128M)\n" \
	"      --prealloc-align=N   align the allocated end up to this (default 1M)\n" \
	"      --exclusive=HOW      lease or assume: who knows that nobody else has the file open\n" \
	"      --idle=TIME          without an append for so long, give the space back (default 1s)\n" \
	"The last five are for the patterns of all -m. Of several rules that match, the last applies.\n"

bool selection_owns(int option);

/* Takes one option. 0 or an exit status, after a message. */
int selection_take(struct selection *selection, int option, const char *value);

/* All rules: the configuration's, the environment's, ours. 0 or an exit status, after a message. */
int selection_load(struct selection *selection, struct rules **rules);

/* Tells the library of a program that is about to be started. The same. */
int selection_export(const struct selection *selection);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "rules/rules.h"

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void print_rule(const struct rule *rule)
{
	char pattern[4 * PATH_MAX + 1];
	char options[256];

	rule_options_format(&rule->options, options, sizeof(options));
	if (rules_quote_pattern(rule->pattern, pattern, sizeof(pattern)))
		snprintf(pattern, sizeof(pattern), "%s", rule->pattern);
	printf("%s:%u: %s %s\n", rule->origin, rule->line, pattern, options);
}

static int load(const char *file, struct rules **rules)
{
	struct rules_error error;
	int result;

	if (file)
		result = rules_load(rules, strcmp(file, "-") ? file : "/dev/stdin", NULL, &error);
	else
		result = rules_load(rules, getenv("PREALLOCATE_CONFIG"), getenv("PREALLOCATE_RULES"),
				    &error);
	if (!result)
		return 0;
	complain("%s", error.message);
	return STATUS_FAILED;
}

static void print_where_no_rule_is(const char *file)
{
	const char *config = getenv("PREALLOCATE_CONFIG");

	if (file)
		printf("There is no rule in %s.\n", file);
	else if (config && !*config)
		puts("There is no rule in PREALLOCATE_RULES, and PREALLOCATE_CONFIG says that there is no "
		     "configuration.");
	else
		printf("There is no rule in %s, nor in PREALLOCATE_RULES.\n",
		       config ? config : SYSCONFDIR "/preallocate.conf");
}

static int run_check_rules(int argc, char **argv)
{
	struct rules *rules = NULL;
	int option = getopt_long(argc, argv, "+:h", long_options, NULL);
	int status;

	if (option != -1)
		return command_other_option(&check_rules_command, option, argv);
	if (argc - optind > 1) {
		complain("check-rules takes one file, but got '%s' too", argv[optind + 1]);
		return STATUS_TROUBLE;
	}
	status = load(argv[optind], &rules);
	for (size_t i = 0; i < rules_count(rules); i++)
		print_rule(rules_get(rules, i));
	if (!status && rules_count(rules) == 0)
		print_where_no_rule_is(argv[optind]);
	rules_free(rules);
	return status;
}

const struct command check_rules_command = {
	.name = "check-rules",
	.summary = "read the rules, print them or the first mistake",
	.usage =
	"Usage: preallocate check-rules [FILE]\n"
	"\n"
	"Reads FILE (- is standard input) and prints each rule with all its options. Without FILE: the rules\n"
	"that programs get, from " SYSCONFDIR "/preallocate.conf (or\n"
	"what PREALLOCATE_CONFIG names), then PREALLOCATE_RULES.\n"
	"\n"
	"  -h, --help               print this\n"
	"\n"
	"Exits with 1 if there is a mistake.\n",
	.run = run_check_rules,
};

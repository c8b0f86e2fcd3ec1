/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/selection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command/command.h"
#include "command/paths.h"

static const char *const pattern_options[] = {
	"mode", "prealloc-size", "prealloc-align", "exclusive", "idle",
};

bool selection_owns(int option)
{
	return option == 'm' || option == 'r' || option == 'c' ||
	       (option >= SELECTION_FIRST_LONG && option <= SELECTION_LAST_LONG);
}

static int add_selected(struct selection *selection, const char *option, const char *text)
{
	struct selected *list = reallocarray(selection->list, selection->count + 1, sizeof(*list));

	if (!list) {
		complain("out of memory");
		return STATUS_TROUBLE;
	}
	selection->list = list;
	list[selection->count++] = (struct selected){ .option = option, .text = text };
	return 0;
}

static int add_pattern_option(struct selection *selection, const char *name, const char *value)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;
	struct rules_error error;
	size_t used = strlen(selection->options);
	size_t room = sizeof(selection->options) - used;

	selection->last_option = name;
	if (rule_options_set(&options, name, value, &error)) {
		complain("--%s", error.message);
		return STATUS_TROUBLE;
	}
	if ((size_t)snprintf(selection->options + used, room, " %s=%s", name, value) >= room) {
		complain("--%s is given too often; once is enough", name);
		return STATUS_TROUBLE;
	}
	return 0;
}

static int take_pattern(struct selection *selection, const char *pattern)
{
	/* It would be a part of a file's name. */
	for (const char *blank = strpbrk(pattern, " \t"); blank; blank = strpbrk(blank + 1, " \t")) {
		if (rule_option_begins(blank + 1)) {
			complain("-m: '%s' has an option in it, %.*s; write -r '%s'", pattern,
				 (int)strcspn(blank + 1, "="), blank + 1, pattern);
			return STATUS_TROUBLE;
		}
	}
	selection->has_match = true;
	return add_selected(selection, "-m", pattern);
}

int selection_take(struct selection *selection, int option, const char *value)
{
	switch (option) {
	case 'm':
		return take_pattern(selection, value);
	case 'r':
		return add_selected(selection, "-r", value);
	case 'c':
		selection->config = value;
		return 0;
	default:
		return add_pattern_option(selection,
					  pattern_options[option - SELECTION_FIRST_LONG], value);
	}
}

static int compose_rule(const struct selection *selection, struct selected *selected)
{
	size_t size = strlen(selected->text) * 2 + sizeof(selection->options) + 4;

	selected->rule = malloc(size);
	if (!selected->rule) {
		complain("out of memory");
		return STATUS_TROUBLE;
	}
	if (!strcmp(selected->option, "-r")) {
		strcpy(selected->rule, selected->text);
	} else if (rules_quote_pattern(selected->text, selected->rule, size)) {
		complain("-m: the pattern '%s' has a line break; write ? for it", selected->text);
		return STATUS_TROUBLE;
	} else {
		strcat(selected->rule, selection->options);
	}
	return 0;
}

static int load_selected(const struct selection *selection, struct selected *selected,
			 struct rules **rules)
{
	struct rules_error error;
	size_t before = rules_count(*rules);
	int status = compose_rule(selection, selected);

	if (status)
		return status;
	if (rules_parse(rules, selected->rule, strlen(selected->rule), selected->option, &error)) {
		/* "-m:1: ...": the line number of an option says nothing. */
		complain("%s: %s", selected->option, strstr(error.message, ": ") + 2);
		return STATUS_TROUBLE;
	}
	if (rules_count(*rules) == before) {
		complain("%s: there is no rule in '%s'; write PATTERN OPTION=VALUE...",
			 selected->option, selected->text);
		return STATUS_TROUBLE;
	}
	return 0;
}

static int check_config(const char *config)
{
	struct stat status;

	if (stat(config, &status) == 0 && S_ISFIFO(status.st_mode)) {
		complain("%s: is a pipe, but every program that is started reads it anew; name a file",
			 config);
		return STATUS_TROUBLE;
	}
	return 0;
}

int selection_load(struct selection *selection, struct rules **rules)
{
	const char *config = selection->config ? selection->config : getenv("PREALLOCATE_CONFIG");
	struct rules_error error;

	if (selection->last_option && !selection->has_match) {
		complain("--%s is for the patterns of -m, and there is none; add -m PATTERN, or write "
			 "it into the rule: -r 'PATTERN %s=...'",
			 selection->last_option, selection->last_option);
		return STATUS_TROUBLE;
	}
	if (selection->config && check_config(config))
		return STATUS_TROUBLE;
	if (rules_load(rules, config, getenv("PREALLOCATE_RULES"), &error)) {
		complain("%s", error.message);
		return STATUS_TROUBLE;
	}
	for (size_t i = 0; i < selection->count; i++) {
		if (load_selected(selection, &selection->list[i], rules))
			return STATUS_TROUBLE;
	}
	return 0;
}

/* The library's own variable, with our rules at its end. */
static char *join_rules(const struct selection *selection)
{
	const char *inherited = getenv("PREALLOCATE_RULES");
	size_t size = (inherited ? strlen(inherited) : 0) + 1;
	char *joined;

	for (size_t i = 0; i < selection->count; i++)
		size += strlen(selection->list[i].rule) + 1;
	joined = malloc(size);
	if (!joined)
		return NULL;
	strcpy(joined, inherited ? inherited : "");
	for (size_t i = 0; i < selection->count; i++) {
		if (*joined)
			strcat(joined, "\n");
		strcat(joined, selection->list[i].rule);
	}
	return joined;
}

int selection_export(const struct selection *selection)
{
	const char *given = selection->config ? selection->config : getenv("PREALLOCATE_CONFIG");
	char *joined = join_rules(selection);
	/* Programs may be started in other directories. */
	char *config = given && *given ? absolute_path(given) : strdup("");
	bool failed = !joined || !config;

	if (!failed && *joined)
		failed = setenv("PREALLOCATE_RULES", joined, 1);
	if (!failed && given)
		failed = setenv("PREALLOCATE_CONFIG", config, 1);
	if (failed)
		complain("the environment can't be set: %s", strerror(errno));
	free(joined);
	free(config);
	return failed ? STATUS_TROUBLE : 0;
}

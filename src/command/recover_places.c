/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/recover_places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "rules/rules.h"

/*
 * The pattern up to its last slash before a wildcard; whole, if it has none: a file. Backslashes go.
 * malloc'ed; "": it begins with a wildcard; NULL: no memory.
 */
static char *place_of(const char *pattern)
{
	char *place = malloc(strlen(pattern) + 1);
	size_t length = 0;

	if (!place)
		return NULL;
	while (*pattern && !strchr("*?[", *pattern)) {
		if (*pattern == '\\' && pattern[1])
			pattern++;
		place[length++] = *pattern++;
	}
	if (*pattern) {
		while (length > 0 && place[length - 1] != '/')
			length--;
		/* The slash itself stays where it is the root. */
		if (length > 1)
			length--;
	}
	place[length] = '\0';
	return place;
}

static int places_add(struct places *places, char *place)
{
	char **list;

	for (size_t i = 0; i < places->count; i++) {
		if (!strcmp(places->list[i], place)) {
			free(place);
			return 0;
		}
	}
	list = reallocarray(places->list, places->count + 1, sizeof(*list));
	if (!list)
		return STATUS_TROUBLE;
	places->list = list;
	list[places->count++] = place;
	return 0;
}

static int add_place_of(struct places *places, const struct rule *rule, char *unreachable,
			size_t size)
{
	size_t used = strlen(unreachable);
	char *place;

	if (rule->options.mode == RULE_MODE_OFF)
		return 0;
	place = rule->has_slash ? place_of(rule->pattern) : strdup("");
	if (!place)
		return STATUS_TROUBLE;
	if (*place)
		return places_add(places, place);
	snprintf(unreachable + used, size - used, "%s'%s'", used ? ", " : "", rule->pattern);
	free(place);
	return 0;
}

int places_load(struct places *places, const char *config)
{
	struct rules *rules = NULL;
	struct rules_error error;
	char unreachable[4096] = "";
	int status = 0;

	if (rules_load(&rules, config ? config : getenv("PREALLOCATE_CONFIG"), NULL, &error)) {
		complain("%s", error.message);
		return STATUS_TROUBLE;
	}
	for (size_t i = 0; i < rules_count(rules) && !status; i++)
		status = add_place_of(places, rules_get(rules, i), unreachable, sizeof(unreachable));
	if (status)
		complain("out of memory");
	else if (*unreachable)
		complain("rules that name no directory can't be followed: %s; give their directories as "
			 "PATHs", unreachable);
	else if (places->count == 0)
		complain("no rule of the configuration names a directory; there is nothing to look at");
	rules_free(rules);
	return status;
}

void places_free(struct places *places)
{
	for (size_t i = 0; i < places->count; i++)
		free(places->list[i]);
	free(places->list);
}

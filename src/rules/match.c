/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/glob.h"
#include "rules/list.h"

#include <limits.h>
#include <string.h>

static const char *last_component(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

/* All that most opens pay for a rule: the comparison of a few bytes. */
static bool last_matches(const struct rule *rule, const char *last, size_t length)
{
	if (length < rule->tail_length ||
	    memcmp(last + length - rule->tail_length, rule->tail, rule->tail_length) != 0)
		return false;
	/* A star, and that was all: as most patterns are. */
	if (rule->last[0] == '*' && rule->tail == rule->last + 1)
		return true;
	return glob_matches(rule->last, last);
}

/* Where in the rules a search stands: below the count'th of a text, the last one first. */
struct search {
	const struct rules *rules;
	size_t count; /* valid while there are rules */
	const char *last;
	size_t length;
};

static void begin(struct search *search, const struct rules *rules, const char *opened_name)
{
	rules = rules_parsed(rules);
	search->last = last_component(opened_name);
	search->length = strlen(search->last);
	/* A name that ends in a slash is a directory's. */
	search->rules = search->length ? rules : NULL;
	search->count = rules ? rules->count : 0;
}

/* The next rule whose last component matches; NULL: there is no more. */
static const struct rule *next(struct search *search)
{
	while (search->rules) {
		while (search->count > 0) {
			const struct rule *rule = &search->rules->list[--search->count];

			if (last_matches(rule, search->last, search->length))
				return rule;
		}
		search->rules = search->rules->before;
		search->count = search->rules ? search->rules->count : 0;
	}
	return NULL;
}

/* Apart from rules_match: it alone needs the large buffer. */
__attribute__((noinline))
static const struct rule *match_resolved(struct search *search, const struct rule *rule,
					 int (*resolve)(void *context, char *buffer, size_t size),
					 void *context)
{
	char path[PATH_MAX];
	bool resolved = resolve && resolve(context, path, sizeof(path)) == 0;

	for (; rule; rule = next(search))
		if (!rule->has_slash || (resolved && glob_matches(rule->pattern, path)))
			return rule;
	return NULL;
}

const struct rule *rules_match(const struct rules *rules, const char *opened_name,
			       int (*resolve)(void *context, char *buffer, size_t size),
			       void *context)
{
	const struct rule *rule;
	struct search search;

	begin(&search, rules, opened_name);
	rule = next(&search);
	return rule && rule->has_slash ? match_resolved(&search, rule, resolve, context) : rule;
}

bool rules_may_match(const struct rules *rules, const char *opened_name)
{
	struct search search;

	begin(&search, rules, opened_name);
	return next(&search);
}

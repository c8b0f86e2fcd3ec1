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
	return length >= rule->tail_length &&
	       !memcmp(last + length - rule->tail_length, rule->tail, rule->tail_length) &&
	       glob_matches(rule->last, last);
}

/*
 * Tries this text's first count rules, the last one first, then those of the texts before it. Apart
 * from rules_match: it alone needs the large buffer.
 */
__attribute__((noinline))
static const struct rule *match_resolved(const struct rules *rules, size_t count, const char *last,
					 size_t length,
					 int (*resolve)(void *context, char *buffer, size_t size),
					 void *context)
{
	char path[PATH_MAX];
	bool resolved = resolve && resolve(context, path, sizeof(path)) == 0;

	for (; rules; rules = rules->before, count = rules ? rules->count : 0) {
		while (count--) {
			const struct rule *rule = &rules->list[count];

			if (!last_matches(rule, last, length))
				continue;
			if (!rule->has_slash || (resolved && glob_matches(rule->pattern, path)))
				return rule;
		}
	}
	return NULL;
}

const struct rule *rules_match(const struct rules *rules, const char *opened_name,
			       int (*resolve)(void *context, char *buffer, size_t size),
			       void *context)
{
	const char *last = last_component(opened_name);
	size_t length = strlen(last);

	/* A name that ends in a slash is a directory's. */
	if (!length)
		return NULL;
	for (; rules; rules = rules->before) {
		for (size_t count = rules->count; count > 0; count--) {
			const struct rule *rule = &rules->list[count - 1];

			if (!last_matches(rule, last, length))
				continue;
			if (rule->has_slash)
				return match_resolved(rules, count, last, length, resolve, context);
			return rule;
		}
	}
	return NULL;
}

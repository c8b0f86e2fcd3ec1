/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int rules_add_origin(struct rules *rules, const char *name)
{
	size_t size = strlen(name) + 1;
	struct origin *origin = malloc(sizeof(*origin) + size);

	if (!origin)
		return -ENOMEM;
	memcpy(origin->name, name, size);
	origin->next = rules->origins;
	rules->origins = origin;
	return 0;
}

struct rule *rules_add(struct rules *rules, const char *pattern, unsigned int line)
{
	struct rule *rule;

	if (rules->count == rules->capacity) {
		size_t capacity = rules->capacity ? rules->capacity * 2 : 8;
		struct rule *list = reallocarray(rules->list, capacity, sizeof(*list));

		if (!list)
			return NULL;
		rules->list = list;
		rules->capacity = capacity;
	}
	rule = &rules->list[rules->count];
	*rule = (struct rule){
		.pattern = strdup(pattern),
		.options = RULE_OPTIONS_DEFAULT,
		.origin = rules->origins->name,
		.line = line,
	};
	if (!rule->pattern)
		return NULL;
	rules->count++;
	return rule;
}

void rules_cut(struct rules *rules, size_t count)
{
	while (rules->count > count)
		free(rules->list[--rules->count].pattern);
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	rules_cut(rules, 0);
	free(rules->list);
	while (rules->origins) {
		struct origin *origin = rules->origins;

		rules->origins = origin->next;
		free(origin);
	}
	free(rules);
}

size_t rules_count(const struct rules *rules)
{
	return rules ? rules->count : 0;
}

const struct rule *rules_get(const struct rules *rules, size_t index)
{
	return index < rules_count(rules) ? &rules->list[index] : NULL;
}

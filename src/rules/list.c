/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/list.h"

#include "base/memory.h"

#include <string.h>
#include <sys/mman.h>

/* What stands at its start is kept. */
static char *take_text(struct rules *rules)
{
	char *text = rules->text;

	rules->text += strlen(text) + 1;
	return text;
}

struct rules *rules_begin(struct rules *before, size_t most, size_t text_length, const char *origin)
{
	size_t fixed = sizeof(struct rules) + most * sizeof(struct rule);
	/* Each pattern gets a NUL. */
	size_t size = fixed + text_length + most + strlen(origin) + 1;
	struct rules *rules = memory_new(size);

	if (!rules)
		return NULL;
	rules->before = before;
	rules->size = size;
	rules->list = (struct rule *)(rules + 1);
	rules->text = strcpy((char *)rules + fixed, origin);
	rules->origin = take_text(rules);
	return rules;
}

struct rule *rules_add(struct rules *rules, unsigned int line)
{
	struct rule *rule = &rules->list[rules->count++];

	*rule = (struct rule){
		.pattern = take_text(rules),
		.options = RULE_OPTIONS_DEFAULT,
		.origin = rules->origin,
		.line = line,
	};
	return rule;
}

void rules_end(struct rules *rules)
{
	munmap(rules, rules->size);
}

void rules_free(struct rules *rules)
{
	while (rules) {
		struct rules *before = rules->before;

		if (rules->sources)
			rules_free_sources(rules->sources);
		else
			rules_end(rules);
		rules = before;
	}
}

size_t rules_count(const struct rules *rules)
{
	size_t count = 0;

	rules = rules_parsed(rules);
	for (; rules; rules = rules->before)
		count += rules->count;
	return count;
}

const struct rule *rules_get(const struct rules *rules, size_t index)
{
	rules = rules_parsed(rules);
	for (; rules; rules = rules->before) {
		size_t before = rules_count(rules->before);

		if (index >= before)
			return index - before < rules->count ? &rules->list[index - before] : NULL;
	}
	return NULL;
}

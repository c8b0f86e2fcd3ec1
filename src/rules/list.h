/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the list of rules is made of: for the files of this folder only. */
#ifndef RULES_LIST_H
#define RULES_LIST_H

#include "rules/rules.h"

/*
 * The rules of one text. All that belongs to them lies in one mapping: a program that has no use
 * for malloc isn't made to start it up.
 */
struct rules {
	struct rules *before;		/* those of the texts before it; NULL: none */
	struct sources *sources;	/* not parsed yet: nothing else is valid. NULL: parsed */
	size_t size;			/* of the mapping */
	size_t count;
	const char *origin;		/* the text's name */
	char *text;			/* room for the words to come, as long as the text */
	struct rule *list;
};

/* Of a text with so many rules at most. NULL: no memory. */
struct rules *rules_begin(struct rules *before, size_t most, size_t text_length,
			  const char *origin);

/* Appends a rule with the default options. There has to be room, and the pattern stands at its start. */
struct rule *rules_add(struct rules *rules, unsigned int line);

/* Those that rules_load_later left to be parsed, parsed. */
const struct rules *rules_parsed(const struct rules *rules);
void rules_free_sources(struct sources *sources);

/* Frees the rules of this text alone. */
void rules_end(struct rules *rules);

#endif

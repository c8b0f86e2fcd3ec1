/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the list of rules is made of: for the files of this folder only. */
#ifndef RULES_LIST_H
#define RULES_LIST_H

#include "rules/rules.h"

/* Rules point to the name of the text that they come from. */
struct origin {
	struct origin *next;
	char name[];
};

struct rules {
	struct rule *list;
	size_t count;
	size_t capacity;
	struct origin *origins;
};

/* 0 or -ENOMEM. */
int rules_add_origin(struct rules *rules, const char *name);

/* Appends a rule with the default options and the latest origin; NULL: no memory. */
struct rule *rules_add(struct rules *rules, const char *pattern, unsigned int line);

/* Forgets all rules but the first count. */
void rules_cut(struct rules *rules, size_t count);

/* Is the word an option and a value, so hardly meant as a pattern? */
bool rule_option_begins(const char *word);

#endif

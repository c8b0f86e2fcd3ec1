/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RULES_ERROR_H
#define RULES_ERROR_H

#include "rules/rules.h"

/* Returns -EINVAL. error may be NULL. */
__attribute__((format(printf, 2, 3)))
int rules_error_set(struct rules_error *error, const char *format, ...);

/* Puts origin:line: in front of the message; line 0 is left out. */
void rules_error_locate(struct rules_error *error, const char *origin, unsigned int line);

/* A word of the user's as a message can show it: on one line, and not too long. */
struct shown_word {
	char text[96];
};
struct shown_word rules_error_word(const char *word);

/* As an argument of rules_error_set. */
#define SHOWN(word) (rules_error_word(word).text)

#endif

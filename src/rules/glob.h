/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patterns over bytes: no locale, no allocation, no recursion, so usable in a signal handler. */
#ifndef RULES_GLOB_H
#define RULES_GLOB_H

#include <stdbool.h>

/*
 * NULL, or what is wrong with the pattern and what would be right. glob_matches and glob_last take
 * only patterns that passed.
 */
const char *glob_check(const char *pattern);

bool glob_has_slash(const char *pattern);

/*
 * The part of the pattern that the last component of every matching path must match: what stands
 * behind the last slash, from its last ** on, since that may itself hold slashes.
 */
const char *glob_last(const char *pattern);

bool glob_matches(const char *pattern, const char *text);

#endif

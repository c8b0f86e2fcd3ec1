/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers with units, read and written without the locale. */
#ifndef RULES_SIZE_H
#define RULES_SIZE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes: digits, a fraction if a unit follows, and one of b k M G T P E (either case), powers of
 * 1024. 0, -EINVAL (not a size) or -ERANGE (more than INT64_MAX).
 */
int size_parse(const char *text, int64_t *bytes);

/* Nanoseconds: digits, perhaps a fraction, and ms, s, m or h; without a unit, seconds. */
int duration_parse(const char *text, int64_t *nanoseconds);

/* The shortest text that size_parse, or duration_parse, reads back exactly. */
#define SIZE_TEXT_MAX 32
void size_format(int64_t bytes, char text[static SIZE_TEXT_MAX]);
void duration_format(int64_t nanoseconds, char text[static SIZE_TEXT_MAX]);

#endif

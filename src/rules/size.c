/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* More digits than these would overflow and are far below one byte or nanosecond. */
#define FRACTION_DIGITS_MAX 18

struct number {
	int64_t whole;
	int64_t fraction;		/* numerator over fraction_unit */
	int64_t fraction_unit;		/* a power of ten; 1: no fraction was written */
	bool too_big;
	const char *unit;		/* what follows the number */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void read_fraction(const char **text, struct number *number)
{
	int digits = 0;

	for (; is_digit(**text); (*text)++) {
		if (digits++ < FRACTION_DIGITS_MAX) {
			number->fraction = number->fraction * 10 + (**text - '0');
			number->fraction_unit *= 10;
		}
	}
}

static int read_number(const char *text, struct number *number)
{
	*number = (struct number){ .fraction_unit = 1 };
	if (!is_digit(*text))
		return -EINVAL;
	for (; is_digit(*text); text++) {
		if (__builtin_mul_overflow(number->whole, 10, &number->whole) ||
		    __builtin_add_overflow(number->whole, *text - '0', &number->whole)) {
			number->too_big = true;
			number->whole = 0;
		}
	}
	if (*text == '.') {
		text++;
		if (!is_digit(*text))
			return -EINVAL;
		read_fraction(&text, number);
	}
	number->unit = text;
	return 0;
}

static int scale_number(const struct number *number, int64_t unit, int64_t *result)
{
	int64_t scaled;

	/* At most 10^18 * 2^60 < 2^127. */
	int64_t part = (int64_t)((__int128)number->fraction * unit / number->fraction_unit);

	if (number->too_big || __builtin_mul_overflow(number->whole, unit, &scaled) ||
	    __builtin_add_overflow(scaled, part, &scaled))
		return -ERANGE;
	*result = scaled;
	return 0;
}

int size_parse(const char *text, int64_t *bytes)
{
	static const char letters[] = "bkmgtpe";
	struct number number;
	int error = read_number(text, &number);
	int64_t unit = 1;

	if (error)
		return error;
	if (*number.unit) {
		const char *letter = strchr(letters, *number.unit | 0x20);

		if (!letter || number.unit[1])
			return -EINVAL;
		unit <<= 10 * (letter - letters);
	}
	if (unit == 1 && number.fraction_unit != 1)
		return -EINVAL;
	return scale_number(&number, unit, bytes);
}

static const struct {
	const char *name;
	int64_t nanoseconds;
} duration_units[] = {
	{ "h", INT64_C(3600000000000) },
	{ "m", INT64_C(60000000000) },
	{ "s", INT64_C(1000000000) },
	{ "", INT64_C(1000000000) },
	{ "ms", INT64_C(1000000) },
};

int duration_parse(const char *text, int64_t *nanoseconds)
{
	struct number number;
	int error = read_number(text, &number);

	if (error)
		return error;
	for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
		if (!strcmp(number.unit, duration_units[i].name))
			return scale_number(&number, duration_units[i].nanoseconds, nanoseconds);
	}
	return -EINVAL;
}

void size_format(int64_t bytes, char text[static SIZE_TEXT_MAX])
{
	static const char letters[] = "\0kMGTPE";
	int unit = 0;

	while (bytes && bytes % 1024 == 0 && letters[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, SIZE_TEXT_MAX, "%" PRId64 "%.1s", bytes, letters + unit);
}

void duration_format(int64_t nanoseconds, char text[static SIZE_TEXT_MAX])
{
	int64_t millisecond = INT64_C(1000000);

	for (size_t i = 0; i < 3; i++) {
		if (nanoseconds && nanoseconds % duration_units[i].nanoseconds == 0) {
			snprintf(text, SIZE_TEXT_MAX, "%" PRId64 "%s",
				 nanoseconds / duration_units[i].nanoseconds, duration_units[i].name);
			return;
		}
	}
	if (nanoseconds % millisecond == 0)
		snprintf(text, SIZE_TEXT_MAX, "%" PRId64 "ms", nanoseconds / millisecond);
	else
		snprintf(text, SIZE_TEXT_MAX, "%" PRId64 ".%06dms", nanoseconds / millisecond,
			 (int)(nanoseconds % millisecond));
}

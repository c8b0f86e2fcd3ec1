/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int rules_error_set(struct rules_error *error, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return -EINVAL;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

void rules_error_locate(struct rules_error *error, const char *origin, unsigned int line)
{
	struct rules_error bare;

	if (!error)
		return;
	bare = *error;
	if (line)
		rules_error_set(error, "%.200s:%u: %.280s", origin, line, bare.message);
	else
		rules_error_set(error, "%.200s: %.280s", origin, bare.message);
}

struct shown_word rules_error_word(const char *word)
{
	struct shown_word shown;
	size_t length = strlen(word);
	bool cut = length >= sizeof(shown.text);

	if (cut)
		length = sizeof(shown.text) - sizeof("...");
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)word[i];

		shown.text[i] = c < ' ' || c == 0x7f ? '?' : (char)c;
	}
	strcpy(shown.text + length, cut ? "..." : "");
	return shown;
}

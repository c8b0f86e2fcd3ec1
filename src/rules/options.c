/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/error.h"
#include "rules/list.h"
#include "rules/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The unit of every disk: the seed's smallest alignment too. */
#define SECTOR_SIZE 512

/* Below this the guardian would cut and extend in turns while a program is busy appending. */
#define IDLE_MIN INT64_C(1000000)

const char *rule_mode_name(enum rule_mode mode)
{
	static const char *const names[] = {
		[RULE_MODE_ZERO] = "zero",
		[RULE_MODE_WRITE] = "write",
		[RULE_MODE_AUTO] = "auto",
		[RULE_MODE_KEEP] = "keep",
		[RULE_MODE_OFF] = "off",
	};

	return names[mode];
}

const char *rule_exclusive_name(enum rule_exclusive exclusive)
{
	return exclusive == RULE_EXCLUSIVE_LEASE ? "lease" : "assume";
}

static int set_mode(struct rule_options *options, const char *value, struct rules_error *error)
{
	for (enum rule_mode mode = RULE_MODE_ZERO; mode <= RULE_MODE_OFF; mode++) {
		if (!strcmp(value, rule_mode_name(mode))) {
			options->mode = mode;
			return 0;
		}
	}
	return rules_error_set(error, "mode=%s: no such mode; choose zero, write, auto, keep or off",
			       SHOWN(value));
}

static int set_exclusive(struct rule_options *options, const char *value,
			 struct rules_error *error)
{
	if (!strcmp(value, "lease"))
		options->exclusive = RULE_EXCLUSIVE_LEASE;
	else if (!strcmp(value, "assume"))
		options->exclusive = RULE_EXCLUSIVE_ASSUME;
	else
		return rules_error_set(error, "exclusive=%s: no such way to be sure that nobody else "
				       "has the file open; write lease or assume",
				       SHOWN(value));
	return 0;
}

static int parse_bytes(const char *name, const char *value, int64_t *bytes,
		       struct rules_error *error)
{
	switch (size_parse(value, bytes)) {
	case 0:
		return 0;
	case -ERANGE:
		return rules_error_set(error, "%s=%s: too big; write at most %" PRId64, name,
				       SHOWN(value), INT64_MAX);
	default:
		if (*value == '-')
			return rules_error_set(error, "%s=%s: a size can't be negative; write 0 or "
					       "more", name, SHOWN(value));
		return rules_error_set(error, "%s=%s: not a size; write bytes, or a number with k, M, "
				       "G, T, P or E, such as 1M", name, SHOWN(value));
	}
}

static int set_prealloc_size(struct rule_options *options, const char *value,
			     struct rules_error *error)
{
	return parse_bytes("prealloc-size", value, &options->prealloc_size, error);
}

static int set_prealloc_align(struct rule_options *options, const char *value,
			      struct rules_error *error)
{
	int64_t align;
	int result = parse_bytes("prealloc-align", value, &align, error);

	if (result)
		return result;
	if (align == 0)
		return rules_error_set(error, "prealloc-align=%s: nothing is a multiple of 0; write "
				       "512 or more", SHOWN(value));
	if (align % SECTOR_SIZE)
		return rules_error_set(error, "prealloc-align=%s: not a multiple of %d; write 512, 4k "
				       "or 1M", SHOWN(value), SECTOR_SIZE);
	options->prealloc_align = align;
	return 0;
}

static int set_idle(struct rule_options *options, const char *value, struct rules_error *error)
{
	int64_t idle;

	switch (duration_parse(value, &idle)) {
	case 0:
		break;
	case -ERANGE:
		return rules_error_set(error, "idle=%s: longer than 292 years; write less", SHOWN(value));
	default:
		return rules_error_set(error, "idle=%s: not a duration; write a number with ms, s, m "
				       "or h, such as 500ms", SHOWN(value));
	}
	if (idle < IDLE_MIN)
		return rules_error_set(error, "idle=%s: too short; write 1ms or more", SHOWN(value));
	options->idle = idle;
	return 0;
}

static int set_min_free(struct rule_options *options, const char *value,
			struct rules_error *error)
{
	const char *p = value;
	int percent = 0;

	for (; *p >= '0' && *p <= '9' && percent <= 100; p++)
		percent = percent * 10 + (*p - '0');
	if (p == value || percent > 100 || strcmp(p, *p == '%' ? "%" : ""))
		return rules_error_set(error, "min-free=%s: not a percentage; write 0 to 100, such as "
				       "5%%", SHOWN(value));
	options->min_free = percent;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct rule_options *options, const char *value, struct rules_error *error);
} known_options[] = {
	{ "mode", set_mode },
	{ "exclusive", set_exclusive },
	{ "prealloc-size", set_prealloc_size },
	{ "prealloc-align", set_prealloc_align },
	{ "idle", set_idle },
	{ "min-free", set_min_free },
};

bool rule_option_begins(const char *word)
{
	size_t length = strcspn(word, "=");

	for (size_t i = 0; word[length] && i < sizeof(known_options) / sizeof(known_options[0]); i++) {
		if (strlen(known_options[i].name) == length &&
		    !memcmp(word, known_options[i].name, length))
			return true;
	}
	return false;
}

int rule_options_set(struct rule_options *options, const char *name, const char *value,
		     struct rules_error *error)
{
	for (size_t i = 0; i < sizeof(known_options) / sizeof(known_options[0]); i++) {
		if (!strcmp(name, known_options[i].name))
			return known_options[i].set(options, value, error);
	}
	return rules_error_set(error, "unknown option '%s'; there are mode, exclusive, prealloc-size, "
			       "prealloc-align, idle and min-free", SHOWN(name));
}

int rule_options_check_alignment(const struct rule_options *options, int64_t request_alignment,
				 struct rules_error *error)
{
	char align[SIZE_TEXT_MAX];
	char wanted[SIZE_TEXT_MAX];

	if (request_alignment <= 1 || options->prealloc_align % request_alignment == 0)
		return 0;
	size_format(options->prealloc_align, align);
	size_format(request_alignment, wanted);
	return rules_error_set(error, "prealloc-align=%s: not a multiple of %s, which this file's "
			       "direct I/O asks for; write %s", align, wanted, wanted);
}

size_t rule_options_format(const struct rule_options *options, char *buffer, size_t size)
{
	char prealloc_size[SIZE_TEXT_MAX];
	char prealloc_align[SIZE_TEXT_MAX];
	char idle[SIZE_TEXT_MAX];

	size_format(options->prealloc_size, prealloc_size);
	size_format(options->prealloc_align, prealloc_align);
	duration_format(options->idle, idle);
	return (size_t)snprintf(buffer, size, "mode=%s exclusive=%s prealloc-size=%s "
				"prealloc-align=%s idle=%s min-free=%d%%",
				rule_mode_name(options->mode),
				rule_exclusive_name(options->exclusive),
				prealloc_size, prealloc_align, idle, options->min_free);
}

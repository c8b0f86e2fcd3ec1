/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which files are managed, and how: an ordered list of rules, the last match wins.
 *
 *	# pattern                 options
 *	*.qcow2                   prealloc-size=128M prealloc-align=1M
 *	/srv/images/disk?.raw     prealloc-size=1G
 *	*.tmp                     mode=off
 *
 * A rule ends at a newline or ';'. Words are separated by blanks. '#' at the start of a line or
 * after a blank begins a comment, which ends at the newline. Blanks, ';', '#' and '"' in a pattern
 * are written inside double quotes or after a backslash; quotes leave the wildcards alive. A rule
 * begins with the defaults: options of earlier matching rules aren't inherited.
 *
 * Pattern: * ? [a-z] [!x] match bytes other than '/', \x means x, ** also crosses directories, and
 * a whole component ** also stands for no directory. Without a slash it is compared with
 * the last component of the name that the program opened; with a slash (then it begins with / or
 * ** and a slash) with the absolute path after symbolic links.
 */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rule_mode { RULE_MODE_ZERO, RULE_MODE_WRITE, RULE_MODE_AUTO, RULE_MODE_KEEP, RULE_MODE_OFF };
enum rule_exclusive { RULE_EXCLUSIVE_LEASE, RULE_EXCLUSIVE_ASSUME };

struct rule_options {
	enum rule_mode mode;		/* default auto */
	enum rule_exclusive exclusive;	/* default lease */
	int64_t prealloc_size;		/* bytes, default 128 MiB, >= 0 */
	int64_t prealloc_align;		/* bytes, default 1 MiB, multiple of 512, > 0 */
	int64_t idle;			/* ns without append until the guardian settles, default 1 s */
	int min_free;			/* percent of the filesystem never taken, default 5 */
};

#define RULE_OPTIONS_DEFAULT ((struct rule_options){ \
	.mode = RULE_MODE_AUTO, \
	.exclusive = RULE_EXCLUSIVE_LEASE, \
	.prealloc_size = INT64_C(128) << 20, \
	.prealloc_align = INT64_C(1) << 20, \
	.idle = INT64_C(1000000000), \
	.min_free = 5, \
})

struct rule {
	char *pattern;			/* quotes removed, backslashes kept */
	struct rule_options options;
	const char *origin;		/* the file's name, or PREALLOCATE_RULES */
	unsigned int line;
	const char *last;		/* the part of pattern that the last component must match */
	const char *tail;		/* the plain bytes that it must end in: cheap to ask first */
	size_t tail_length;
	bool has_slash;
};

/* An ordered list. NULL is the empty one. */
struct rules;

/* One line without a newline: origin:line: what is wrong with which word; what would be right. */
struct rules_error {
	char message[512];
};

/*
 * Appends the rules in text to *rules, which is created when it is NULL. On error *rules is as it
 * was. Pointers from rules_get and rules_match are valid until rules_free. Calls no malloc. Text
 * without any rule is fine and may leave *rules NULL.
 */
int rules_parse(struct rules **rules, const char *text, size_t length, const char *origin,
		struct rules_error *error);

/*
 * The config file's rules, then the environment's. config_path is the value of PREALLOCATE_CONFIG:
 * a file that must be readable; NULL: the default file, if it exists; "": no file.
 * environment_rules is the value of PREALLOCATE_RULES, or NULL. Replaces what was in *rules; on
 * error *rules is as it was.
 */
int rules_load(struct rules **rules, const char *config_path, const char *environment_rules,
	       struct rules_error *error);

/*
 * The same into *rules, which holds none, but what is read now is parsed when somebody asks for a rule, or never:
 * that there is none needs no parser. An error in the text is told by failed, once, and there is no rule then.
 * Asking is async-signal-safe all the same, and any thread may.
 */
int rules_load_later(struct rules **rules, const char *config_path, const char *environment_rules,
		     void (*failed)(const struct rules_error *error), struct rules_error *error);

void rules_free(struct rules *rules);
size_t rules_count(const struct rules *rules);
const struct rule *rules_get(const struct rules *rules, size_t index);

/*
 * The last rule that matches, or NULL. A rule with mode=off is returned like any other.
 *
 * Async-signal-safe, no malloc, no system call except through resolve. opened_name is the name as
 * the program gave it. resolve writes the absolute resolved path into buffer and returns 0 or
 * -errno; it is called at most once, and only when a pattern with a slash could match: its
 * last component matches the last component of opened_name. Where resolve fails, no pattern with a
 * slash matches.
 */
const struct rule *rules_match(const struct rules *rules, const char *opened_name,
			       int (*resolve)(void *context, char *buffer, size_t size),
			       void *context);

/* False: rules_match would find none. No system call, async-signal-safe. */
bool rules_may_match(const struct rules *rules, const char *opened_name);

/*
 * Sets one option, as `name=value` in a rule would. On error *options is as it was, and the message
 * has no origin.
 */
int rule_options_set(struct rule_options *options, const char *name, const char *value,
		     struct rules_error *error);

/* Is the word an option and a value, so hardly meant as a pattern? */
bool rule_option_begins(const char *word);

/*
 * Is prealloc_align right for a file whose direct I/O must be aligned to request_alignment bytes?
 * request_alignment <= 1: the file asks for nothing. The message has no origin.
 */
int rule_options_check_alignment(const struct rule_options *options, int64_t request_alignment,
				 struct rules_error *error);

/* All options as the words of a rule, cut to size like snprintf; returns the full length. */
size_t rule_options_format(const struct rule_options *options, char *buffer, size_t size);

/* "zero", "write", "auto", "keep", "off"; "lease", "assume". */
const char *rule_mode_name(enum rule_mode mode);
const char *rule_exclusive_name(enum rule_exclusive exclusive);

/*
 * Writes a bare pattern (from a command line) as the first word of a rule: what would end or split
 * the word gets a backslash. -EINVAL if it holds a newline or carriage return, -ENAMETOOLONG if it
 * doesn't fit.
 */
int rules_quote_pattern(const char *pattern, char *buffer, size_t size);

#endif

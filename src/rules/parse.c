/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/error.h"
#include "rules/glob.h"
#include "rules/list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* No path that the kernel takes is longer, and a pattern twice that length says so little more. */
#define WORD_MAX_LENGTH (2 * PATH_MAX)

struct parser {
	const char *at;
	const char *end;
	unsigned int line;
	struct rules_error *error;
	char *word;	/* where the pattern of the next rule belongs; up to its NUL, once read_word has returned */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool rule_ends(const struct parser *parser)
{
	return parser->at == parser->end || *parser->at == '\n' || *parser->at == ';' ||
	       *parser->at == '#';
}

static void skip_blanks(struct parser *parser)
{
	while (parser->at < parser->end && is_blank(*parser->at))
		parser->at++;
}

static void skip_comment(struct parser *parser)
{
	const char *newline = memchr(parser->at, '\n', (size_t)(parser->end - parser->at));

	parser->at = newline ? newline : parser->end;
}

static int append_to_word(struct parser *parser, size_t *length, size_t bytes)
{
	if (*length + bytes > WORD_MAX_LENGTH) {
		memcpy(parser->word + *length, parser->at, WORD_MAX_LENGTH - *length);
		parser->word[WORD_MAX_LENGTH] = '\0';
		return rules_error_set(parser->error, "the word '%s' is longer than %d bytes; is this "
				       "a file of rules?", SHOWN(parser->word),
				       WORD_MAX_LENGTH);
	}
	memcpy(parser->word + *length, parser->at, bytes);
	*length += bytes;
	parser->at += bytes;
	return 0;
}

/* How many bytes from here on mean nothing but themselves. */
static size_t plain_run(const struct parser *parser)
{
	static const bool special[UCHAR_MAX + 1] = {
		['\n'] = true, ['\r'] = true, ['\t'] = true, [' '] = true,
		[';'] = true, ['"'] = true, ['\\'] = true,
	};
	const char *p = parser->at;

	while (p < parser->end && !special[(unsigned char)*p])
		p++;
	return (size_t)(p - parser->at);
}

/* Removes the quotes. A backslash stays in front of its byte: the pattern needs to see it. */
static int read_word(struct parser *parser)
{
	size_t length = 0;
	bool quoted = false;

	while (parser->at < parser->end && *parser->at != '\n') {
		size_t run = plain_run(parser);
		char c = *parser->at;
		bool escape = c == '\\' && parser->at + 1 < parser->end && parser->at[1] != '\n' &&
			      !(parser->at[1] == '\r' && !quoted);
		int result;

		if (c == '"') {
			quoted = !quoted;
			parser->at++;
			continue;
		}
		if (!quoted && (is_blank(c) || c == ';'))
			break;
		result = append_to_word(parser, &length, run > 0 ? run : escape ? 2 : 1);
		if (result)
			return result;
	}
	parser->word[length] = '\0';
	if (quoted)
		return rules_error_set(parser->error, "the quote in '%s' is never closed; write \\\" "
				       "for a plain one", SHOWN(parser->word));
	return 0;
}

static bool has_component(const char *pattern, const char *component)
{
	size_t length = strlen(component);

	while ((pattern = strstr(pattern, component))) {
		pattern += length;
		if (*pattern == '/' || !*pattern)
			return true;
	}
	return false;
}

static int check_path_pattern(const char *pattern, struct rules_error *error)
{
	const char *end = pattern;

	if (pattern[0] == '~' || pattern[0] == '$')
		return rules_error_set(error, "pattern '%s': %c isn't expanded; write the directory's "
				       "whole path", SHOWN(pattern), pattern[0]);
	while (strncmp(end, "./", 2) == 0 || strncmp(end, "../", 3) == 0)
		end = strchr(end, '/') + 1;
	if (pattern[0] != '/' && strncmp(pattern, "**/", 3))
		return rules_error_set(error, "pattern '%s' has a slash, but begins neither with / nor "
				       "with **/; write **/%s", SHOWN(pattern), SHOWN(*end ? end : "*"));
	if (pattern[strlen(pattern) - 1] == '/')
		return rules_error_set(error, "pattern '%s' ends in a slash, as no file's path does; "
				       "write %s** for all files beneath", SHOWN(pattern),
				       SHOWN(pattern));
	if (strstr(pattern, "//") || has_component(pattern, "/.") || has_component(pattern, "/.."))
		return rules_error_set(error, "pattern '%s' has a component //, . or .., as no "
				       "resolved path does; leave it out", SHOWN(pattern));
	return 0;
}

static int check_pattern(const char *pattern, struct rules_error *error)
{
	const char *problem = glob_check(pattern);

	if (problem)
		return rules_error_set(error, "pattern '%s' %s", SHOWN(pattern), problem);
	if (rule_option_begins(pattern))
		return rules_error_set(error, "option '%s' stands where the pattern should; begin with "
				       "a pattern, such as *.log", SHOWN(pattern));
	return glob_has_slash(pattern) ? check_path_pattern(pattern, error) : 0;
}

static int parse_option(struct parser *parser, struct rule_options *options)
{
	char *equals = strchr(parser->word, '=');

	if (!equals)
		return rules_error_set(parser->error, "'%s' is not OPTION=VALUE, such as mode=keep; "
				       "put a pattern with blanks into double quotes",
				       SHOWN(parser->word));
	*equals = '\0';
	return rule_options_set(options, parser->word, equals + 1, parser->error);
}

/* What stands behind the last byte that means more than itself. */
static const char *plain_tail(const char *pattern)
{
	const char *special;

	while ((special = strpbrk(pattern, "*?[]\\")))
		pattern = special + 1;
	return pattern;
}

static int parse_rule(struct parser *parser, struct rules *rules)
{
	struct rule *rule;
	int result = read_word(parser);

	if (!result)
		result = check_pattern(parser->word, parser->error);
	if (result)
		return result;
	rule = rules_add(rules, parser->line);
	parser->word = rules->text;
	rule->has_slash = glob_has_slash(rule->pattern);
	rule->last = rule->has_slash ? glob_last(rule->pattern) : rule->pattern;
	rule->tail = plain_tail(rule->last);
	rule->tail_length = strlen(rule->tail);
	for (skip_blanks(parser); !rule_ends(parser); skip_blanks(parser)) {
		result = read_word(parser);
		if (!result)
			result = parse_option(parser, &rule->options);
		if (result)
			return result;
	}
	return 0;
}

static int parse_all(struct parser *parser, struct rules *rules)
{
	for (;;) {
		int result;

		skip_blanks(parser);
		if (parser->at == parser->end)
			return 0;
		switch (*parser->at) {
		case '\n':
			parser->line++;
			parser->at++;
			break;
		case ';':
			parser->at++;
			break;
		case '#':
			skip_comment(parser);
			break;
		default:
			result = parse_rule(parser, rules);
			if (result)
				return result;
		}
	}
}

static unsigned int line_of(const char *text, const char *at)
{
	unsigned int line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

/* Each but the last ends in one of these. */
static size_t most_rules(const char *text, size_t length)
{
	size_t most = 1;

	for (size_t i = 0; i < length; i++)
		most += text[i] == '\n' || text[i] == ';';
	return most;
}

int rules_parse(struct rules **rules, const char *text, size_t length, const char *origin,
		struct rules_error *error)
{
	struct rules *added = rules_begin(*rules, most_rules(text, length), length, origin);
	const char *nul = memchr(text, '\0', length);
	struct parser parser;
	int result;

	if (!added) {
		rules_error_set(error, "%.200s: out of memory", origin);
		return -ENOMEM;
	}
	parser = (struct parser){
		.at = text,
		.end = text + length,
		.line = 1,
		.error = error,
		.word = added->text,
	};
	if (nul) {
		parser.line = line_of(text, nul);
		result = rules_error_set(error, "has a NUL byte; is this a file of rules?");
	} else {
		result = parse_all(&parser, added);
	}
	if (result)
		rules_error_locate(error, origin, parser.line);
	if (result || added->count == 0)
		rules_end(added);
	else
		*rules = added;
	return result;
}

int rules_quote_pattern(const char *pattern, char *buffer, size_t size)
{
	size_t length = 0;

	if (strpbrk(pattern, "\n\r"))
		return -EINVAL;
	if (!*pattern)
		return (size_t)snprintf(buffer, size, "\"\"") < size ? 0 : -ENAMETOOLONG;
	for (const char *p = pattern; *p; p++) {
		bool pair = *p == '\\' && p[1];
		bool special = strchr(" \t;#\"\\", *p) != NULL;

		if (length + 3 > size)
			return -ENAMETOOLONG;
		if (special)
			buffer[length++] = '\\';
		if (pair)
			p++;
		buffer[length++] = *p;
	}
	if (length + 1 > size)
		return -ENAMETOOLONG;
	buffer[length] = '\0';
	return 0;
}

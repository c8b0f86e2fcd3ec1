/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/rules.h"

/* The list as text: line:pattern:mode:size;... */
static void describe(const struct rules *rules, char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < rules_count(rules); i++) {
		const struct rule *rule = rules_get(rules, i);
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s%u:%s:%s:%lldk", i ? "|" : "", rule->line,
			 rule->pattern, rule_mode_name(rule->options.mode),
			 (long long)rule->options.prealloc_size >> 10);
	}
}

static const struct {
	const char *text;
	const char *rules;
} texts[] = {
	{ "", "" },
	{ "\n\n  \t\r\n", "" },
	{ "# only a comment; *.log", "" },
	{ "  # indented", "" },
	{ "*.log", "1:*.log:auto:131072k" },
	{ "\n*.log\n", "2:*.log:auto:131072k" },
	{ "*.log mode=keep prealloc-size=4k", "1:*.log:keep:4k" },
	{ "\t*.log\tmode=keep\tprealloc-size=4k\t\n", "1:*.log:keep:4k" },
	{ "*.log mode=keep mode=off", "1:*.log:off:131072k" },
	{ "*.log\r\n*.aof mode=keep\r\n", "1:*.log:auto:131072k|2:*.aof:keep:131072k" },
	{ "*.log mode=keep # why\n*.aof", "1:*.log:keep:131072k|2:*.aof:auto:131072k" },
	{ "*.log mode=keep #why;mode=off\n", "1:*.log:keep:131072k" },
	{ "a#b", "1:a#b:auto:131072k" },
	{ "a;b;;c mode=off ; d\ne", "1:a:auto:131072k|1:b:auto:131072k|1:c:off:131072k|1:d:auto:131072k|2:e:auto:131072k" },
	{ ";;a;#b;c", "1:a:auto:131072k" },
	{ "\"a b;#c\" mode=off", "1:a b;#c:off:131072k" },
	{ "a\" \"b", "1:a b:auto:131072k" },
	{ "a\\ b\\;c \"mode\"=\"off\"", "1:a\\ b\\;c:off:131072k" },
	{ "\\#a", "1:\\#a:auto:131072k" },
	{ "\\\"a\\\"", "1:\\\"a\\\":auto:131072k" },
	{ "\"a\\\"b\"", "1:a\\\"b:auto:131072k" },
	{ "a\\\\", "1:a\\\\:auto:131072k" },
	{ "\\mode=off", "1:\\mode=off:auto:131072k" },
	{ "model=off", "1:model=off:auto:131072k" },
	{ "mode", "1:mode:auto:131072k" },
	{ "\xe4\xff*", "1:\xe4\xff*:auto:131072k" },
	{ "/a/b", "1:/a/b:auto:131072k" },
	{ "**/b", "1:**/b:auto:131072k" },
	{ "/a/.b/..c/.*", "1:/a/.b/..c/.*:auto:131072k" },
};

static void rules_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct rules *rules = NULL;
		struct rules_error error = { "" };
		char got[512];
		size_t length = strlen(texts[i].text);
		char *exact = malloc(length + 1);

		/* No NUL behind it: a look past the end is caught by the sanitizer. */
		exact = realloc(exact, length ? length : 1);
		memcpy(exact, texts[i].text, length);
		assert_int_equal(rules_parse(&rules, exact, length, "f", &error), 0);
		assert_string_equal(error.message, "");
		describe(rules, got, sizeof(got));
		assert_string_equal(got, texts[i].rules);
		rules_free(rules);
		free(exact);
	}
}

static const struct {
	const char *text;
	const char *message;
} mistakes[] = {
	{ "\n\n*.log mode=fast\n", "f:3: mode=fast: no such mode; choose zero, write, auto, keep or off" },
	{ "a\nb;c mode=", "f:2: mode=: no such mode; choose zero, write, auto, keep or off" },
	{ "*.log keep", "f:1: 'keep' is not OPTION=VALUE, such as mode=keep; put a pattern with blanks "
	  "into double quotes" },
	{ "my file.log mode=keep", "f:1: 'file.log' is not OPTION=VALUE, such as mode=keep; put a "
	  "pattern with blanks into double quotes" },
	{ "*.log color=red", "f:1: unknown option 'color'; there are mode, exclusive, prealloc-size, "
	  "prealloc-align, idle and min-free" },
	{ "*.log =red", "f:1: unknown option ''; there are mode, exclusive, prealloc-size, "
	  "prealloc-align, idle and min-free" },
	{ "mode=off", "f:1: option 'mode=off' stands where the pattern should; begin with a pattern, "
	  "such as *.log" },
	{ "prealloc-size=1M *.log", "f:1: option 'prealloc-size=1M' stands where the pattern should; "
	  "begin with a pattern, such as *.log" },
	{ "\"\" mode=off", "f:1: pattern '' is empty; write * to match every name" },
	{ "[a", "f:1: pattern '[a' has a [ without its ]; write \\[ for a plain bracket" },
	{ "a\\", "f:1: pattern 'a\\' ends in a backslash; write \\\\ for a plain one" },
	{ "a\\\nb", "f:1: pattern 'a\\' ends in a backslash; write \\\\ for a plain one" },
	{ "a\\\r\nb", "f:1: pattern 'a\\' ends in a backslash; write \\\\ for a plain one" },
	{ "\"a b mode=off\nc\"", "f:1: the quote in 'a b mode=off' is never closed; write \\\" for a "
	  "plain one" },
	{ "a mode=\"off", "f:1: the quote in 'mode=off' is never closed; write \\\" for a plain one" },
	{ "log/*.log", "f:1: pattern 'log/*.log' has a slash, but begins neither with / nor with **/; "
	  "write **/log/*.log" },
	{ "./a", "f:1: pattern './a' has a slash, but begins neither with / nor with **/; write "
	  "**/a" },
	{ ".././", "f:1: pattern '.././' has a slash, but begins neither with / nor with **/; write "
	  "**/*" },
	{ "$HOME/a", "f:1: pattern '$HOME/a': $ isn't expanded; write the directory's whole path" },
	{ "~/a", "f:1: pattern '~/a': ~ isn't expanded; write the directory's whole path" },
	{ "/var/log/", "f:1: pattern '/var/log/' ends in a slash, as no file's path does; write "
	  "/var/log/** for all files beneath" },
	{ "/a//b", "f:1: pattern '/a//b' has a component //, . or .., as no resolved path does; leave "
	  "it out" },
	{ "/a/./b", "f:1: pattern '/a/./b' has a component //, . or .., as no resolved path does; "
	  "leave it out" },
	{ "/.a/../b", "f:1: pattern '/.a/../b' has a component //, . or .., as no resolved path does; "
	  "leave it out" },
	{ "/a/..", "f:1: pattern '/a/..' has a component //, . or .., as no resolved path does; leave "
	  "it out" },
};

static void mistakes_name_file_line_word_and_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct rules *rules = NULL;
		struct rules_error error = { "" };

		assert_int_equal(rules_parse(&rules, mistakes[i].text, strlen(mistakes[i].text), "f",
					     &error), -EINVAL);
		assert_string_equal(error.message, mistakes[i].message);
		assert_null(rules);
		assert_int_equal(rules_parse(&rules, mistakes[i].text, strlen(mistakes[i].text), "f",
					     NULL), -EINVAL);
	}
}

static void a_nul_byte_is_refused(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;

	(void)state;
	assert_int_equal(rules_parse(&rules, "a\nb\0c", 5, "f", &error), -EINVAL);
	assert_string_equal(error.message, "f:2: has a NUL byte; is this a file of rules?");
	assert_null(rules);
}

static void an_overlong_word_is_refused(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;
	size_t limit = 2 * PATH_MAX;
	char *text = malloc(limit + 1);

	(void)state;
	memset(text, 'x', limit + 1);
	assert_int_equal(rules_parse(&rules, text, limit, "f", &error), 0);
	assert_int_equal(strlen(rules_get(rules, 0)->pattern), limit);
	rules_free(rules);
	rules = NULL;
	assert_int_equal(rules_parse(&rules, text, limit + 1, "f", &error), -EINVAL);
	assert_non_null(strstr(error.message, "xxx...' is longer than 8192 bytes; is this a file of "
			       "rules?"));
	/* An escape that would end one byte past the limit. */
	text[limit - 1] = '\\';
	assert_int_equal(rules_parse(&rules, text, limit + 1, "f", &error), -EINVAL);
	assert_null(rules);
	free(text);
}

static void a_failed_text_leaves_the_list_as_it_was(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;
	char got[256];

	(void)state;
	assert_int_equal(rules_parse(&rules, "a;b", 3, "one", &error), 0);
	assert_int_equal(rules_parse(&rules, "c;d;e;f;g;h;i;j mode", 20, "two", &error), -EINVAL);
	describe(rules, got, sizeof(got));
	assert_string_equal(got, "1:a:auto:131072k|1:b:auto:131072k");
	assert_int_equal(rules_parse(&rules, "c", 1, "three", &error), 0);
	assert_int_equal(rules_count(rules), 3);
	assert_string_equal(rules_get(rules, 1)->origin, "one");
	assert_string_equal(rules_get(rules, 2)->origin, "three");
	assert_null(rules_get(rules, 3));
	rules_free(rules);
	assert_int_equal(rules_count(NULL), 0);
	assert_null(rules_get(NULL, 0));
	rules_free(NULL);
}

static void a_long_origin_leaves_room_for_the_message(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;
	char origin[1024];

	(void)state;
	memset(origin, 'o', sizeof(origin) - 1);
	origin[sizeof(origin) - 1] = '\0';
	assert_int_equal(rules_parse(&rules, "a mode=x", 8, origin, &error), -EINVAL);
	assert_non_null(strstr(error.message, ":1: mode=x: no such mode; choose zero, write, auto, keep or off"));
}

static const struct {
	const char *bare;
	const char *quoted;
} patterns[] = {
	{ "*.log", "*.log" },
	{ "a b", "a\\ b" },
	{ "a\\ b", "a\\ b" },
	{ "#a;b\"c\td", "\\#a\\;b\\\"c\\\td" },
	{ "a\\", "a\\\\" },
	{ "\\\\", "\\\\" },
	{ "[ ;]", "[\\ \\;]" },
	{ "", "\"\"" },
};

static void bare_patterns_become_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		size_t length = strlen(patterns[i].quoted);
		char word[32];
		char guarded[32];

		assert_int_equal(rules_quote_pattern(patterns[i].bare, word, sizeof(word)), 0);
		assert_string_equal(word, patterns[i].quoted);
		for (size_t size = 0; size <= length; size++) {
			memset(guarded, 'G', sizeof(guarded));
			assert_int_equal(rules_quote_pattern(patterns[i].bare, guarded, size),
					 -ENAMETOOLONG);
			assert_int_equal(guarded[size], 'G');
		}
	}
	assert_int_equal(rules_quote_pattern("a\nb", (char[8]){ 0 }, 8), -EINVAL);
	assert_int_equal(rules_quote_pattern("a\rb", (char[8]){ 0 }, 8), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(mistakes_name_file_line_word_and_remedy),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(an_overlong_word_is_refused),
		cmocka_unit_test(a_failed_text_leaves_the_list_as_it_was),
		cmocka_unit_test(a_long_origin_leaves_room_for_the_message),
		cmocka_unit_test(bare_patterns_become_words),
	};

	return cmocka_run_group_tests_name("rule texts", tests, NULL, NULL);
}

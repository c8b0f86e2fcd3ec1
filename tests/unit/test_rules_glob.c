/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

#include "rules/glob.h"

static const struct {
	const char *pattern;
	const char *text;
	bool matches;
} globs[] = {
	{ "a", "a", true },
	{ "a", "b", false },
	{ "a", "", false },
	{ "a", "ab", false },
	{ "ab", "a", false },
	{ "*", "", true },
	{ "*", ".hidden", true },
	{ "*", "a/b", false },
	{ "*.log", "x.log", true },
	{ "*.log", ".log", true },
	{ "*.log", "x.log.log", true },
	{ "*.log", "x.logs", false },
	{ "*.log", "x.LOG", false },
	{ "a*b*c", "aXbXbXc", true },
	{ "a*b*c", "aXcXb", false },
	{ "*ab*ab*", "abXab", true },
	{ "*ab*ab*", "aXab", false },
	{ "?", "a", true },
	{ "?", "", false },
	{ "?", "ab", false },
	{ "?", "/", false },
	{ "?", "\xff", true },
	{ "\xc3\xa4*", "\xc3\xa4x", true },
	{ "*\xff", "\xfe\xff", true },
	{ "[abc]", "b", true },
	{ "[abc]", "d", false },
	{ "[a-c]x", "cx", true },
	{ "[a-c]x", "dx", false },
	{ "[!a-c]", "d", true },
	{ "[!a-c]", "b", false },
	{ "[^a]", "b", true },
	{ "[^a]", "a", false },
	{ "[!a]", "/", false },
	{ "[+-9]", "/", false },
	{ "[+-9]", "0", true },
	{ "[]a]", "]", true },
	{ "[!]a]", "]", false },
	{ "[!]a]", "b", true },
	{ "[a-]", "-", true },
	{ "[a-]", "b", false },
	{ "[-a]", "-", true },
	{ "[\\]]", "]", true },
	{ "[\\!a]", "!", true },
	{ "[a\\-c]", "b", false },
	{ "[a\\-c]", "-", true },
	{ "[a-\\c]", "b", true },
	{ "[\x80-\xff]", "\xe4", true },
	{ "[\x80-\xff]", "a", false },
	{ "\\*", "*", true },
	{ "\\*", "a", false },
	{ "\\\\", "\\", true },
	{ "\\a", "a", true },
	{ "*\\?", "why?", true },
	{ "*[0-9].log", "a1.log", true },
	{ "*[0-9].log", "1a.log", false },

	{ "/a/*.log", "/a/b.log", true },
	{ "/a/*.log", "/a/b/c.log", false },
	{ "/a/*/c", "/a/b/c", true },
	{ "/a/*/c", "/a/c", false },
	{ "/a/*/c", "/a//c", true },
	{ "/a/**/c", "/a/c", true },
	{ "/a/**/c", "/a/b/c", true },
	{ "/a/**/c", "/a/b/b/c", true },
	{ "/a/**/c", "/a/bc", false },
	{ "/a/**/c", "/a/b/c/d", false },
	{ "/a/**/c", "/ac", false },
	{ "/a/**", "/a/b", true },
	{ "/a/**", "/a/b/c", true },
	{ "/a/**", "/a", false },
	{ "/a/**", "/ab", false },
	{ "**/c", "/c", true },
	{ "**/c", "/a/b/c", true },
	{ "**/c", "/a/bc", false },
	{ "**/c", "c", true },
	{ "**/b/**/d", "/a/b/c/d", true },
	{ "**/b/**/d", "/b/d", true },
	{ "**/b/**/d", "/b/x/b/y/dd/d", true },
	{ "**/b/**/d", "/a/c/d", false },
	{ "/a/**.log", "/a/b/c.log", true },
	{ "/a/**.log", "/a/.log", true },
	{ "/a/x**y", "/a/x1/2y", true },
	{ "/a/x**y", "/a/x/yz", false },
	{ "/a***z", "/ab/cz", true },
	{ "/***/z", "/b/c/z", true },
	{ "/***/z", "/z", true },
	{ "/**/a*b/*.c", "/x/ab/aXb/y.c", true },
	{ "/**/a*b/*.c", "/x/aX/b/y.c", false },
	{ "/**/*/*/z", "/1/2/3/z", true },
	{ "/**/*/*/z", "/1/z", false },
	{ "**a**b", "/xa/yb", true },
	{ "**a*b", "/a/ab", true },
	{ "**a*b", "/a/b", false },
	{ "/a\\/b", "/a/b", true },
};

static void globs_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
		print_message("# %s against %s\n", globs[i].pattern, globs[i].text);
		assert_null(glob_check(globs[i].pattern));
		assert_int_equal(glob_matches(globs[i].pattern, globs[i].text), globs[i].matches);
	}
}

static const struct {
	const char *pattern;
	const char *problem;
} malformed[] = {
	{ "", "is empty; write * to match every name" },
	{ "[", "has a [ without its ]; write \\[ for a plain bracket" },
	{ "a[bc", "has a [ without its ]; write \\[ for a plain bracket" },
	{ "[]", "has a [ without its ]; write \\[ for a plain bracket" },
	{ "[!]", "has a [ without its ]; write \\[ for a plain bracket" },
	{ "[a-", "has a [ without its ]; write \\[ for a plain bracket" },
	{ "[a\\", "has a [ without its ]; write \\[ for a plain bracket" },
	{ "[a-\\", "has a [ without its ]; write \\[ for a plain bracket" },
	{ "[[:digit:]]", "names a class of bytes; write [0-9] for [[:digit:]]" },
	{ "[a[:digit:]]", "names a class of bytes; write [0-9] for [[:digit:]]" },
	{ "[z-a]", "has a range that ends before it begins; write it the other way round" },
	{ "x[/]", "has a / between [ and ]; no class matches a slash" },
	{ "a\\", "ends in a backslash; write \\\\ for a plain one" },
	{ "[a]\\", "ends in a backslash; write \\\\ for a plain one" },
};

static void malformed_globs_are_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		const char *problem = glob_check(malformed[i].pattern);

		print_message("# %s\n", malformed[i].pattern);
		assert_non_null(problem);
		assert_string_equal(problem, malformed[i].problem);
	}
}

static const struct {
	const char *pattern;
	const char *last;
	bool has_slash;
} parts[] = {
	{ "*.log", "*.log", false },
	{ "a**b", "**b", false },
	{ "/a/b", "b", true },
	{ "/a/**/*.aof", "*.aof", true },
	{ "/a/**", "**", true },
	{ "/a/x**y[b-c]", "**y[b-c]", true },
	{ "/a/x**y**z", "**z", true },
	{ "/a/***z", "**z", true },
	{ "/a\\/b", "b", true },
	{ "/a/\\**", "\\**", true },
	{ "a[*]b", "a[*]b", false },
	{ "[!/-0]", "[!/-0]", false },
};

static void last_component_of_a_pattern(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		print_message("# %s\n", parts[i].pattern);
		assert_null(glob_check(parts[i].pattern));
		assert_string_equal(glob_last(parts[i].pattern), parts[i].last);
		assert_int_equal(glob_has_slash(parts[i].pattern), parts[i].has_slash);
	}
}

/* Matching as the definition reads, exponential: what the fast one is compared with. */
static bool plainly_matches(const char *p, const char *start, const char *text)
{
	if (!*p)
		return !*text;
	if (p[0] == '*' && p[1] == '*') {
		bool whole = (p == start || p[-1] == '/') && p[2] == '/';

		if (p[2] == '*')
			return plainly_matches(p + 1, start, text);
		for (const char *t = text;; t++) {
			if ((!whole || t == text || t[-1] == '/') &&
			    plainly_matches(p + 2 + whole, start, t))
				return true;
			if (!*t)
				return false;
		}
	}
	if (*p == '*')
		return plainly_matches(p + 1, start, text) ||
		       (*text && *text != '/' && plainly_matches(p, start, text + 1));
	return *text && (*p == '?' ? *text != '/' : *p == *text) &&
	       plainly_matches(p + 1, start, text + 1);
}

static void random_text(unsigned int *seed, const char *alphabet, char *text, size_t max)
{
	size_t length = (size_t)rand_r(seed) % max;

	for (size_t i = 0; i < length; i++)
		text[i] = alphabet[(size_t)rand_r(seed) % strlen(alphabet)];
	text[length] = '\0';
}

static void agrees_with_the_plain_definition(void **state)
{
	unsigned int seed = 1;
	int matches = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char pattern[12];
		char text[12];

		random_text(&seed, "ab/***?", pattern, sizeof(pattern));
		random_text(&seed, "ab/", text, sizeof(text));
		/* Three stars in a row at a component's start: which two are the **? Not compared. */
		if (!*pattern || strstr(pattern, "***"))
			continue;
		if (plainly_matches(pattern, pattern, text) != glob_matches(pattern, text))
			fail_msg("%s against %s", pattern, text);
		matches += glob_matches(pattern, text);
	}
	assert_in_range(matches, 1000, 199000);
}

/* The matching path's last component must match the pattern's last part, always. */
static void last_part_never_rejects_a_match(void **state)
{
	unsigned int seed = 2;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char pattern[12];
		char text[12];
		const char *slash;

		random_text(&seed, "ab/**", pattern, sizeof(pattern));
		random_text(&seed, "ab/", text, sizeof(text));
		slash = strrchr(text, '/');
		if (*pattern && glob_has_slash(pattern) && slash && glob_matches(pattern, text) &&
		    !glob_matches(glob_last(pattern), slash + 1))
			fail_msg("%s against %s", pattern, text);
	}
}

static void time_stays_bounded(void **state)
{
	static const char *const patterns[] = {
		"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "**a**a**a**a**a**a**a**a**a**b",
		"/**/*a*a*a*a*a*a*a*a*a*a*a/**/b", "**a*a*a*a*a*a*a*a*a*a*a*a*a*b",
		"/**/a*/**/a*/**/a*/**/a*/**/a*/**/b",
	};
	char flat[4096];
	char deep[4096];
	struct timespec start;
	struct timespec end;

	(void)state;
	memset(flat, 'a', sizeof(flat) - 1);
	flat[sizeof(flat) - 1] = '\0';
	for (size_t i = 0; i < sizeof(deep) - 1; i++)
		deep[i] = i % 3 ? 'a' : '/';
	deep[sizeof(deep) - 1] = '\0';
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		assert_false(glob_matches(patterns[i], flat));
		assert_false(glob_matches(patterns[i], deep));
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	/* Milliseconds; without a bound, years. */
	assert_in_range(end.tv_sec - start.tv_sec, 0, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs_match),
		cmocka_unit_test(malformed_globs_are_explained),
		cmocka_unit_test(last_component_of_a_pattern),
		cmocka_unit_test(agrees_with_the_plain_definition),
		cmocka_unit_test(last_part_never_rejects_a_match),
		cmocka_unit_test(time_stays_bounded),
	};

	return cmocka_run_group_tests_name("globs", tests, NULL, NULL);
}

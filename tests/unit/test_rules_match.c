/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rules/rules.h"

static struct {
	const char *path;
	int calls;
} resolver;

static int resolve(void *context, char *buffer, size_t size)
{
	assert_ptr_equal(context, &resolver);
	resolver.calls++;
	if (!resolver.path) {
		/* What a failed readlink leaves behind is not to be looked at. */
		snprintf(buffer, size, "/x/a.log");
		return -ENOENT;
	}
	snprintf(buffer, size, "%s", resolver.path);
	return 0;
}

static const struct {
	const char *rules;
	const char *opened;
	const char *resolved;
	const char *pattern;	/* of the rule that should win; NULL: none */
	int calls;
} matches[] = {
	{ "*.log", "a.log", NULL, "*.log", 0 },
	{ "*.log", "/x/y/a.log", NULL, "*.log", 0 },
	{ "*.log", "x.log/a", NULL, NULL, 0 },
	{ "a**b", "aXb", NULL, "a**b", 0 },
	{ "a**b", "Xb", NULL, NULL, 0 },
	{ "*.log", "dir.log/", NULL, NULL, 0 },
	{ "*", "", NULL, NULL, 0 },
	{ "*", "/", NULL, NULL, 0 },
	{ "*;*.log mode=off", "a.log", NULL, "*.log", 0 },
	{ "*.log mode=off;*", "a.log", NULL, "*", 0 },
	{ "*.log;*.aof", "a.log", NULL, "*.log", 0 },
	{ "*.log;*.aof", "a.txt", NULL, NULL, 0 },
	{ "/x/*.log", "a.txt", "/x/a.txt", NULL, 0 },
	{ "/x/*.log", "a.log", "/x/a.log", "/x/*.log", 1 },
	{ "/x/*.log", "a.log", "/y/a.log", NULL, 1 },
	{ "/x/*.log", "a.log", NULL, NULL, 1 },
	{ "/x/*.log;/y/*.log;/z/*", "a.log", "/x/a.log", "/x/*.log", 1 },
	{ "a*;/x/*.log", "a.log", "/y/a.log", "a*", 1 },
	{ "a*;/x/*.log", "a.log", NULL, "a*", 1 },
	{ "/x/*.log;a*", "a.log", "/x/a.log", "a*", 0 },
	{ "/x/*.log;b*", "a.log", "/x/a.log", "/x/*.log", 1 },
	{ "/x/*.log;/x/b*;*.c", "a.log", "/x/a.log", "/x/*.log", 1 },
	{ "/x/**", "anything", "/x/y/anything", "/x/**", 1 },
	{ "/x/l**.log", "b.log", "/x/lib/a/b.log", "/x/l**.log", 1 },
	{ "a?c.log", "abc.log", NULL, "a?c.log", 0 },
	{ "[ab]\\.log", "a.log", NULL, "[ab]\\.log", 0 },
	{ "exact", "exact", NULL, "exact", 0 },
	{ "exact", "inexact", NULL, NULL, 0 },
	{ "*exact", "inexact", NULL, "*exact", 0 },
	{ "*exact", "act", NULL, NULL, 0 },
	{ "*[.]log", "og", NULL, NULL, 0 },
	{ "**/a/*.log", "b.log", "/x/a/b.log", "**/a/*.log", 1 },
};

static void the_last_match_wins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		struct rules *rules = NULL;
		struct rules_error error;
		const struct rule *rule;

		print_message("# '%s' for %s\n", matches[i].rules, matches[i].opened);
		resolver.path = matches[i].resolved;
		resolver.calls = 0;
		assert_int_equal(rules_parse(&rules, matches[i].rules, strlen(matches[i].rules), "t",
					     &error), 0);
		rule = rules_match(rules, matches[i].opened, resolve, &resolver);
		assert_true(!rule || rules_may_match(rules, matches[i].opened));
		if (matches[i].pattern) {
			assert_non_null(rule);
			assert_string_equal(rule->pattern, matches[i].pattern);
		} else {
			assert_null(rule);
		}
		assert_int_equal(resolver.calls, matches[i].calls);
		rules_free(rules);
	}
}

static void without_a_resolver_only_names_match(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;

	(void)state;
	assert_int_equal(rules_parse(&rules, "*.log;/x/*.x", 12, "t", &error), 0);
	assert_string_equal(rules_match(rules, "a.log", NULL, NULL)->pattern, "*.log");
	assert_null(rules_match(rules, "a.txt", NULL, NULL));
	assert_null(rules_match(NULL, "a.txt", NULL, NULL));
	assert_null(rules_match(rules, "a.x", NULL, NULL));
	assert_true(rules_may_match(rules, "a.log"));
	assert_true(rules_may_match(rules, "a.x"));
	assert_false(rules_may_match(rules, "a.txt"));
	assert_false(rules_may_match(rules, "a.log/"));
	assert_false(rules_may_match(NULL, "a.txt"));
	rules_free(rules);
}

/* Nanoseconds of CPU time to read so many rules and to look a path up, the least of some. */
static int64_t time_of(int rules_count)
{
	struct rules *rules = NULL;
	struct rules_error error;
	struct timespec start, end;
	char text[32768] = "";
	int64_t least = INT64_MAX;
	size_t length = 0;

	for (int i = 0; i < rules_count; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "/var/lib/program%d/**/*.log%d mode=keep prealloc-size=16M # note\n",
					   i, i);
	for (int i = 0; i < 50; i++) {
		int64_t elapsed;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
		assert_int_equal(rules_parse(&rules, text, length, "t", &error), 0);
		assert_null(rules_match(rules, "/usr/lib/libsomething.so.6", NULL, NULL));
		rules_free(rules);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		rules = NULL;
		elapsed = (end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec;
		if (elapsed < least)
			least = elapsed;
	}
	return least;
}

/* Every program that opens something pays this: by the rule, not by its square. */
static void many_rules_take_as_much_longer(void **state)
{
	int64_t few = time_of(20), many = time_of(400);

	(void)state;
	print_message("# %lld ns to read 20 rules, %lld to read 400\n", (long long)few, (long long)many);
	assert_true(many < few * 20 * 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_match_wins),
		cmocka_unit_test(without_a_resolver_only_names_match),
		cmocka_unit_test(many_rules_take_as_much_longer),
	};

	return cmocka_run_group_tests_name("rule matching", tests, NULL, NULL);
}

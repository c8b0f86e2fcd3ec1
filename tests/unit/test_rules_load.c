/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/rules.h"

static char directory[] = "/tmp/preallocate-rules.XXXXXX";
static char config[64];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(config, sizeof(config), "%s/conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(config);
	return rmdir(directory);
}

static void write_config(const char *text, size_t length)
{
	FILE *file = fopen(config, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void the_environment_comes_last_and_wins(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;

	(void)state;
	write_config("\n*.log mode=keep\n", 17);
	assert_int_equal(rules_load(&rules, config, "*.aof;*.log mode=off", &error), 0);
	assert_int_equal(rules_count(rules), 3);
	assert_string_equal(rules_get(rules, 0)->origin, config);
	assert_int_equal(rules_get(rules, 0)->line, 2);
	assert_string_equal(rules_get(rules, 1)->origin, "PREALLOCATE_RULES");
	assert_int_equal(rules_match(rules, "a.log", NULL, NULL)->options.mode, RULE_MODE_OFF);
	rules_free(rules);
}

static void nothing_given_means_no_rules(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;

	(void)state;
	assert_int_equal(rules_load(&rules, "", NULL, &error), 0);
	assert_null(rules);
	assert_int_equal(rules_load(&rules, "", "", &error), 0);
	assert_null(rules);
}

static void a_loaded_list_replaces_the_old_one(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;

	(void)state;
	assert_int_equal(rules_load(&rules, "", "a", &error), 0);
	assert_int_equal(rules_load(&rules, "", "b mode", &error), -EINVAL);
	assert_string_equal(rules_get(rules, 0)->pattern, "a");
	assert_int_equal(rules_load(&rules, "", "c", &error), 0);
	assert_int_equal(rules_count(rules), 1);
	assert_string_equal(rules_get(rules, 0)->pattern, "c");
	rules_free(rules);
}

static void expect_failure(const char *environment, int result, const char *format)
{
	struct rules *rules = NULL;
	struct rules_error error;
	char expected[512];

	snprintf(expected, sizeof(expected), "%s%s", environment ? "" : config, format);
	assert_int_equal(rules_load(&rules, environment ? "" : config, environment, &error), result);
	assert_string_equal(error.message, expected);
	assert_null(rules);
}

static void unreadable_files_are_explained(void **state)
{
	char *large = malloc(64 * 1024 + 1);

	(void)state;
	unlink(config);
	expect_failure(NULL, -ENOENT, ": can't be opened: No such file or directory; name a readable "
		       "file of rules");
	assert_int_equal(mkdir(config, 0700), 0);
	expect_failure(NULL, -EISDIR, ": can't be read: Is a directory; name a readable file of rules");
	assert_int_equal(rmdir(config), 0);
	memset(large, '#', 64 * 1024 + 1);
	write_config(large, 64 * 1024 + 1);
	expect_failure(NULL, -EFBIG, ": larger than 64 KiB; is this a file of rules?");
	free(large);
	write_config("a\nb mode=x\n", 11);
	expect_failure(NULL, -EINVAL, ":2: mode=x: no such mode; choose zero, write, auto, keep or off");
	write_config("a\0", 2);
	expect_failure(NULL, -EINVAL, ":1: has a NUL byte; is this a file of rules?");
	expect_failure("a;b mode=x", -EINVAL, "PREALLOCATE_RULES:1: mode=x: no such mode; choose zero, write, auto, "
		       "keep or off");
}

static void nothing_is_left_open_or_allocated(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;
	int before = dup(0);
	int after;

	(void)state;
	close(before);
	write_config("a", 1);
	assert_int_equal(rules_load(&rules, config, "b mode", &error), -EINVAL);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void a_byte_order_mark_is_no_pattern(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;

	(void)state;
	write_config("\xef\xbb\xbf*.log\r\n", 10);
	assert_int_equal(rules_load(&rules, config, NULL, &error), 0);
	assert_string_equal(rules_get(rules, 0)->pattern, "*.log");
	write_config("\xef\xbb\xbf", 3);
	assert_int_equal(rules_load(&rules, config, NULL, &error), 0);
	assert_int_equal(rules_count(rules), 0);
}

static void a_full_sized_file_and_a_pipe_are_read(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;
	char *large = malloc(64 * 1024);
	char path[64];
	int ends[2];

	(void)state;
	memset(large, '\n', 64 * 1024);
	memcpy(large + 64 * 1024 - 2, "\na", 2);
	write_config(large, 64 * 1024);
	free(large);
	assert_int_equal(rules_load(&rules, config, NULL, &error), 0);
	assert_int_equal(rules_get(rules, 0)->line, 64 * 1024);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x mode=keep", 11), 11);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	assert_int_equal(rules_load(&rules, path, NULL, &error), 0);
	close(ends[0]);
	assert_string_equal(rules_get(rules, 0)->pattern, "x");
	rules_free(rules);
}

static int failures;
static struct rules_error last_failure;

static void count_failure(const struct rules_error *error)
{
	failures++;
	last_failure = *error;
}

/* Few and many rules, without a config file and with one: other places in memory. */
static void what_is_parsed_later_is_what_was_given(void **state)
{
	struct rules *rules = NULL, *second = NULL;
	struct rules_error error;
	char environment[2048];

	(void)state;
	failures = 0;
	for (int many = 0; many < 2; many++) {
		for (int with_config = 0; with_config < 2; with_config++) {
			write_config("*.conf mode=keep", 16);
			strcpy(environment, "*.log mode=off");
			for (int i = 0; many && i < 100; i++)
				sprintf(environment + strlen(environment), ";*.log.%d", i);
			assert_int_equal(rules_load_later(&rules, with_config ? config : "", environment,
							  count_failure, &error), 0);
			/* The second finds the first's place taken. */
			assert_int_equal(rules_load_later(&second, "", "*.second", count_failure, &error), 0);
			memset(environment, '!', strlen(environment));
			write_config("mode", 4);
			assert_true(rules_may_match(rules, "a.log"));
			assert_false(rules_may_match(rules, "a.second"));
			assert_true(rules_may_match(second, "a.second"));
			assert_int_equal(rules_match(rules, "a.log", NULL, NULL)->options.mode, RULE_MODE_OFF);
			assert_int_equal(rules_may_match(rules, "a.conf"), with_config);
			assert_int_equal(rules_may_match(rules, "a.log.99"), many);
			assert_int_equal(rules_count(rules), (size_t)(1 + with_config + 100 * many));
			assert_string_equal(rules_get(rules, (size_t)with_config)->pattern, "*.log");
			rules_free(second);
			second = NULL;
			rules_free(rules);
		}
	}
	assert_int_equal(rules_load_later(&rules, "", NULL, count_failure, &error), 0);
	assert_null(rules);
	assert_int_equal(failures, 0);
}

/* The static place is left in the middle of a file, or before, or not at all. */
static void a_config_of_any_length_is_read_whole(void **state)
{
	struct rules_error error;

	(void)state;
	failures = 0;
	for (size_t length = 0; length < 1400; length++) {
		struct rules *rules = NULL;
		char text[1400] = "";

		for (size_t i = 0; i < length; i++)
			text[i] = i % 7 == 6 ? '\n' : "*.aaaa"[i % 7];
		write_config(text, length);
		assert_int_equal(rules_load_later(&rules, config, length % 2 ? "*.env" : NULL, count_failure, &error), 0);
		if (length == 0) {
			assert_null(rules);
			continue;
		}
		assert_int_equal(rules_count(rules), (length + 6) / 7 + length % 2);
		assert_string_equal(rules_get(rules, 0)->pattern, length < 6 ? strndupa(text, length) : "*.aaaa");
		rules_free(rules);
	}
	assert_int_equal(failures, 0);
}

static void an_error_is_told_when_somebody_asks_and_once(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;

	(void)state;
	failures = 0;
	assert_int_equal(rules_load_later(&rules, "", "a\nb mode=x", count_failure, &error), 0);
	assert_int_equal(failures, 0);
	errno = EDOM;
	assert_false(rules_may_match(rules, "a"));
	assert_int_equal(errno, EDOM);
	assert_null(rules_match(rules, "a", NULL, NULL));
	assert_int_equal(failures, 1);
	assert_string_equal(last_failure.message, "PREALLOCATE_RULES:2: mode=x: no such mode; choose zero, "
			    "write, auto, keep or off");
	rules_free(rules);
	rules = NULL;
	/* What can't be read is known at once. */
	unlink(config);
	assert_int_equal(rules_load_later(&rules, config, "a", count_failure, &error), -ENOENT);
	assert_null(rules);
	assert_int_equal(failures, 1);
}

static pthread_barrier_t barrier;

static void *ask(void *rules)
{
	pthread_barrier_wait(&barrier);
	return (void *)rules_match(rules, "a.log", NULL, NULL);
}

static void all_threads_get_the_same_list(void **state)
{
	struct rules_error error;

	(void)state;
	failures = 0;
	assert_int_equal(pthread_barrier_init(&barrier, NULL, 4), 0);
	for (int round = 0; round < 200; round++) {
		bool wrong = round % 2;
		struct rules *rules = NULL;
		void *seen[4];
		pthread_t threads[4];

		assert_int_equal(rules_load_later(&rules, "", wrong ? "*.log mode=x" : "*.log mode=off",
						  count_failure, &error), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, ask, rules), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_join(threads[i], &seen[i]), 0);
		for (int i = 0; i < 4; i++)
			assert_ptr_equal(seen[i], wrong ? NULL : rules_get(rules, 0));
		assert_int_equal(failures, (round + 1) / 2);
		rules_free(rules);
	}
	pthread_barrier_destroy(&barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_comes_last_and_wins),
		cmocka_unit_test(nothing_given_means_no_rules),
		cmocka_unit_test(a_loaded_list_replaces_the_old_one),
		cmocka_unit_test(unreadable_files_are_explained),
		cmocka_unit_test(nothing_is_left_open_or_allocated),
		cmocka_unit_test(a_byte_order_mark_is_no_pattern),
		cmocka_unit_test(a_full_sized_file_and_a_pipe_are_read),
		cmocka_unit_test(what_is_parsed_later_is_what_was_given),
		cmocka_unit_test(a_config_of_any_length_is_read_whole),
		cmocka_unit_test(an_error_is_told_when_somebody_asks_and_once),
		cmocka_unit_test(all_threads_get_the_same_list),
	};

	return cmocka_run_group_tests_name("rule files", tests, make_directory, remove_directory);
}

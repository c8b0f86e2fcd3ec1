/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
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
	};

	return cmocka_run_group_tests_name("rule files", tests, make_directory, remove_directory);
}

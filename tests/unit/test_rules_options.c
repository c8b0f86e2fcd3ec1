/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "rules/rules.h"

static const struct {
	const char *name;
	const char *value;
	const char *expected;
} settings[] = {
	{ "mode", "keep", "mode=keep exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=5%" },
	{ "mode", "write", "mode=write exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=5%" },
	{ "mode", "auto", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=5%" },
	{ "mode", "off", "mode=off exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=5%" },
	{ "mode", "zero", "mode=zero exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=5%" },
	{ "exclusive", "assume", "mode=auto exclusive=assume prealloc-size=128M prealloc-align=1M idle=1s min-free=5%" },
	{ "exclusive", "lease", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=5%" },
	{ "prealloc-size", "0", "mode=auto exclusive=lease prealloc-size=0 prealloc-align=1M idle=1s min-free=5%" },
	{ "prealloc-size", "1.5G", "mode=auto exclusive=lease prealloc-size=1536M prealloc-align=1M idle=1s min-free=5%" },
	{ "prealloc-align", "512", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=512 idle=1s min-free=5%" },
	{ "prealloc-align", "5M", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=5M idle=1s min-free=5%" },
	{ "idle", "1ms", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=1M idle=1ms min-free=5%" },
	{ "idle", "2m", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=1M idle=2m min-free=5%" },
	{ "min-free", "0", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=0%" },
	{ "min-free", "100%", "mode=auto exclusive=lease prealloc-size=128M prealloc-align=1M idle=1s min-free=100%" },
};

static void each_option_sets_its_own_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct rule_options options = RULE_OPTIONS_DEFAULT;
		struct rules_error error;
		char text[256];

		assert_int_equal(rule_options_set(&options, settings[i].name, settings[i].value,
						  &error), 0);
		assert_int_equal(rule_options_format(&options, text, sizeof(text)),
				 strlen(settings[i].expected));
		assert_string_equal(text, settings[i].expected);
	}
}

static void the_defaults(void **state)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;

	(void)state;
	assert_int_equal(options.mode, RULE_MODE_AUTO);
	assert_int_equal(options.exclusive, RULE_EXCLUSIVE_LEASE);
	assert_int_equal(options.prealloc_size, 134217728);
	assert_int_equal(options.prealloc_align, 1048576);
	assert_int_equal(options.idle, 1000000000);
	assert_int_equal(options.min_free, 5);
}

static const struct {
	const char *name;
	const char *value;
	const char *message;
} mistakes[] = {
	{ "mode", "fast", "mode=fast: no such mode; choose zero, write, auto, keep or off" },
	{ "mode", "", "mode=: no such mode; choose zero, write, auto, keep or off" },
	{ "mode", "a\nb\x7f", "mode=a?b?: no such mode; choose zero, write, auto, keep or off" },
	{ "exclusive", "flock", "exclusive=flock: no such way to be sure that nobody else has the file "
	  "open; write lease or assume" },
	{ "prealloc-size", "-1", "prealloc-size=-1: a size can't be negative; write 0 or more" },
	{ "prealloc-size", "12Q", "prealloc-size=12Q: not a size; write bytes, or a number with k, M, "
	  "G, T, P or E, such as 1M" },
	{ "prealloc-size", "9E", "prealloc-size=9E: too big; write at most 9223372036854775807" },
	{ "prealloc-align", "x", "prealloc-align=x: not a size; write bytes, or a number with k, M, "
	  "G, T, P or E, such as 1M" },
	{ "prealloc-align", "0", "prealloc-align=0: nothing is a multiple of 0; write 512 or more" },
	{ "prealloc-align", "1000", "prealloc-align=1000: not a multiple of 512; write 512, 4k or 1M" },
	{ "prealloc-align", "8E", "prealloc-align=8E: too big; write at most 9223372036854775807" },
	{ "idle", "soon", "idle=soon: not a duration; write a number with ms, s, m or h, such as "
	  "500ms" },
	{ "idle", "-1s", "idle=-1s: not a duration; write a number with ms, s, m or h, such as "
	  "500ms" },
	{ "idle", "9999999h", "idle=9999999h: longer than 292 years; write less" },
	{ "idle", "0", "idle=0: too short; write 1ms or more" },
	{ "idle", "0.999ms", "idle=0.999ms: too short; write 1ms or more" },
	{ "min-free", "101", "min-free=101: not a percentage; write 0 to 100, such as 5%" },
	{ "min-free", "99999999999999", "min-free=99999999999999: not a percentage; write 0 to 100, "
	  "such as 5%" },
	{ "min-free", "", "min-free=: not a percentage; write 0 to 100, such as 5%" },
	{ "min-free", "-1", "min-free=-1: not a percentage; write 0 to 100, such as 5%" },
	{ "min-free", "5%%", "min-free=5%%: not a percentage; write 0 to 100, such as 5%" },
	{ "min-free", "5k", "min-free=5k: not a percentage; write 0 to 100, such as 5%" },
	{ "Mode", "keep", "unknown option 'Mode'; there are mode, exclusive, prealloc-size, "
	  "prealloc-align, idle and min-free" },
	{ "", "keep", "unknown option ''; there are mode, exclusive, prealloc-size, prealloc-align, "
	  "idle and min-free" },
};

static void mistakes_are_explained_and_change_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		static const struct rule_options before = RULE_OPTIONS_DEFAULT; /* padding is zero */
		struct rule_options options;
		struct rules_error error;

		memcpy(&options, &before, sizeof(options));
		assert_int_equal(rule_options_set(&options, mistakes[i].name, mistakes[i].value,
						  &error), -EINVAL);
		assert_string_equal(error.message, mistakes[i].message);
		assert_memory_equal(&options, &before, sizeof(options));
		assert_int_equal(rule_options_set(&options, mistakes[i].name, mistakes[i].value,
						  NULL), -EINVAL);
	}
}

static void a_long_word_is_cut_in_the_message(void **state)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;
	struct rules_error error;
	char value[4096];
	char expected[512];

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(rule_options_set(&options, "mode", value, &error), -EINVAL);
	memset(expected, 'x', sizeof(expected));
	memcpy(expected, "mode=", 5);
	strcpy(expected + 5 + 92, "...: no such mode; choose zero, write, auto, keep or off");
	assert_string_equal(error.message, expected);
}

static void alignment_fits_the_files_direct_io(void **state)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;
	struct rules_error error = { "untouched" };

	(void)state;
	assert_int_equal(rule_options_check_alignment(&options, 0, &error), 0);
	assert_int_equal(rule_options_check_alignment(&options, 1, &error), 0);
	assert_int_equal(rule_options_check_alignment(&options, 512, &error), 0);
	assert_int_equal(rule_options_check_alignment(&options, 1048576, &error), 0);
	assert_string_equal(error.message, "untouched");
	options.prealloc_align = 512;
	assert_int_equal(rule_options_check_alignment(&options, 4096, &error), -EINVAL);
	assert_string_equal(error.message, "prealloc-align=512: not a multiple of 4k, which this "
			    "file's direct I/O asks for; write 4k");
}

static void formatting_stays_within_the_buffer(void **state)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;
	char text[16] = "xxxxxxxxxxxxxxx";

	(void)state;
	assert_true(rule_options_format(&options, text, 6) > 6);
	assert_string_equal(text, "mode=");
	assert_int_equal(text[6], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_option_sets_its_own_field),
		cmocka_unit_test(the_defaults),
		cmocka_unit_test(mistakes_are_explained_and_change_nothing),
		cmocka_unit_test(a_long_word_is_cut_in_the_message),
		cmocka_unit_test(alignment_fits_the_files_direct_io),
		cmocka_unit_test(formatting_stays_within_the_buffer),
	};

	return cmocka_run_group_tests_name("rule options", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "rules/size.h"

static const struct {
	const char *text;
	int result;
	int64_t value;
} sizes[] = {
	{ "0", 0, 0 },
	{ "1", 0, 1 },
	{ "512b", 0, 512 },
	{ "4k", 0, 4096 },
	{ "4K", 0, 4096 },
	{ "128M", 0, 134217728 },
	{ "128m", 0, 134217728 },
	{ "3G", 0, INT64_C(3221225472) },
	{ "2T", 0, INT64_C(2199023255552) },
	{ "1P", 0, INT64_C(1125899906842624) },
	{ "7E", 0, INT64_C(8070450532247928832) },
	{ "1.5G", 0, INT64_C(1610612736) },
	{ "0.5k", 0, 512 },
	{ "1.0009765625k", 0, 1025 },
	{ "0.9999999999999999999999k", 0, 1023 },
	{ "7.999999999999999999E", 0, INT64_C(9223372036854775806) },
	{ "9223372036854775807", 0, INT64_MAX },
	{ "00010k", 0, 10240 },
	{ "9223372036854775808", -ERANGE, 0 },
	{ "99999999999999999999999999k", -ERANGE, 0 },
	{ "18446744073709551617", -ERANGE, 0 },
	{ "8E", -ERANGE, 0 },
	{ "9007199254740992k", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "k", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", -EINVAL, 0 },
	{ "1.5", -EINVAL, 0 },
	{ "1.5b", -EINVAL, 0 },
	{ "1.", -EINVAL, 0 },
	{ "1.k", -EINVAL, 0 },
	{ ".5k", -EINVAL, 0 },
	{ "1,5k", -EINVAL, 0 },
	{ "1kk", -EINVAL, 0 },
	{ "1KiB", -EINVAL, 0 },
	{ "1MB", -EINVAL, 0 },
	{ "1Z", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1\x0d", -EINVAL, 0 },
};

static void sizes_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int64_t value = -7;

		print_message("# %s\n", sizes[i].text);
		assert_int_equal(size_parse(sizes[i].text, &value), sizes[i].result);
		assert_int_equal(value, sizes[i].result ? -7 : sizes[i].value);
	}
}

static const struct {
	const char *text;
	int result;
	int64_t value;
} durations[] = {
	{ "0", 0, 0 },
	{ "1", 0, INT64_C(1000000000) },
	{ "1s", 0, INT64_C(1000000000) },
	{ "500ms", 0, INT64_C(500000000) },
	{ "0.5", 0, INT64_C(500000000) },
	{ "1.5s", 0, INT64_C(1500000000) },
	{ "0.000001ms", 0, 1 },
	{ "2m", 0, INT64_C(120000000000) },
	{ "1h", 0, INT64_C(3600000000000) },
	{ "2562047h", 0, INT64_C(9223369200000000000) },
	{ "2562048h", -ERANGE, 0 },
	{ "9223372036854775808ms", -ERANGE, 0 },
	{ "9223372036.9s", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "ms", -EINVAL, 0 },
	{ "-1s", -EINVAL, 0 },
	{ "1S", -EINVAL, 0 },
	{ "1min", -EINVAL, 0 },
	{ "1us", -EINVAL, 0 },
	{ "1s ", -EINVAL, 0 },
	{ "1.s", -EINVAL, 0 },
};

static void durations_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		int64_t value = -7;

		print_message("# %s\n", durations[i].text);
		assert_int_equal(duration_parse(durations[i].text, &value), durations[i].result);
		assert_int_equal(value, durations[i].result ? -7 : durations[i].value);
	}
}

static const struct {
	int64_t value;
	const char *text;
} size_texts[] = {
	{ 0, "0" },
	{ 1, "1" },
	{ 1023, "1023" },
	{ 1024, "1k" },
	{ 1536, "1536" },
	{ 134217728, "128M" },
	{ 134218752, "131073k" },
	{ INT64_C(3221225472), "3G" },
	{ INT64_C(1) << 40, "1T" },
	{ INT64_C(1) << 50, "1P" },
	{ INT64_C(1) << 60, "1E" },
	{ INT64_MAX, "9223372036854775807" },
}, duration_texts[] = {
	{ 0, "0ms" },
	{ 1, "0.000001ms" },
	{ INT64_C(500000000), "500ms" },
	{ INT64_C(1000000000), "1s" },
	{ INT64_C(90000000000), "90s" },
	{ INT64_C(120000000000), "2m" },
	{ INT64_C(7200000000000), "2h" },
	{ INT64_MAX, "9223372036854.775807ms" },
};

static void sizes_are_written_as_they_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(size_texts) / sizeof(size_texts[0]); i++) {
		char text[SIZE_TEXT_MAX];
		int64_t value;

		size_format(size_texts[i].value, text);
		assert_string_equal(text, size_texts[i].text);
		assert_int_equal(size_parse(text, &value), 0);
		assert_int_equal(value, size_texts[i].value);
	}
}

static void durations_are_written_as_they_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(duration_texts) / sizeof(duration_texts[0]); i++) {
		char text[SIZE_TEXT_MAX];
		int64_t value;

		duration_format(duration_texts[i].value, text);
		assert_string_equal(text, duration_texts[i].text);
		assert_int_equal(duration_parse(text, &value), 0);
		assert_int_equal(value, duration_texts[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(sizes_are_written_as_they_are_read),
		cmocka_unit_test(durations_are_written_as_they_are_read),
	};

	return cmocka_run_group_tests_name("sizes", tests, NULL, NULL);
}

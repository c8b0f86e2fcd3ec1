/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which habit appends end in zeroes: what is told after each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "claim/habit.h"

#define MOST 16
#define UNKNOWN (-1) /* zeroes: the last byte that isn't one isn't known */

struct appended {
	int64_t length, zeroes; /* length 0: the end of the list */
	int64_t told_zeroes, told_stride;
};

static const struct {
	const char *what;
	struct appended appends[MOST];
} rows[] = {
	{"one is no habit", {{10, 3, 0, 0}}},
	{"strings", {{10, 1, 0, 0}, {17, 1, 1, 0}, {8, 1, 1, 0}, {33, 1, 1, 0}}},
	{"of one length", {{10, 3, 0, 0}, {10, 2, 0, 0}, {10, 4, 0, 10}, {10, 4, 0, 10}, {10, 0, 0, 10}}},
	{"a length rather than zeroes", {{10, 3, 0, 0}, {10, 3, 3, 0}, {10, 3, 0, 10}}},
	{"padded to 16", {{160, 3, 0, 0}, {16, 2, 0, 0}, {48, 14, 0, 16}, {32, 0, 0, 16}, {16, 9, 0, 16}}},
	{"a length that is found later",
	 {{57, 1, 0, 0}, {100, 2, 0, 0}, {57, 3, 0, 0}, {100, 5, 0, 0}, {100, 6, 0, 100}}},
	{"as many zeroes as bytes", {{8, 2, 0, 0}, {4, 3, 0, 0}, {4, 3, 0, 4}, {1, 1, 0, 0}, {1, 1, 0, 0}}},
	{"no zeroes", {{10, 0, 0, 0}, {20, 0, 0, 0}, {31, 0, 0, 0}, {7, 0, 0, 0}}},
	{"nothing but zeroes", {{10, UNKNOWN, 0, 0}, {10, UNKNOWN, 0, 0}, {10, UNKNOWN, 0, 0}}},
	{"too long for anybody to look back",
	 {{5, 1, 0, 0}, {RECORD_LONGEST_STRIDE + 1, 2, 0, 0}, {RECORD_LONGEST_STRIDE + 1, 3, 0, 0},
	  {RECORD_LONGEST_STRIDE + 1, 4, 0, 0}}},
	{"the longest",
	 {{5, 1, 0, 0}, {RECORD_LONGEST_STRIDE, 2, 0, 0},
	  {RECORD_LONGEST_STRIDE, 3, 0, RECORD_LONGEST_STRIDE}}},
	/* Wrong once: twice as often from then on. */
	{"given up",
	 {{10, 1, 0, 0}, {17, 1, 1, 0}, {11, 0, 0, 0}, {10, 1, 0, 0}, {17, 1, 0, 0}, {12, 1, 1, 0},
	  {13, 2, 0, 0}, {10, 2, 0, 0}, {17, 2, 0, 0}, {12, 2, 0, 0}, {23, 2, 2, 0}}},
	{"another length", {{10, 1, 0, 0}, {30, 2, 0, 0}, {30, 3, 0, 30}, {7, 1, 0, 0}, {7, 2, 0, 0},
			    {7, 1, 0, 7}}},
};

static void it_is_told_when_it_has_held(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct habit habit = {0};
		int64_t end = 0;

		for (const struct appended *one = rows[i].appends; one->length; one++) {
			struct record record = {0};

			end += one->length;
			habit_note(&habit, end, one->zeroes == UNKNOWN ? 0 : end - one->zeroes);
			habit_tell(&habit, &record);
			if (record.zeroes != one->told_zeroes || record.stride != one->told_stride)
				fail_msg("%s, append %td: %lld, %lld", rows[i].what,
					 one - rows[i].appends, (long long)record.zeroes,
					 (long long)record.stride);
		}
	}
}

/* What is told, and what record_told_end makes of it, agree. */
static void what_keeps_to_it_is_told_exactly(void **state)
{
	static const int64_t lengths[] = {32, 64, 96, 32, 128};
	struct habit habit = {0};
	struct record record = {0};
	int64_t end = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		end += lengths[i];
		record = (struct record){.end = end};
		habit_note(&habit, end, end - i * 5);
		habit_tell(&habit, &record);
	}
	assert_int_equal(record.stride, 32);
	for (int64_t more = 32; more < 1000; more += 32)
		for (int64_t zeroes = 0; zeroes < 32; zeroes++)
			assert_int_equal(record_told_end(&record, end + more - zeroes), end + more);
}

/* The same end once more (a record that says more) is no append. */
static void an_end_is_noted_once(void **state)
{
	struct habit habit = {0};
	struct record record = {0};

	(void)state;
	for (int i = 0; i < 5; i++) {
		habit_note(&habit, 10, 9);
		habit_tell(&habit, &record);
		assert_int_equal(record.zeroes + record.stride, 0);
	}
	habit_note(&habit, 20, 19);
	habit_tell(&habit, &record);
	assert_int_equal(record.zeroes, 1);
	record.zeroes = 0;
	habit_note(&habit, 20, 19);
	habit_tell(&habit, &record);
	assert_int_equal(record.zeroes, 1);
}

/* A program that has none pays for it less and less. */
static void it_is_believed_ever_more_rarely(void **state)
{
	struct habit habit = {0};
	int64_t end = 0;
	int told = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct record record = {0};
		int64_t zeroes = 1 + i % 8 / 7;

		end += 10 + (int64_t)i * i % 7;
		habit_note(&habit, end, end - zeroes);
		habit_tell(&habit, &record);
		told += record.zeroes || record.stride;
	}
	assert_in_range(told, 1, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_when_it_has_held),
		cmocka_unit_test(what_keeps_to_it_is_told_exactly),
		cmocka_unit_test(an_end_is_noted_once),
		cmocka_unit_test(it_is_believed_ever_more_rarely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

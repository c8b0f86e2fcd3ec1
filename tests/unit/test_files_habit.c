/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Appends that all end in zeroes in the same way: recorded once or twice, then nobody is asked, and the
 * end is found after any crash at any moment; those that end otherwise are recorded again.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test_found.h"

/* How often the guardian was asked; the file is found whole, whatever has died. */
static unsigned int asked_for(struct twin *t, const char *data, bool synchronously)
{
	int64_t before = data_end(t), end = before + (int64_t)strlen(data);
	unsigned int questions_asked;

	append(t, data);
	if (synchronously)
		sync_it(t);
	questions_asked = asked();
	if (atomic_load(&slot_of(t)->recorded_open))
		assert_true(found_after(t) >= end);
	else
		assert_found(t, end);
	if (synchronously)
		assert_found(t, end);
	else
		assert_true(found_after(t) >= before);
	return questions_asked;
}

static void records_of_one_size(void **state)
{
	static const char *const records[] = {"xx...", "xxxx.", "xxx..", "x....", "xxxxx", "x..x."};
	struct twin t;

	(void)state;
	for (int synchronously = 0; synchronously < 2; synchronously++) {
		begin(&t);
		append(&t, "..");
		sync_it(&t);
		asked();
		for (size_t i = 0; i < 12; i++)
			assert_int_equal(asked_for(&t, records[i % 6], i < 2 || synchronously) > 0,
					 i < 2);
		end(&t);
	}
}

static void strings(void **state)
{
	static const char *const records[] = {"xxx.", "x.", "xxxxx.", "xx.", "x.x.xx."};
	struct twin t;

	(void)state;
	begin(&t);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(asked_for(&t, records[i % 5], true), i < 2);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(asked_for(&t, records[i % 5], false), 0);
	sync_it(&t);
	assert_int_equal(asked(), 0);
	end(&t);
}

static void synchronous_writes(void **state)
{
	struct twin t;

	(void)state;
	begin_with(&t, O_RDWR | O_DSYNC);
	append(&t, "x.");
	append(&t, "xx.");
	assert_int_equal(asked(), 2);
	append(&t, "xxx.");
	assert_int_equal(asked(), 0);
	assert_found(&t, 19);
	assert_int_equal(atomic_load(&slot_of(&t)->synced_end), 19);
	end(&t);
}

static void padding(void **state)
{
	static const char *const records[] = {
		"xxxxxxxx........", "xxxx....", "xxx..........xxxxxxxxx..", "xxxxxxxx", "x.......",
	};
	struct twin t;

	(void)state;
	begin(&t);
	for (size_t i = 0; i < 4; i++)
		asked_for(&t, records[i % 5], true);
	for (size_t i = 4; i < 15; i++)
		assert_int_equal(asked_for(&t, i % 5 ? records[i % 5] : "xx......", true), 0);
	end(&t);
}

static void begin_with_strings(struct twin *t)
{
	begin(t);
	append(t, "xxx.");
	sync_it(t);
	append(t, "xx.");
	assert_int_equal(atomic_load(&slot_of(t)->recorded_zeroes), 1);
	sync_it(t);
	append(t, "xxxx.");
	asked();
	synced();
}

/* Told of too early, the last one would end one byte too late, or too soon. */
static void what_ends_otherwise_is_recorded(void **state)
{
	static const char *const others[] = {"xxx", "x..", "...", "x", "xxx......."};
	struct twin t;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (int synchronously = 0; synchronously < 2; synchronously++) {
			begin_with_strings(&t);
			assert_int_equal(asked_for(&t, others[i], synchronously), 1);
			assert_int_equal(atomic_load(&slot_of(&t)->recorded_zeroes), 0);
			assert_true(asked_for(&t, "xxxx.", synchronously) <= 2);
			assert_true(asked_for(&t, "xxx", synchronously) <= 2);
			end(&t);
		}
	}
}

/* In one go: what the first one has ended in is known in the middle. */
static void two_that_end_otherwise(void **state)
{
	struct twin t;

	(void)state;
	begin_with_strings(&t);
	append(&t, "x...");
	append(&t, "x..");
	append(&t, "x");
	assert_true(found_after(&t) >= data_end(&t));
	sync_it(&t);
	assert_found(&t, 30);
	assert_found(&t, 30);
	end(&t);
}

/* Nobody is asked until the sync, so anything may come; from the sync on it holds. */
static void an_open_record_tells_of_none(void **state)
{
	struct twin t;

	(void)state;
	begin(&t);
	append(&t, "x.");
	append(&t, "xx.");
	assert_int_equal(atomic_load(&slot_of(&t)->recorded_open), 1);
	assert_int_equal(atomic_load(&slot_of(&t)->recorded_zeroes), 0);
	append(&t, "x");
	assert_true(found_after(&t) >= 16);
	append(&t, "xxx.");
	sync_it(&t);
	assert_int_equal(atomic_load(&slot_of(&t)->recorded_zeroes), 1);
	end(&t);
}

static void zeroes_over_what_it_hangs_on(void **state)
{
	struct twin t;

	(void)state;
	for (int synced_before = 0; synced_before < 2; synced_before++) {
		begin_with_strings(&t);
		if (synced_before)
			sync_it(&t);
		/* Not on this one. */
		overwrite(&t, ".", 19);
		assert_int_equal(asked() + synced(), 0);
		overwrite(&t, ".", 20);
		assert_int_equal(asked(), 1);
		assert_int_equal(synced(), 1);
		assert_found(&t, 22);
		assert_found(&t, 22);
		assert_true(asked_for(&t, "x.", true) > 0);
		end(&t);
	}
}

/* Its record goes with the extension; the next one says it at once. */
static void an_extension_in_the_middle(void **state)
{
	struct twin t;

	(void)state;
	begin_with_strings(&t);
	engage_extend(table_get(t.fd), slot_of(&t), 22, 3000000);
	assert_int_equal(atomic_load(&slot_of(&t)->recorded_zeroes), 0);
	asked();
	assert_found(&t, 22);
	assert_int_equal(asked_for(&t, "xx.", true), 1);
	assert_int_equal(asked_for(&t, "xxx.", true), 0);
	end(&t);
}

/* As if it were recorded: a scribbled slot says what it likes. */
static void garbage_is_no_habit(void **state)
{
	static const int64_t garbage[] = {INT64_MIN, -1, INT64_MAX, 1, 4096};
	struct twin t;

	(void)state;
	for (size_t i = 0; i < 25; i++) {
		struct claim_slot slot = {.nonzero_end = garbage[i / 5]};

		atomic_store(&slot.recorded_zeroes, garbage[i % 5]);
		slot_told_end(&slot);
		atomic_store(&slot.recorded_stride, garbage[i % 5]);
		slot_told_end(&slot);
		atomic_store(&slot.recorded_end, garbage[(i + 1) % 5]);
		slot_told_end(&slot);
	}
	begin_with_strings(&t);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_one_size),
		cmocka_unit_test(strings),
		cmocka_unit_test(synchronous_writes),
		cmocka_unit_test(padding),
		cmocka_unit_test(what_ends_otherwise_is_recorded),
		cmocka_unit_test(two_that_end_otherwise),
		cmocka_unit_test(an_open_record_tells_of_none),
		cmocka_unit_test(zeroes_over_what_it_hangs_on),
		cmocka_unit_test(an_extension_in_the_middle),
		cmocka_unit_test(garbage_is_no_habit),
	};

	return cmocka_run_group_tests(tests, found_set_up, twin_tear_down);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `preallocate bench` concludes from its figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/bench.h"

/* Plain makes 1000 records a second, all rounds are alike, and every mode works as it should. */
static struct bench bench_of(const double ratios[BENCH_WAYS][BENCH_SIZES])
{
	struct bench bench = { 0 };

	for (int way = 0; way < BENCH_WAYS; way++) {
		for (int size = 0; size < BENCH_SIZES; size++) {
			struct bench_cell *cell = &bench.cells[size][way];

			for (int round = 0; round < BENCH_ROUNDS; round++)
				cell->rounds[round] = 1000 * ratios[way][size];
			cell->kept_bytes = way == BENCH_KEEP;
			cell->extended_bytes = way > BENCH_KEEP;
		}
	}
	return bench;
}

static enum bench_way best_of(struct bench bench)
{
	bench_conclude(&bench);
	return bench.best;
}

#define PLAIN { 1, 1, 1 }

static void the_best_over_all_sizes_wins(void **state)
{
	(void)state;
	assert_int_equal(best_of(bench_of((double[][BENCH_SIZES]){
		PLAIN, { 1, 1.1, 1.2 }, { 2, 1.2, 1 }, { 1.7, 1.7, 1.7 }, { 1.2, 1.2, 1.2 } })),
		BENCH_WRITE);
	assert_int_equal(best_of(bench_of((double[][BENCH_SIZES]){
		PLAIN, { 1, 1.4, 1.4 }, { 1.1, 1.1, 1.1 }, { 1, 1, 1 }, { 1, 1, 1 } })), BENCH_KEEP);
}

static void auto_is_preferred_within_5_percent(void **state)
{
	(void)state;
	assert_int_equal(best_of(bench_of((double[][BENCH_SIZES]){
		PLAIN, PLAIN, { 2, 2, 2 }, { 1, 1, 1 }, { 1.91, 1.91, 1.91 } })), BENCH_AUTO);
	assert_int_equal(best_of(bench_of((double[][BENCH_SIZES]){
		PLAIN, PLAIN, { 2, 2, 2 }, { 1, 1, 1 }, { 1.89, 1.89, 1.89 } })), BENCH_ZERO);
}

static void nothing_gains_below_5_percent(void **state)
{
	(void)state;
	assert_int_equal(best_of(bench_of((double[][BENCH_SIZES]){
		PLAIN, { 1.04, 1.04, 1.04 }, { 1, 1, 1 }, { 0.9, 1, 1.2 }, { 1.04, 1.04, 1.04 } })),
		BENCH_PLAIN);
	assert_int_equal(best_of(bench_of((double[][BENCH_SIZES]){
		PLAIN, { 1.06, 1.06, 1.06 }, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } })), BENCH_KEEP);
}

static void what_costs_a_tenth_anywhere_is_no_rule(void **state)
{
	(void)state;
	assert_int_equal(best_of(bench_of((double[][BENCH_SIZES]){
		PLAIN, PLAIN, { 3, 3, 0.8 }, { 1.1, 1.1, 1.1 }, { 3, 3, 0.8 } })), BENCH_WRITE);
}

static void what_did_not_work_is_no_rule(void **state)
{
	struct bench bench = bench_of((double[][BENCH_SIZES]){
		PLAIN, PLAIN, { 1.5, 1.5, 1.5 }, { 1.6, 1.6, 1.6 }, { 1.55, 1.55, 1.55 } });

	(void)state;
	bench.cells[1][BENCH_WRITE].extended_bytes = 0;
	bench.cells[2][BENCH_AUTO].extended_bytes = 0;
	assert_false(bench_was_applied(&bench, BENCH_WRITE));
	assert_true(bench_was_applied(&bench, BENCH_ZERO));
	assert_int_equal(best_of(bench), BENCH_ZERO);
}

static void memory_is_no_disk(void **state)
{
	struct bench bench = bench_of((double[][BENCH_SIZES]){
		PLAIN, { 2, 2, 2 }, { 2, 2, 2 }, { 2, 2, 2 }, { 2, 2, 2 } });

	(void)state;
	bench.in_memory = true;
	assert_int_equal(best_of(bench), BENCH_PLAIN);
}

static void the_median_of_the_rounds_counts(void **state)
{
	struct bench bench = bench_of((double[][BENCH_SIZES]){ PLAIN, PLAIN, PLAIN, PLAIN, PLAIN });
	struct bench_cell *cell = &bench.cells[0][BENCH_ZERO];

	(void)state;
	cell->rounds[0] = 9000;
	cell->rounds[1] = 1100;
	cell->rounds[2] = 10;
	cell->rounds[3] = 1200;
	cell->rounds[4] = 1300;
	bench_conclude(&bench);
	assert_true(cell->rate > 1199 && cell->rate < 1201);
	assert_true(cell->ratio > 1.19 && cell->ratio < 1.21);
	assert_false(bench.in_doubt);
}

static void rounds_that_differ_are_in_doubt(void **state)
{
	struct bench bench = bench_of((double[][BENCH_SIZES]){ PLAIN, PLAIN, PLAIN, PLAIN, PLAIN });

	(void)state;
	for (int way = 0; way < BENCH_WAYS; way++) {
		bench.cells[0][way].rounds[0] = 500;
		bench.cells[0][way].rounds[3] = 600;
	}
	bench_conclude(&bench);
	assert_true(bench.in_doubt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_over_all_sizes_wins),
		cmocka_unit_test(auto_is_preferred_within_5_percent),
		cmocka_unit_test(nothing_gains_below_5_percent),
		cmocka_unit_test(what_costs_a_tenth_anywhere_is_no_rule),
		cmocka_unit_test(what_did_not_work_is_no_rule),
		cmocka_unit_test(memory_is_no_disk),
		cmocka_unit_test(the_median_of_the_rounds_counts),
		cmocka_unit_test(rounds_that_differ_are_in_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

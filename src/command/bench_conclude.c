/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/bench.h"

#include <stdlib.h>
#include <string.h>

/* Of a mode that is worth a rule: what it gains over all sizes, and what it may lose at one of them. */
#define GAIN 1.05
#define LOSS 0.9

/* Auto adapts to more than these records: it is preferred unless another one is that much better. */
#define AUTO_SHARE 0.95

/* A quiet disk's middle rounds lie within a tenth of each other; above this, in so many cells, it isn't. */
#define SPREAD 0.3
#define CELLS_IN_DOUBT 5

const int bench_record_bytes[BENCH_SIZES] = { 100, 4096, 16384 };
const char *const bench_record_names[BENCH_SIZES] = { "100 B", "4 KiB", "16 KiB" };
const char *const bench_way_names[BENCH_WAYS] = { "plain", "keep", "zero", "write", "auto" };

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Whether the middle three are far apart. */
static bool take_median(struct bench_cell *cell)
{
	double sorted[BENCH_ROUNDS];
	int middle = BENCH_ROUNDS / 2;

	memcpy(sorted, cell->rounds, sizeof(sorted));
	qsort(sorted, BENCH_ROUNDS, sizeof(sorted[0]), compare);
	cell->rate = sorted[middle];
	return sorted[middle + 1] - sorted[middle - 1] > SPREAD * cell->rate;
}

bool bench_was_applied(const struct bench *bench, enum bench_way way)
{
	for (int size = 0; size < BENCH_SIZES; size++) {
		const struct bench_cell *cell = &bench->cells[size][way];

		if (way == BENCH_KEEP ? !cell->kept_bytes : !cell->extended_bytes)
			return false;
	}
	return true;
}

/* The product of the ratios, for the geometric mean's order; 0: not worth a rule. */
static double product(const struct bench *bench, enum bench_way way)
{
	double all = 1;

	if (!bench_was_applied(bench, way))
		return 0;
	for (int size = 0; size < BENCH_SIZES; size++) {
		double ratio = bench->cells[size][way].ratio;

		if (ratio < LOSS)
			return 0;
		all *= ratio;
	}
	return all;
}

static double cube(double mean)
{
	_Static_assert(BENCH_SIZES == 3, "the mean of three is a third root");
	return mean * mean * mean;
}

static enum bench_way choose(const struct bench *bench)
{
	enum bench_way best = BENCH_PLAIN;
	double highest = cube(GAIN);

	if (bench->in_memory)
		return BENCH_PLAIN;
	for (enum bench_way way = BENCH_KEEP; way < BENCH_WAYS; way++) {
		if (product(bench, way) >= highest) {
			highest = product(bench, way);
			best = way;
		}
	}
	if (best != BENCH_PLAIN && product(bench, BENCH_AUTO) >= cube(AUTO_SHARE) * highest)
		return BENCH_AUTO;
	return best;
}

void bench_conclude(struct bench *bench)
{
	int far_apart = 0;

	for (int size = 0; size < BENCH_SIZES; size++) {
		struct bench_cell *cells = bench->cells[size];

		for (enum bench_way way = BENCH_PLAIN; way < BENCH_WAYS; way++) {
			far_apart += take_median(&cells[way]);
			cells[way].ratio = cells[way].rate / cells[BENCH_PLAIN].rate;
		}
	}
	bench->best = choose(bench);
	bench->in_doubt = far_apart >= CELLS_IN_DOUBT;
}

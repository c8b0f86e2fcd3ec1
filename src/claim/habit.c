/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/habit.h"

#include <stdbool.h>

#define MOST_DOUBTS 10

static int64_t common_divisor(int64_t a, int64_t b)
{
	while (b) {
		int64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void note_zeroes(struct habit *habit, int64_t zeroes)
{
	bool holds = zeroes > 0 && zeroes == habit->zeroes;

	habit->zeroes_held = holds ? habit->zeroes_held + 1 : 0;
	habit->zeroes = zeroes;
}

/* What isn't longer than the zeroes at the end says nothing: it begins anew. */
static void note_length(struct habit *habit, int64_t length, int64_t zeroes)
{
	int64_t stride = common_divisor(habit->stride, length);
	bool holds = stride == habit->stride;

	if (stride <= zeroes || stride < 2) {
		holds = false;
		stride = length > zeroes ? length : 0;
	}
	habit->stride_held = holds ? habit->stride_held + 1 : 0;
	habit->stride = stride;
}

void habit_note(struct habit *habit, int64_t end, int64_t nonzero_end)
{
	int64_t before = habit->last.end;
	int64_t zeroes = nonzero_end > before ? end - nonzero_end : 0;

	if (end <= before)
		return;
	if ((habit->last.zeroes || habit->last.stride) &&
	    record_told_end(&habit->last, nonzero_end) != end) {
		habit->zeroes_held = habit->stride_held = 0;
		if (habit->doubts < MOST_DOUBTS)
			habit->doubts++;
	}
	note_zeroes(habit, zeroes);
	if (before > 0 && nonzero_end > before)
		note_length(habit, end - before, zeroes);
	habit->last = (struct record){.end = end};
}

void habit_tell(struct habit *habit, struct record *record)
{
	unsigned int needed = 1u << habit->doubts;

	if (habit->stride_held >= needed && habit->stride <= RECORD_LONGEST_STRIDE)
		record->stride = habit->stride;
	else if (habit->zeroes_held >= needed && habit->zeroes <= RECORD_LONGEST_STRIDE)
		record->zeroes = habit->zeroes;
	habit->last.zeroes = record->zeroes;
	habit->last.stride = record->stride;
}

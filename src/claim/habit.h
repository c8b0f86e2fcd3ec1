/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a program's appends end in zeroes, as far as the records of them show: all with as many (strings),
 * or at multiples of a length (records of one size, padding). Recorded once, it spares all further
 * records, as long as the program keeps to it. Internal to src/claim; pure.
 */
#ifndef CLAIM_HABIT_H
#define CLAIM_HABIT_H

#include "recovery/record.h"

struct habit {
	/* end: of the last data that were noted, 0: there were none; zeroes, stride: what was told of them. */
	struct record last;
	int64_t zeroes; /* at their end; 0: none, or not known */
	int64_t stride; /* of which all lengths since it began to hold are multiples; 0: not known */
	unsigned int zeroes_held, stride_held; /* how often in a row */
	unsigned int doubts; /* how often what was told was wrong: doubles how often it has to hold first */
};

/* The data end at end, their last byte that isn't zero before nonzero_end; 0: that isn't known. */
void habit_note(struct habit *habit, int64_t end, int64_t nonzero_end);

/* Sets zeroes and stride of a record of what has just been noted. */
void habit_tell(struct habit *habit, struct record *record);

#endif

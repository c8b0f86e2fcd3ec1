/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a sequence that differs to a short one: operations dropped, then what is left made plainer. */
#include "differ.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t monotonic_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* The same words, whatever the numbers: else it may slip from one fault to another. */
static bool same_kind(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, "-0123456789abcdefx");
		b += strspn(b, "-0123456789abcdefx");
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
	}
}

/* Tries the candidate; kept, with what the run noted in it, if it differs still. */
static bool accept(struct search *search, struct shared *shared, const struct shared *candidate)
{
	static struct shared trial;

	for (unsigned int i = 0; i < search->tries; i++) {
		if (search->until_s != 0 && monotonic_s() > search->until_s)
			return false;
		trial = *candidate;
		if (search->differs(search->context, &trial) &&
		    same_kind(trial.difference, shared->difference)) {
			*shared = trial;
			return true;
		}
	}
	return false;
}

/* Half of them, a quarter, ... one: after Zeller's ddmin. */
static bool drop(struct search *search, struct shared *shared)
{
	static struct shared candidate;
	bool any = false;

	for (uint32_t chunk = (shared->count + 1) / 2; chunk > 0; chunk /= 2) {
		/* From the end: what is near the difference is needed most, so the rest goes first. */
		for (uint32_t at = 0; at < shared->count;) {
			uint32_t gone = chunk < shared->count - at ? chunk : shared->count - at;

			candidate = *shared;
			memmove(&candidate.operations[at], &candidate.operations[at + gone],
				(shared->count - at - gone) * sizeof(struct operation));
			candidate.count -= gone;
			if (candidate.count > 0 && accept(search, shared, &candidate))
				any = true;
			else
				at += gone;
		}
	}
	return any;
}

/* Each a change that makes an operation plainer; false: it is so already. */
static bool plainer(struct operation *op, unsigned int how)
{
	struct operation was = *op;

	switch (how) {
	case 0:
		op->checks = 0;
		break;
	case 1:
		op->checks &= (uint8_t)~CHECK_BYTES;
		break;
	case 2:
		op->buffer = GOOD;
		break;
	case 3:
		op->length = (struct value){op->length_was, ABSOLUTE};
		op->upto = false;
		break;
	case 4:
		op->at = (struct value){op->at_was, ABSOLUTE};
		break;
	case 5:
		op->at.delta = 0;
		break;
	case 6:
		op->length.delta = op->length.base == ABSOLUTE ? 1 : 0;
		break;
	case 7:
		op->length.delta /= 2;
		break;
	case 8:
		op->at.delta /= 2;
		break;
	case 9:
		op->from = 0;
		break;
	case 10:
		op->word = 0;
		break;
	case 11:
		op->name = 0;
		break;
	case 12:
		if (call_of(op)->traits & FRESH)
			op->flags &= O_ACCMODE | O_CREAT | O_APPEND;
		break;
	case 13:
		op->flags = call_of(op)->traits & FRESH ? O_RDWR | O_CREAT : 0;
		break;
	case 14:
		op->checks &= (uint8_t)~(CHECK_OFFSET | CHECK_FLAGS);
		break;
	default:
		op->length.delta = op->length.delta / 4096 * 4096;
	}
	return memcmp(&was, op, sizeof(was)) != 0;
}

static bool simplify(struct search *search, struct shared *shared)
{
	static struct shared candidate;
	bool any = false;

	for (uint32_t i = 0; i < shared->count; i++) {
		for (unsigned int how = 0; how < 16; how++) {
			candidate = *shared;
			if (plainer(&candidate.operations[i], how))
				any |= accept(search, shared, &candidate);
		}
	}
	return any;
}

void shrink(struct search *search, struct shared *shared)
{
	if (shared->current + 1 < shared->count) {
		static struct shared candidate;

		candidate = *shared;
		candidate.count = shared->current + 1;
		accept(search, shared, &candidate);
	}
	drop(search, shared);
	for (int round = 0; round < 4; round++)
		if (!simplify(search, shared) || !drop(search, shared))
			break;
}

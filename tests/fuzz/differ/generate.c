/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random operations. Appends weigh most: a file that isn't extended is a plain one. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint32_t any(struct generator *g, uint32_t below)
{
	return (uint32_t)(random_next(&g->state) >> 32) % below;
}

static bool percent(struct generator *g, uint32_t chance)
{
	return any(g, 100) < chance;
}

#define ONE_OF(g, array) ((array)[any(g, sizeof(array) / sizeof((array)[0]))])

void generator_begin(struct generator *g, uint64_t seed, uint32_t *rule, uint32_t *count)
{
	/* In percent of the sequences. */
	static const uint32_t chances[KINDS] = {
		[HOT] = 100, [RARE] = 75, [SECOND] = 20, [LASTING] = 12,
		[NEIGHBOUR] = 5, [LIMITED] = 8, [CHILD] = 3,
	};
	static const int32_t flags[] = {O_RDWR, O_RDWR, O_RDWR, O_RDWR | O_APPEND,
					O_RDWR | O_APPEND, O_WRONLY, O_WRONLY | O_APPEND};

	g->state = seed;
	g->kinds &= 1U << DOOR;
	for (unsigned int kind = 0; kind < DOOR; kind++)
		if (percent(g, chances[kind]))
			g->kinds |= 1U << kind;
	g->flags = O_CREAT | ONE_OF(g, flags);
	if (percent(g, 4))
		g->flags |= O_DIRECT;
	if (any(g, 300) == 0)
		g->flags |= percent(g, 50) ? O_DSYNC : O_SYNC;
	/* The default allocates 128M, which tmpfs clears there and then. */
	do
		*rule = any(g, RULES);
	while (*rule == RULE_DEFAULT && !percent(g, 8));
	*count = 20 + any(g, SEQUENCE_MAX - 20);
}

static int64_t edge(struct generator *g)
{
	static const int64_t edges[] = {0, 0, 0, 0, 1, -1, 2, -2, 511, 512, -512, 4095, 4096, 4097,
					-4095, -4096, -4097, 65536, 65537, -65536};

	switch (any(g, 4)) {
	case 0:
		return any(g, 300);
	case 1:
		return -(int64_t)any(g, 5000);
	default:
		return ONE_OF(g, edges);
	}
}

/*
 * No file comes near INT64_MAX: where the kernel looks first, at the offset or at the end of an
 * append, isn't compared.
 */
static int64_t wild(struct generator *g, bool written)
{
	static const int64_t values[] = {-1, -4096, INT64_MIN, INT64_C(1) << 33, INT64_C(1) << 40,
					 INT32_MAX};

	return written && percent(g, 20) ? INT64_MAX : ONE_OF(g, values);
}

static int64_t known_size(void)
{
	int slot = machine_open_slot();

	return slot < 0 ? 0 : raw_size(machine.side[PLAIN].fd[slot]);
}

static struct value somewhere(struct generator *g, bool appends)
{
	uint32_t what = any(g, 100);
	int64_t size = known_size();

	if (appends) {
		if (what < 60)
			return (struct value){0, DATA_END};
		what = what * 2 - 20; /* 100 to 178 */
		what = what * 9 / 10 % 100;
	}
	if (what < 25)
		return (struct value){edge(g), DATA_END};
	if (what < 45)
		return (struct value){edge(g), FILE_END};
	if (what < 55)
		return (struct value){edge(g), POSITION};
	if (what < 60)
		return (struct value){any(g, 40) * 4096 + edge(g), ABSOLUTE};
	if (what < 63)
		return (struct value){edge(g), LIMIT};
	if (what < 64)
		return (struct value){wild(g, appends), ABSOLUTE};
	return (struct value){any(g, size < INT32_MAX ? (uint32_t)size + 1 : INT32_MAX), ABSOLUTE};
}

static void how_much(struct generator *g, struct operation *op)
{
	uint32_t what = any(g, 1000);

	if (what < 500) {
		op->length.delta = 1 + any(g, 300);
	} else if (what < 800) {
		op->length.delta = any(g, 6000);
	} else if (what < 880) {
		op->length.delta = (1 + any(g, 8)) * (percent(g, 50) ? 512 : 4096);
	} else if (what < 980) {
		static const uint8_t bases[] = {DATA_END, FILE_END, FILE_END, LIMIT};

		op->length = (struct value){edge(g), ONE_OF(g, bases)};
		op->upto = true;
	} else if (what < 990) {
		op->length.delta = 0;
	} else if (what < 998) {
		op->length.delta = any(g, 70000);
	} else {
		op->length.delta = percent(g, 50) ? BUFFER : -1;
	}
}

static const struct call *choose(struct generator *g, uint16_t *index)
{
	uint32_t total = 0, at;

	for (size_t i = 0; i < calls_count(); i++)
		if (g->kinds & (1U << call_at(i)->kind))
			total += call_at(i)->weight;
	at = any(g, total);
	for (size_t i = 0; i < calls_count(); i++) {
		const struct call *call = call_at(i);

		if (!(g->kinds & (1U << call->kind)))
			continue;
		if (at < call->weight) {
			*index = (uint16_t)i;
			return call;
		}
		at -= call->weight;
	}
	return NULL;
}

static uint8_t slot_open(struct generator *g)
{
	unsigned int from = any(g, SLOTS);

	for (unsigned int i = 0; i < SLOTS; i++)
		if (machine.side[PLAIN].fd[(from + i) % SLOTS] >= 0)
			return (uint8_t)((from + i) % SLOTS);
	return 0;
}

static int slots_open(void)
{
	int count = 0;

	for (int i = 0; i < SLOTS; i++)
		count += machine.side[PLAIN].fd[i] >= 0;
	return count;
}

static void generate_open(struct generator *g, struct operation *op)
{
	static const int32_t access[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
	static const int32_t often[] = {O_APPEND, O_APPEND, O_CREAT, O_CREAT, O_CLOEXEC, O_NONBLOCK,
					O_TRUNC, O_DIRECT, O_CREAT | O_EXCL, O_NOATIME, 0, 0};
	/* Not access mode 3, which challenges no lease and yet may seek. */
	static const int32_t seldom[] = {O_DIRECTORY, O_DSYNC, O_NOFOLLOW, O_PATH};

	op->flags = ONE_OF(g, access) | ONE_OF(g, often);
	if (percent(g, 20))
		op->flags |= ONE_OF(g, often);
	if (percent(g, 3))
		op->flags = (op->flags & O_ACCMODE) | ONE_OF(g, seldom);
}

/* The first, and the one after the last was closed. */
static void generate_first(struct generator *g, struct operation *op)
{
	for (uint16_t i = 0; i < calls_count(); i++)
		if (call_at(i)->kind == SECOND)
			op->call = i;
	op->flags = g->flags;
	op->other = 0;
	op->name = 0;
}

static void generate_flags(struct generator *g, struct operation *op, const struct call *call)
{
	static const int32_t set[] = {0, O_APPEND, O_APPEND, O_DIRECT, O_NONBLOCK,
				      O_APPEND | O_NONBLOCK};
	if (call->kind == SECOND) {
		generate_open(g, op);
	} else if (call->kind == CHILD) {
		op->flags = 1 + (int)any(g, 4);
	} else if (!(call->traits & DATA)) {
		op->flags = ONE_OF(g, set);
	}
}

static void generate_checks(struct generator *g, struct operation *op)
{
	if (percent(g, 40))
		op->checks |= CHECK_STAT;
	if (percent(g, 30))
		op->checks |= CHECK_OFFSET;
	if (percent(g, 5))
		op->checks |= CHECK_FLAGS;
	if (any(g, 150) == 0)
		op->checks |= CHECK_BYTES;
}

void generate(struct generator *g, struct operation *op)
{
	const struct call *call;
	int count = slots_open();

	memset(op, 0, sizeof(*op));
	generate_checks(g, op);
	if (count == 0) {
		generate_first(g, op);
		return;
	}
	do
		call = choose(g, &op->call);
	while ((call->traits & ENDS) && count == 1 && !percent(g, 20));
	op->word = (uint8_t)(call->words_count ? any(g, call->words_count) : 0);
	op->slot = percent(g, 1) ? (uint8_t)any(g, SLOTS) : slot_open(g);
	op->other = (uint8_t)any(g, SLOTS);
	op->name = percent(g, 85) ? 0 : (uint8_t)any(g, NAMES);
	generate_flags(g, op, call);
	if (call->traits & DATA) {
		op->from = any(g, BUFFER / 4);
		op->buffer = percent(g, 2) ? BAD : percent(g, 2) ? HALF_BAD
					  : percent(g, 10) ? ZEROES : GOOD;
	} else {
		op->from = any(g, 8000);
	}
	if (call->traits & AT)
		op->at = somewhere(g, (call->traits & DATA) && !(call->traits & READS));
	if (call->traits & LENGTH)
		how_much(g, op);
}

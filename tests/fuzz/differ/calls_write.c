/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The write family. */
#include "differ.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

#define PIECES 3

/* Odd pieces, an empty one among them; with O_DIRECT whole sectors. */
static int pieces(struct iovec iov[PIECES], const struct operation *op)
{
	char *data = data_of(op);
	size_t length = (size_t)op->length_was;
	size_t first = op->flags ? length / 2 / 4096 * 4096 : length / 3;

	iov[0] = (struct iovec){data, first};
	iov[1] = (struct iovec){NULL, 0};
	iov[2] = (struct iovec){data + first, length - first};
	if (op->buffer == HALF_BAD) {
		iov[0].iov_base = machine.data;
		iov[2].iov_base = machine.data + BUFFER;
	}
	return PIECES;
}

static void run_write(struct side *side, const struct operation *op, struct outcome *outcome)
{
	DO(outcome, write(slot_fd(side, op), data_of(op), (size_t)op->length_was));
}

static void run_pwrite(struct side *side, const struct operation *op, struct outcome *outcome)
{
	if (op->word == 0)
		DO(outcome, pwrite(slot_fd(side, op), data_of(op), (size_t)op->length_was,
				   op->at_was));
	else
		DO(outcome, pwrite64(slot_fd(side, op), data_of(op), (size_t)op->length_was,
				     op->at_was));
}

static void run_writev(struct side *side, const struct operation *op, struct outcome *outcome)
{
	struct iovec iov[PIECES];

	DO(outcome, writev(slot_fd(side, op), iov, pieces(iov, op)));
}

static void run_pwritev(struct side *side, const struct operation *op, struct outcome *outcome)
{
	struct iovec iov[PIECES];
	int count = pieces(iov, op);

	if (op->word == 0)
		DO(outcome, pwritev(slot_fd(side, op), iov, count, op->at_was));
	else
		DO(outcome, pwritev64(slot_fd(side, op), iov, count, op->at_was));
}

static void run_pwritev2(struct side *side, const struct operation *op, struct outcome *outcome)
{
	static const int flags[] = {0, RWF_APPEND, RWF_NOAPPEND, RWF_DSYNC, 0x4000};
	struct iovec iov[PIECES];
	int count = pieces(iov, op);

	DO(outcome, pwritev2(slot_fd(side, op), iov, count, op->at_was, flags[op->word]));
}

static void run_pwritev2_here(struct side *side, const struct operation *op,
			      struct outcome *outcome)
{
	static const int flags[] = {0, RWF_APPEND, RWF_NOAPPEND};
	struct iovec iov[PIECES];
	int count = pieces(iov, op);

	DO(outcome, pwritev2(slot_fd(side, op), iov, count, -1, flags[op->word]));
}

/*
 * Too many pieces, a negative number of them, a piece of more bytes than there can be. Not an array
 * that can't be read: the library adds the lengths up and faults itself, where the kernel says EFAULT.
 */
static void run_writev_wrong(struct side *side, const struct operation *op,
			     struct outcome *outcome)
{
	struct iovec iov[PIECES] = {{machine.data, 10}, {machine.data, SIZE_MAX}, {NULL, 0}};
	int fd = slot_fd(side, op);

	switch (op->word) {
	case 0:
		DO(outcome, writev(fd, iov, 0));
		break;
	case 1:
		DO(outcome, writev(fd, iov, 1025));
		break;
	case 2:
		DO(outcome, writev(fd, iov, -1));
		break;
	case 3:
		DO(outcome, writev(fd, iov, 2));
		break;
	default:
		DO(outcome, pwritev(fd, iov, 1025, op->at_was));
	}
}

static const struct call calls[] = {
	{"write(%f, %b, %l)", .weight = 500, .traits = LENGTH | DATA | MOVES, .run = run_write},
	{"pwrite%w(%f, %b, %l, %a)", WORDS("", "64"), .weight = 300, .traits = AT | LENGTH | DATA,
	 .run = run_pwrite},
	{"writev(%f, {%b}, %l)", .weight = 60, .traits = LENGTH | DATA | MOVES, .run = run_writev},
	{"pwritev%w(%f, {%b}, %l, %a)", WORDS("", "64"), .weight = 40,
	 .traits = AT | LENGTH | DATA, .run = run_pwritev},
	{"pwritev2(%f, {%b}, %l, %a, %w)",
	 WORDS("0", "RWF_APPEND", "RWF_NOAPPEND", "RWF_DSYNC", "0x4000"), .weight = 40,
	 .traits = AT | LENGTH | DATA, .run = run_pwritev2},
	{"pwritev2(%f, {%b}, %l, -1, %w)", WORDS("0", "RWF_APPEND", "RWF_NOAPPEND"), .weight = 30,
	 .traits = LENGTH | DATA | MOVES, .run = run_pwritev2_here},
	{"%w /* at %a */",
	 WORDS("writev(%f, iov, 0)", "writev(%f, iov, 1025)", "writev(%f, iov, -1)",
	       "writev(%f, {10, SIZE_MAX}, 2)", "pwritev(%f, iov, 1025)"),
	 .weight = 6, .traits = AT, .run = run_writev_wrong},
};

FAMILY(write_family, calls);

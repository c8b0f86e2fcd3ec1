/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The read family, and what tells how much there is to be read. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * What lies behind the bytes that were read must be as it was; not with O_DIRECT, which may fill
 * whole sectors.
 */
#define LOOKED_AT 16384

static char *back_of(struct side *side, const struct operation *op)
{
	size_t length = op->length_was < LOOKED_AT ? (size_t)op->length_was : LOOKED_AT;

	if (op->buffer == BAD)
		return side->back + BUFFER;
	if (op->buffer == HALF_BAD)
		return side->back + BUFFER - length / 2;
	memset(side->back, 0xa5, length);
	return side->back;
}

static void looked(struct outcome *outcome, const struct operation *op)
{
	bool direct = fcntl(slot_fd(&machine.side[PLAIN], op), F_GETFL) & O_DIRECT;

	if (op->buffer == BAD || op->buffer == HALF_BAD)
		return;
	if (outcome->result > 0)
		outcome->bytes = (size_t)outcome->result;
	if (!direct && outcome->bytes < LOOKED_AT)
		outcome->bytes = op->length_was < LOOKED_AT ? (size_t)op->length_was : LOOKED_AT;
}

static void run_read(struct side *side, const struct operation *op, struct outcome *outcome)
{
	char *back = back_of(side, op);

	DO(outcome, read(slot_fd(side, op), back, (size_t)op->length_was));
	looked(outcome, op);
}

static void run_pread(struct side *side, const struct operation *op, struct outcome *outcome)
{
	char *back = back_of(side, op);

	if (op->word == 0)
		DO(outcome, pread(slot_fd(side, op), back, (size_t)op->length_was, op->at_was));
	else
		DO(outcome, pread64(slot_fd(side, op), back, (size_t)op->length_was, op->at_was));
	looked(outcome, op);
}

static int pieces(struct iovec iov[3], struct side *side, const struct operation *op)
{
	char *back = back_of(side, op);
	size_t length = (size_t)op->length_was;
	size_t first = op->flags ? length / 2 / 4096 * 4096 : length / 3;

	iov[0] = (struct iovec){back, first};
	iov[1] = (struct iovec){NULL, 0};
	iov[2] = (struct iovec){back + first, length - first};
	return 3;
}

static void run_readv(struct side *side, const struct operation *op, struct outcome *outcome)
{
	struct iovec iov[3];
	int count = pieces(iov, side, op);

	DO(outcome, readv(slot_fd(side, op), iov, count));
	looked(outcome, op);
}

static void run_preadv(struct side *side, const struct operation *op, struct outcome *outcome)
{
	struct iovec iov[3];
	int count = pieces(iov, side, op);
	int fd = slot_fd(side, op);

	switch (op->word) {
	case 0:
		DO(outcome, preadv(fd, iov, count, op->at_was));
		break;
	case 1:
		DO(outcome, preadv64(fd, iov, count, op->at_was));
		break;
	case 2:
		DO(outcome, preadv2(fd, iov, count, op->at_was, 0));
		break;
	case 3:
		DO(outcome, preadv2(fd, iov, count, -1, 0));
		break;
	case 4:
		DO(outcome, preadv(fd, iov, 0, op->at_was));
		break;
	case 5:
		DO(outcome, preadv(fd, iov, 1025, op->at_was));
		break;
	default:
		DO(outcome, preadv2(fd, iov, count, op->at_was, 0x4000));
	}
	looked(outcome, op);
}

static void run_available(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int available = -1;

	DO(outcome, ioctl(slot_fd(side, op), FIONREAD, &available));
	outcome->more[0] = available;
}

static const struct call calls[] = {
	{"read(%f, %b, %l)", .weight = 60, .traits = LENGTH | DATA | MOVES | READS,
	 .run = run_read},
	{"pread%w(%f, %b, %l, %a)", WORDS("", "64"), .weight = 60,
	 .traits = AT | LENGTH | DATA | READS, .run = run_pread},
	{"readv(%f, {%b}, %l)", .weight = 20, .traits = LENGTH | DATA | MOVES | READS,
	 .run = run_readv},
	{"preadv%w /* {%b}, %l, %a */",
	 WORDS("(%f)", "64(%f)", "2(%f, 0)", "2(%f, -1, 0)", "(%f, iovcnt 0)", "(%f, iovcnt 1025)",
	       "2(%f, 0x4000)"),
	 .weight = 30, .traits = AT | LENGTH | DATA | READS, .run = run_preadv},
	{"ioctl(%f, FIONREAD)", .weight = 6, .run = run_available},
};

FAMILY(read_family, calls);

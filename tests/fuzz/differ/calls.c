/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the families of calls share. */
#include "differ.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct family *const families[] = {
	&write_family, &read_family, &size_family, &open_family, &rare_family, &outside_family,
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

size_t calls_count(void)
{
	size_t count = 0;

	for (size_t i = 0; i < FAMILIES; i++)
		count += families[i]->count;
	return count;
}

const struct call *call_at(size_t index)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		if (index < families[i]->count)
			return &families[i]->calls[index];
		index -= families[i]->count;
	}
	return NULL;
}

const struct call *call_of(const struct operation *op)
{
	return call_at(op->call);
}

int slot_fd(const struct side *side, const struct operation *op)
{
	return side->fd[op->slot];
}

int other_fd(const struct side *side, const struct operation *op)
{
	return side->fd[op->other];
}

/* The call made a descriptor; which number it has is no part of the comparison. */
void slot_set(struct side *side, unsigned int slot, struct outcome *outcome)
{
	if (outcome->result < 0)
		return;
	if (side->fd[slot] >= 0 && side->fd[slot] != (int)outcome->result)
		close(side->fd[slot]);
	side->fd[slot] = (int)outcome->result;
	outcome->result = 0;
}

char *data_of(const struct operation *op)
{
	size_t length = op->length_was < BUFFER / 2 ? (size_t)op->length_was : BUFFER / 2;

	switch (op->buffer) {
	case ZEROES:
		return machine.data + BUFFER / 2;
	case BAD:
		return machine.data + BUFFER;
	case HALF_BAD:
		return machine.data + BUFFER - length / 2;
	default:
		return machine.data + op->from;
	}
}

/* Not ctime (settling moves it) and st_blocks (see compare_end): the manual says so. */
void stat_into(struct outcome *outcome, const void *stat)
{
	const struct stat *st = stat;
	const int64_t all[] = {st->st_size, st->st_mode, (int64_t)st->st_nlink, st->st_uid,
			       st->st_gid, st->st_blksize, (int64_t)st->st_dev};

	if (outcome->result < 0)
		return;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		outcome->more[i] = all[i];
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pwrite, pread and fstat as src/libc makes them: at a glance, if that will do (files/glance.h). */
#ifndef TEST_GLANCED_H
#define TEST_GLANCED_H

#include "files/glance.h"

static inline ssize_t glanced_write_ordinary(struct description *description,
					     struct transfer *transfer)
{
	uint32_t resizes;
	ssize_t written;

	if (!glance_overwrites_ordinary(description, transfer->offset, transfer->bytes, &resizes))
		return files_write(description, transfer);
	written = transfer->call(transfer);
	if (written == (ssize_t)transfer->bytes &&
	    glance_overwrote_ordinary(description, transfer->fd, resizes))
		return written;
	return files_overwrote_ordinary(description, transfer, written);
}

static inline ssize_t glanced_write(struct description *description, struct transfer *transfer)
{
	struct glance glance;
	ssize_t written;

	if (!transfer->at_offset || transfer->to_end || transfer->flags)
		return files_write(description, transfer);
	if (!slot_is_extended(atomic_load(&description->slot)))
		return glanced_write_ordinary(description, transfer);
	if (!glance_overwrites(&glance, description, transfer->offset, transfer->bytes))
		return files_write(description, transfer);
	written = transfer->call(transfer);
	if (written == (ssize_t)transfer->bytes &&
	    glance_overwrote(&glance, transfer->offset, transfer->bytes))
		return written;
	return files_overwrote(description, transfer, &glance, written);
}

static inline ssize_t glanced_read(struct description *description, struct transfer *transfer)
{
	struct glance glance;
	ssize_t got;

	if (!transfer->at_offset || transfer->flags ||
	    !glance_reads(&glance, description, transfer->offset, transfer->bytes))
		return files_read(description, transfer);
	got = transfer->call(transfer);
	return glance_holds(&glance, description, transfer->fd) ? got
								: files_read(description, transfer);
}

/* call: an fstat of fd. False: the longer way, by files_stat_path. */
static inline bool glanced_stat(struct description *description, int fd, int (*call)(void *argument),
				void *argument, int64_t *size, int *result)
{
	struct glance glance;
	int64_t data_end;

	glance_at(&glance, description);
	*result = call(argument);
	data_end = atomic_load(&glance.slot->positions.data_end);
	if (*result != 0)
		return true;
	if (!glance_holds(&glance, description, fd))
		return false;
	if (data_end >= 0)
		*size = data_end;
	return true;
}

#endif

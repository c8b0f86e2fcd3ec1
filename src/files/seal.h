/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seeing to it that the end of an extended file can be found after a crash. Data whose last byte isn't
 * zero tells by itself where it ends; otherwise the guardian records it (src/recovery/record.h).
 * Internal to src/files.
 */
#ifndef FILES_SEAL_H
#define FILES_SEAL_H

#include "files/files.h"

static inline bool seal_covers(int64_t offset, int64_t bytes, int64_t end)
{
	return (uint64_t)end - 1 - (uint64_t)offset < (uint64_t)bytes;
}

/* Would a write of these bytes take away one by which the end is, or has been, known? */
static inline bool seal_is_at_stake(const struct claim_slot *slot, int64_t offset, int64_t bytes)
{
	return seal_covers(offset, bytes,
			   atomic_load_explicit(&slot->nonzero_end, memory_order_relaxed)) ||
	       seal_covers(offset, bytes,
			   atomic_load_explicit(&slot->recorded_nonzero, memory_order_relaxed));
}

/*
 * And would it, coming to the disk before what records the end anew, leave a crash's finder without it?
 * transfer: what is to be written at start; NULL: zeroes.
 */
bool seal_hangs_on(struct claim_slot *slot, const struct transfer *transfer, int64_t start,
		   int64_t bytes);

/*
 * Without the lock, before such a write: the end is known by a record that asks for none of these bytes,
 * on the disk if any of them may be needed there. Or the file is settled.
 */
void seal_harden(struct description *description, struct claim_slot *slot, int fd);

/* Under the slot's lock, after a write of `written` > 0 bytes, before data_end moves. */
void seal_note_write(struct claim_slot *slot, const struct transfer *transfer, int64_t start,
		     ssize_t written);

/* Under the slot's lock: zeroes were allocated in [start, end). */
void seal_note_zeroes(struct claim_slot *slot, int64_t start, int64_t end);

/*
 * After that, without the lock, before the call returns: a kill of the program and its guardian at once
 * loses no zero byte either.
 */
void seal_after_append(struct description *description, struct claim_slot *slot,
		       const struct transfer *transfer);

/* Zeroes were put there: as seal_after_append. */
void seal_after_zeroes(struct description *description);

/* Before a sync: what it brings to the disk tells its end. Returns the end that will be synced. */
int64_t seal_before_sync(struct description *description, int fd);

/* Another number whenever the real size has been changed by us. */
uint64_t seal_changes(struct description *description);

/* After a sync that has succeeded: up to end; of all files, up to wherever they ended. */
void seal_note_synced(struct description *description, int64_t end);
void seal_note_all_synced(void);

/* The program syncs the file now and then. */
bool seal_is_synced(struct description *description);

/* errno that the program was to be told by an earlier sync, had it been its own; or 0. */
int seal_missed_error(struct description *description);

/* Of a file of this size that is to be extended: nothing below this may be missing after a power loss. */
int64_t seal_floor(struct description *description, int64_t size);

#endif

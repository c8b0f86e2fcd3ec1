/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seeing to it that the end of an extended file can be found after a crash. Data whose last byte isn't
 * zero tells by itself where it ends; otherwise the guardian records it (src/recovery/record.h).
 * Internal to src/files.
 */
#ifndef FILES_SEAL_H
#define FILES_SEAL_H

#include "files/files.h"

/* Would a write of these bytes take away the one by which the end is known? */
static inline bool seal_is_at_stake(const struct claim_slot *slot, int64_t offset, int64_t bytes)
{
	int64_t nonzero_end = atomic_load_explicit(&slot->nonzero_end, memory_order_relaxed);

	return offset < nonzero_end && nonzero_end <= offset + bytes;
}

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

/* Before a sync: what it brings to the disk tells its end. Returns the end that will be synced. */
int64_t seal_before_sync(struct description *description, int fd);

/* After a sync that has succeeded. */
/* Another number whenever the real size has been changed by us. */
uint64_t seal_changes(struct description *description);
void seal_note_synced(struct description *description, int64_t end);
void seal_note_all_synced(void);

/* Of a file that is to be extended: nothing below this may be missing after a power loss. */
int64_t seal_floor(struct description *description);

#endif

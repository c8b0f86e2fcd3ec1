/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/seal.h"

#include "base/sys.h"
#include "base/thread.h"
#include "claim/claim.h"
#include "files/engage.h"

#include <errno.h>
#include <string.h>

/*
 * How far back the last byte that isn't zero is looked for. Where it isn't found, recovery can't tell a
 * record of appends that have come to the disk from one of some that haven't.
 */
#define LOOK_BACK (1 << 20)
#define LOOK_AT_ONCE 4096

static _Atomic unsigned int all_synced; /* how often */

/*
 * How many of the first `written` bytes are left when the zeroes at their end are taken off; 0: nothing
 * but zeroes, as far as we look. The kernel has just read them: they are there.
 */
static int64_t bytes_to_last_nonzero(const struct transfer *transfer, ssize_t written)
{
	ssize_t left = written;
	int i = 0;

	while (i < transfer->count - 1 && left > (ssize_t)transfer->iov[i].iov_len)
		left -= (ssize_t)transfer->iov[i++].iov_len;
	for (ssize_t end = written; i >= 0 && end > 0 && written - end < LOOK_BACK; i--) {
		const char *bytes = transfer->iov[i].iov_base;

		while (left >= LOOK_AT_ONCE && written - end < LOOK_BACK && !bytes[left - 1] &&
		       !memcmp(bytes + left - LOOK_AT_ONCE, bytes + left - LOOK_AT_ONCE + 1,
			       LOOK_AT_ONCE - 1)) {
			left -= LOOK_AT_ONCE;
			end -= LOOK_AT_ONCE;
		}
		for (; left > 0 && written - end < LOOK_BACK; left--, end--)
			if (bytes[left - 1])
				return end;
		left = i > 0 ? (ssize_t)transfer->iov[i - 1].iov_len : 0;
	}
	return 0;
}

void seal_note_write(struct claim_slot *slot, const struct transfer *transfer, int64_t start,
		     ssize_t written)
{
	int64_t was = atomic_load_explicit(&slot->nonzero_end, memory_order_relaxed);
	int64_t end = start + written, found;

	if (end < was)
		return;
	found = bytes_to_last_nonzero(transfer, written);
	if (found > 0)
		found += start;
	else if (start >= was)
		return;
	atomic_store_explicit(&slot->nonzero_end, found, memory_order_relaxed);
}

void seal_note_zeroes(struct claim_slot *slot, int64_t start, int64_t end)
{
	if (seal_is_at_stake(slot, start, end - start))
		atomic_store_explicit(&slot->nonzero_end, 0, memory_order_relaxed);
}

static bool end_is_known(struct claim_slot *slot)
{
	int64_t data_end = atomic_load(&slot->positions.data_end);

	return data_end < 0 || atomic_load(&slot->nonzero_end) == data_end ||
	       (atomic_load(&slot->recorded_end) == data_end && !atomic_load(&slot->recorded_open));
}

static void record(struct description *description, struct claim_slot *slot, bool open)
{
	struct claim_request request;
	int saved_errno = errno;

	engage_fill_request(description, &request, 0, 0);
	claim_record(slot, &request, open);
	errno = saved_errno;
}

/*
 * The first of several appends between two syncs is recorded as it is; after the second the guardian
 * isn't asked again, until the sync.
 */
static void record_append(struct description *description, struct claim_slot *slot, bool at_once)
{
	bool open = !at_once && atomic_load(&slot->recorded_end) > atomic_load(&slot->synced_end);

	if (!open || !atomic_load(&slot->recorded_open))
		record(description, slot, open);
}

/* The write itself was a sync, if of its own bytes alone. */
static void note_synchronous(struct description *description, struct claim_slot *slot,
			     const struct transfer *transfer, bool was_recorded)
{
	int64_t data_end = atomic_load(&slot->positions.data_end);
	int saved_errno = errno;

	/* Settled since: in place of the record there is a cut, which may not be on the disk. */
	if (data_end < 0)
		sys.fdatasync(transfer->fd);
	else if (description->synchronous)
		seal_note_synced(description, data_end);
	else if (was_recorded && sys.fdatasync(transfer->fd) == 0)
		seal_note_synced(description, data_end);
	else
		atomic_store(&slot->synced, 1);
	errno = saved_errno;
}

void seal_after_append(struct description *description, struct claim_slot *slot,
		       const struct transfer *transfer)
{
	bool at_once = description->synchronous ||
		       (transfer->flags & (RWF_DSYNC | RWF_SYNC));
	bool is_due = !end_is_known(slot);

	if ((!is_due && !at_once) || owner_of(&slot->lock) == thread_id())
		return;
	if (is_due)
		record_append(description, slot, at_once);
	/* The guardian's write is a synchronous one by itself where the description is. */
	if (at_once)
		note_synchronous(description, slot, transfer, is_due);
}

int64_t seal_before_sync(struct description *description, int fd)
{
	struct claim_slot *slot = atomic_load(&description->slot);
	int saved_errno = errno;
	struct stat st;
	int64_t end = atomic_load(&slot->positions.data_end);

	if (end < 0) {
		end = sys.fstat(fd, &st) == 0 ? st.st_size : 0;
		/* Extended meanwhile: that is no size of the program's. */
		if (slot_is_extended(atomic_load(&description->slot)))
			end = 0;
		errno = saved_errno;
		return end;
	}
	files_check_guardian();
	if (end_is_known(slot))
		return end;
	/* In a signal handler, above a call that holds the lock: an ordinary file needs no record. */
	if (owner_of(&slot->lock) == thread_id())
		description_settle(description);
	else
		record(description, slot, false);
	errno = saved_errno;
	return end;
}

uint64_t seal_changes(struct description *description)
{
	const struct claim_slot *slot = atomic_load(&description->slot);

	return atomic_load(&slot->settles) + atomic_load(&slot->extensions);
}

static void raise_to(_Atomic int64_t *position, int64_t end)
{
	int64_t seen = atomic_load(position);

	while (seen < end && !atomic_compare_exchange_weak(position, &seen, end))
		;
}

void seal_note_synced(struct description *description, int64_t end)
{
	struct claim_slot *slot = atomic_load(&description->slot);

	raise_to(&description->synced_end, end);
	if (!atomic_load_explicit(&description->synced, memory_order_relaxed))
		atomic_store(&description->synced, true);
	if (!slot_is_extended(slot))
		return;
	raise_to(&slot->synced_end, end);
	if (!atomic_load_explicit(&slot->synced, memory_order_relaxed))
		atomic_store(&slot->synced, 1);
}

void seal_note_all_synced(void)
{
	atomic_fetch_add(&all_synced, 1);
}

/* What was there at a sync(2) nobody has counted: all that is there now, rather than too little. */
int64_t seal_floor(struct description *description)
{
	unsigned int times = atomic_load(&all_synced);

	return atomic_exchange(&description->all_synced_seen, times) == times
		       ? atomic_load(&description->synced_end)
		       : INT64_MAX;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/seal.h"

#include "base/memory.h"
#include "base/size.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/claim.h"
#include "files/engage.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * How far back the last byte that isn't zero is looked for. Where it isn't found, recovery can't tell a
 * record of appends that have come to the disk from one of some that haven't.
 */
#define LOOK_BACK (1 << 20)
#define LOOK_AT_ONCE 4096

static _Atomic unsigned int all_synced; /* how often */

static bool is_zero_word(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word == 0;
}

/*
 * How many of the first `written` bytes are left when the zeroes at their end are taken off; 0: nothing
 * but zeroes, as far as we look. The kernel has just read them: they are there.
 */
static int64_t bytes_to_last_nonzero(const struct transfer *transfer, ssize_t written)
{
	ssize_t left = written;
	int i = 0;

	if (transfer->count == 1 && ((const char *)transfer->iov->iov_base)[written - 1])
		return written;
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
		while (left >= (ssize_t)sizeof(uint64_t) && written - end < LOOK_BACK &&
		       is_zero_word(bytes + left - sizeof(uint64_t))) {
			left -= (ssize_t)sizeof(uint64_t);
			end -= (ssize_t)sizeof(uint64_t);
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

	return data_end < 0 || slot_told_end(slot) == data_end ||
	       (atomic_load(&slot->recorded_end) == data_end && !atomic_load(&slot->recorded_open));
}

static int record(struct description *description, struct claim_slot *slot, bool open)
{
	struct claim_request request;
	int saved_errno = errno, ret;

	engage_fill_request(description, &request, 0, 0);
	ret = claim_record(slot, &request, open);
	/* It is settled. Tried again at once, it would come to the same: no room below RLIMIT_FSIZE. */
	if (ret < 0 && ret != -EAGAIN)
		engage_pause(description, KEEP_FAILED);
	errno = saved_errno;
	return ret;
}

/* One that fails is told to us, and not to the program any more (fsync(2), since Linux 4.13). */
static bool sync_for_record(struct claim_slot *slot, int fd)
{
	int saved_errno = errno;
	bool synced = sys.fdatasync(fd) == 0;

	if (!synced)
		atomic_store(&slot->sync_error, errno);
	errno = saved_errno;
	return synced;
}

/* Is the byte before `end` still not zero after this? */
static bool keeps_byte(const struct transfer *transfer, int64_t start, int64_t end)
{
	size_t left = (size_t)(end - 1 - start);
	char byte;

	/* What can't be read is for the write to say (EFAULT). */
	for (int i = 0; transfer && i < transfer->count; i++) {
		const char *bytes = transfer->iov[i].iov_base;

		if (left < transfer->iov[i].iov_len)
			return memory_read(&byte, bytes + left, 1) && byte;
		left -= transfer->iov[i].iov_len;
	}
	return false;
}

bool seal_hangs_on(struct claim_slot *slot, const struct transfer *transfer, int64_t start,
		   int64_t bytes)
{
	int64_t data_end = atomic_load(&slot->positions.data_end);
	int64_t nonzero_end = atomic_load(&slot->nonzero_end);
	int64_t recorded_nonzero = atomic_load(&slot->recorded_nonzero);
	bool hangs = seal_covers(start, bytes, recorded_nonzero) &&
		     !keeps_byte(transfer, start, recorded_nonzero);

	if (!hangs && slot_told_end(slot) == data_end && seal_covers(start, bytes, nonzero_end) &&
	    (atomic_load(&slot->recorded_end) != data_end || atomic_load(&slot->recorded_open)))
		hangs = !keeps_byte(transfer, start, nonzero_end);
	return hangs;
}

void seal_harden(struct description *description, struct claim_slot *slot, int fd)
{
	atomic_store(&slot->nonzero_end, 0);
	if (owner_of(&slot->lock) == thread_id() || record(description, slot, false) < 0)
		description_settle(description);
	else if (!description->synchronous && atomic_load(&slot->synced))
		sync_for_record(slot, fd);
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
	if (data_end < 0) {
		int64_t end = seal_before_sync(description, transfer->fd);

		if (sync_for_record(slot, transfer->fd))
			seal_note_synced(description, end);
	} else if (description->synchronous)
		seal_note_synced(description, data_end);
	else if (was_recorded && sync_for_record(slot, transfer->fd))
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

static void make_known(struct description *description, struct claim_slot *slot)
{
	if (end_is_known(slot))
		return;
	/* In a signal handler, above a call that holds the lock: an ordinary file needs no record. */
	if (owner_of(&slot->lock) == thread_id())
		description_settle(description);
	else
		record(description, slot, false);
}

void seal_after_zeroes(struct description *description)
{
	int saved_errno = errno;

	make_known(description, atomic_load(&description->slot));
	errno = saved_errno;
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

static void note_synced(struct claim_slot *slot, int64_t end)
{
	raise_to(&slot->synced_end, end);
	if (!atomic_load_explicit(&slot->synced, memory_order_relaxed))
		atomic_store(&slot->synced, 1);
}

/* From the size, of a file that isn't extended. */
static int64_t ordinary_end(struct description *description, int fd)
{
	int64_t end = size_of(fd);

	/* Extended meanwhile: that is no size of the program's. */
	return end < 0 || slot_is_extended(atomic_load(&description->slot)) ? 0 : end;
}

/*
 * While the sync is under way others may append, and have that recorded in the same place, or have the
 * file extended: what they write down may be on the disk by the end of the sync, and must not tell of
 * less than that has brought there. So they know of it from before the sync, but not this record, which
 * may come to the disk before the data.
 */
int64_t seal_before_sync(struct description *description, int fd)
{
	struct claim_slot *slot = atomic_load(&description->slot);
	int saved_errno = errno;
	int64_t end = atomic_load(&slot->positions.data_end);

	if (end < 0) {
		end = ordinary_end(description, fd);
		errno = saved_errno;
		return end;
	}
	files_check_guardian();
	/* Whoever finds an open one can't tell how much of it is data. */
	if (slot_told_end(slot) == end && !atomic_load(&slot->recorded_open)) {
		note_synced(slot, end);
		return end;
	}
	make_known(description, slot);
	if (!slot_is_extended(slot))
		return end;
	note_synced(slot, end);
	if (owner_of(&slot->lock) != thread_id() &&
	    (atomic_load(&slot->recorded_end) != end || atomic_load(&slot->recorded_open)))
		record(description, slot, false);
	errno = saved_errno;
	return end;
}

void seal_note_synced(struct description *description, int64_t end)
{
	struct claim_slot *slot = atomic_load(&description->slot);

	raise_to(&description->synced_end, end);
	if (!atomic_load_explicit(&description->synced, memory_order_relaxed))
		atomic_store(&description->synced, true);
	if (slot_is_extended(slot))
		note_synced(slot, end);
}

int seal_missed_error(struct description *description)
{
	struct claim_slot *slot = atomic_load(&description->slot);

	return atomic_load(&slot->sync_error) ? atomic_exchange(&slot->sync_error, 0) : 0;
}

void seal_note_all_synced(void)
{
	atomic_fetch_add(&all_synced, 1);
}

bool seal_is_synced(struct description *description)
{
	return atomic_load(&description->synced) || atomic_load(&all_synced) > 0;
}

/*
 * What was there at a sync(2) nobody has counted, nor what O_DSYNC has synced of an ordinary file: all that
 * is there now, rather than too little.
 */
int64_t seal_floor(struct description *description, int64_t size)
{
	unsigned int times = atomic_load(&all_synced);

	if (atomic_exchange(&description->all_synced_seen, times) != times) {
		raise_to(&description->synced_end, size);
		atomic_store(&description->found, false);
	} else if (description->synchronous) {
		raise_to(&description->synced_end, size);
	}
	return atomic_load(&description->synced_end);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/place.h"

#include "base/size.h"
#include "base/sys.h"
#include "base/thread.h"
#include "files/engage.h"
#include "files/mend.h"
#include "files/seal.h"

#include <errno.h>
#include <unistd.h>

void slot_announce(struct claim_slot *slot, enum slot_intent intent, int64_t start, int64_t end)
{
	atomic_store_explicit(&slot->intent_start, start, memory_order_relaxed);
	atomic_store_explicit(&slot->intent_end, end, memory_order_relaxed);
	atomic_store_explicit(&slot->intent, intent, memory_order_release);
}

/*
 * Past data_end, and yet not where an append begins: or it has to move the offset first. Then it is
 * worth a look whether the descriptor still stands for this file.
 */
static bool is_odd_append(const struct description *description, struct claim_slot *slot,
			  const struct place *place)
{
	int64_t data_end = atomic_load(&slot->positions.data_end);

	if (place->end <= data_end)
		return false;
	return place->append ? place->borrows || !description->at_end : place->start != data_end;
}

/*
 * Where this write goes, in an extended file under its lock. -ENOSYS: that isn't to be known (a filter
 * of system calls that came after the claim); otherwise the kernel has an error for it, too.
 */
static int find_place(struct description *description, struct claim_slot *slot,
		      const struct transfer *transfer, struct place *place)
{
	place->moved_from = -1;
	atomic_store(&description->outrun, false);
	place->append = atomic_load(&description->append);
	place->borrows = place->append && transfer->at_offset;
	if (place->append)
		place->start = atomic_load(&slot->positions.data_end);
	else if (transfer->at_offset)
		place->start = transfer->offset;
	else if ((place->start = sys.lseek(transfer->fd, 0, SEEK_CUR)) < 0)
		return engage_is_behind(description, transfer->fd) ? -ENOSYS : -EBADF;
	if (place->start < 0)
		return -EINVAL;
	if (__builtin_add_overflow(place->start, (int64_t)transfer->bytes, &place->end))
		return -EFBIG;
	return 0;
}

/*
 * The offset is moved to data_end, where O_APPEND would have moved it, or for an append by pwrite. False:
 * it can't be.
 */
static bool go_to_end(struct description *description, struct claim_slot *slot,
		      const struct transfer *transfer, struct place *place)
{
	/* Before the call: a nested append would go to where the offset was. */
	if (transfer->at_offset)
		description->at_end = false;
	if (!place->append || description->at_end)
		return true;
	if (place->borrows)
		signals_block(&place->signals);
	place->moved_from = sys.lseek(transfer->fd, 0, SEEK_CUR);
	if (place->moved_from < 0 || sys.lseek(transfer->fd, place->start, SEEK_SET) < 0)
		return false;
	/* A handler that has appended meanwhile is told apart, but the next one comes before that. */
	description->at_end = atomic_load(&slot->positions.data_end) == place->start;
	return true;
}

void place_return_offset(struct description *description, const struct transfer *transfer,
			 struct place *place)
{
	int saved_errno = errno;

	if (place->moved_from >= 0) {
		description->at_end = false;
		sys.lseek(transfer->fd, place->moved_from, SEEK_SET);
	}
	if (place->borrows)
		signals_restore(&place->signals);
	errno = saved_errno;
}

static enum verdict judge(struct description *description, struct claim_slot *slot,
			  const struct transfer *transfer, struct place *place)
{
	int ret;

	if (transfer->apart || atomic_load(&slot->uncounted_end) || !slot_is_sound(slot))
		return APART;
	ret = find_place(description, slot, transfer, place);
	if (ret < 0)
		return ret == -ENOSYS ? SPARSE : FAILS;
	if (is_odd_append(description, slot, place) &&
	    !engage_is_behind(description, transfer->fd))
		return ASTRAY;
	if (size_skips_block(atomic_load(&slot->positions.data_end), place->start))
		return SPARSE;
	if (place->end > slot_room_end(slot))
		return BEHIND;
	if (seal_hangs_on(slot, transfer, place->start, (int64_t)transfer->bytes))
		return STAKED;
	return GOES;
}

/*
 * Who takes the lock over does so from a thread that stands still, and reads what it has announced: a
 * thread that finds the lock its own after that is known to be about to write. False: a signal handler
 * has appended since the place was found.
 */
static bool take(struct description *description, struct claim_slot *slot,
		 const struct transfer *transfer, struct place *place, enum verdict *verdict)
{
	int64_t data_end = atomic_load(&slot->positions.data_end);

	if (!go_to_end(description, slot, transfer, place)) {
		place_return_offset(description, transfer, place);
		*verdict = SPARSE;
		return true;
	}
	slot_announce(slot,
		      place->end <= data_end			 ? INTENT_NONE
		      : transfer->at_offset && !place->borrows ? INTENT_AT_OFFSET
								 : INTENT_AT_POSITION,
		      place->start, place->end);
	atomic_signal_fence(memory_order_seq_cst);
	if (owner_of(&slot->lock) != thread_id())
		*verdict = LOST;
	else if (!place->append || !atomic_exchange(&description->outrun, false))
		return true;
	description->at_end = false;
	slot_announce(slot, INTENT_NONE, 0, 0);
	if (*verdict == LOST)
		mend_await(slot);
	if (*verdict == LOST || place->borrows)
		place_return_offset(description, transfer, place);
	else
		sys.lseek(transfer->fd, atomic_load(&slot->positions.data_end), SEEK_SET);
	description->at_end = false;
	return *verdict == LOST;
}

enum verdict place_take(struct description *description, struct claim_slot *slot,
			const struct transfer *transfer, struct place *place)
{
	enum verdict verdict;

	do
		verdict = judge(description, slot, transfer, place);
	while (verdict == GOES && !take(description, slot, transfer, place, &verdict));
	return verdict;
}

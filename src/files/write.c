/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/files.h"

#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "files/auto.h"
#include "files/engage.h"
#include "files/glance.h"
#include "files/mend.h"
#include "files/place.h"
#include "files/reclaim.h"
#include "files/seal.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

bool slot_lock(struct claim_slot *slot, struct owner_hold *hold)
{
	uint32_t me = thread_id();
	int64_t since;

	if (owner_of(&slot->lock) == me)
		return false;
	/* First: a signal handler that comes between the two must find it among what is held. */
	owner_hold(hold, &slot->lock);
	if (!atomic_load(&slot->wanted) && owner_trylock(&slot->lock, me))
		return true;
	since = clock_now();
	while (atomic_load(&slot->wanted) || !owner_trylock(&slot->lock, me)) {
		if (atomic_load(&slot->wanted) && owner_of(&slot->lock) == 0)
			slot_wait_wanted(slot);
		else
			owner_wait(&slot->lock, SLOT_PATIENCE);
		files_check_guardian();
		if (clock_now() - since > SLOT_PATIENCE) {
			slot_free_from_handler(slot);
			since = clock_now();
		}
	}
	return true;
}

/* False: the lock had been taken over, and whoever took it waits to hear that we know. */
static bool slot_let_go(struct claim_slot *slot, struct owner_hold *hold)
{
	bool ours = owner_unlock(&slot->lock, thread_id());

	owner_release(hold);
	return ours;
}

bool slot_unlock(struct claim_slot *slot, struct owner_hold *hold)
{
	bool ours = slot_let_go(slot, hold);

	if (!ours && !hold->known)
		atomic_fetch_sub(&slot->robbed, 1);
	return ours;
}

/* Under the lock: what an unlocked write has found to be past data_end after all. */
static void note_late(struct claim_slot *slot, const struct transfer *transfer, ssize_t written)
{
	int64_t end = transfer->offset + written;
	struct owner_hold hold;
	bool locked;

	if (!slot_is_extended(slot))
		return;
	locked = slot_lock(slot, &hold);
	seal_note_write(slot, transfer, transfer->offset, written);
	slot_wrote(slot, end);
	if (locked)
		slot_unlock(slot, &hold);
}

/*
 * Where a nested append goes: behind an outer one that may be about to be made at data_end, or has
 * just been. One at the description's offset moves that with its bytes, and by it the outer one: then
 * only the offset tells where that is, or how far it came.
 */
static int64_t end_of_outer(struct claim_slot *slot, const struct transfer *transfer)
{
	int64_t end = atomic_load(&slot->positions.data_end);
	int64_t outer = atomic_load(&slot->intent_end);
	uint32_t intent = atomic_load(&slot->intent);

	if (intent == INTENT_NONE)
		return end;
	if (intent == INTENT_AT_POSITION && !transfer->at_offset)
		outer = sys.lseek(transfer->fd, 0, SEEK_CUR);
	return outer > end ? outer : end;
}

/*
 * A signal handler writes to the file whose lock its own thread holds. It can't wait for itself;
 * where the outer call stands is known from at_end, and the outer call reads its end back.
 */
static ssize_t write_nested(struct description *description, struct claim_slot *slot,
			    struct transfer *transfer)
{
	bool append = atomic_load(&description->append), to_end = transfer->to_end;
	off_t end = end_of_outer(slot, transfer);
	ssize_t written;

	if (append && transfer->at_offset)
		transfer->offset = end;
	else if (append &&
		 (!description->at_end || end > atomic_load(&slot->positions.data_end)))
		sys.lseek(transfer->fd, end, SEEK_SET);
	/* The kernel would take it for file_end. */
	transfer->to_end = false;
	written = transfer->call(transfer);
	transfer->to_end = to_end;
	if (written > 0) {
		end = transfer->at_offset ? transfer->offset + written
					  : sys.lseek(transfer->fd, 0, SEEK_CUR);
		seal_note_write(slot, transfer, end - written, written);
		slot_wrote(slot, end);
		atomic_store(&description->nested, true);
		if (atomic_load(&slot->intent) == INTENT_NONE)
			atomic_store(&description->outrun, true);
	}
	return written;
}

/* At the description's offset. */
static ssize_t write_here(const struct transfer *transfer)
{
	if (!transfer->flags)
		return sys.syscall(SYS_writev, transfer->fd, transfer->iov, transfer->count);
	return sys.syscall(SYS_pwritev2, transfer->fd, transfer->iov, transfer->count, -1L, -1L,
			   transfer->flags);
}

static void note_written(struct description *description, struct claim_slot *slot,
			 const struct transfer *transfer, struct place *place, ssize_t written)
{
	int saved_errno = errno;

	if (written > 0) {
		int64_t end = place->start + written;

		/* Read back: someone we don't see may have moved the offset and written, too. */
		if (place->append ||
		    (!transfer->at_offset && atomic_exchange(&description->nested, false))) {
			end = sys.lseek(transfer->fd, 0, SEEK_CUR);
			if (end < 0) /* a filter of system calls that came after the claim */
				end = place->start + written;
			if (end - written != place->start &&
			    !engage_is_behind(description, transfer->fd)) {
				description->at_end = false;
				return;
			}
			place->start = end - written;
		}
		seal_note_write(slot, transfer, place->start, written);
		if (end > atomic_load(&slot->positions.data_end)) {
			slot_wrote(slot, end);
			atomic_fetch_add_explicit(&description->appends, 1, memory_order_relaxed);
			atomic_fetch_add_explicit(&description->bytes_appended, (uint64_t)written,
						  memory_order_relaxed);
		}
		if (transfer->at_offset)
			description->at_end = false;
	}
	errno = saved_errno;
}

/* Without the lock. */
static void make_way(struct description *description, struct claim_slot *slot,
		     const struct transfer *transfer, const struct place *place,
		     enum verdict verdict)
{
	switch (verdict) {
	case ASTRAY:
		files_forget(transfer->fd);
		break;
	case BEHIND:
		engage_extend(description, slot, place->start, place->end);
		break;
	case STAKED:
		seal_harden(description, slot, transfer->fd);
		break;
	case SPARSE:
		engage_pause(description, KEEP_FAILED);
		description_settle(description);
		break;
	case APART:
		description_settle(description);
		break;
	case GOES:
	case LOST:
	case FAILS:
		break;
	}
}

/* Lets go of the lock. True: what it has not counted is left behind the data. */
static bool write_in_place(struct description *description, struct claim_slot *slot,
			   struct transfer *transfer, struct place *place, struct owner_hold *hold,
			   ssize_t *result)
{
	bool to_end = transfer->to_end, is_short;

	transfer->to_end = false;
	*result = place->borrows ? write_here(transfer) : transfer->call(transfer);
	transfer->to_end = to_end;
	note_written(description, slot, transfer, place, *result);
	is_short = *result < 0 ? errno == EFAULT : *result < (ssize_t)transfer->bytes;
	if (is_short)
		atomic_store(&slot->uncounted_end, place->end);
	/* Before the offset goes elsewhere: a nested call would take it for the end of this one. */
	slot_announce(slot, INTENT_NONE, 0, 0);
	if (place->borrows && owner_of(&slot->lock) != thread_id())
		mend_await(slot);
	if (place->borrows || *result <= 0)
		place_return_offset(description, transfer, place);
	if (!slot_let_go(slot, hold)) {
		/* By a call nested in this one: the cut was over before that returned. */
		if (transfer->at_offset || !hold->suspended)
			*result = mend_robbed(description, slot, transfer, place, *result);
		if (!hold->known)
			atomic_fetch_sub(&slot->robbed, 1);
	}
	return is_short;
}

/* It goes with the cut. */
static void settle_short(struct description *description)
{
	int saved_errno = errno;

	description_settle(description);
	errno = saved_errno;
}

/* False: the file isn't extended (any more), look again. */
static bool write_extended(struct description *description, struct claim_slot *slot,
			   struct transfer *transfer, ssize_t *result)
{
	struct owner_hold hold;
	struct place place;
	enum verdict verdict;
	bool is_short;

	files_check_guardian();
	if (!slot_lock(slot, &hold)) {
		/* Behind what the outer call may never write: an ordinary file's matter. */
		if (transfer->at_offset && atomic_load(&description->append)) {
			description_settle(description);
			return false;
		}
		*result = write_nested(description, slot, transfer);
		return true;
	}
	if (!slot_is_extended(slot) || table_get(transfer->fd) != description) {
		slot_unlock(slot, &hold);
		return false;
	}
	verdict = place_take(description, slot, transfer, &place);
	if (verdict == FAILS)
		*result = transfer->call(transfer);
	if (verdict != GOES) {
		slot_unlock(slot, &hold);
		make_way(description, slot, transfer, &place, verdict);
		return verdict == FAILS;
	}
	is_short = write_in_place(description, slot, transfer, &place, &hold, result);
	if (is_short)
		settle_short(description);
	else
		seal_after_append(description, slot, transfer);
	if (!is_short && description->synchronous)
		auto_note_sync(description, transfer->fd, -1);
	/*
	 * Another call than the program's has failed: the ordinary file is to say how its own does. But
	 * for EFBIG, which has raised SIGXFSZ.
	 */
	if (!place.borrows || *result >= 0 || errno == EFBIG)
		return true;
	transfer->apart = true;
	return false;
}

static void note_plain(struct description *description, const struct transfer *transfer,
		       ssize_t written)
{
	description_earn(description, written);
	if (transfer->at_offset && !transfer->to_end)
		description_reached(description, transfer->offset + written);
	if (transfer->flags & (RWF_DSYNC | RWF_SYNC))
		seal_note_synced(description, seal_before_sync(description, transfer->fd));
	if (description->synchronous)
		auto_note_sync(description, transfer->fd, -1);
}

/* False: the file has become an extended one, or the descriptor leads elsewhere. */
static bool write_plain(struct description *description, struct transfer *transfer,
			ssize_t *result)
{
	struct gate_pass pass;
	bool gives_up = false;

	if (!engage_is_out_of_question(description) && engage_is_due(description, transfer) &&
	    engage_take(description, transfer))
		return false;
again:
	gate_enter(&description->gate, &pass);
	if (appends_by_flag_alone(description, transfer))
		description_settle(description);
	if (slot_is_extended(atomic_load(&description->slot)) ||
	    table_get(transfer->fd) != description) {
		gate_leave(&description->gate, &pass);
		return false;
	}
	if ((atomic_load_explicit(&description->reasons, memory_order_relaxed) & KEEP_TOPPED_UP) &&
	    !keep_before_write(description, transfer) && !gives_up) {
		gate_leave(&description->gate, &pass);
		keep_give_back(description, transfer->fd);
		/* Where they can't be given back (somebody else has the file open) they stay, and no more come. */
		if (atomic_load(&description->kept))
			atomic_store(&description->keep_retry_at, INT64_MAX);
		gives_up = true;
		goto again;
	}
	*result = transfer->call(transfer);
	if (*result > 0)
		note_plain(description, transfer, *result);
	gate_leave(&description->gate, &pass);
	if (atomic_load_explicit(&description->kept, memory_order_relaxed))
		keep_after_write(description, transfer->fd);
	return true;
}

/* False: the descriptor has come to lead elsewhere. */
static bool write_managed(struct description *description, struct transfer *transfer,
			  ssize_t *result)
{
	while (table_get(transfer->fd) == description) {
		struct claim_slot *slot = atomic_load_explicit(&description->slot,
							       memory_order_acquire);
		int64_t data_end = atomic_load_explicit(&slot->positions.data_end,
							memory_order_acquire);

		if (data_end < 0 || appends_by_flag_alone(description, transfer)) {
			if (write_plain(description, transfer, result))
				return true;
			continue;
		}
		if (transfer->at_offset && !atomic_load(&description->append) &&
		    transfer->offset <= data_end - (int64_t)transfer->bytes &&
		    !seal_is_at_stake(slot, transfer->offset, (int64_t)transfer->bytes)) {
			*result = transfer->call(transfer);
			/* Cut meanwhile: then this write comes after the cut. */
			if (*result > 0 &&
			    transfer->offset + *result > atomic_load(&slot->positions.data_end))
				note_late(slot, transfer, *result);
			return true;
		}
		if (write_extended(description, slot, transfer, result))
			return true;
	}
	return false;
}

static ssize_t write_any(struct transfer *transfer)
{
	struct description *description;

	while ((description = table_get(transfer->fd))) {
		ssize_t result = -1;
		bool done;

		if (!description_hold(description, transfer->fd))
			continue;
		done = write_managed(description, transfer, &result);
		description_let_go(description);
		if (done)
			return result;
	}
	return transfer->call(transfer);
}

/*
 * An ordinary file knows what comes of these, past its end: EFAULT leaves it grown up to the start of
 * the write, on some filesystems (ext4 and tmpfs of Linux 6.18); an unaligned direct write may move
 * mtime before it fails (XFS), or not fail at all.
 */
static bool is_told_by_file(const struct description *description, int error)
{
	return error == EFAULT || (error == EINVAL && atomic_load(&description->direct));
}

/* It has come short, or failed. again: as it was asked for. */
static ssize_t write_out(const struct description *description, struct transfer *again,
			 ssize_t result)
{
	result = reclaim_write(again, result, write_any);
	if (result < 0 && is_told_by_file(description, errno))
		result = mend_failed(again);
	if (result < (ssize_t)again->bytes && (result >= 0 || errno == EFAULT))
		mend_distrust(again->fd);
	return result;
}

/* before: the errno of then; what has failed on the way to a success was none of the program's. */
static ssize_t finish(const struct description *description, struct transfer *again, ssize_t written,
		      int before)
{
	if (written < (ssize_t)again->bytes && again->bytes > 0)
		written = write_out(description, again, written);
	if (written >= 0)
		errno = before;
	return written;
}

ssize_t files_write(struct description *description, struct transfer *transfer)
{
	int64_t offset = transfer->offset;
	bool apart = transfer->apart;
	ssize_t result;
	int cancel, saved_errno = errno;

	if (transfer->bytes == 0)
		return transfer->call(transfer);
	pthread_testcancel();
	cancel = cancel_disable();
	result = write_any(transfer);
	transfer->offset = offset;
	transfer->apart = apart;
	result = finish(description, transfer, result, saved_errno);
	cancel_restore(cancel);
	return result;
}

ssize_t files_overwrote(struct description *description, struct transfer *transfer,
			const struct glance *glance, ssize_t written)
{
	int cancel = cancel_disable(), saved_errno = errno;

	if (written > 0 && description_hold_in(description, glance->lives)) {
		if (!glance_overwrote(glance, transfer->offset, (size_t)written))
			note_late(glance->slot, transfer, written);
		description_let_go(description);
	}
	written = finish(description, transfer, written, saved_errno);
	cancel_restore(cancel);
	return written;
}

ssize_t files_passed(struct description *description, struct transfer *transfer, ssize_t written,
		     int before)
{
	int cancel = cancel_disable();

	written = finish(description, transfer, written, before);
	cancel_restore(cancel);
	return written;
}

ssize_t files_overwrote_ordinary(struct description *description, struct transfer *transfer,
				 ssize_t written)
{
	/* What it has written may have been cut away. Nobody has been told of it, so it may as well be made now. */
	if (written >= 0)
		return files_write(description, transfer);
	return files_passed(description, transfer, written, errno);
}

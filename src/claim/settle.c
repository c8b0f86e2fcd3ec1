/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/settle.h"

#include "base/clock.h"
#include "base/sys.h"
#include "claim/lease.h"
#include "claim/operations.h"
#include "claim/seal.h"
#include "claim/zeroes.h"
#include "recovery/restore.h"
#include "recovery/tail.h"

#include <errno.h>
#include <unistd.h>

#define MOST_TRIES 3

/* Again, if it fails once: without O_APPEND the program would write over what others append. */
static void set_append(const struct claimed *claimed, bool on)
{
	for (int tries = 0; claimed->append && tries < MOST_TRIES; tries++) {
		int flags = sys.fcntl(claimed->fd, F_GETFL);

		if (flags >= 0 && sys.fcntl(claimed->fd, F_SETFL,
					    on ? flags | O_APPEND : flags & ~O_APPEND) == 0)
			break;
	}
}

static bool append_is_cleared(const struct claimed *claimed)
{
	return !claimed->append || !(sys.fcntl(claimed->fd, F_GETFL) & O_APPEND);
}

/* The record's page isn't the program's: a write that reaches it is one behind file_end. */
static int64_t behind_record(const struct claimed *claimed, int64_t end)
{
	int64_t file_end = atomic_load(&claimed->positions.file_end);

	return claimed->record_at && end > claimed->record_at && end <= file_end ? file_end + 1 : end;
}

static bool is_possible(const struct claimed *claimed, int64_t data_end)
{
	return data_end >= atomic_load(&claimed->positions.data_end) &&
	       data_end <= atomic_load(&claimed->positions.file_end);
}

void claimed_note_end(struct claimed *claimed)
{
	int64_t data_end = atomic_load(&claimed->slot->positions.data_end);

	if (slot_is_sound(claimed->slot) && is_possible(claimed, data_end))
		filter_wrote(&claimed->positions, data_end);
}

/*
 * Where the program's data ends now, in a file of this size, becomes our own data_end. Of two different
 * values the larger is no loss. False: garbage; nothing is known but that data ends there or later.
 */
static bool find_data_end(struct claimed *claimed, int64_t size)
{
	int64_t data_end = atomic_load(&claimed->slot->positions.data_end);
	int64_t check = ~atomic_load(&claimed->slot->data_end_check);

	/* A nested append isn't kept inside what is allocated. */
	if (size > atomic_load(&claimed->positions.file_end))
		atomic_store(&claimed->positions.file_end, size);
	if (!is_possible(claimed, data_end) || !is_possible(claimed, check))
		return false;
	filter_wrote(&claimed->positions, data_end);
	filter_wrote(&claimed->positions, check);
	return true;
}

/* What others may know of it. */
static void publish(struct claimed *claimed)
{
	struct claim_slot *slot = claimed->slot;
	int64_t data_end = atomic_load(&claimed->positions.data_end);

	atomic_store(&slot->positions.file_end, atomic_load(&claimed->positions.file_end));
	atomic_store(&slot->positions.data_end, data_end);
	atomic_store(&slot->data_end_check, ~data_end);
}

/* Whatever it was before: odd from the one to the other. */
static void sequence_begin(struct claim_slot *slot)
{
	atomic_store(&slot->sequence, (atomic_load(&slot->sequence) + 1) | 1);
}

static void sequence_end(struct claim_slot *slot)
{
	atomic_store(&slot->sequence, (atomic_load(&slot->sequence) | 1) + 1);
}

void claimed_adopt(struct claimed *claimed)
{
	int64_t size = -1;

	filter_disengage(&claimed->positions);
	if (!slot_is_extended(claimed->slot))
		return;
	for (int tries = 0; size < 0 && tries < MOST_TRIES; tries++)
		size = claimed_ops.getlength(claimed);
	/* Looked at again before the cut. */
	if (size < 0)
		size = atomic_load(&claimed->slot->positions.file_end);
	atomic_store(&claimed->positions.file_end, size);
	atomic_store(&claimed->positions.data_end, 0);
	claimed->ahead_end = INT64_MAX; /* there may be blocks */
}

/* A KEEP_SIZE allocation of the program's own went with the cut. */
static void restore_program_keep(const struct claimed *claimed, int64_t size,
				 const struct stat *before)
{
	int64_t keep_end = atomic_load(&claimed->slot->program_keep_end);

	/* Never more than there was. */
	if (keep_end > size && keep_end - size <= before->st_blocks * 512)
		sys.fallocate(claimed->fd, FALLOC_FL_KEEP_SIZE, size, keep_end - size);
}

/*
 * After a write that faulted ext4 has zeroes in the cache behind the end of the file, and writes them out
 * once the file reaches over them. Who can't read them would take them for somebody's: they go first, with
 * the program's own blocks behind the end.
 */
static int clear_behind_end(struct claimed *claimed, int64_t size)
{
	return claimed->readable || tail_is_vacant(claimed->fd, size)
		       ? 0
		       : claimed_ops.truncate(claimed, size);
}

/* From an ordinary file. */
static int engage(struct claimed *claimed, const struct stat *before)
{
	int ret = filter_engage(&claimed->positions, &claimed_ops, claimed);

	if (ret < 0)
		return ret;
	set_append(claimed, false);
	/* An append-only inode (chattr +a); or the settle couldn't put mtime back (seccomp). */
	if (!append_is_cleared(claimed) || restore_times(claimed->fd, before) < 0)
		return -EPERM;
	return clear_behind_end(claimed, atomic_load(&claimed->positions.file_end));
}

/* By how much the size grows ahead at once. */
static int64_t claimed_step(const struct claimed *claimed)
{
	int64_t step = claimed->options.prealloc_size;

	if (claimed->piecemeal)
		return 0;
	if (claimed->most > 0 && claimed->most < step)
		step = claimed->most;
	return claimed->writes && step > ZEROES_AT_ONCE ? ZEROES_AT_ONCE : step;
}

int claimed_extend(struct claimed *claimed, int64_t offset, int64_t end, int64_t max_end)
{
	struct claim_slot *slot = claimed->slot;
	struct filter_options options = claimed->options;
	bool engaged = claimed_is_extended(claimed);
	int64_t started = clock_now(), was;
	struct stat before;
	bool grown;
	int ret;

	if (sys.fstat(claimed->fd, &before) < 0)
		return -errno;
	if (engaged && !find_data_end(claimed, before.st_size))
		return -EUCLEAN;
	options.prealloc_size = claimed_step(claimed);
	atomic_store(&slot->size_before, engaged ? FILTER_UNKNOWN : before.st_size);
	sequence_begin(slot);
	if (!engaged) {
		claimed->written = false;
		claimed->ahead_end = 0;
		atomic_store(&slot->uncounted_end, 0);
		atomic_store(&slot->nonzero_end, 0);
	}
	ret = engaged ? 0 : engage(claimed, &before);
	was = atomic_load(&claimed->positions.file_end);
	if (ret == 0) {
		ret = filter_handle_write(&claimed->positions, &options, &claimed_ops, claimed, offset,
					  behind_record(claimed, end), max_end);
		/* Not if there was room: another thread's question has come first. */
		if (ret == 0 && atomic_load(&claimed->positions.file_end) > was)
			ret = seal_extended(claimed);
		restore_times(claimed->fd, &before);
	}
	/* A failed extension that couldn't be put back: the slot says so, and the settle tries again. */
	grown = atomic_load(&claimed->positions.file_end) > before.st_size;
	/* Not before the size is what the slot says. */
	if (ret == 0 || engaged || grown) {
		atomic_fetch_add(&slot->bytes_extended,
				 (uint64_t)(atomic_load(&claimed->positions.file_end) - was));
		publish(claimed);
	} else {
		filter_disengage(&claimed->positions);
		set_append(claimed, true);
		seal_remove(claimed);
		claimed_free_ahead(claimed, before.st_size);
		if (certainty_holds(&claimed->certainty, claimed->fd)) {
			restore_program_keep(claimed, before.st_size, &before);
			restore_times(claimed->fd, &before);
		}
	}
	atomic_store(&slot->size_before, FILTER_UNKNOWN);
	if (ret == 0)
		atomic_fetch_add(&slot->extensions, 1);
	atomic_fetch_add(&slot->extend_ns, (uint64_t)(clock_now() - started));
	sequence_end(slot);
	return ret;
}

int claimed_record(struct claimed *claimed, bool open, int64_t max_end)
{
	struct stat st;
	int ret;

	if (sys.fstat(claimed->fd, &st) < 0)
		return -errno;
	if (!claimed_is_extended(claimed) || !find_data_end(claimed, st.st_size))
		return -EUCLEAN;
	/* Asked for by who has looked in the middle of another thread's append. */
	if (slot_told_end(claimed->slot) == atomic_load(&claimed->positions.data_end) &&
	    !atomic_load(&claimed->slot->recorded_open))
		return 0;
	/* Found open, all that was written ahead would count as data. */
	open &= !claimed->written;
	ret = seal_record(claimed, open);
	if (ret != -ENOSPC)
		return ret;
	ret = claimed_extend(claimed, atomic_load(&claimed->positions.data_end),
			     atomic_load(&claimed->positions.file_end) + 1, max_end);
	return ret < 0 ? ret : seal_record(claimed, open);
}

/* Counted for a thread that can't. */
static void count_written(struct claimed *claimed, int64_t end)
{
	filter_wrote(&claimed->positions, end);
	slot_wrote(claimed->slot, end);
}

static void count_interrupted(struct claimed *claimed)
{
	int64_t done;

	claimed->write_offset = sys.lseek(claimed->fd, 0, SEEK_CUR);
	done = claimed->write_offset < claimed->write_end ? claimed->write_offset
							  : claimed->write_end;
	if (done > claimed->write_start)
		count_written(claimed, done);
}

static int prove_and_cut(struct claimed *claimed, int64_t *covered)
{
	int64_t more;
	int ret;

	*covered = 0;
	for (;;) {
		ret = filter_settle(&claimed->positions, &claimed_ops, claimed, &more);
		*covered += more;
		if (ret != -ECANCELED)
			return ret;
		count_interrupted(claimed);
	}
}

/*
 * Where what an interrupted write has written ends at the latest, after the cut; INT64_MAX: all of
 * it is there, or still to come. Who continues the thread between claimed_write_has_come and the cut has it
 * write what is cut at once: then the offset is behind the end. Behind the cut it is there, wherever its thread
 * finds the offset later, which others' appends move.
 */
static int64_t interrupted_end(const struct claimed *claimed)
{
	off_t offset = claimed->write_end > 0 ? sys.lseek(claimed->fd, 0, SEEK_CUR) : -1;
	struct stat st;

	if (claimed->write_end > 0 && offset == claimed->write_offset)
		return INT64_MAX;
	if (sys.fstat(claimed->fd, &st) < 0)
		return 0;
	return offset >= 0 && offset <= st.st_size ? INT64_MAX : st.st_size;
}

/*
 * Lost, or about to be: whoever waits goes on. Where nobody has the file any more, it is ours again; what has
 * been done to it meanwhile the proof finds.
 */
static bool claim_is_certain(struct claimed *claimed)
{
	if (certainty_holds(&claimed->certainty, claimed->fd))
		return true;
	if (!claimed->signal)
		return false;
	lease_release(claimed->fd);
	return lease_take(claimed->fd, claimed->signal, &claimed->certainty) == 0;
}

/*
 * What fails once (no memory, a bad block that is read at the second time) mustn't leave the tail there:
 * the program would append behind it. before: as it was, valid if looked.
 */
static int try_to_cut(struct claimed *claimed, struct stat *before, bool *looked, int64_t *covered)
{
	int64_t more;
	int ret = 0;

	*looked = false;
	*covered = 0;
	for (int tries = 0; tries < MOST_TRIES; tries++) {
		if (ret == -ESTALE)
			*looked = false;
		if (!claim_is_certain(claimed))
			return -ESTALE;
		if (!*looked && sys.fstat(claimed->fd, before) < 0) {
			ret = -errno;
			continue;
		}
		if (!*looked && !find_data_end(claimed, before->st_size))
			return -EUCLEAN;
		*looked = true;
		ret = prove_and_cut(claimed, &more);
		*covered += more;
		if (ret == 0)
			break;
	}
	return ret;
}

int claimed_settle(struct claimed *claimed, enum settle_reason reason)
{
	struct claim_slot *slot = claimed->slot;
	struct stat before;
	int64_t covered;
	bool looked;
	int ret;

	if (!claimed_is_extended(claimed))
		return 0;
	sequence_begin(slot);
	claimed->settling = true;
	ret = try_to_cut(claimed, &before, &looked, &covered);
	claimed->settling = false;
	/* Time and mode may be somebody else's. */
	if (looked && ret != -ESTALE) {
		int64_t data_end = atomic_load(&claimed->positions.data_end);

		atomic_fetch_add(&slot->bytes_cut, (uint64_t)(before.st_size - data_end));
		if (ret == 0)
			claimed_free_ahead(claimed, data_end);
		restore_program_keep(claimed, data_end, &before);
		restore_mode(claimed->fd, &before);
		restore_times(claimed->fd, &before);
	}
	if (ret == -ESTALE)
		claimed_note_end(claimed);
	if (ret == 0)
		seal_remove(claimed);
	else
		seal_doubt(claimed);
	if (atomic_load(&slot->robbed))
		atomic_store(&slot->robbed_end, ret == -ESTALE ? INT64_MAX : interrupted_end(claimed));
	claimed->uncounted_end = claimed->write_end = 0;
	atomic_store(&slot->uncounted_end, 0);
	set_append(claimed, true);
	atomic_fetch_add(&slot->covered, (uint64_t)covered);
	atomic_fetch_add(&slot->settles, 1);
	atomic_store(&slot->settled_at, clock_now());
	atomic_store(&slot->reason, reason);
	filter_disengage(&claimed->positions);
	filter_disengage(&slot->positions);
	sequence_end(slot);
	return ret;
}

/*
 * f_pos moves when the write is done, by what it wrote (vfs_write), and a stopped or dying thread
 * stops only on its way out of the kernel: the offset of a write(2) is exact. For a pwrite the
 * bytes have to tell. Where we can't read them it counts as not done: were it counted and had not
 * begun, others would see zeroes that nobody wrote.
 */
void claimed_catch_up(struct claimed *claimed)
{
	struct claim_slot *slot = claimed->slot;
	int64_t start = atomic_load(&slot->intent_start);
	int64_t end = atomic_load(&slot->intent_end);
	int64_t done = start;
	struct stat st;

	/* Nobody announces what isn't allocated. */
	if (start < 0 || end < start || sys.fstat(claimed->fd, &st) < 0 ||
	    (end > st.st_size && end > atomic_load(&claimed->positions.file_end)))
		return;
	switch (atomic_load(&slot->intent)) {
	case INTENT_AT_POSITION:
		claimed->write_start = start;
		claimed->write_end = end;
		count_interrupted(claimed);
		break;
	case INTENT_AT_OFFSET:
		if (claimed->readable)
			done = tail_data_end(claimed->fd, true, false, start, end);
		else
			claimed->uncounted_end = end;
		break;
	default:
		return;
	}
	atomic_store(&slot->intent, INTENT_NONE);
	if (done > start)
		count_written(claimed, done);
}

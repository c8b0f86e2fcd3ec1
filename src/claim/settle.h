/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two changes of a claimed file's real size: extend and settle. The guardian makes them; the
 * library itself only when it has lost its guardian.
 */
#ifndef CLAIM_SETTLE_H
#define CLAIM_SETTLE_H

#include "claim/habit.h"
#include "claim/slot.h"
#include "recovery/cut.h"
#include "recovery/mark.h"

#include <sys/types.h>

struct claimed {
	int fd;
	struct certainty certainty; /* that nobody else has the file */
	int signal; /* of a challenge, should the lease have to be taken anew; 0: it isn't */
	bool readable;
	bool append;	   /* the program sees O_APPEND; cleared while extended */
	bool piecemeal;	   /* btrfs: pieces of prealloc_align only */
	bool in_memory;
	bool writes;	   /* what is allocated from now on is written with zeroes */
	/* Valid while extended. */
	bool written;	   /* some of it is: blocks don't tell where the data end */
	int64_t ahead_end; /* of our blocks behind file_end, at most; 0: there are none */
	uint32_t min_free; /* percent */
	struct filter_options options;
	int64_t most;	   /* bytes that the size grows ahead at once; 0: prealloc_size */
	struct claim_slot *slot;
	/*
	 * Our own, by which we cut; unknown: not extended. data_end is where the program's data ended at
	 * the last look: a slot that says less, or more than the file is long, is scribbled over.
	 */
	struct filter_positions positions;
	/* Valid while extended; key 0: the filesystem takes none, and needs none. */
	struct mark mark;
	int64_t record_at; /* 0: there is no record */
	struct habit habit;
	bool settling;	   /* what is cut now is cut for good */
	/* Valid between claimed_catch_up and the settle; 0: no such write was interrupted. */
	int64_t uncounted_end; /* bytes of a pwrite that didn't count end here */
	int64_t write_start, write_end; /* of a write at the description's offset, */
	off_t write_offset;		/* which was this */
};

static inline bool claimed_is_extended(const struct claimed *claimed)
{
	return atomic_load(&claimed->positions.data_end) >= 0;
}

/*
 * The guardian has ended, and what it knew is lost: its slot has to do. With the slot's lock held, or
 * before it is taken over.
 */
void claimed_adopt(struct claimed *claimed);

/* Moves our own data_end to the slot's, if that can be true. Without the lock. */
void claimed_note_end(struct claimed *claimed);

/*
 * With the slot's lock held and the claim certain. The file gets extended for a write of
 * [offset, end), or stays as it was: returns 0, or -errno of filter_handle_write.
 */
int claimed_extend(struct claimed *claimed, int64_t offset, int64_t end, int64_t max_end);

/*
 * With the slot's lock held: writes down where the data ends, see seal_record; extends the file where
 * there is no room for that.
 */
int claimed_record(struct claimed *claimed, bool open, int64_t max_end);

/*
 * With the slot's lock held: the file becomes an ordinary one again, with the size, mtime and flags
 * that the program knows. 0, or -errno when the tail could not be cut (it stays; nothing is lost):
 * -EUCLEAN: somebody has scribbled over the slot, where the data ends isn't known; -ESTALE: somebody else may
 * have the file, and may have written behind our tail.
 */
int claimed_settle(struct claimed *claimed, enum settle_reason reason);

struct statfs;

/* How many bytes may be taken so that min_free percent of the filesystem stay. */
int64_t space_headroom(const struct statfs *space, uint32_t min_free);

/* Of that, one file has no more than this part in blocks past its end: many may be written to at once. */
#define SPACE_SHARE 64

/*
 * The lock was taken over from a dead or stopped owner, in whose append no call has returned to the
 * program: counts what is known to be written, so that the settle keeps it. The rest goes with the
 * tail; should the owner go on, it writes it again (mend_robbed).
 */
void claimed_catch_up(struct claimed *claimed);

#endif

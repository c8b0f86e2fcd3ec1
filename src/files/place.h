/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a write to an extended file goes, and saying so before it is made. Internal to src/files. */
#ifndef FILES_PLACE_H
#define FILES_PLACE_H

#include "files/files.h"

#include <signal.h>

struct place {
	bool append;
	/*
	 * An append by pwrite: made at the description's offset all the same, which tells how far it
	 * came, should it be interrupted; then that is put back.
	 */
	bool borrows;
	int64_t start, end;
	off_t moved_from; /* >= 0: the offset before it was set to data_end */
	sigset_t signals; /* valid with borrows: those to be restored, a handler would see it */
};

enum verdict {
	GOES,	/* to its place, in what is allocated ahead */
	LOST,	/* the lock was taken over meanwhile: nothing is written yet */
	FAILS,	/* the kernel says why */
	ASTRAY, /* the descriptor has come to stand for another file */
	BEHIND, /* file_end has to move first */
	STAKED, /* the end is known by what it overwrites: that has to be recorded first */
	APART,	/* an ordinary file's matter, */
	SPARSE, /* and the next ones perhaps, too */
};

/*
 * With the slot's lock held. GOES: the write may be made at place, is announced, and the offset is
 * where it has to be; place_return_offset puts that back. Otherwise nothing has changed.
 */
enum verdict place_take(struct description *description, struct claim_slot *slot,
			const struct transfer *transfer, struct place *place);

void place_return_offset(struct description *description, const struct transfer *transfer,
			 struct place *place);

/* What this thread is about to do: whoever takes its lock over goes by it. */
void slot_announce(struct claim_slot *slot, enum slot_intent intent, int64_t start, int64_t end);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a write leaves behind that failed, came short, or lost its lock on the way. Internal to
 * src/files. Thread-safe; none may be called by who holds a slot's lock, but where it is said.
 */
#ifndef FILES_MEND_H
#define FILES_MEND_H

#include "files/files.h"

/* Where a write to an extended file goes. */
struct place {
	bool append;
	int64_t start, end;
	off_t moved_from; /* >= 0: the offset before it was set to data_end */
};

/*
 * Makes a write again, in part or whole, that the guardian's cut may have taken away: it had taken
 * over the lock from this thread. written: what the call has returned.
 */
void mend_robbed(struct description *description, struct claim_slot *slot,
		 const struct transfer *transfer, const struct place *place, ssize_t written);

/* With the slot's lock held, after a write that came short: nothing may be left past data_end. */
void mend_uncounted(struct claim_slot *slot, const struct transfer *transfer,
		    const struct place *place, ssize_t written);

/* The failed write once more, on an ordinary file: its answer, and what it leaves, are that file's. */
ssize_t mend_failed(struct transfer *transfer);

/* After a write that came short: the file is no longer extended where its blocks can't be read. */
void mend_distrust(int fd);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a write leaves behind that failed, came short, or lost its lock on the way. Internal to
 * src/files. Thread-safe; not to be called with a slot's lock held.
 */
#ifndef FILES_MEND_H
#define FILES_MEND_H

#include "files/place.h"

/*
 * The guardian had taken over the lock from this thread: makes a write again that its cut may have
 * taken away. written: what the call has returned. Returns what it returns now.
 */
ssize_t mend_robbed(struct description *description, struct claim_slot *slot,
		    const struct transfer *transfer, const struct place *place, ssize_t written);

/* The guardian had taken over the lock: until it has settled the file. */
void mend_await(struct claim_slot *slot);

/* The failed write once more, on an ordinary file: its answer, and what it leaves, are that file's. */
ssize_t mend_failed(struct transfer *transfer);

/* After a write that came short: the file is no longer extended where its blocks can't be read. */
void mend_distrust(int fd);

#endif

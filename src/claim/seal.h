/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an extended file has about itself on the disk, for whoever finds it after a crash: the mark and
 * the record of its end (src/recovery). Internal to src/claim and src/guardian; with the slot's lock
 * held. Functions return 0 or -errno.
 */
#ifndef CLAIM_SEAL_H
#define CLAIM_SEAL_H

#include "claim/settle.h"

/* Before the first extension: who the file is. floor: the mark's. */
int seal_begin(struct claimed *claimed, int64_t floor);

/* Before each allocation, from the real size to file_end. */
int seal_mark(struct claimed *claimed, int64_t size, int64_t file_end);

/* After it: the record goes to the new end, if there has to be one. */
int seal_extended(struct claimed *claimed);

/* Before the cut to end. */
int seal_settle(struct claimed *claimed, int64_t end);

/* After the cut, or instead of an extension that has failed. */
void seal_remove(struct claimed *claimed);

/* Nothing is cut: whoever recovers the file is to take whole blocks for data. */
void seal_doubt(struct claimed *claimed);

/*
 * Records where the data ends now. open: appends that end in zeroes may follow, until the next sync.
 * -ENOSPC: there is no room for the record before file_end; -EEXIST: somebody else has written there.
 */
int seal_record(struct claimed *claimed, bool open);

/* tail_data_end, but for the record. */
int64_t seal_tail_data_end(struct claimed *claimed, bool may_seek, int64_t from, int64_t to);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovering a file under a claim of one's own, for a moment, without a guardian. */
#ifndef CLAIM_RECOVER_H
#define CLAIM_RECOVER_H

#include "recovery/recover.h"

/*
 * recover_file, for whoever has just opened fd. -EAGAIN: somebody else has the file open, or opened it
 * just now; otherwise 0 or -errno as recover_file and lease_take. Not async-signal-safe; blocks the
 * thread's signals meanwhile.
 */
int claim_recover(int fd, const struct recover_options *options, struct recovery *recovery);

#endif

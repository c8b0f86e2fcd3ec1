/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovering a file under a claim of one's own, for a moment, without a guardian. */
#ifndef CLAIM_RECOVER_H
#define CLAIM_RECOVER_H

#include "recovery/recover.h"

/*
 * recover_file, for whoever has just opened fd. -EAGAIN: somebody else has the file open, or opened it
 * just now; otherwise 0 or -errno as recover_file and lease_take. Not async-signal-safe. Blocks the thread's
 * signals meanwhile, but gives way to one, or to who waits for the file: -EINTR, and it may be called again.
 */
int claim_recover(int fd, const struct recover_options *options, struct recovery *recovery);

#endif

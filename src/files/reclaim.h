/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Space for a call that has failed for want of it: what this process holds ahead of its files is
 * given back, and what other processes hold that are guarded by a guardian of ours.
 *
 * Thread-safe, async-signal-safe, errno is kept; not to be called with a gate or a slot's lock held.
 */
#ifndef FILES_RECLAIM_H
#define FILES_RECLAIM_H

#include "files/files.h"

#include <errno.h>

/* The call has failed for want of space. */
static inline bool space_is_lacking(void)
{
	return errno == ENOSPC || errno == EDQUOT;
}

/* True: space may have come free where fd lies, so that the failed call is worth another try. */
bool reclaim_for(int fd);

/* The same for where a name is to be made. */
bool reclaim_for_name(int dirfd, const char *path);

/*
 * After a write to a regular file that was refused, or came short, for want of space: goes on with
 * it, by again, as long as that helps. result: what the write has returned. Returns what it returns
 * now.
 */
ssize_t reclaim_write(const struct transfer *transfer, ssize_t result,
		      ssize_t (*again)(struct transfer *transfer));

/* Makes the call, and once more for as long as space can be had for it. */
#define WITH_SPACE(type, call, reclaim) \
	({ \
		int tries_ = RECLAIM_TRIES; \
		type done_; \
		do \
			done_ = (call); \
		while (done_ < 0 && space_is_lacking() && tries_-- > 0 && (reclaim)); \
		done_; \
	})

/* Somebody else may take what was given back: but not for ever. */
#define RECLAIM_TRIES 4

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode auto: what a file has to have shown before it is extended, and how then. Internal to src/files.
 */
#ifndef FILES_AUTO_H
#define FILES_AUTO_H

#include "claim/protocol.h"
#include "files/files.h"

#include <sys/vfs.h>

/*
 * Only syncs gain by it, so only a file that grows from sync to sync is extended: a sync that finds it
 * grown speaks for that, one that doesn't speaks against it by a third. One that lives for a
 * transaction (SQLite's rollback journal is synced twice, then deleted) never is: there an allocation and
 * its cut at each would cost more than all the rest. Nor is a database that is written to in place, and
 * grows now and then.
 */
#define AUTO_FOR 3
#define AUTO_AGAINST 1
#define AUTO_ENOUGH (4 * AUTO_FOR)

static inline bool is_auto(const struct description *description)
{
	return atomic_load_explicit(&description->options.mode, memory_order_relaxed) ==
	       RULE_MODE_AUTO;
}

/* May it be extended? Always in the other modes. */
static inline bool auto_has_earned(const struct description *description)
{
	return !is_auto(description) ||
	       atomic_load_explicit(&description->auto_score, memory_order_relaxed) >= AUTO_ENOUGH;
}

/*
 * A sync costs the same there, and the preallocation comes on top: data are never overwritten in place
 * (after space_look), or there is no disk.
 */
bool auto_leaves_alone(const struct description *description, const struct statfs *fs);

/*
 * After a sync of the file that has succeeded, and after each synchronous write. size: of the file, as
 * the program knew it when the sync began, or -1 to ask for it.
 */
void auto_note_sync(struct description *description, int fd, int64_t size);

/* Extended, the pages ahead are to be written: mode write, or what mode auto does as that. */
bool auto_wants_zeroes(const struct description *description);

/* Fills in flags and `most` of a request for [.., end). */
void auto_fill_request(const struct description *description, struct claim_request *request,
		       int64_t end);

#endif

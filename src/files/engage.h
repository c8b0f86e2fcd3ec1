/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a file is to be extended, and asking for it; locking a slot. Internal to src/files. */
#ifndef FILES_ENGAGE_H
#define FILES_ENGAGE_H

#include "base/clock.h"
#include "claim/protocol.h"
#include "files/auto.h"
#include "files/files.h"

/* Longest wait for a slot's lock before asking whether the guardian that may hold it still lives. */
#define SLOT_PATIENCE (100 * NS_PER_MS)

/*
 * RWF_APPEND alone: a settle gives O_APPEND back to a call under way, but not this, and the call would
 * be made where others have appended since. So it is made on an ordinary file.
 */
static inline bool appends_by_flag_alone(const struct description *description,
					 const struct transfer *transfer)
{
	return transfer->to_end && !atomic_load(&description->append);
}

/* It won't be extended by this write, whatever that is. */
static inline bool engage_is_out_of_question(const struct description *description)
{
	return (atomic_load_explicit(&description->reasons, memory_order_relaxed) & KEEP_FOREVER) ||
	       !auto_has_earned(description);
}

/*
 * This write crosses the end of file, and nothing speaks against extending now. Not to be asked where
 * it is out of question.
 */
bool engage_is_due(struct description *description, const struct transfer *transfer);

/* Takes the claim and extends. True: the file is extended (or was, a moment ago). */
bool engage_take(struct description *description, const struct transfer *transfer);

/* All but the verb and the slot of a question about it. */
void engage_fill_request(struct description *description, struct claim_request *request,
			 int64_t offset, int64_t end);

/* Extends further. Whatever comes of it, the caller looks at the slot again. */
void engage_extend(struct description *description, struct claim_slot *slot, int64_t offset,
		   int64_t end);

/*
 * False: fd was closed behind our back, and its number used anew. Asked where it costs little: where
 * the answer would depend on our data_end, or data_end on what isn't an append to it.
 */
bool engage_is_behind(const struct description *description, int fd);

/* Not again for a while, longer each time. */
void engage_pause(struct description *description, enum keep_reason reason);

/* Takes the lock of a slot. False: this thread holds it already (a nested call). */
bool slot_lock(struct claim_slot *slot, struct owner_hold *hold);

/* False: the lock had been taken over. */
bool slot_unlock(struct claim_slot *slot, struct owner_hold *hold);

/* Takes the lock from a thread that sleeps in a signal handler, by settling. */
void slot_free_from_handler(struct claim_slot *slot);

void slot_wait_wanted(struct claim_slot *slot);

/* An even sequence number of the slot: waits while the guardian changes the file's size. */
uint32_t slot_wait_stable(struct claim_slot *slot);

#endif

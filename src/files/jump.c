/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * longjmp(3) out of a signal handler: POSIX allows it where what was interrupted is
 * async-signal-safe, as write(2) is. What our own frames below the handler hold is given up, since
 * they may never run again; should they after all (a jump inside the handler), then theirs is the
 * case of a thread whose lock was taken from it.
 */
#include "files/files.h"

#include "base/thread.h"
#include "claim/claim.h"

#include <stddef.h>

static void give_up(struct owner_hold *hold)
{
	struct claim_slot *slot = (struct claim_slot *)(void *)((char *)hold->lock -
								offsetof(struct claim_slot, lock));

	bool owned = owner_of(hold->lock) == thread_id();

	/* The guardian counts what the interrupted append has written. */
	if (owned && slot_is_extended(slot)) {
		claim_settle(slot);
		files_check_guardian();
	}
	if (!owner_unlock(hold->lock, thread_id()) && (owned || hold->suspended) && !hold->known)
		atomic_fetch_sub(&slot->robbed, 1);
	hold->known = true;
}

void files_before_jump(void)
{
	struct gate *gate = (struct gate *)thread_state.in_gate;

	if (thread_state.vforked)
		return;
	/* First: what asks the guardian suspends by itself. */
	thread_state.suspended = 0;
	thread_state.by_number = NULL;
	for (struct owner_hold *hold = thread_state.held; hold; hold = hold->outer)
		give_up(hold);
	thread_state.held = NULL;
	if (gate)
		gate_leave(gate, &(struct gate_pass){.inside_already = false});
	cancel_release();
}

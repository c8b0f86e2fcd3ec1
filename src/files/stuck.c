/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A signal handler may wait for another thread (a collector stops the world so), which may want to
 * append to the file whose lock the interrupted thread holds.
 */
#include "files/engage.h"

#include "base/proc.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/claim.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* In a call on the slot's own file the thread isn't anywhere else. */
static bool is_on_slot(unsigned long fd, const struct claim_slot *slot)
{
	struct description *description = fd <= INT32_MAX ? table_get((int)fd) : NULL;

	return description && atomic_load(&description->slot) == slot;
}

/*
 * Asleep in a system call that isn't one on the file: so in a handler. proc_pid_syscall(5): the
 * number and the arguments, or "running". A process may always look at its own threads.
 */
static bool sleeps_elsewhere(uint32_t thread, const struct claim_slot *slot)
{
	char line[256];
	unsigned long first;
	long number;

	return proc_text(line, sizeof(line), "/proc/self/task/%u/syscall", thread) > 0 &&
	       sscanf(line, "%ld 0x%lx", &number, &first) == 2 && number >= 0 &&
	       !is_on_slot(first, slot);
}

void slot_free_from_handler(struct claim_slot *slot)
{
	uint32_t owner = owner_of(&slot->lock);
	int saved_errno = errno;

	if (owner == 0 || owner == GUARDIAN_OWNER || !sleeps_elsewhere(owner, slot) ||
	    !owner_suspend(&slot->lock, owner))
		goto out;
	/* Looked at once more: it may have let go of the lock and taken it again since. */
	if (sleeps_elsewhere(owner, slot)) {
		claim_settle(slot);
		/* As after any challenge: not again for a while, longer each time. */
		atomic_store(&slot->reason, SETTLED_CHALLENGED);
	}
	owner_resume(&slot->lock, owner);
out:
	errno = saved_errno;
}

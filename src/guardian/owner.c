/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guardian/owner.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/sys.h"
#include "claim/protocol.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors go first (exit_files), the pidfd tells last (exit_notify). */
#define END_PATIENCE_MS 20

/* How long a running owner may hold the lock before we ask what has become of it. */
#define PATIENCE NS_PER_MS
/*
 * How long one may sleep in it. A write to these filesystems sleeps uninterruptibly: this one is in
 * a signal handler that waits for something, its buffer is paged in from a slow place, or the
 * program has become another by exec, in which the thread id lives on.
 */
#define HANDLER_PATIENCE (100 * NS_PER_MS)

/*
 * How long one may run. What it writes is safe all the same (settle.h, claimed_catch_up): this one
 * computes in a handler, or doesn't know that it has the lock, since somebody has scribbled over it.
 */
#define RUNNING_PATIENCE (10 * NS_PER_S)

bool program_has_ended(struct program *program)
{
	struct pollfd socket = {.fd = GUARDIAN_SOCKET}, pidfd = {.fd = program->pidfd, .events = POLLIN};

	if (!program->ended)
		program->ended = poll(&socket, 1, 0) == 1 && (socket.revents & POLLHUP) &&
				 (program->pidfd < 0 || poll(&pidfd, 1, END_PATIENCE_MS) == 1);
	return program->ended;
}

/*
 * A thread that is in one of the states, or gone. proc_pid_stat(5): T stopped, t traced to a halt,
 * Z and X dead, S asleep, D inside a write to disk and not to be interrupted. The state follows
 * the last closing bracket (a thread's name may hold brackets).
 */
static bool thread_stands_still(pid_t pid, uint32_t thread, const char *states)
{
	char stat[512];
	const char *state;

	if (proc_text(stat, sizeof(stat), "/proc/%d/task/%u/stat", (int)pid, thread) < 0)
		return errno == ESRCH || (errno == ENOENT && access("/proc/self/stat", F_OK) == 0);
	state = strrchr(stat, ')');
	return state && state[1] == ' ' && strchr(states, state[2]);
}

/*
 * How long one that only reads may sleep, be it in the disk: it may wait for who listens for permission events
 * (fanotify(7)), and who waits for our lease. Nothing that it does depends on the lock any more.
 */
#define READER_PATIENCE (10 * NS_PER_MS)

static const char *states_after(int64_t waited, bool reads)
{
	return waited > RUNNING_PATIENCE	    ? "TtZXxSR"
	       : reads && waited > READER_PATIENCE ? "TtZXxSD"
	       : waited > HANDLER_PATIENCE	    ? "TtZXxS"
						    : "TtZXx";
}

static void announce(struct claim_slot *slot, uint32_t wanted)
{
	atomic_store(&slot->wanted, wanted);
	if (!wanted)
		sys.syscall(SYS_futex, &slot->wanted, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void owner_lock_slot(struct claimed *claimed, const struct program *program)
{
	struct claim_slot *slot = claimed->slot;
	int64_t since = 0;

	if (owner_trylock(&slot->lock, GUARDIAN_OWNER)) {
		/* Nobody else sets it. */
		if (atomic_load(&slot->wanted))
			announce(slot, 0);
		return;
	}
	announce(slot, 1);
	while (!owner_trylock(&slot->lock, GUARDIAN_OWNER)) {
		uint32_t owner = owner_of(&slot->lock);
		bool still = false;

		if (owner == 0) {
			/* Free since; or nobody's, and yet not free: scribbled over. */
			if (owner_take_over(&slot->lock, 0, GUARDIAN_OWNER, false))
				break;
			continue;
		}
		if (!since)
			since = clock_now();
		if (program->ended)
			still = true;
		else if (clock_now() - since > PATIENCE)
			still = thread_stands_still(program->pid, owner,
						    states_after(clock_now() - since,
								 atomic_load(&slot->intent) == INTENT_NONE));
		if (owner_take_over(&slot->lock, owner, GUARDIAN_OWNER, !still)) {
			atomic_fetch_add(&slot->robbed, 1);
			claimed_catch_up(claimed);
			break;
		}
		owner_wait(&slot->lock, PATIENCE);
	}
	announce(slot, 0);
}

void owner_unlock_slot(struct claimed *claimed)
{
	owner_unlock(&claimed->slot->lock, GUARDIAN_OWNER);
}

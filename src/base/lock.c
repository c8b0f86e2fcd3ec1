/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/lock.h"

#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void futex_wait(_Atomic uint32_t *word, uint32_t value, int flag, int64_t timeout_ns)
{
	struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
				   .tv_nsec = timeout_ns % 1000000000};
	int saved_errno = errno;

	sys.syscall(SYS_futex, word, FUTEX_WAIT | flag, value, timeout_ns ? &timeout : NULL, NULL, 0);
	errno = saved_errno;
}

static void futex_wake_all(_Atomic uint32_t *word, int flag)
{
	sys.syscall(SYS_futex, word, FUTEX_WAKE | flag, INT_MAX, NULL, NULL, 0);
}

void owner_wait(owner_lock *lock, int64_t timeout_ns)
{
	uint32_t seen = atomic_load(lock);

	if (seen == 0)
		return;
	if (!(seen & OWNER_WAITERS) &&
	    !atomic_compare_exchange_strong(lock, &seen, seen | OWNER_WAITERS))
		return;
	futex_wait(lock, seen | OWNER_WAITERS, 0, timeout_ns);
}

bool owner_unlock(owner_lock *lock, uint32_t owner)
{
	uint32_t seen = owner;

	if (atomic_compare_exchange_strong(lock, &seen, 0))
		return true;
	if ((seen & OWNER_MASK) != owner)
		return false;
	if (!atomic_compare_exchange_strong(lock, &seen, 0))
		return false;
	futex_wake_all(lock, 0);
	return true;
}

bool owner_take_over(owner_lock *lock, uint32_t from, uint32_t to, bool only_suspended)
{
	uint32_t seen = atomic_load(lock);

	while ((seen & OWNER_MASK) == from && (!only_suspended || (seen & OWNER_SUSPENDED)))
		if (atomic_compare_exchange_weak(lock, &seen, to | (seen & OWNER_WAITERS)))
			return true;
	return false;
}

bool owner_suspend(owner_lock *lock, uint32_t owner)
{
	uint32_t seen = atomic_load(lock);

	while ((seen & OWNER_MASK) == owner && !(seen & OWNER_SUSPENDED))
		if (atomic_compare_exchange_weak(lock, &seen, seen | OWNER_SUSPENDED))
			return true;
	return false;
}

bool owner_resume(owner_lock *lock, uint32_t owner)
{
	uint32_t seen = atomic_load(lock);

	while ((seen & OWNER_MASK) == owner)
		if (atomic_compare_exchange_weak(lock, &seen, seen & ~OWNER_SUSPENDED))
			return true;
	return false;
}

void owner_hold(struct owner_hold *hold, owner_lock *lock)
{
	hold->lock = lock;
	hold->suspended = false;
	hold->known = false;
	hold->outer = thread_state.held;
	atomic_signal_fence(memory_order_seq_cst); /* a handler finds it whole */
	thread_state.held = hold;
}

void owner_release(struct owner_hold *hold)
{
	thread_state.held = hold->outer;
}

void owner_suspend_all(void)
{
	if (thread_state.suspended++ > 0)
		return;
	for (struct owner_hold *hold = thread_state.held; hold; hold = hold->outer)
		if (owner_suspend(hold->lock, thread_id()))
			hold->suspended = true;
}

void owner_resume_all(void)
{
	if (thread_state.suspended == 0 || --thread_state.suspended > 0)
		return;
	for (struct owner_hold *hold = thread_state.held; hold; hold = hold->outer) {
		if (!hold->suspended)
			continue;
		/* Taken over: what the new owner does to the file must be over before we go on. */
		if (owner_resume(hold->lock, thread_id()))
			hold->suspended = false;
		else
			while (owner_of(hold->lock) != 0 && owner_of(hold->lock) != thread_id())
				owner_wait(hold->lock, 1000000);
	}
}

void gate_enter_among_threads(struct gate *gate, struct gate_pass *pass)
{
	uint32_t seen = atomic_load(&gate->word);

	pass->outer = thread_state.in_gate;
	pass->inside_already = pass->outer == gate;
	if (pass->inside_already)
		return;
	for (;;) {
		if (seen & GATE_CLOSING) {
			futex_wait(&gate->word, seen, FUTEX_PRIVATE_FLAG, 0);
			seen = atomic_load(&gate->word);
		} else if (atomic_compare_exchange_weak(&gate->word, &seen, seen + 1)) {
			thread_state.in_gate = gate;
			return;
		}
	}
}

void gate_leave_among_threads(struct gate *gate, const struct gate_pass *pass)
{
	uint32_t seen = atomic_load(&gate->word);

	if (pass->inside_already)
		return;
	thread_state.in_gate = pass->outer;
	/* Not below nobody: a fork's child, or the next user of the description, begins with none. */
	do {
		if ((seen & ~GATE_CLOSING) == 0)
			return;
	} while (!atomic_compare_exchange_weak(&gate->word, &seen, seen - 1));
	if (seen == (GATE_CLOSING | 1))
		futex_wake_all(&gate->word, FUTEX_PRIVATE_FLAG);
}

static void let_in(struct gate *gate)
{
	atomic_fetch_and(&gate->word, ~GATE_CLOSING);
	futex_wake_all(&gate->word, FUTEX_PRIVATE_FLAG);
}

bool gate_close(struct gate *gate, int64_t timeout_ns)
{
	int64_t until = clock_now() + timeout_ns;
	uint32_t seen;

	if (thread_state.in_gate == gate)
		return false;
	if (atomic_fetch_or(&gate->word, GATE_CLOSING) & GATE_CLOSING)
		return false;
	while ((seen = atomic_load(&gate->word)) != GATE_CLOSING) {
		int64_t left = until - clock_now();

		if (left <= 0) {
			let_in(gate);
			return false;
		}
		futex_wait(&gate->word, seen, FUTEX_PRIVATE_FLAG, left);
	}
	/* What is called now and enters it by itself must not wait for us. */
	thread_state.in_before = thread_state.in_gate;
	thread_state.in_gate = gate;
	return true;
}

void gate_open(struct gate *gate)
{
	thread_state.in_gate = thread_state.in_before;
	let_in(gate);
}

void gate_drain(struct gate *gate, int64_t timeout_ns)
{
	int64_t until = 0;
	uint32_t seen;

	if (thread_state.in_gate == gate)
		return;
	while ((seen = atomic_load(&gate->word)) != 0) {
		if (until == 0)
			until = clock_now() + timeout_ns;
		if (!(seen & GATE_CLOSING) && clock_now() >= until)
			return;
		/* Who leaves an open gate wakes nobody. */
		futex_wait(&gate->word, seen, FUTEX_PRIVATE_FLAG, NS_PER_MS);
	}
}

void section_enter(struct section *section, struct section_hold *hold)
{
	uint32_t free = 0;

	_Static_assert(sizeof(hold->saved_signals) >= sizeof(sigset_t), "a sigset_t fits");
	signals_block((sigset_t *)hold->saved_signals);
	hold->saved_cancel = cancel_disable();
	while (!atomic_compare_exchange_strong(&section->word, &free, 1)) {
		if (free == 2 || atomic_compare_exchange_strong(&section->word, &free, 2))
			futex_wait(&section->word, 2, FUTEX_PRIVATE_FLAG, 0);
		free = 0;
		/* Having waited, we can't know that nobody else does: take it as contended. */
		if (atomic_compare_exchange_strong(&section->word, &free, 2))
			return;
		free = 0;
	}
}

void section_leave(struct section *section, struct section_hold *hold)
{
	if (atomic_exchange(&section->word, 0) == 2)
		futex_wake_all(&section->word, FUTEX_PRIVATE_FLAG);
	cancel_restore(hold->saved_cancel);
	signals_restore((const sigset_t *)hold->saved_signals);
}

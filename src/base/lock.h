/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks on a futex word. They live in shared memory or in static data, take no memory of their own
 * and can be taken in a signal handler.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"

/*
 * A lock that knows its owner, so that a nested call (a signal handler's) can tell that it would
 * wait for itself, and the guardian can see that the owner is dead or stopped. Usable between
 * processes.
 */
typedef _Atomic uint32_t owner_lock;

#define OWNER_WAITERS UINT32_C(0x80000000)
#define OWNER_SUSPENDED UINT32_C(0x40000000)
#define OWNER_MASK UINT32_C(0x3fffffff)

static inline uint32_t owner_of(owner_lock *lock)
{
	return atomic_load(lock) & OWNER_MASK;
}

/* One try. owner: not 0, at most OWNER_MASK. */
static inline bool owner_trylock(owner_lock *lock, uint32_t owner)
{
	uint32_t free = 0;

	return atomic_compare_exchange_strong(lock, &free, owner);
}

/* Waits until the lock may be free, or timeout_ns have gone by. */
void owner_wait(owner_lock *lock, int64_t timeout_ns);

/*
 * A signal handler has interrupted the owner inside its section and is about to wait: until
 * owner_resume, others may take the lock over. owner_suspend returns false when owner doesn't hold
 * it, or has suspended it already; owner_resume when somebody has taken it.
 */
bool owner_suspend(owner_lock *lock, uint32_t owner);
bool owner_resume(owner_lock *lock, uint32_t owner);

/* False: owner doesn't hold the lock any more, somebody has taken it over. */
bool owner_unlock(owner_lock *lock, uint32_t owner);

/*
 * Takes the lock away from `from`; only_suspended: not unless it is suspended. False: it isn't
 * theirs any more, or not suspended.
 */
bool owner_take_over(owner_lock *lock, uint32_t from, uint32_t to, bool only_suspended);

/*
 * The owner locks that this thread holds, or is just about to take or has just let go of, innermost
 * first: a nested call adds its own.
 */
struct owner_hold {
	owner_lock *lock;
	bool suspended;	/* until it is resumed: for ever, if it was taken over */
	bool known;	/* whoever took the lock over needn't hear of it any more */
	struct owner_hold *outer;
};

void owner_hold(struct owner_hold *hold, owner_lock *lock);
void owner_release(struct owner_hold *hold);

/* Suspends and resumes all of them, around a wait that others may need them for. */
void owner_suspend_all(void);
void owner_resume_all(void);

/*
 * Plain operations on a file hold the gate's shared side; turning the file into an extended one
 * needs all of them out. Process-private. The holder of the shared side is remembered in
 * thread_state.in_gate: a nested call of the same thread goes straight through.
 */
struct gate {
	_Atomic uint32_t word; /* count of holders, GATE_CLOSING */
};

struct gate_pass {
	bool inside_already; /* a nested call: the outer one holds the gate */
	const void *outer;   /* the gate that this thread was in */
};

#define GATE_CLOSING UINT32_C(0x80000000)

void gate_enter_among_threads(struct gate *gate, struct gate_pass *pass);
void gate_leave_among_threads(struct gate *gate, const struct gate_pass *pass);

static inline void gate_enter(struct gate *gate, struct gate_pass *pass)
{
	uint32_t seen = atomic_load_explicit(&gate->word, memory_order_relaxed);

	if (__builtin_expect(!__libc_single_threaded || (seen & GATE_CLOSING), 0)) {
		gate_enter_among_threads(gate, pass);
		return;
	}
	pass->outer = thread_state.in_gate;
	pass->inside_already = pass->outer == gate;
	if (__builtin_expect(pass->inside_already, 0))
		return;
	count_add(&gate->word, 1);
	thread_state.in_gate = gate;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void gate_leave(struct gate *gate, const struct gate_pass *pass)
{
	uint32_t seen = atomic_load_explicit(&gate->word, memory_order_relaxed);

	if (__builtin_expect(pass->inside_already, 0))
		return;
	if (__builtin_expect(!__libc_single_threaded || seen == 0 || (seen & GATE_CLOSING), 0)) {
		gate_leave_among_threads(gate, pass);
		return;
	}
	atomic_signal_fence(memory_order_seq_cst);
	thread_state.in_gate = pass->outer;
	/* A handler that has forked since: the child's has been started anew. */
	if (__builtin_expect(!count_replace(&gate->word, seen, seen - 1), 0))
		gate_leave_among_threads(gate, pass);
}

/*
 * Waits until nobody is inside and keeps others out. False: somebody else is doing that, this
 * thread is inside, or somebody stays inside for longer than timeout_ns; nothing was taken. To be
 * called with signals blocked.
 */
bool gate_close(struct gate *gate, int64_t timeout_ns);
void gate_open(struct gate *gate);

/*
 * Returns when nobody has it closed, and nobody is inside or timeout_ns have gone by. For who has
 * seen to it that newcomers turn back.
 */
void gate_drain(struct gate *gate, int64_t timeout_ns);

/*
 * Short sections over process-private tables, with every signal and cancellation held back.
 * Not recursive.
 */
struct section {
	_Atomic uint32_t word;
};

struct section_hold {
	uint64_t saved_signals[16]; /* a sigset_t */
	int saved_cancel;
};

void section_enter(struct section *section, struct section_hold *hold);
void section_leave(struct section *section, struct section_hold *hold);

#endif

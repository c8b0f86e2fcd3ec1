/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each thread knows about itself, and the signals it may hold back. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

struct thread_state {
	uint32_t id;         /* gettid(2); 0: not asked yet, or not since a fork */
	const void *in_gate; /* the gate that this thread is inside of, or has closed, or NULL */
	const void *in_before; /* valid while it has one closed: the gate it was inside of before */
	struct owner_hold *held; /* the owner locks it holds, innermost first */
	unsigned int suspended;	 /* how many nested owner_suspend_all are open */
	unsigned int barred;	 /* how many share_begin of this thread hold the bar */
	bool opening;		 /* between share_opening and share_opened */
	unsigned int handed_before[2]; /* valid while opening: see share.c */
	int next_watch;		 /* 1 + the watch of the fork that is under way; 0: none */
	bool cancel_held;	 /* cancellation was possible, and is held back by cancel_disable */
	int cancel_saved;	 /* valid while cancel_held: what its cancel_restore wants */
	const long *by_number;	 /* the arguments of the syscall(2) that is being answered */
	long number;		 /* valid with by_number */
	bool vforked;		 /* a vfork child is running on this thread's stack and state */
	bool pid_follows;	 /* inside our fork wrapper, which will know the child's pid */
};

extern __thread struct thread_state thread_state __attribute__((visibility("hidden")));

uint32_t thread_ask_id(void);

/* gettid(2), asked once. Async-signal-safe. */
static inline uint32_t thread_id(void)
{
	return thread_state.id ? thread_state.id : thread_ask_id();
}

/* In a fork's child: this thread has another id, and holds nothing. */
void thread_reset(void);

/*
 * Holds back every signal, so that no handler runs inside a section that must not be nested.
 * Async-signal-safe; nests, each block with its own saved set.
 */
void signals_block(sigset_t *saved);
void signals_restore(const sigset_t *saved);

/* What cancel_disable_among_threads has seen. */
#define CANCEL_WAS_DISABLED 1
#define CANCEL_WAS_ASYNCHRONOUS 2

int cancel_disable_among_threads(void);
void cancel_restore_among_threads(int saved);

/*
 * Makes the calling thread deaf to pthread_cancel, as everything that holds a lock must be; the
 * request stays pending. Returns what cancel_restore wants. One thread alone nobody could cancel.
 */
static inline int cancel_disable(void)
{
	return __libc_single_threaded ? CANCEL_WAS_DISABLED : cancel_disable_among_threads();
}

static inline void cancel_restore(int saved)
{
	if (saved != CANCEL_WAS_DISABLED)
		cancel_restore_among_threads(saved);
}

/* In the place of all cancel_restore that won't come any more. */
void cancel_release(void);

/*
 * A count that only this process's threads change. While there is one thread its instruction isn't
 * locked, but one it is: a signal handler, which may start the first thread, comes before or after it.
 * Returns what it was.
 */
static inline uint32_t count_add(_Atomic uint32_t *count, uint32_t change)
{
#ifdef __x86_64__
	if (__builtin_expect(__libc_single_threaded, 1)) {
		__asm__ volatile("xaddl %0, %1" : "+r"(change), "+m"(*count) : : "cc", "memory");
		return change;
	}
#endif
	return atomic_fetch_add(count, change);
}

/* The same: from what was seen to what it shall be. False: it is neither any more. */
static inline bool count_replace(_Atomic uint32_t *count, uint32_t seen, uint32_t replacement)
{
#ifdef __x86_64__
	if (__builtin_expect(__libc_single_threaded, 1)) {
		bool replaced;

		__asm__ volatile("cmpxchgl %3, %1"
				 : "=@cce"(replaced), "+m"(*count), "+a"(seen)
				 : "r"(replacement)
				 : "memory");
		return replaced;
	}
#endif
	return atomic_compare_exchange_strong(count, &seen, replacement);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/thread.h"
#include "base/sys.h"


#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread struct thread_state thread_state;

uint32_t thread_ask_id(void)
{
	thread_state.id = (uint32_t)sys.syscall(SYS_gettid);
	return thread_state.id;
}

void thread_reset(void)
{
	thread_state = (struct thread_state){0};
}

void signals_block(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	/* glibc keeps SIGCANCEL and SIGSETXID out of the set by itself. */
	pthread_sigmask(SIG_SETMASK, &all, saved);
}

void signals_restore(const sigset_t *saved)
{
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/*
 * The type first: a SIGCANCEL that was sent while the thread was still cancellable goes by the type
 * alone when it arrives (glibc 2.36, nptl/pthread_cancel.c, sigcancel_handler).
 */
int cancel_disable_among_threads(void)
{
	int type, state, saved;

	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	saved = (state == PTHREAD_CANCEL_DISABLE ? CANCEL_WAS_DISABLED : 0) |
		(type == PTHREAD_CANCEL_ASYNCHRONOUS ? CANCEL_WAS_ASYNCHRONOUS : 0);
	if (saved != CANCEL_WAS_DISABLED) {
		thread_state.cancel_held = true;
		thread_state.cancel_saved = saved;
	}
	return saved;
}

void cancel_restore_among_threads(int saved)
{
	thread_state.cancel_held = false;
	if (!(saved & CANCEL_WAS_DISABLED))
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	if (saved & CANCEL_WAS_ASYNCHRONOUS)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
}

void cancel_release(void)
{
	if (thread_state.cancel_held)
		cancel_restore(thread_state.cancel_saved);
}

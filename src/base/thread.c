/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/thread.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread struct thread_state thread_state;

uint32_t thread_id(void)
{
	if (thread_state.id == 0)
		thread_state.id = (uint32_t)syscall(SYS_gettid);
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

int cancel_disable(void)
{
	int saved;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &saved);
	if (saved == PTHREAD_CANCEL_ENABLE)
		thread_state.cancel_held = true;
	return saved;
}

void cancel_restore(int saved)
{
	pthread_setcancelstate(saved, NULL);
	if (saved == PTHREAD_CANCEL_ENABLE)
		thread_state.cancel_held = false;
}

void cancel_release(void)
{
	if (thread_state.cancel_held)
		cancel_restore(PTHREAD_CANCEL_ENABLE);
}

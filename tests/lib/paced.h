/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals by a timer at the pace of the code that they interrupt: on a slow machine the handler of a
 * timer with an interval may take longer than that, and nothing else would run any more. So each timer
 * is set once, by the interrupted code, when its last signal has been handled.
 */
#ifndef TESTS_PACED_H
#define TESTS_PACED_H

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile sig_atomic_t paced_is_set;

/* At the begin of each round of what is to be interrupted: SIGALRM within so many microseconds. */
static inline void paced_set(int within)
{
	struct itimerval once = {{0, 0}, {0, 1 + rand() % within}};

	if (paced_is_set)
		return;
	paced_is_set = 1;
	setitimer(ITIMER_REAL, &once, NULL);
}

/* In the handler. */
static inline void paced_handled(void)
{
	paced_is_set = 0;
}

static inline void paced_end(void)
{
	struct itimerval never = {{0, 0}, {0, 0}};

	setitimer(ITIMER_REAL, &never, NULL);
	paced_is_set = 0;
}

/*
 * So many seconds of a quiet machine, for limits that only end what hangs: PREALLOCATE_TEST_PATIENCE times
 * as many (tap.sh).
 */
static inline unsigned int patience(unsigned int seconds)
{
	const char *times = getenv("PREALLOCATE_TEST_PATIENCE");
	int factor = times ? atoi(times) : 10;

	return seconds * (unsigned int)(factor > 0 ? factor : 1);
}

#endif

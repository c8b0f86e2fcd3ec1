/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/sys.h"

#include <stdint.h>
#include <time.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* CLOCK_MONOTONIC in nanoseconds; no system call (vdso(7)). Async-signal-safe. */
static inline int64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* For ns nanoseconds, less than a second, or until a signal. Not a cancellation point; changes errno. */
static inline void clock_sleep(int64_t ns)
{
	struct timespec pause = {.tv_nsec = ns};

	sys.clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

#endif

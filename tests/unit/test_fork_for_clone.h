/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ThreadSanitizer takes a clone that shares memory for a fork, and fails at the child's. */
#ifndef TEST_FORK_FOR_CLONE_H
#define TEST_FORK_FOR_CLONE_H

#if defined(__SANITIZE_THREAD__)
#define FORK_FOR_CLONE 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FORK_FOR_CLONE 1
#endif
#endif

#ifdef FORK_FOR_CLONE
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

static int fork_for_clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	int pid = (int)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);

	(void)stack;
	(void)flags;
	if (pid == 0)
		syscall(SYS_exit_group, run(argument));
	return pid;
}
#endif

static inline void guardians_start_here(void)
{
#ifdef FORK_FOR_CLONE
	sys.clone = fork_for_clone;
#endif
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syscall(2), which reads and writes past us. Looked at is what would leave our tables wrong, or
 * another process with an extended file: it goes to the call of the same name.
 */
#include "libc/export.h"
#include "libc/process.h"

#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

/* A fork: the child runs on a copy of our memory and our descriptors, and returns from here. */
static bool is_fork(long number, const long *a)
{
	const struct clone_args *arguments = (const struct clone_args *)a[0];

	switch (number) {
#ifdef SYS_fork
	case SYS_fork:
		return true;
#endif
	case SYS_clone:
		return !(a[0] & (CLONE_VM | CLONE_FILES)) && a[1] == 0;
	case SYS_clone3:
		return arguments && !(arguments->flags & (CLONE_VM | CLONE_FILES)) &&
		       arguments->stack == 0;
	default:
		return false;
	}
}

static long pass_on(long number, const long *a)
{
	return real()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* At most six arguments, all of them longs. */
EXPORT long syscall(long number, ...)
{
	long a[6];
	va_list arguments;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	switch (number) {
	case SYS_close:
		return close((int)a[0]);
	case SYS_close_range:
		return close_range((unsigned int)a[0], (unsigned int)a[1], (int)a[2]);
#ifdef SYS_dup2
	case SYS_dup2:
		return dup2((int)a[0], (int)a[1]);
#endif
	case SYS_dup3:
		return dup3((int)a[0], (int)a[1], (int)a[2]);
	case SYS_execve:
		return execve((const char *)a[0], (char *const *)a[1], (char *const *)a[2]);
	case SYS_execveat:
		return execveat((int)a[0], (const char *)a[1], (char *const *)a[2],
				(char *const *)a[3], (int)a[4]);
	case SYS_prctl:
		if (a[0] == PR_SET_SECCOMP)
			process_before_seccomp(a[1], a[2]);
		break;
	case SYS_seccomp:
		if (a[0] == SECCOMP_SET_MODE_STRICT)
			process_before_seccomp(SECCOMP_MODE_STRICT, 0);
		else if (a[0] == SECCOMP_SET_MODE_FILTER)
			process_before_seccomp(SECCOMP_MODE_FILTER, a[2]);
		break;
	case SYS_io_uring_setup:
		files_keep_all(KEEP_ASYNC);
		break;
	default:
		if (__builtin_expect(is_fork(number, a), 0))
			return process_fork_by(pass_on, number, a);
	}
	return pass_on(number, a);
}

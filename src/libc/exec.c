/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec in all its forms: what is extended is settled before, since the new program knows nothing of
 * it, and descriptors that close on exec close unseen.
 */
#include "libc/export.h"

#include <alloca.h>

extern char **environ;

/* Comes back only when it has failed. */
#define EXEC(call) \
	({ \
		int result_, errno_; \
		bool begun_ = !thread_state.vforked && descriptions_exist(); \
		if (begun_) \
			share_before_exec(); \
		result_ = (call); \
		errno_ = errno; \
		if (begun_) \
			share_end(false, SHARE_INHERITED, 0); \
		errno = errno_; \
		result_; \
	})

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return EXEC(REAL(execve)(path, argv, envp));
}

EXPORT int execv(const char *path, char *const argv[])
{
	return EXEC(REAL(execv)(path, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return EXEC(REAL(execvp)(file, argv));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return EXEC(REAL(execvpe)(file, argv, envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	return EXEC(REAL(fexecve)(fd, argv, envp));
}

EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return EXEC(REAL(execveat)(dirfd, path, argv, envp, flags));
}

/* The list as a vector, on the stack: a vfork child may be calling. envp: after the list's end. */
#define GATHER(first, argv, arguments) \
	va_list arguments, counting_; \
	size_t count_ = 1; \
	char **argv; \
	va_start(arguments, first); \
	va_copy(counting_, arguments); \
	while (va_arg(counting_, char *)) \
		count_++; \
	va_end(counting_); \
	argv = alloca((count_ + 1) * sizeof(*argv)); \
	argv[0] = (char *)first; \
	for (size_t i_ = 1; i_ <= count_; i_++) \
		argv[i_] = va_arg(arguments, char *);

EXPORT int execl(const char *path, const char *first, ...)
{
	GATHER(first, argv, arguments)
	va_end(arguments);
	return EXEC(REAL(execve)(path, argv, environ));
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	GATHER(first, argv, arguments)
	va_end(arguments);
	return EXEC(REAL(execvp)(file, argv));
}

EXPORT int execle(const char *path, const char *first, ...)
{
	char *const *envp;

	GATHER(first, argv, arguments)
	envp = va_arg(arguments, char *const *);
	va_end(arguments);
	return EXEC(REAL(execve)(path, argv, envp));
}

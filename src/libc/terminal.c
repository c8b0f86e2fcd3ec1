/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that put something else on descriptors 0 to 2 inside libc: login_tty(3), forkpty(3),
 * daemon(3). What the tables say about these numbers is forgotten.
 */
#include "libc/export.h"

#include <pty.h>
#include <utmp.h>

static void forget_standard_streams(void)
{
	int saved_errno = errno;

	if (!thread_state.vforked)
		for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
			files_forget(fd);
	errno = saved_errno;
}

EXPORT int login_tty(int fd)
{
	int result = OF_LIBRARY(login_tty, (errno = ENOSYS, -1), fd);

	if (result == 0)
		forget_standard_streams();
	return result;
}

/* Forks inside: the handlers of pthread_atfork do the rest. */
EXPORT pid_t forkpty(int *terminal, char *name, const struct termios *settings,
		     const struct winsize *size)
{
	pid_t pid = OF_LIBRARY(forkpty, (errno = ENOSYS, -1), terminal, name, settings, size);

	if (pid == 0)
		forget_standard_streams();
	return pid;
}

EXPORT int daemon(int stay, int keep_streams)
{
	int result = REAL(daemon)(stay, keep_streams);

	if (result == 0 && !keep_streams)
		forget_standard_streams();
	return result;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observer.h"

#include <err.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int observer;
static pid_t observer_pid;

void observer_start(const char *path)
{
	int ends[2];
	char question;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		err(99, "socketpair");
	observer_pid = fork();
	if (observer_pid < 0)
		err(99, "fork");
	if (observer_pid == 0) {
		close(ends[0]);
		while (read(ends[1], &question, 1) == 1) {
			struct stat st;
			off_t size = stat(path, &st) < 0 ? -1 : st.st_size;

			if (write(ends[1], &size, sizeof(size)) != sizeof(size))
				break;
		}
		_exit(0);
	}
	close(ends[1]);
	observer = ends[0];
}

off_t observer_size(void)
{
	off_t size;

	if (write(observer, "?", 1) != 1 || read(observer, &size, sizeof(size)) != sizeof(size))
		err(99, "observer");
	return size;
}

void observer_stop(void)
{
	close(observer);
	waitpid(observer_pid, NULL, 0);
}

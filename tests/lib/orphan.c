/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is left with a guardian?
 *
 *	orphan init APPENDER...		is PID 1 of a process namespace, and waits for its own child alone: how many
 *					zombies does it have at the end?
 *	orphan subreaper APPENDER...	is a subreaper (PR_SET_CHILD_SUBREAPER), and waits for whatever child there is:
 *					how many strangers?
 *	orphan busy FILE ROUNDS		a child writes an executable, keeps it open and is killed; the file is
 *					started at once: how often is it busy (ETXTBSY)?
 *	orphan unhooked FILE		appends to FILE, locks it (flock(2)), loses its guardian's socket past the
 *					library, and waits for the end of its standard input
 *
 * The answer is printed. LD_PRELOAD and rules are the caller's, for the child alone: UNDER_LIBRARY in the environment.
 */
#include "../preload/bare.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char **argv)
{
	pid_t child = fork();

	if (child < 0)
		err(99, "fork");
	if (child > 0)
		return child;
	if (getenv("UNDER_LIBRARY"))
		setenv("LD_PRELOAD", getenv("UNDER_LIBRARY"), 1);
	execv(argv[0], argv);
	_exit(127);
}

static int zombies(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while (proc && (entry = readdir(proc))) {
		char path[300], text[512];
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = atoi(entry->d_name) > 1 ? fopen(path, "r") : NULL;
		if (!file)
			continue;
		if (fgets(text, sizeof(text), file) && strrchr(text, ')') && strrchr(text, ')')[2] == 'Z')
			count++;
		fclose(file);
	}
	closedir(proc);
	return count;
}

static int as_init(char **argv)
{
	pid_t child = start(argv);
	int status;

	if (waitpid(child, &status, 0) < 0 || status != 0)
		errx(98, "status %x", (unsigned int)status);
	usleep(500000);
	printf("%d\n", zombies());
	return 0;
}

static int as_subreaper(char **argv)
{
	int strangers = 0, status, own = 1;
	pid_t child, ended;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	child = start(argv);
	while ((ended = wait(&status)) > 0)
		if (ended == child)
			own = status;
		else
			strangers++;
	if (own != 0)
		errx(98, "status %x", (unsigned int)own);
	printf("%d\n", strangers);
	return 0;
}

/* Writes a program into it, tells so, and waits to be killed. */
static int writes(const char *path)
{
	char buffer[65536], byte = 'w';
	int from = open("/bin/true", O_RDONLY), to = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0755);
	ssize_t got;

	if (from < 0 || to < 0)
		err(97, "%s", path);
	while ((got = read(from, buffer, 512)) > 0)
		if (write(to, buffer, (size_t)got) != got)
			err(97, "write");
	if (fdatasync(to) < 0 || write(STDOUT_FILENO, &byte, 1) != 1)
		err(97, "%s", path);
	for (;;)
		pause();
}

static void write_and_die(char *self, char *path)
{
	char *argv[] = {self, "writes", path, NULL}, byte;
	int pipe_fds[2], saved = dup(STDOUT_FILENO);
	pid_t child;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0 || dup2(pipe_fds[1], STDOUT_FILENO) < 0)
		err(99, "pipe");
	unlink(path);
	child = start(argv);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &byte, 1) != 1)
		errx(96, "it hasn't written");
	close(pipe_fds[0]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int unhooked(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
	char record[64] = "locked", byte;

	for (int i = 0; i < 20; i++)
		if (write(fd, record, sizeof(record)) != sizeof(record) || fdatasync(fd) < 0)
			err(97, "%s", path);
	if (flock(fd, LOCK_EX) < 0)
		err(97, "flock");
	for (int socket = 3; socket < 1100; socket++) {
		int type;
		socklen_t length = sizeof(type);

		if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET)
			bare_call(SYS_close, socket, 0, 0, 0, 0, 0);
	}
	if (write(STDOUT_FILENO, "unhooked\n", 9) != 9 || read(STDIN_FILENO, &byte, 1) < 0)
		return 96;
	return close(fd) < 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "init"))
		return as_init(argv + 2);
	if (argc >= 3 && !strcmp(argv[1], "subreaper"))
		return as_subreaper(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "unhooked"))
		return unhooked(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "writes"))
		return writes(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "busy")) {
		int busy = 0;

		for (int i = atoi(argv[3]); i > 0; i--) {
			pid_t child;
			int status;

			write_and_die(argv[0], argv[2]);
			child = vfork();
			if (child == 0) {
				execl(argv[2], argv[2], NULL);
				_exit(errno == ETXTBSY ? 26 : 25);
			}
			waitpid(child, &status, 0);
			if (WIFEXITED(status) && WEXITSTATUS(status) == 26)
				busy++;
			else if (status != 0)
				errx(98, "status %x", (unsigned int)status);
		}
		printf("%d\n", busy);
		return 0;
	}
	errx(99, "usage: orphan init|subreaper COMMAND... | busy FILE ROUNDS | unhooked FILE");
}

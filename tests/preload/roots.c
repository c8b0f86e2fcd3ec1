/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another root, and other namespaces, with an extended file open: no guardian is started there, and unshare(2) and setns(2) want a process of one thread.
 */
#include "transcript.h"

#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

static char bytes[5000];

/* Inside: the file that was open before, and another one. */
static void go_on(int fd, const char *inside)
{
	int other;

	append(fd);
	state(fd);
	CALL(fcntl(fd, F_SETFL, 0));
	append(fd);
	state(fd);
	other = (int)CALL(open(inside, O_RDWR | O_CREAT | O_APPEND, 0640));
	for (int i = 0; i < 3; i++)
		CALL(write(other, bytes, 3000));
	state(other);
	CALL(ftruncate(other, 5000));
	append(other);
	state(other);
	CALL(close(other));
	state_of(inside);
	append(fd);
	CALL(close(fd));
}

static void in_root(int flags)
{
	int fd = start("chroot", O_RDWR | flags);

	CALL(mkdir("root", 0755));
	CALL(chroot("root"));
	CALL(chdir("/"));
	append(fd);
	go_on(fd, flags ? "/append.dat" : "/inside.dat");
}

/* No guardian can be started any more. */
static void in_root_first(int flags)
{
	section("first");
	CALL(mkdir("empty", 0755));
	CALL(chroot("empty"));
	go_on((int)CALL(open(file, O_RDWR | O_CREAT | flags, 0640)),
	      flags ? "/append.dat" : "/inside.dat");
}

static void unshared(int flags)
{
	int fd = start("unshare", O_RDWR | flags), status;
	pid_t child;

	CALL(unshare(CLONE_NEWUSER | CLONE_NEWNS));
	append(fd);
	CALL(unshare(CLONE_FILES | CLONE_FS));
	CALL(unshare(CLONE_NEWPID | CLONE_NEWIPC));
	child = fork();
	if (child == 0) {
		append(fd);
		_exit(getpid() == 1 ? 0 : 1);
	}
	CALL(waitpid(child, &status, 0) == child);
	CALL(status);
	go_on(fd, flags ? "911-append.dat" : "910-inside.dat");
	state_of(file);
}

/* Joins the namespaces of a child that has made some. */
static void joined(int flags)
{
	int fd = start("setns", O_RDWR | flags), user, mount, ready[2], done[2];
	char path[64], byte = 0;
	pid_t child;

	CALL(pipe(ready));
	CALL(pipe(done));
	child = fork();
	if (child == 0) {
		byte = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 'y' : 'n';
		write(ready[1], &byte, 1);
		close(done[1]);
		read(done[0], &byte, 1);
		_exit(0);
	}
	CALL(read(ready[0], &byte, 1));
	CALL(byte);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)child);
	user = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)child);
	mount = open(path, O_RDONLY);
	append(fd);
	CALL(setns(user, CLONE_NEWUSER));
	append(fd);
	CALL(setns(mount, CLONE_NEWNS));
	append(fd);
	state(fd);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(done[i]);
	}
	CALL(waitpid(child, NULL, 0) == child);
	CALL(close(user));
	CALL(close(mount));
	append(fd);
	CALL(close(fd));
}

/* Each in a process of its own: there is no way back. */
static void apart(void (*run)(int flags), int flags)
{
	int status;
	pid_t child;

	section("apart");
	child = fork();
	if (child == 0) {
		run(flags);
		_exit(0);
	}
	CALL(waitpid(child, &status, 0) == child);
	CALL(status);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (geteuid() != 0) {
		say("SKIP chroot(2) needs root\n");
		return;
	}
	fill(bytes, sizeof(bytes), 1);
	apart(in_root, 0);
	apart(in_root, O_APPEND);
	apart(in_root_first, 0);
	apart(in_root_first, O_APPEND);
	apart(unshared, 0);
	apart(unshared, O_APPEND);
	apart(joined, 0);
	apart(joined, O_APPEND);
}

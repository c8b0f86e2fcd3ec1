/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children that share an extended file's description, and programs that this one becomes. */
#include "transcript.h"

#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;
static char bytes[3000];
static char *const echo_arguments[] = {"sh", "-c", "echo from a child >&3; echo more >&3", NULL};

static int wait_for(pid_t child)
{
	int status = -1;

	CALL(waitpid(child, &status, 0) == child);
	return status;
}

static void forked(int flags)
{
	int fd = start("fork", O_RDWR | flags);
	pid_t child = fork();

	if (child == 0) {
		for (int i = 0; i < 10; i++)
			write(fd, "child writes\n", 13);
		state(fd);
		_exit(3);
	}
	CALL(wait_for(child));
	for (int i = 0; i < 10; i++)
		write(fd, "parent writes\n", 14);
	state(fd);
	again(fd);
	/* In turns: each sees what the other has done. */
	for (int i = 0; i < 5; i++) {
		child = fork();
		if (child == 0) {
			write(fd, bytes, (size_t)(100 + i));
			lseek(fd, 0, SEEK_END);
			exit(0);
		}
		CALL(wait_for(child));
		CALL(write(fd, bytes, 50));
		state(fd);
	}
	again(fd);
	finish(fd);
}

/* At the same time: only the sum is the same. */
static void forked_at_once(void)
{
	int fd = start("fork-append", O_RDWR | O_APPEND);
	pid_t children[4];
	struct stat st;

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			for (int k = 0; k < 200; k++)
				write(fd, bytes, 37);
			_exit(0);
		}
		for (int k = 0; k < 100; k++)
			write(fd, bytes, 11);
	}
	for (int i = 0; i < 4; i++)
		waitpid(children[i], NULL, 0);
	fstat(fd, &st);
	say("size %lld\n", (long long)st.st_size);
	CALL(ftruncate(fd, 5000));
	again(fd);
	finish(fd);
}

/* The child's descriptors outlive the parent's. */
static void orphaned(void)
{
	int fd = start("orphan", O_RDWR | O_APPEND);
	int ends[2];
	char byte;
	pid_t child;

	CALL(pipe(ends));
	child = fork();
	if (child == 0) {
		close(ends[1]);
		read(ends[0], &byte, 1);
		write(fd, "after the parent's close\n", 25);
		_exit(0);
	}
	CALL(close(ends[0]));
	CALL(write(fd, bytes, 1000));
	CALL(close(fd));
	CALL(close(ends[1]));
	CALL(wait_for(child));
	state_of(file);
}

static void vforked(int flags)
{
	int fd = start("vfork", O_RDWR | flags);
	pid_t child;

	dup2(fd, 3);
	child = vfork();
	if (child == 0) {
		execve("/bin/sh", echo_arguments, environ);
		_exit(127);
	}
	CALL(wait_for(child));
	state(fd);
	append(fd);
	child = vfork();
	if (child == 0) {
		execve("/no/such/program", echo_arguments, environ);
		_exit(127);
	}
	CALL(wait_for(child));
	append(fd);
	state(fd);
	finish(fd);
}

/* Nothing is passed on: extended again afterwards. */
static void vforked_without_it(void)
{
	int fd = start("vfork-cloexec", O_RDWR | O_CLOEXEC);
	pid_t child = vfork();

	if (child == 0) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	CALL(wait_for(child));
	again(fd);
	finish(fd);
}

static void spawned(void)
{
	int fd = start("spawn", O_RDWR | O_APPEND | O_CLOEXEC);
	posix_spawn_file_actions_t actions;
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	CALL(posix_spawn(&child, "/bin/echo", &actions, NULL,
			 (char *const[]){"echo", "spawned", NULL}, environ));
	CALL(wait_for(child));
	state(fd);
	append(fd);
	CALL(posix_spawnp(&child, "echo", &actions, NULL,
			  (char *const[]){"echo", "by name", NULL}, environ));
	CALL(wait_for(child));
	append(fd);
	CALL(posix_spawn(&child, "/no/such/program", &actions, NULL, echo_arguments, environ));
	posix_spawn_file_actions_destroy(&actions);
	append(fd);
	state(fd);
	finish(fd);
}

static void by_the_shell(void)
{
	int fd = start("system", O_RDWR | O_APPEND);
	char command[200];
	FILE *pipe;

	snprintf(command, sizeof(command), "echo from the shell >>%s; stat -c %%s %s >&%d", file,
		 file, fd);
	CALL(system(command));
	append(fd);
	state(fd);
	snprintf(command, sizeof(command), "cat >&%d", fd);
	pipe = popen(command, "w");
	CALL(pipe != NULL);
	CALL(fputs("through a pipe\n", pipe));
	CALL(pclose(pipe));
	append(fd);
	state(fd);
	CALL(system(NULL));
	finish(fd);
}

static void failed_exec(void)
{
	char *const arguments[] = {"none", NULL};
	int fd = start("exec-fails", O_RDWR);

	CALL(execve("/no/such/program", arguments, environ));
	CALL(execv("/no/such/program", arguments));
	CALL(execvp("no-such-program", arguments));
	CALL(execvpe("no-such-program", arguments, environ));
	CALL(execl("/no/such/program", "none", NULL));
	CALL(execlp("no-such-program", "none", NULL));
	CALL(execle("/no/such/program", "none", NULL, environ));
	CALL(execve(file, arguments, environ));
	CALL(fexecve(999, arguments, environ));
	again(fd);
	state(fd);
	finish(fd);
}

/* A child that becomes another program with the extended file open, and one that closes it. */
static void becoming(int flags)
{
	int fd = start("exec", O_RDWR | O_APPEND | flags);
	pid_t child = fork();

	if (child == 0) {
		write(fd, "before exec\n", 12);
		dup2(fd, 3);
		execl("/bin/sh", "sh", "-c", "echo after exec >&3", NULL);
		_exit(127);
	}
	CALL(wait_for(child));
	append(fd);
	state(fd);
	finish(fd);

	/* The child opens it itself, extends it, and is gone by exec. */
	section("exec-closes");
	child = fork();
	if (child == 0) {
		fd = start("in-child", O_RDWR | O_CLOEXEC);
		write(fd, bytes, 500);
		EXTENDED(fd);
		execl("/bin/sh", "sh", "-c", "stat -c %s *-in-child.dat; tail -c 5 *-in-child.dat | od -c",
		      NULL);
		_exit(127);
	}
	CALL(wait_for(child));
}

/* The descriptor goes to another process by a socket. */
static void sent(void)
{
	int fd = start("sent", O_RDWR | O_APPEND);
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {"x", 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int ends[2];
	pid_t child;

	CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	CALL(sendmsg(ends[0], &message, 0));
	child = fork();
	if (child == 0) {
		char byte;
		int got;

		iov.iov_base = &byte;
		if (recvmsg(ends[1], &message, 0) != 1)
			_exit(1);
		memcpy(&got, CMSG_DATA(&control.header), sizeof(int));
		for (int i = 0; i < 20; i++)
			write(got, "received\n", 9);
		_exit(0);
	}
	CALL(wait_for(child));
	append(fd);
	state(fd);
	CALL(close(ends[0]));
	CALL(close(ends[1]));
	finish(fd);
}

/* Nobody's child shows up. */
static void no_stranger(void)
{
	int fd = start("wait", O_RDWR);

	CALL(waitpid(-1, NULL, WNOHANG));
	CALL(waitpid(-1, NULL, __WALL | WNOHANG));
	again(fd);
	finish(fd);
}

static int in_clone(void *argument)
{
	int fd = *(int *)argument;

	write(fd, "cloned\n", 7);
	return 5;
}

static void cloned(int flags)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	int fd = start("clone", O_RDWR | O_APPEND);
	pid_t child = clone(in_clone, stack + sizeof(stack), flags | SIGCHLD, &fd);

	CALL(wait_for(child));
	append(fd);
	state(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	forked(0);
	forked(O_APPEND);
	forked_at_once();
	orphaned();
	vforked(0);
	vforked(O_APPEND);
	vforked_without_it();
	spawned();
	by_the_shell();
	failed_exec();
	becoming(0);
	becoming(O_CLOEXEC);
	sent();
	no_stranger();
	cloned(0);
	cloned(CLONE_FILES);
	cloned(CLONE_VM | CLONE_VFORK);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forks in the forms that process.c leaves out: from threads, beside opens, and inside libc. */
#include "transcript.h"

#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RECORD 64

static char bytes[5000];
static int shared_fd;
static _Atomic bool stop;

static pid_t by_fork(void)
{
	return fork();
}

static pid_t by__Fork(void)
{
	return _Fork();
}

static pid_t by_syscall(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static pid_t by_forkpty(void)
{
	int master;

	return forkpty(&master, NULL, NULL, NULL);
}

static void each(const char *name, pid_t (*make)(void), int flags)
{
	int fd = start(name, O_RDWR | flags), status;

	for (int i = 0; i < 3; i++) {
		pid_t child = make();

		if (child == 0) {
			struct stat st;

			write(fd, "child\n", 6);
			if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_END) != st.st_size)
				_exit(1);
			write(fd, "child again\n", 12);
			_exit(7);
		}
		CALL(child > 0);
		CALL(waitpid(child, &status, 0) == child);
		CALL(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
		CALL(write(fd, bytes, 700));
		state(fd);
	}
	finish(fd);
}

static void *fork_for_ever(void *unused)
{
	char record[RECORD];

	(void)unused;
	memset(record, 'f', sizeof(record));
	while (!stop) {
		pid_t child = fork();

		if (child == 0) {
			write(shared_fd, record, sizeof(record));
			_exit(0);
		}
		waitpid(child, NULL, 0);
		write(shared_fd, record, sizeof(record));
	}
	return NULL;
}

/* While main appends to the file that all of them have. */
static void from_threads(void)
{
	pthread_t threads[2];
	char record[RECORD];
	struct stat st;
	int torn = 0;

	section("from-threads");
	memset(record, 'm', sizeof(record));
	shared_fd = open(file, O_RDWR | O_CREAT | O_APPEND, 0640);
	write(shared_fd, record, sizeof(record));
	write(shared_fd, record, sizeof(record));
	EXTENDED(shared_fd);
	stop = false;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, fork_for_ever, NULL);
	for (int i = 0; i < 20000; i++)
		write(shared_fd, record, sizeof(record));
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	fstat(shared_fd, &st);
	CALL(st.st_size % RECORD);
	for (off_t at = 0; at < st.st_size; at += RECORD) {
		pread(shared_fd, record, sizeof(record), at);
		torn += record[0] == 0 || record[0] != record[RECORD - 1];
	}
	CALL(torn);
	CALL(ftruncate(shared_fd, 0));
	finish(shared_fd);
}

static int told[2], go[2];

static void *fork_on_demand(void *unused)
{
	(void)unused;
	while (!stop) {
		pid_t child;

		sched_yield();
		child = fork();
		if (child == 0) {
			/* Whatever it has inherited, it appends to: behind the parent's. */
			usleep(500);
			for (int fd = 3; fd < 108; fd++) {
				lseek(fd, 0, SEEK_END);
				write(fd, "child---", 8);
			}
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
	return NULL;
}

/*
 * A file that is opened while another thread forks: the child has it or not, and if it has, its
 * bytes and the parent's stand one after the other.
 */
static void beside_opens(void)
{
	pthread_t thread;
	long long wrong = 0;

	section("beside-opens");
	stop = false;
	pthread_create(&thread, NULL, fork_on_demand, NULL);
	for (int i = 0; i < 600; i++) {
		char record[8];
		struct stat st;
		long long parents = 0;
		int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0640);

		/* Long enough for a child to have come into being meanwhile, and for the next one. */
		for (int k = 0; k < 30; k++) {
			write(fd, "parent--", 8);
			usleep(30);
		}
		fstat(fd, &st);
		for (off_t at = 0; pread(fd, record, 8, at) == 8; at += 8) {
			parents += memcmp(record, "parent--", 8) == 0;
			wrong += memcmp(record, "parent--", 8) && memcmp(record, "child---", 8);
		}
		wrong += parents != 30 || st.st_size % 8;
		close(fd);
	}
	stop = true;
	pthread_join(thread, NULL);
	CALL(wrong);
	CALL(truncate(file, 0));
}

static void as_daemon(void)
{
	int fd = start("daemon", O_RDWR | O_APPEND), status;
	pid_t child;
	off_t end;
	char byte;

	CALL(pipe(told));
	CALL(pipe(go));
	child = fork();
	if (child == 0) {
		close(told[0]);
		if (daemon(1, 1) < 0)
			_exit(1);
		write(fd, "daemon\n", 7);
		while (read(go[0], &byte, 1) == 1 && byte == 'x') {
			write(fd, "daemon again\n", 13);
			end = lseek(fd, 0, SEEK_END);
			write(told[1], &end, sizeof(end));
		}
		_exit(0);
	}
	CALL(close(told[1]));
	CALL(waitpid(child, &status, 0) == child);
	CALL(status);
	/* Its parent is gone, it is not. */
	for (int i = 0; i < 3; i++) {
		CALL(write(go[1], "x", 1));
		CALL(read(told[0], &end, sizeof(end)));
		CALL(end);
		CALL(write(fd, bytes, 700));
	}
	CALL(write(go[1], "e", 1));
	CALL(read(told[0], &byte, 1));
	CALL(write(fd, bytes, 700));
	state(fd);
	finish(fd);
}

/* By their numbers: what tells us when the first child ends is closed, too. */
static void closes_the_watch(void)
{
	int fd = start("closes-watch", O_RDWR | O_APPEND);
	pid_t first, second;
	off_t end;
	char byte;

	CALL(pipe(told));
	CALL(pipe(go));
	first = fork();
	if (first == 0) {
		while (read(go[0], &byte, 1) == 1 && byte == 'x') {
			end = lseek(fd, 0, SEEK_END);
			write(told[1], &end, sizeof(end));
		}
		_exit(0);
	}
	for (int i = 3; i < 1100; i++)
		if (i != fd && i != told[0] && i != go[1])
			close(i);
	second = fork();
	if (second == 0)
		_exit(0);
	CALL(waitpid(second, NULL, 0) == second);
	CALL(write(fd, bytes, 700));
	CALL(write(go[1], "x", 1));
	CALL(read(told[0], &end, sizeof(end)));
	CALL(end);
	CALL(write(go[1], "e", 1));
	CALL(waitpid(first, NULL, 0) == first);
	CALL(write(fd, bytes, 700));
	state(fd);
	close(told[0]);
	close(go[1]);
	finish(fd);
}

/* The child becomes a program that leaves the descriptor to another one. */
static void by_exec(void)
{
	static const char script[] = "(while read -r line <&8; do"
				     " echo shell >&9; stat -L -c %s /dev/fd/9; done) &";
	int fd = start("by-exec", O_RDWR | O_APPEND), status;
	pid_t child;
	char line[64] = "";

	CALL(pipe2(told, O_CLOEXEC));
	CALL(pipe2(go, O_CLOEXEC));
	child = fork();
	if (child == 0) {
		dup2(told[1], 1);
		dup2(go[0], 8);
		dup2(fd, 9);
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(1);
	}
	CALL(close(told[1]));
	CALL(waitpid(child, &status, 0) == child);
	CALL(status);
	for (int i = 0; i < 3; i++) {
		CALL(write(fd, bytes, 700));
		CALL(write(go[1], "x\n", 2));
		CALL(read(told[0], line, sizeof(line) - 1));
		say("%s", line);
	}
	CALL(close(go[1]));
	CALL(read(told[0], line, 1));
	CALL(write(fd, bytes, 700));
	state(fd);
	finish(fd);
}

/* The flags are the description's, and so the parent's, too. */
static void child_sets_flags(const char *name, int flags, int its_flags)
{
	int fd = start(name, O_RDWR | flags);
	pid_t child = fork();

	if (child == 0)
		_exit(fcntl(fd, F_SETFL, its_flags));
	CALL(waitpid(child, NULL, 0) == child);
	append(fd);
	again(fd);
	state(fd);
	CALL(lseek(fd, 100, SEEK_SET));
	CALL(write(fd, bytes, 50));
	state(fd);
	finish(fd);
}

/* The child closes everything, as one does before another program; the parent goes on. */
static void child_closes_all(void)
{
	int fd = start("closes-all", O_RDWR | O_APPEND);
	pid_t child = fork();

	if (child == 0) {
		for (int i = 0; i < 1100; i++)
			close(i);
		_exit(open("/dev/null", O_RDONLY));
	}
	CALL(write(fd, bytes, 500));
	CALL(waitpid(child, NULL, 0) == child);
	again(fd);
	state(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	each("fork", by_fork, O_APPEND);
	each("_Fork", by__Fork, O_APPEND);
	each("_Fork", by__Fork, 0);
	each("syscall", by_syscall, O_APPEND);
	each("syscall", by_syscall, 0);
	each("forkpty", by_forkpty, O_APPEND);
	each("forkpty", by_forkpty, 0);
	child_closes_all();
	by_exec();
	closes_the_watch();
	child_sets_flags("set-append", 0, O_APPEND);
	child_sets_flags("cleared-append", O_APPEND, 0);
	as_daemon();
	from_threads();
	beside_opens();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rough HOW FILE: appends 64-byte records and does something meanwhile that no well-behaved program
 * would do, or that is done to it. Ends with 0 when every size it saw was right, and FILE holds its
 * records and nothing else.
 *
 *	killed-close, killed-dup, killed-fork, killed-stat, killed-busy
 *			its guardian is killed, then ...
 *	closed		every descriptor but its own is closed, by the bare instruction
 *	fork		by syscall(2)
 *	seccomp		forbids itself lseek
 *	seccomp-first	forbids itself mmap, and opens its first file then
 *	seccomp-only	allows itself only the calls that it still makes
 *	jump		longjmps out of a signal handler that interrupts an append
 *	handler-fork	forks in such a handler, 200 times, while another thread appends
 *	stop-world	stops the other thread by a signal, and appends
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "paced.h"

#define RECORD 64

static char record[RECORD];
static int fd;
static const char *path;
static _Atomic long appended;
static _Atomic bool stop;

static void append(void)
{
	ssize_t written = write(fd, record, RECORD);

	if (written != RECORD)
		err(98, "%zd bytes written", written);
	appended++;
}

static void append_many(int count)
{
	while (count-- > 0)
		append();
}

/* slack: appends of other threads that may be under way. */
static void check_size(long slack)
{
	long least = appended;
	struct stat st;

	if (fstat(fd, &st) < 0)
		err(98, "fstat");
	if (st.st_size < least * RECORD || st.st_size > (appended + slack) * RECORD)
		errx(1, "size %lld after %ld records", (long long)st.st_size, least);
}

static void *appender(void *unused)
{
	(void)unused;
	while (!stop)
		append();
	return NULL;
}

/* In a process namespace of its own it is the only one. */
static void kill_guardian(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while ((entry = readdir(proc))) {
		char name[300], comm[32] = "";
		FILE *file;

		snprintf(name, sizeof(name), "/proc/%s/comm", entry->d_name);
		file = fopen(name, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && strncmp(comm, "preallocate-gua", 15) == 0)
			kill(atoi(entry->d_name), SIGKILL);
		fclose(file);
	}
	closedir(proc);
	usleep(5000);
}

static void killed(const char *then)
{
	pthread_t thread;

	append_many(10);
	if (strcmp(then, "busy") == 0) {
		pthread_create(&thread, NULL, appender, NULL);
		for (int i = 0; i < 3; i++) {
			kill_guardian();
			check_size(2);
			usleep(20000);
		}
		stop = true;
		pthread_join(thread, NULL);
		return;
	}
	kill_guardian();
	if (strcmp(then, "dup") == 0) {
		dup2(open("/dev/null", O_RDONLY), fd);
	} else if (strcmp(then, "fork") == 0) {
		if (fork() == 0)
			_exit(0);
		wait(NULL);
	} else if (strcmp(then, "stat") == 0) {
		check_size(0);
	} else {
		close(fd);
	}
}

static void close_bare(int number)
{
#if defined(__x86_64__)
	long result = SYS_close;

	__asm__ volatile("syscall" : "+a"(result) : "D"((long)number) : "rcx", "r11", "memory");
#else
	syscall(SYS_close, number);
#endif
}

static void closed(void)
{
	int ends[2];
	char byte;

	append_many(10);
	for (int i = 3; i < 2000; i++)
		if (i != fd)
			close_bare(i);
	/* Whoever gets the number has it for himself. */
	if (pipe(ends) < 0)
		err(98, "pipe");
	for (int i = 990; i < 1010; i++)
		dup2(ends[1], i);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	append_many(10);
	check_size(0);
	for (int i = 990; i < 1010; i++)
		if (close(i) < 0)
			err(1, "close %d", i);
	if (read(ends[0], &byte, 1) > 0)
		errx(1, "something was written into a pipe of the program's");
	append_many(10);
	check_size(0);
}

static void fork_by_syscall(void)
{
	for (int i = 0; i < 20; i++) {
		int status;
		long pid;

		append_many(5);
		pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid == 0) {
			append_many(5);
			syscall(SYS_exit_group, 0);
		}
		append_many(5);
		if (waitpid((pid_t)pid, &status, 0) != pid || status != 0)
			errx(1, "child's status %x", (unsigned)status);
		appended += 5;
		check_size(0);
	}
}

static void forbid(unsigned int number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		err(77, "no seccomp here");
}

static void forbid_lseek(void)
{
	append_many(10);
	forbid(SYS_lseek);
	append_many(10);
	check_size(0);
}

static void allow_only_ours(void)
{
	static const unsigned int numbers[] = {SYS_openat, SYS_read, SYS_write, SYS_close,
					       SYS_newfstatat, SYS_fstat, SYS_exit_group};
	const size_t count = sizeof(numbers) / sizeof(numbers[0]);
	struct sock_filter code[2 * sizeof(numbers) / sizeof(numbers[0]) + 2] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { 2 * count + 2, code };

	for (size_t i = 0; i < count; i++) {
		code[2 * i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
		code[2 * i + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[2 * count + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		err(77, "no seccomp here");
}

/* A file that is there, one that is new, one that isn't to be had for now, and one that is full. */
static void live_by_few_calls(void)
{
	char name[4096], leased_name[4096];
	int other, leased;

	append_many(10);
	snprintf(name, sizeof(name), "%s.more.data", path);
	snprintf(leased_name, sizeof(leased_name), "%s.leased", path);
	signal(SIGIO, SIG_IGN);
	leased = open(leased_name, O_RDWR | O_CREAT, 0600);
	if (leased < 0 || fcntl(leased, F_SETLEASE, F_WRLCK) < 0)
		err(99, "%s", leased_name);
	unlink(name);
	other = open("/dev/full", O_WRONLY);
	allow_only_ours();
	append_many(10);
	check_size(0);
	if (write(other, record, RECORD) != -1 || errno != ENOSPC)
		errx(1, "no ENOSPC");
	close(other);
	if (open(leased_name, O_RDWR | O_NONBLOCK) != -1 || errno != EWOULDBLOCK)
		errx(1, "no EWOULDBLOCK");
	close(leased);
	other = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < 10; i++)
		if (write(other, record, RECORD) != RECORD)
			err(1, "%s", name);
	close(other);
}

static void every(int microseconds)
{
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigaction(number, &action, NULL);
}

static sigjmp_buf back;
static volatile sig_atomic_t may_jump;

static void jump_back(int number)
{
	(void)number;
	if (may_jump)
		siglongjmp(back, 1);
}

/* An append that was jumped out of may have been made or not: the file is counted at the end. */
static void jump(void)
{
	volatile int jumps = 0;
	struct stat st;
	pthread_t thread;
	sigset_t alarms;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	pthread_create(&thread, NULL, appender, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	handle(SIGALRM, jump_back);
	every(150);
	while (jumps < 300) {
		if (sigsetjmp(back, 1)) {
			jumps++;
			continue;
		}
		may_jump = 1;
		for (int i = 0; i < 100; i++)
			if (write(fd, record, RECORD) != RECORD)
				err(98, "write");
		may_jump = 0;
	}
	every(0);
	stop = true;
	pthread_join(thread, NULL);
	if (fstat(fd, &st) < 0 || st.st_size < appended * RECORD)
		errx(1, "size %lld, another thread has appended %ld records",
		     (long long)st.st_size, (long)appended);
	appended = st.st_size / RECORD;
}

static volatile sig_atomic_t forks;

static void fork_here(int number)
{
	int saved_errno = errno;
	pid_t pid = fork();

	(void)number;
	if (pid < 0)
		err(98, "fork");
	if (pid == 0) {
		append();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	appended++;
	forks++;
	paced_handled();
	errno = saved_errno;
}

static void handler_fork(void)
{
	pthread_t thread;

	append_many(10);
	handle(SIGALRM, fork_here);
	pthread_create(&thread, NULL, appender, NULL);
	while (forks < 200) {
		paced_set(600);
		append();
	}
	paced_end();
	stop = true;
	pthread_join(thread, NULL);
	check_size(0);
}

static int stopped[2], resume[2];

static void stand_still(int number)
{
	int saved_errno = errno;
	char byte = 0;

	(void)number;
	if (write(stopped[1], &byte, 1) != 1 || read(resume[0], &byte, 1) != 1)
		abort();
	errno = saved_errno;
}

static void stop_world(void)
{
	pthread_t thread;
	char byte = 0;

	if (pipe(stopped) < 0 || pipe(resume) < 0)
		err(98, "pipe");
	handle(SIGUSR1, stand_still);
	pthread_create(&thread, NULL, appender, NULL);
	for (int i = 0; i < 50; i++) {
		usleep((useconds_t)(rand() % 2000));
		pthread_kill(thread, SIGUSR1);
		if (read(stopped[0], &byte, 1) != 1)
			err(98, "read");
		append();
		if (write(resume[1], &byte, 1) != 1)
			err(98, "write");
	}
	stop = true;
	pthread_join(thread, NULL);
	check_size(0);
}

/* The bare call: as a neighbour sees it. */
static void check_file(void)
{
	char buffer[RECORD * 1024];
	int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
	long long size = 0;
	ssize_t got;

	while ((got = syscall(SYS_read, file, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			if (buffer[i] != 'x')
				errx(1, "byte %lld is %d", size + i, buffer[i]);
		size += got;
	}
	if (size != (long long)appended * RECORD)
		errx(1, "%lld bytes in the file, %ld records", size, (long)appended);
}

int main(int argc, char **argv)
{
	const char *how = argv[1];

	if (argc != 3)
		errx(99, "usage: rough HOW FILE");
	path = argv[2];
	memset(record, 'x', sizeof(record));
	if (strcmp(how, "seccomp-first") == 0)
		forbid(SYS_mmap);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0666);
	if (fd < 0)
		err(99, "%s", path);
	if (strncmp(how, "killed-", 7) == 0)
		killed(how + 7);
	else if (strcmp(how, "closed") == 0)
		closed();
	else if (strcmp(how, "fork") == 0)
		fork_by_syscall();
	else if (strcmp(how, "seccomp") == 0)
		forbid_lseek();
	else if (strcmp(how, "seccomp-first") == 0)
		append_many(20);
	else if (strcmp(how, "seccomp-only") == 0)
		live_by_few_calls();
	else if (strcmp(how, "jump") == 0)
		jump();
	else if (strcmp(how, "handler-fork") == 0)
		handler_fork();
	else if (strcmp(how, "stop-world") == 0)
		stop_world();
	else
		errx(99, "how?");
	if (strcmp(how, "killed-fork") != 0)
		close(fd);
	check_file();
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/spawn.h"

#include "base/proc.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif

#define STACK_BYTES 65536

/* PROC_PID_INIT_INO (include/uapi/linux/nsfs.h): the machine's own, whose PID 1 is an init. */
#define FIRST_PID_NAMESPACE "pid:[4026531836]"

/* AddressSanitizer's marks on its frame would stay, where others map memory next. */
#define NEVER_RETURNS __attribute__((no_sanitize_address))

struct launch {
	int program, fd;
	const char *name;
	char *inner_stack_top;
	volatile pid_t pid;
	volatile int error;
};

/*
 * Both run in the program's memory while its calling thread waits (CLONE_VM | CLONE_VFORK), with a
 * copy of its descriptor table: nothing but system calls here.
 */
NEVER_RETURNS static int run_guardian(void *argument)
{
	struct launch *launch = argument;
	char *const argv[] = {(char *)launch->name, NULL};
	char *const environment[] = {NULL};

	/* Whichever numbers they have, neither is put over the other. */
	int program = (int)sys.syscall(SYS_fcntl, launch->program, F_DUPFD, GUARDIAN_SOCKET + 2);

	if (program >= 0 && (launch->fd == GUARDIAN_SOCKET
				     ? sys.syscall(SYS_fcntl, GUARDIAN_SOCKET, F_SETFD, 0)
				     : sys.syscall(SYS_dup3, launch->fd, GUARDIAN_SOCKET, 0)) >= 0) {
		/* Not close-on-exec: a script's interpreter opens it by its number. It closes what it finds. */
		sys.syscall(SYS_dup3, program, GUARDIAN_SOCKET + 1, 0);
		sys.syscall(SYS_close_range, GUARDIAN_SOCKET + 2, ~0U, 0);
		sys.syscall(SYS_setsid);
		sys.syscall(SYS_chdir, "/");
		sys.syscall(SYS_execveat, GUARDIAN_SOCKET + 1, "", argv, environment, AT_EMPTY_PATH);
	}
	launch->error = errno;
	sys.syscall(SYS_exit_group, 127);
	return 0;
}

NEVER_RETURNS static int run_intermediate(void *argument)
{
	struct launch *launch = argument;

	launch->pid = sys.clone(run_guardian, launch->inner_stack_top, CLONE_VM | CLONE_VFORK, launch);
	if (launch->pid < 0)
		launch->error = errno;
	sys.syscall(SYS_exit_group, 0);
	return 0;
}

int spawn_hidden(int program, const char *name, int fd, pid_t *spawned)
{
	struct launch launch = {.program = program, .fd = fd, .name = name};
	char *stack = sys.mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	launch.inner_stack_top = stack + STACK_BYTES;

	/* No exit signal: no SIGCHLD, and wait(2) without __WCLONE passes it by. */
	pid = sys.clone(run_intermediate, stack + 2 * STACK_BYTES, CLONE_VM | CLONE_VFORK, &launch);
	if (pid < 0)
		launch.error = errno;
	else
		while (sys.syscall(SYS_wait4, pid, NULL, __WCLONE, NULL) < 0 && errno == EINTR)
			;
	munmap(stack, 2 * STACK_BYTES);
	*spawned = launch.pid;
	return -launch.error;
}

/* wait4(-1, ...) or waitid(P_ALL, ...): of one that waits for a child of its own, a stranger would stay a zombie. */
static bool waits_for_anybody(const char *text)
{
	unsigned long first;
	long number;

	if (sscanf(text, "%ld 0x%lx", &number, &first) != 2)
		return false;
	return (number == SYS_wait4 && (int)first == -1) || (number == SYS_waitid && first == P_ALL);
}

/*
 * proc_pid_status(5): who ignores SIGCHLD has its children reaped by the kernel; who catches it, or blocks it to
 * wait for it, waits for whatever child there is; so does who sits in a wait(2) for any now (proc_pid_syscall(5)), as
 * shells do. Any other is a program that doesn't expect one (a container's own): the guardian would stay its zombie.
 * Without /proc nobody knows.
 */
static bool init_looks_after_strangers(void)
{
	char self[16];
	ssize_t length = readlink("/proc/self", self, sizeof(self) - 1);

	static const char *const masks[] = {"SigBlk:", "SigIgn:", "SigCgt:"};
	char text[4096];

	/* Of another process namespace: its PID 1 isn't ours. */
	if (length <= 0)
		return false;
	self[length] = '\0';
	if (atoi(self) != getpid() || proc_text(text, sizeof(text), "/proc/1/status") < 0)
		return false;
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		const char *mask = strstr(text, masks[i]);

		if (mask && (strtoull(mask + strlen(masks[i]), NULL, 16) >> (SIGCHLD - 1) & 1))
			return true;
	}
	return proc_text(text, sizeof(text), "/proc/1/syscall") > 0 && waits_for_anybody(text);
}

bool spawn_would_show(void)
{
	char ours[64], childrens[64];
	int subreaper = 0;
	ssize_t a, b;

	if (getpid() == 1)
		return true;
	if (sys.syscall(SYS_prctl, PR_GET_CHILD_SUBREAPER, &subreaper, 0L, 0L, 0L) < 0 || subreaper)
		return true;
	a = readlink("/proc/thread-self/ns/pid", ours, sizeof(ours));
	b = readlink("/proc/thread-self/ns/pid_for_children", childrens, sizeof(childrens));
	if (a != b || (a > 0 && memcmp(ours, childrens, (size_t)a) != 0))
		return true;
	if (a == sizeof(FIRST_PID_NAMESPACE) - 1 && memcmp(ours, FIRST_PID_NAMESPACE, (size_t)a) == 0)
		return false;
	return !init_looks_after_strangers();
}

int fd_out_of_the_way(int fd)
{
	struct rlimit limit;
	int high = 1000; /* below FD_SETSIZE: a table of that size is what a program has anyway */
	int moved;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1024)
		high = (int)limit.rlim_cur - 8;
	moved = sys.fcntl(fd, F_DUPFD_CLOEXEC, high < 3 ? 3 : high);
	if (moved < 0)
		moved = -errno;
	sys.close(fd);
	return moved;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/spawn.h"

#include "base/sys.h"
#include "base/thread.h"
#include "claim/protocol.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
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

/* AddressSanitizer's marks on its frame would stay, where others map memory next. */
#define NEVER_RETURNS __attribute__((no_sanitize_address))

struct launch {
	const char *path;
	int fd;
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
	char *const argv[] = {(char *)launch->path, NULL};
	char *const environment[] = {NULL};

	if ((launch->fd == GUARDIAN_SOCKET
		     ? sys.syscall(SYS_fcntl, GUARDIAN_SOCKET, F_SETFD, 0)
		     : sys.syscall(SYS_dup3, launch->fd, GUARDIAN_SOCKET, 0)) >= 0) {
		sys.syscall(SYS_close_range, GUARDIAN_SOCKET + 1, ~0U, 0);
		sys.syscall(SYS_setsid);
		sys.syscall(SYS_chdir, "/");
		sys.syscall(SYS_execve, launch->path, argv, environment);
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

int spawn_hidden(const char *path, int fd, pid_t *spawned)
{
	struct launch launch = {.path = path, .fd = fd};
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

bool spawn_would_show(void)
{
	char ours[64], childrens[64];
	int subreaper = 0;
	ssize_t a, b;

	if (getpid() == 1)
		return true;
	if (sys.syscall(SYS_prctl, PR_GET_CHILD_SUBREAPER, &subreaper) < 0 || subreaper)
		return true;
	a = readlink("/proc/thread-self/ns/pid", ours, sizeof(ours));
	b = readlink("/proc/thread-self/ns/pid_for_children", childrens, sizeof(childrens));
	return a != b || (a > 0 && memcmp(ours, childrens, (size_t)a) != 0);
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

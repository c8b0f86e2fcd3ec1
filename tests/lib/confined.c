/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confined NUMBER... -- PROGRAM ARGUMENTS...: becomes PROGRAM, for which, and for all of whose children, any
 * other system call than these is its death, as under systemd's SystemCallFilter=.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 1000

static struct sock_filter code[2 * MOST + 2];
static unsigned short length;

static void emit(struct sock_filter instruction)
{
	code[length++] = instruction;
}

int main(int argc, char **argv)
{
	struct sock_fprog program = {.filter = code};
	int at = 1;

	emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	for (; at < argc && at <= MOST && strcmp(argv[at], "--") != 0; at++) {
		unsigned int number = (unsigned int)strtoul(argv[at], NULL, 10);

		emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
		emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	}
	emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	program.len = length;
	if (at > argc - 2)
		errx(99, "usage: confined NUMBER... -- PROGRAM ARGUMENTS...");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		err(77, "no seccomp here");
	execv(argv[at + 1], argv + at + 1);
	err(99, "%s", argv[at + 1]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * denier ERRNO CALL... -- PROGRAM ARGUMENTS...: becomes PROGRAM, in which, and in all of whose
 * children, the kernel refuses the CALLs with ERRNO (EPERM, ENOSYS...).
 *
 * CALL is the name of a system call, or something that fcntl(2), ioctl(2) or fallocate(2) does.
 * denier --list tells them all.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

#define ANY -1

static const struct call {
	const char *name;
	long number;
	int argument; /* its index, or ANY */
	unsigned int value;
} calls[] = {
	{"setlease", SYS_fcntl, 1, F_SETLEASE},
	{"getlease", SYS_fcntl, 1, F_GETLEASE},
	{"setsig", SYS_fcntl, 1, F_SETSIG},
	{"setown", SYS_fcntl, 1, F_SETOWN_EX},
	{"dupfd", SYS_fcntl, 1, F_DUPFD_CLOEXEC},
	{"fiemap", SYS_ioctl, 1, (unsigned int)FS_IOC_FIEMAP},
	{"allocate", SYS_fallocate, 1, 0},
	{"keep-size", SYS_fallocate, 1, FALLOC_FL_KEEP_SIZE},
	{"zero-range", SYS_fallocate, 1, FALLOC_FL_ZERO_RANGE},
#define CALL(name) {#name, SYS_##name, ANY, 0}
	CALL(bind), CALL(cachestat), CALL(chdir), CALL(clone), CALL(clone3), CALL(close_range),
	CALL(connect), CALL(dup3), CALL(execve), CALL(exit_group), CALL(fallocate), CALL(fchmod),
	CALL(fcntl), CALL(fgetxattr), CALL(flock), CALL(fremovexattr), CALL(fsetxattr),
	CALL(fstatfs), CALL(ftruncate), CALL(futex), CALL(getpid), CALL(getsockopt), CALL(gettid), CALL(getxattr),
	CALL(ioctl), CALL(kill), CALL(lseek), CALL(memfd_create), CALL(mprotect), CALL(newfstatat),
	CALL(openat), CALL(pidfd_open), CALL(prctl), CALL(prlimit64), CALL(pwritev), CALL(pwritev2),
	CALL(pwrite64), CALL(pread64), CALL(preadv2), CALL(readlinkat), CALL(recvfrom), CALL(recvmsg),
	CALL(removexattr), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(sched_yield), CALL(sendmsg),
	CALL(sendto), CALL(set_robust_list), CALL(setsid), CALL(setxattr), CALL(shutdown),
	CALL(signalfd4), CALL(socketpair), CALL(statx), CALL(sync_file_range), CALL(utimensat),
	CALL(wait4), CALL(writev),
#ifdef SYS_poll
	CALL(poll), CALL(readlink), CALL(fork), CALL(vfork), CALL(stat), CALL(fstat), CALL(access),
	CALL(open),
#else
	CALL(ppoll),
#endif
};

#define MOST 64

static struct sock_filter code[8 * MOST];
static unsigned short length;

static void emit(unsigned short operation, unsigned char yes, unsigned char no, unsigned int value)
{
	code[length++] = (struct sock_filter)BPF_JUMP(operation, value, yes, no);
}

/* The low half of an argument decides; every value here is an int. */
static void deny(const struct call *call, unsigned int error)
{
	unsigned char skipped = call->argument == ANY ? 1 : 3;
	unsigned int low = (unsigned int)offsetof(struct seccomp_data, args) +
			   (unsigned int)call->argument * 8;

	emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	emit(BPF_JMP | BPF_JEQ | BPF_K, 0, skipped, (unsigned int)call->number);
	if (call->argument != ANY) {
		emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, low);
		emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call->value);
	}
	emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error);
}

static const struct call *call_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(name, calls[i].name) == 0)
			return &calls[i];
	errx(99, "%s: no such call", name);
}

static unsigned int error_by_name(const char *name)
{
	for (unsigned int i = 1; i < 200; i++)
		if (strerrorname_np((int)i) && strcmp(name, strerrorname_np((int)i)) == 0)
			return i;
	errx(99, "%s: no such error", name);
}

int main(int argc, char **argv)
{
	struct sock_fprog program = {.filter = code};
	int at = 2;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
			puts(calls[i].name);
		return 0;
	}
	if (argc < 4)
		errx(99, "usage: denier ERRNO CALL... -- PROGRAM ARGUMENTS...");
	for (; at < argc && at < MOST && strcmp(argv[at], "--") != 0; at++)
		deny(call_by_name(argv[at]), error_by_name(argv[1]));
	emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	program.len = length;
	if (!argv[at] || !argv[at + 1])
		errx(99, "no program");
	/* Not through libc: a preloaded library may stand in front. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		err(77, "no seccomp here");
	/* execve(2) may be among the calls. */
	syscall(SYS_execveat, AT_FDCWD, argv[at + 1], argv + at + 1, environ, 0);
	err(99, "%s", argv[at + 1]);
}

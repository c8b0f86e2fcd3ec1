/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where another process comes by our descriptions: fork(2), clone(2), posix_spawn(3), system(3),
 * popen(3), sendmsg(2); and where this one ends or becomes another: _exit(2).
 */
#include "libc/export.h"
#include "base/layout.h"
#include "base/memory.h"
#include "libc/identity.h"
#include "libc/process.h"

#include <limits.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void before_fork(void)
{
	if (!thread_state.vforked)
		share_begin();
}

static void after_fork_in_parent(void)
{
	if (!thread_state.vforked && !thread_state.pid_follows)
		share_end(true, SHARE_ALL, 0);
}

static void after_fork_in_child(void)
{
	if (!thread_state.vforked)
		share_in_child();
}

AT_START void process_init(void)
{
	/* Reaches the forks inside libc, too: daemon(3), forkpty(3). */
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

EXPORT pid_t fork(void)
{
	pid_t pid;
	int saved_errno;

	if (thread_state.vforked || !descriptions_exist())
		return REAL(fork)();
	/* First: it makes the memory in which the child will tell what it passes on. */
	share_begin();
	share_prepare_watch();
	thread_state.pid_follows = true;
	pid = REAL(fork)();
	if (pid == 0)
		return 0;
	saved_errno = errno;
	thread_state.pid_follows = false;
	share_end(pid > 0, SHARE_ALL, pid);
	share_unbar();
	errno = saved_errno;
	return pid;
}

/* Runs no atfork handlers, so nothing else tells the child. */
long process_fork_by(long (*call)(long number, const long *a), long number, const long *a)
{
	long pid;

	if (thread_state.vforked)
		return call(number, a);
	share_begin();
	share_prepare_watch();
	pid = call(number, a);
	if (pid == 0)
		share_in_child();
	else
		share_end(pid > 0, SHARE_ALL, (pid_t)pid);
	return pid;
}

static long call_fork(long number, const long *a)
{
	(void)number;
	(void)a;
	return REAL(_Fork)();
}

ALIAS(__fork, fork);

EXPORT pid_t _Fork(void)
{
	return (pid_t)process_fork_by(call_fork, 0, NULL);
}

struct start {
	int (*run)(void *);
	void *argument;
};

static int start_in_child(void *argument)
{
	struct start start = *(struct start *)argument;

	share_in_child();
	return start.run(start.argument);
}

EXPORT int clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	struct start start = {run, argument};
	va_list arguments;
	void *a[3];
	int pid, saved_errno;

	va_start(arguments, argument);
	for (int i = 0; i < 3; i++)
		a[i] = va_arg(arguments, void *);
	va_end(arguments);
	/* Another thread, which libc doesn't know of. */
	if (flags & CLONE_VM)
		__libc_single_threaded = 0;
	/* A thread, or a process with our descriptor table: nobody new has a description. */
	if ((flags & CLONE_FILES) || thread_state.vforked)
		return REAL(clone)(run, stack, flags, argument, a[0], a[1], a[2]);
	share_begin();
	if (flags & CLONE_VM) /* runs on our tables: everything is shared for good */
		pid = REAL(clone)(run, stack, flags, argument, a[0], a[1], a[2]);
	else
		pid = REAL(clone)(start_in_child, stack, flags, &start, a[0], a[1], a[2]);
	saved_errno = errno;
	share_end(pid > 0, SHARE_ALL, 0);
	errno = saved_errno;
	return pid;
}

ALIAS(__clone, clone);

#define SPAWNING(call) \
	({ \
		__typeof__(call) result_; \
		int errno_; \
		share_begin(); \
		result_ = (call); \
		errno_ = errno; \
		share_end(true, SHARE_INHERITED, 0); \
		errno = errno_; \
		result_; \
	})

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	return SPAWNING(REAL(posix_spawn)(pid, path, actions, attributes, argv, envp));
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[],
			char *const envp[])
{
	return SPAWNING(REAL(posix_spawnp)(pid, file, actions, attributes, argv, envp));
}

#if __GLIBC_PREREQ(2, 39)
int pidfd_spawn(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);
int pidfd_spawnp(int *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);

EXPORT int pidfd_spawn(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	return SPAWNING(OF_LIBRARY(pidfd_spawn, ENOSYS, pidfd, path, actions, attributes, argv,
				   envp));
}

EXPORT int pidfd_spawnp(int *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[],
			char *const envp[])
{
	return SPAWNING(OF_LIBRARY(pidfd_spawnp, ENOSYS, pidfd, file, actions, attributes, argv,
				   envp));
}
#endif

/* The actions are libc's secret; that they will pass the descriptor on is not. */
EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
	if (managed(from))
		share_description(managed(from));
	return REAL(posix_spawn_file_actions_adddup2)(actions, from, to);
}

static void end_spawning(void *unused)
{
	(void)unused;
	share_end(true, SHARE_INHERITED, 0);
}

/* It waits for the command, as a cancellation point. */
EXPORT int system(const char *command)
{
	int result, saved_errno;
	int cancel = cancel_disable();

	share_begin();
	pthread_cleanup_push(end_spawning, NULL);
	cancel_restore(cancel);
	result = REAL(system)(command);
	saved_errno = errno;
	cancel_disable();
	pthread_cleanup_pop(1);
	cancel_restore(cancel);
	errno = saved_errno;
	return result;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	return SPAWNING(REAL(popen)(command, mode));
}

ALIAS(_IO_popen, popen);

FILE *_IO_proc_open(FILE *stream, const char *command, const char *mode);

EXPORT FILE *_IO_proc_open(FILE *stream, const char *command, const char *mode)
{
	return SPAWNING(OF_LIBRARY(_IO_proc_open, NULL, stream, command, mode));
}

/* Starts a shell for what is to be replaced by a command's output. */
EXPORT int wordexp(const char *words, wordexp_t *expanded, int flags)
{
	bool commands = false;

	for (const char *p = words; p && *p && !(flags & WRDE_NOCMD); p++)
		commands |= *p == '`' || (p[0] == '$' && p[1] == '(');
	if (!commands)
		return REAL(wordexp)(words, expanded, flags);
	return SPAWNING(REAL(wordexp)(words, expanded, flags));
}

static void share_listed(const char *fds, size_t bytes)
{
	int fd;

	for (size_t at = 0; at + sizeof(fd) <= bytes; at += sizeof(fd)) {
		memcpy(&fd, fds + at, sizeof(fd));
		if (managed(fd))
			share_description(managed(fd));
	}
}

/* As the kernel walks through it, up to what it refuses (__scm_send of Linux). */
static void share_in_control(const char *control, size_t bytes)
{
	struct cmsghdr header;

	for (size_t at = 0; bytes - at >= sizeof(header);) {
		memcpy(&header, control + at, sizeof(header));
		if (header.cmsg_len < sizeof(header) || header.cmsg_len > bytes - at)
			return;
		if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS)
			share_listed(control + at + CMSG_LEN(0), header.cmsg_len - CMSG_LEN(0));
		if (CMSG_ALIGN(header.cmsg_len) >= bytes - at)
			return;
		at += CMSG_ALIGN(header.cmsg_len);
	}
}

void process_sending(const struct msghdr *message)
{
	struct msghdr copy;

	if (thread_state.vforked || !descriptions_exist() || !memory_read(&copy, message, sizeof(copy)))
		return;
	/* More is ENOBUFS (____sys_sendmsg of Linux). */
	if (copy.msg_controllen >= sizeof(struct cmsghdr) && copy.msg_controllen <= INT_MAX &&
	    memory_is_readable(copy.msg_control, copy.msg_controllen))
		share_in_control(copy.msg_control, copy.msg_controllen);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	process_sending(message);
	return REAL(sendmsg)(fd, message, flags);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	/* More are ignored: UIO_MAXIOV (sendmmsg(2)). */
	for (unsigned int i = 0; i < count && i < IOV_MAX; i++)
		process_sending(&messages[i].msg_hdr);
	return REAL(sendmmsg)(fd, messages, count, flags);
}

EXPORT void _exit(int status)
{
	if (!thread_state.vforked && descriptions_exist())
		files_exit();
	REAL(_exit)(status);
	__builtin_unreachable();
}

extern void _Exit(int status) __attribute__((alias("_exit"), visibility("default"), noreturn));

/* The handlers of at_quick_exit may write still; what they extend, the guardian settles. */
EXPORT void quick_exit(int status)
{
	if (!thread_state.vforked && descriptions_exist())
		files_exit();
	REAL(quick_exit)(status);
	__builtin_unreachable();
}

/*
 * A filter of the program's own allows what the program needs, and that alone: any further call of
 * ours may fail, or kill.
 */
void process_before_seccomp(long mode, long filter)
{
	if ((mode == SECCOMP_MODE_STRICT || filter) && !thread_state.vforked)
		files_leave();
}

/* Who may trace it, and what it can do. */
bool process_changes_identity(long option)
{
	return option == PR_SET_DUMPABLE || option == PR_SET_SECUREBITS || option == PR_CAPBSET_DROP;
}

EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list arguments;
	int result;

	va_start(arguments, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(arguments, unsigned long);
	va_end(arguments);
	if (option == PR_SET_SECCOMP)
		process_before_seccomp((long)a[0], (long)a[1]);
	if (!process_changes_identity(option))
		return REAL(prctl)(option, a[0], a[1], a[2], a[3]);
	identity_begin();
	result = REAL(prctl)(option, a[0], a[1], a[2], a[3]);
	identity_end();
	return result;
}

#ifdef __SANITIZE_ADDRESS__
void __asan_handle_no_return(void);
#endif

/* Called by the code below on the way into and out of vfork(2). */
void process_vfork_begin(void);
long process_vfork_end(long pid);

__attribute__((used)) void process_vfork_begin(void)
{
	share_begin();
	thread_state.vforked = true;
}

__attribute__((used)) long process_vfork_end(long pid)
{
#ifdef __SANITIZE_ADDRESS__
	/* Frames of the child, which never return, have left their marks on this stack. */
	__asan_handle_no_return();
#endif
	thread_state.vforked = false;
	share_end(pid > 0, SHARE_INHERITED, 0);
	if (pid >= 0)
		return pid;
	errno = (int)-pid;
	return -1;
}

/*
 * The child returns through our caller's frame before the parent does, so nothing of ours may be on
 * the stack then: the return address waits in a register, which the system call leaves alone.
 */
#if defined(__x86_64__)
__asm__(".text\n"
	".globl vfork\n"
	".globl __vfork\n"
	".type vfork, @function\n"
	".set __vfork, vfork\n"
	"vfork:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call process_vfork_begin\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_register %rip, %rdi\n"
	"	movl $58, %eax\n" /* SYS_vfork */
	"	syscall\n"
	"	pushq %rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_offset %rip, -8\n"
	"	testq %rax, %rax\n"
	"	jz 1f\n"
	"	movq %rax, %rdi\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call process_vfork_end\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"1:	ret\n"
	"	.cfi_endproc\n"
	".size vfork, .-vfork\n");
#else
/* Without the trick, fork is a correct vfork (vfork(2), standard description). */
EXPORT pid_t vfork(void)
{
	return fork();
}
ALIAS(__vfork, vfork);
#endif

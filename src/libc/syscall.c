/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syscall(2): a call made by its number is handled like the call. Those that answer for a managed
 * file go to the function of the same name; those that want it settled are made as they came, since
 * libc's functions differ from them here and there (utimensat(2), NULL path).
 */
#include "base/memory.h"
#include "files/reclaim.h"
#include "libc/async.h"
#include "libc/export.h"
#include "libc/identity.h"
#include "libc/metadata.h"
#include "libc/open.h"
#include "libc/process.h"

#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

/* Newer than some headers. */
#define NUMBER_FCHMODAT2 452
#define NUMBER_SETXATTRAT 463
#define NUMBER_REMOVEXATTRAT 466
#define NUMBER_FILE_SETATTR 469

#define ANSWER(call) return *result = (long)(call), true

/* A fork: the child runs on a copy of our memory and our descriptors, and returns from here. */
static bool is_fork(long number, const long *a)
{
	struct clone_args arguments;

	switch (number) {
#ifdef SYS_fork
	case SYS_fork:
	case SYS_vfork:
		return true;
#endif
	case SYS_clone:
		return !(a[0] & (CLONE_VM | CLONE_FILES)) && a[1] == 0;
	case SYS_clone3:
		return (size_t)a[1] >= CLONE_ARGS_SIZE_VER0 &&
		       memory_read(&arguments, (const void *)a[0], CLONE_ARGS_SIZE_VER0) &&
		       !(arguments.flags & (CLONE_VM | CLONE_FILES)) && arguments.stack == 0;
	default:
		return false;
	}
}

static long pass_on(long number, const long *a)
{
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Reads, writes and their kin on a managed descriptor. False: none of these. */
static bool transferred(long number, const long *a, long *result)
{
	int fd = (int)a[0];
	void *p = (void *)a[1];

	switch (number) {
	case SYS_read:
		ANSWER(read(fd, p, (size_t)a[2]));
	case SYS_write:
		ANSWER(write(fd, p, (size_t)a[2]));
	case SYS_pread64:
		ANSWER(pread(fd, p, (size_t)a[2], a[3]));
	case SYS_pwrite64:
		ANSWER(pwrite(fd, p, (size_t)a[2], a[3]));
	case SYS_readv:
		ANSWER(readv(fd, p, (int)a[2]));
	case SYS_writev:
		ANSWER(writev(fd, p, (int)a[2]));
	/* All of a 64-bit offset is in its low half. */
	case SYS_preadv:
		ANSWER(preadv(fd, p, (int)a[2], a[3]));
	case SYS_pwritev:
		ANSWER(pwritev(fd, p, (int)a[2], a[3]));
	case SYS_preadv2:
		ANSWER(preadv2(fd, p, (int)a[2], a[3], (int)a[5]));
	case SYS_pwritev2:
		ANSWER(pwritev2(fd, p, (int)a[2], a[3], (int)a[5]));
	default:
		return false;
	}
}

/* The other calls on a managed descriptor. */
static bool answered(long number, const long *a, long *result)
{
	int fd = (int)a[0];

	switch (number) {
	case SYS_lseek:
		ANSWER(lseek(fd, a[1], (int)a[2]));
	case SYS_ftruncate:
		ANSWER(ftruncate(fd, a[1]));
	case SYS_fallocate:
		ANSWER(fallocate(fd, (int)a[1], a[2], a[3]));
	case SYS_fcntl:
		ANSWER(fcntl(fd, (int)a[1], a[2]));
	case SYS_dup:
		ANSWER(dup(fd));
	default:
		return transferred(number, a, result);
	}
}

/* Calls that name two files, or name them elsewhere than in the first argument. */
static bool answered_by_two(long number, const long *a, long *result)
{
	switch (number) {
	case SYS_sendfile:
		ANSWER(sendfile((int)a[0], (int)a[1], (off_t *)a[2], (size_t)a[3]));
	case SYS_splice:
		ANSWER(splice((int)a[0], (off_t *)a[1], (int)a[2], (off_t *)a[3], (size_t)a[4],
		       (unsigned int)a[5]));
	case SYS_copy_file_range:
		ANSWER(copy_file_range((int)a[0], (off_t *)a[1], (int)a[2], (off_t *)a[3],
		       (size_t)a[4], (unsigned int)a[5]));
	case SYS_ioctl:
		ANSWER(ioctl((int)a[0], (unsigned long)a[1], a[2]));
	case SYS_mmap:
		ANSWER(mmap((void *)a[0], (size_t)a[1], (int)a[2], (int)a[3], (int)a[4],
		       a[5]));
	case SYS_truncate:
		ANSWER(truncate((const char *)a[0], a[1]));
	case SYS_pidfd_getfd:
		ANSWER(pidfd_getfd((int)a[0], (int)a[1], (unsigned int)a[2]));
	default:
		return false;
	}
}

/* Where the kernel's struct stat is libc's. */
static bool measured(long number, const long *a, long *result)
{
#if defined(__x86_64__) || defined(__aarch64__) || defined(__riscv)
	switch (number) {
#ifdef SYS_stat
	case SYS_stat:
		ANSWER(stat((const char *)a[0], (struct stat *)a[1]));
	case SYS_lstat:
		ANSWER(lstat((const char *)a[0], (struct stat *)a[1]));
#endif
	case SYS_fstat:
		ANSWER(fstat((int)a[0], (struct stat *)a[1]));
	case SYS_newfstatat:
		ANSWER(fstatat((int)a[0], (const char *)a[1], (struct stat *)a[2], (int)a[3]));
	default:
		break;
	}
#endif
	if (number != SYS_statx)
		return false;
	*result = statx((int)a[0], (const char *)a[1], (int)a[2], (unsigned int)a[3],
			(struct statx *)a[4]);
	return true;
}

static bool opened(long number, const long *a, long *result)
{
	switch (number) {
#ifdef SYS_open
	case SYS_open:
		ANSWER(open((const char *)a[0], (int)a[1], (mode_t)a[2]));
	case SYS_creat:
		ANSWER(creat((const char *)a[0], (mode_t)a[1]));
#endif
	case SYS_openat:
		ANSWER(openat((int)a[0], (const char *)a[1], (int)a[2], (mode_t)a[3]));
	case SYS_openat2:
		ANSWER(open_by_how((int)a[0], (const char *)a[1], (const struct open_how *)a[2],
				   (size_t)a[3]));
	default:
		return false;
	}
}

/* Calls that change the file's name or metadata, made on a settled file: as in metadata.c. */
static bool settled(long number, const long *a, struct plain *plain)
{
	const char *path = (const char *)a[0], *path_at = (const char *)a[1];

	switch (number) {
	case SYS_fchmod:
	case SYS_fchown:
	case SYS_fsetxattr:
	case SYS_fremovexattr:
	case SYS_fgetxattr:
	case SYS_flistxattr:
		metadata_begin(plain, (int)a[0]);
		return true;
#ifdef SYS_chmod
	case SYS_chmod:
	case SYS_chown:
	case SYS_utime:
	case SYS_utimes:
#endif
	case SYS_setxattr:
	case SYS_removexattr:
	case SYS_getxattr:
	case SYS_listxattr:
		metadata_begin_path(plain, AT_FDCWD, path, 0);
		return true;
#ifdef SYS_rename
	case SYS_rename:
	case SYS_link:
	case SYS_lchown:
#endif
	case SYS_lsetxattr:
	case SYS_lremovexattr:
	case SYS_lgetxattr:
	case SYS_llistxattr:
		metadata_begin_path(plain, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
		return true;
	case SYS_fchmodat:
#ifdef SYS_futimesat
	case SYS_futimesat:
#endif
		metadata_begin_path(plain, (int)a[0], path_at, 0);
		return true;
#ifdef SYS_renameat
	case SYS_renameat:
#endif
	case SYS_renameat2:
		metadata_begin_path(plain, (int)a[0], path_at, AT_SYMLINK_NOFOLLOW);
		return true;
	case SYS_linkat:
		metadata_begin_path(plain, (int)a[0], path_at, metadata_link_flags((int)a[4]));
		return true;
	case NUMBER_SETXATTRAT:
	case NUMBER_REMOVEXATTRAT:
		metadata_begin_path(plain, (int)a[0], path_at, (int)a[2]);
		return true;
	case SYS_utimensat:
	case NUMBER_FCHMODAT2:
		metadata_begin_path(plain, (int)a[0], path_at, (int)a[3]);
		return true;
	case SYS_fchownat:
	case NUMBER_FILE_SETATTR:
		metadata_begin_path(plain, (int)a[0], path_at, (int)a[4]);
		return true;
	default:
		return false;
	}
}

/* Which hand over descriptors, or end this process. */
static bool processed(long number, const long *a, long *result)
{
	switch (number) {
	case SYS_sendmsg:
		ANSWER(sendmsg((int)a[0], (const struct msghdr *)a[1], (int)a[2]));
	case SYS_sendmmsg:
		ANSWER(sendmmsg((int)a[0], (struct mmsghdr *)a[1], (unsigned int)a[2], (int)a[3]));
	case SYS_execve:
		ANSWER(execve((const char *)a[0], (char *const *)a[1], (char *const *)a[2]));
	case SYS_execveat:
		ANSWER(execveat((int)a[0], (const char *)a[1], (char *const *)a[2], (char *const
		       *)a[3], (int)a[4]));
	case SYS_exit_group:
		_exit((int)a[0]);
	default:
		return false;
	}
}

static bool synced(long number, const long *a, long *result)
{
	switch (number) {
	case SYS_fsync:
		ANSWER(fsync((int)a[0]));
	case SYS_fdatasync:
		ANSWER(fdatasync((int)a[0]));
	case SYS_sync:
		ANSWER((sync(), 0));
	case SYS_syncfs:
		ANSWER(syncfs((int)a[0]));
	default:
		return false;
	}
}

/* What would leave the table of descriptors wrong. */
static bool closed(long number, const long *a, long *result)
{
	switch (number) {
	case SYS_close:
		ANSWER(close((int)a[0]));
	case SYS_close_range:
		ANSWER(close_range((unsigned int)a[0], (unsigned int)a[1], (int)a[2]));
#ifdef SYS_dup2
	case SYS_dup2:
		ANSWER(dup2((int)a[0], (int)a[1]));
#endif
	case SYS_dup3:
		ANSWER(dup3((int)a[0], (int)a[1], (int)a[2]));
	default:
		return false;
	}
}

/* By which the program becomes somebody else: as in identity.c. */
static bool is_identity(long number, const long *a)
{
	switch (number) {
	case SYS_setuid:
	case SYS_setreuid:
	case SYS_setresuid:
	case SYS_setgid:
	case SYS_setregid:
	case SYS_setresgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_setgroups:
	case SYS_capset:
	case SYS_chroot:
	case SYS_pivot_root:
	case SYS_unshare:
	case SYS_setns:
		return true;
	case SYS_prctl:
		return process_changes_identity(a[0]);
	default:
		return false;
	}
}

/* After which more is passed on than this call. */
static void watch(long number, const long *a)
{
	switch (number) {
	case SYS_prctl:
		if (a[0] == PR_SET_SECCOMP)
			process_before_seccomp(a[1], a[2]);
		break;
	case SYS_seccomp:
		if (a[0] == SECCOMP_SET_MODE_STRICT)
			process_before_seccomp(SECCOMP_MODE_STRICT, 0);
		else if (a[0] == SECCOMP_SET_MODE_FILTER)
			process_before_seccomp(SECCOMP_MODE_FILTER, a[2]);
		break;
	case SYS_io_submit:
		async_submitting(a[1], (struct iocb **)a[2]);
		break;
	case SYS_io_uring_setup:
		uring_unwatched();
		break;
	case SYS_io_uring_enter:
		if (a[1])
			uring_unwatched();
		break;
	case SYS_io_uring_register:
		uring_registering((unsigned int)a[1], (const void *)a[2], (unsigned int)a[3]);
		break;
	default:
		break;
	}
}

/*
 * A library between us and libc that stands in front of the same function makes the call by its number:
 * that comes back to us, from inside of our own.
 */
static bool is_answered_already(long number, const long *a)
{
	const long *outer = thread_state.by_number;

	return outer && thread_state.number == number && outer[0] == a[0] && outer[1] == a[1] &&
	       outer[2] == a[2];
}

/* Calls that runtimes make by number, and often. */
static bool is_of_threads(long number)
{
	return number == SYS_futex || number == SYS_gettid || number == SYS_getrandom ||
	       number == SYS_membarrier;
}

/* False: the call is still to be made. */
static bool handle(long number, const long *a, long *result)
{
	struct plain plain = {.description = NULL};
	int saved_errno;

	if ((managed((int)a[0]) && answered(number, a, result)) || closed(number, a, result) ||
	    synced(number, a, result) || opened(number, a, result) ||
	    processed(number, a, result))
		return true;
	watch(number, a);
	if (is_identity(number, a)) {
		identity_begin();
		*result = pass_on(number, a);
		identity_end();
		return true;
	}
	if (!descriptions_exist())
		return false;
	if (answered_by_two(number, a, result) || measured(number, a, result))
		return true;
	if (!settled(number, a, &plain))
		return false;
	plain_give_back(&plain);
	*result = pass_on(number, a);
	saved_errno = errno;
	plain_end(&plain);
	errno = saved_errno;
	return true;
}

/* A full filesystem may lack what we hold in another file. A write that came short stays short. */
static long pass_on_unmanaged(long number, const long *a)
{
	switch (number) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_pwritev:
	case SYS_pwritev2:
	case SYS_fallocate:
		return WITH_SPACE(long, pass_on(number, a), reclaim_for((int)a[0]));
	default:
		return pass_on(number, a);
	}
}

/*
 * At most six arguments, all of them longs. Not a cancellation point, as the functions are. All six
 * are read, as by libc's own, however many the caller has passed: the last is of its frame then.
 */
__attribute__((no_sanitize_address)) EXPORT long syscall(long number, ...)
{
	long a[6], result;
	va_list arguments;
	const long *outer = thread_state.by_number;
	long outer_number = thread_state.number;
	bool handled;
	int cancel;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (is_of_threads(number) || is_answered_already(number, a))
		return pass_on(number, a);
	if (__builtin_expect(is_fork(number, a), 0)) {
#ifdef SYS_vfork
		/* Ours is not the frame for a child that shares it. */
		number = number == SYS_vfork ? SYS_fork : number;
#endif
		return process_fork_by(pass_on, number, a);
	}
	cancel = cancel_disable();
	thread_state.number = number;
	thread_state.by_number = a;
	handled = handle(number, a, &result);
	thread_state.number = outer_number;
	thread_state.by_number = outer;
	cancel_restore(cancel);
	return handled ? result : pass_on_unmanaged(number, a);
}

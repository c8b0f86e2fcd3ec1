/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libc/real.h"

#include "base/layout.h"
#include "base/sys.h"
#include "libc/loaded.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* REAL, of a call that may be its own first, and be made at the start. */
#define NEXT(name) \
	({ \
		__typeof__(name) *next_ = __atomic_load_n(&real_calls.name, __ATOMIC_RELAXED); \
		if (__builtin_expect(!next_ || next_ == call_##name, 0)) \
			next_ = (__typeof__(name) *)real_find(&real_calls.name, START_STRING(#name)); \
		next_; \
	})

/*
 * A call that looks itself up: of our own code's, and of those that wrappers make without a look whether they
 * are known yet.
 */
#define CALL(type, name, parameters, ...) \
	AT_START static type call_##name parameters \
	{ \
		return NEXT(name)(__VA_ARGS__); \
	}

CALL(ssize_t, read, (int fd, void *buffer, size_t bytes), fd, buffer, bytes)
CALL(ssize_t, pwrite, (int fd, const void *buffer, size_t bytes, off_t offset), fd, buffer, bytes,
     offset)
CALL(ssize_t, pread, (int fd, void *buffer, size_t bytes, off_t offset), fd, buffer, bytes, offset)
CALL(ssize_t, write, (int fd, const void *buffer, size_t bytes), fd, buffer, bytes)
CALL(void *, mmap, (void *address, size_t bytes, int protection, int flags, int fd, off_t offset), address, bytes,
     protection, flags, fd, offset)
CALL(int, fstat, (int fd, struct stat *st), fd, st)
CALL(int, fstatat, (int dirfd, const char *path, struct stat *st, int flags), dirfd, path, st, flags)
CALL(int, statx, (int dirfd, const char *path, int flags, unsigned int mask, struct statx *stx), dirfd, path, flags,
     mask, stx)
CALL(off_t, lseek, (int fd, off_t offset, int whence), fd, offset, whence)
CALL(int, ftruncate, (int fd, off_t length), fd, length)
CALL(int, futimens, (int fd, const struct timespec times[2]), fd, times)
CALL(int, fchmod, (int fd, mode_t mode), fd, mode)
CALL(ssize_t, getxattr, (const char *path, const char *name, void *value, size_t size), path, name,
     value, size)
CALL(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t size), fd, name, value, size)
CALL(int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags), fd, name,
     value, size, flags)
CALL(int, fremovexattr, (int fd, const char *name), fd, name)

/*
 * Their last arguments are optional; our own code gives clone(2) these. A call may never return, and
 * AddressSanitizer's marks on the frame would stay, where others map memory next; nor does it like a look at
 * arguments that weren't given.
 */
#define UNMARKED __attribute__((no_sanitize_address))

UNMARKED CALL(int, clone, (int (*run)(void *), void *stack, int flags, void *argument, ...), run, stack,
	      flags, argument)

#define OPTIONAL(name, last, parameters, ...) \
	AT_START UNMARKED static int call_##name parameters \
	{ \
		va_list arguments; \
		long argument; \
		va_start(arguments, last); \
		argument = va_arg(arguments, long); \
		va_end(arguments); \
		return NEXT(name)(__VA_ARGS__, argument); \
	}

OPTIONAL(fcntl, command, (int fd, int command, ...), fd, command)
OPTIONAL(ioctl, request, (int fd, unsigned long request, ...), fd, request)

UNMARKED static long call_syscall(long number, ...)
{
	va_list arguments;
	long a[6];

	va_start(arguments, number);
	for (size_t i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/*
 * libc's cancellation points, by number: within them a SIGCANCEL that comes late would end the thread with all that
 * it holds, be cancellation disabled or not. It was sent while the thread was cancellable; glibc 2.36 goes by the
 * cancellation type alone then, and that is what its cancellation points set (nptl/cancellation.c). Nor can the
 * signal be blocked instead: they wait for it.
 */
#define BY_NUMBER(type, name, parameters, ...) \
	AT_START static type by_number_##name parameters \
	{ \
		return (type)NEXT(syscall)(__VA_ARGS__); \
	}

BY_NUMBER(int, close, (int fd), SYS_close, fd)
BY_NUMBER(ssize_t, read, (int fd, void *buffer, size_t bytes), SYS_read, fd, buffer, bytes)
/* The mode is read where none is given, too, and not looked at then. */
AT_START UNMARKED static int by_number_openat(int dirfd, const char *path, int flags, ...)
{
	va_list arguments;
	long mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, long);
	va_end(arguments);
	return (int)NEXT(syscall)(SYS_openat, dirfd, path, flags, mode);
}

BY_NUMBER(ssize_t, pread, (int fd, void *buffer, size_t bytes, off_t offset), SYS_pread64, fd, buffer, bytes,
	  offset)
/* All of a 64-bit offset is in its low half. */
BY_NUMBER(ssize_t, pwritev, (int fd, const struct iovec *iov, int count, off_t offset), SYS_pwritev, fd, iov,
	  count, offset, 0L)
BY_NUMBER(int, fallocate, (int fd, int mode, off_t offset, off_t bytes), SYS_fallocate, fd, mode, offset, bytes)
BY_NUMBER(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), SYS_sendmsg, fd, message, flags)
BY_NUMBER(int, fdatasync, (int fd), SYS_fdatasync, fd)
BY_NUMBER(ssize_t, getrandom, (void *buffer, size_t bytes, unsigned int flags), SYS_getrandom, buffer, bytes, flags)
BY_NUMBER(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout),
	  SYS_rt_sigtimedwait, set, info, timeout, (long)(_NSIG / 8))
BY_NUMBER(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
	  SYS_clock_nanosleep, clock, flags, time, left)
#ifdef SYS_sync_file_range2
BY_NUMBER(int, sync_file_range, (int fd, off_t offset, off_t bytes, unsigned int flags), SYS_sync_file_range2, fd,
	  flags, offset, bytes)
#else
BY_NUMBER(int, sync_file_range, (int fd, off_t offset, off_t bytes, unsigned int flags), SYS_sync_file_range, fd,
	  offset, bytes, flags)
#endif
BY_NUMBER(ssize_t, recv, (int fd, void *buffer, size_t bytes, int flags), SYS_recvfrom, fd, buffer, bytes, flags,
	  NULL, NULL)

#ifdef SYS_poll
BY_NUMBER(int, poll, (struct pollfd *fds, nfds_t count, int timeout_ms), SYS_poll, fds, count, timeout_ms)
#else
static int by_number_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct timespec timeout = {.tv_sec = timeout_ms / 1000,
				   .tv_nsec = timeout_ms % 1000 * 1000000L};

	return (int)REAL(syscall)(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0L);
}
#endif

struct real real_calls = {
	.read = call_read,
	.pread = call_pread,
	.write = call_write,
	.pwrite = call_pwrite,
	.lseek = call_lseek,
	.fstat = call_fstat,
};
struct sys sys = {
	.close = by_number_close,
	.read = by_number_read,
	.mmap = call_mmap,
	.fcntl = call_fcntl,
	.ioctl = call_ioctl,
	.fstat = call_fstat,
	.statx = call_statx,
	.fstatat = call_fstatat,
	.lseek = call_lseek,
	.pread = by_number_pread,
	.pwritev = by_number_pwritev,
	.ftruncate = call_ftruncate,
	.fallocate = by_number_fallocate,
	.futimens = call_futimens,
	.fchmod = call_fchmod,
	.openat = by_number_openat,
	.fdatasync = by_number_fdatasync,
	.getxattr = call_getxattr,
	.fgetxattr = call_fgetxattr,
	.fsetxattr = call_fsetxattr,
	.fremovexattr = call_fremovexattr,
	.clone = call_clone,
	.sendmsg = by_number_sendmsg,
	.recv = by_number_recv,
	.poll = by_number_poll,
	.sync_file_range = by_number_sync_file_range,
	.sigtimedwait = by_number_sigtimedwait,
	.clock_nanosleep = by_number_clock_nanosleep,
	.getrandom = by_number_getrandom,
	.syscall = call_syscall,
};
static bool started, in_lists;

/* The pointers are of many types. */
typedef void *__attribute__((may_alias)) any_function;

/* glibc before 2.33 has stat and its kin in the shape of __xstat alone. */
#define STAT_VERSION 1

/*
 * What a plugin brings with it (dlopen without RTLD_GLOBAL) isn't behind us in the search order,
 * and yet its calls find us first.
 */
void *real_of_library(const char *name)
{
	static const char *const libraries[] = {"liburing.so.2", "libaio.so.1", "libaio.so.1t64",
						"libutil.so.1", "liburing-ffi.so.2"};
	void *symbol = dlsym(RTLD_NEXT, name);

	for (size_t i = 0; !symbol && i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		/* Not closed again: the symbol shall stay where it is. */
		void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);

		if (library)
			symbol = dlsym(library, name);
	}
	return symbol;
}

static int fstat_by_version(int fd, struct stat *st)
{
	return REAL(__fxstat)(STAT_VERSION, fd, st);
}

static int fstatat_by_version(int dirfd, const char *path, struct stat *st, int flags)
{
	return REAL(__fxstatat)(STAT_VERSION, dirfd, path, st, flags);
}

static void find_all(void)
{
#define X(name) real_find(&real_calls.name, #name);
	REAL_CALLS(X)
#undef X
}

AT_START void real_start(void)
{
	started = true;
	/* dlsym waits behind another thread's dlopen, and isn't allowed in a signal handler. */
	in_lists = loaded_start();
	if (!in_lists)
		find_all();
}

static void *find_older(const char *name)
{
	if (!strcmp(name, "fstat"))
		return (void *)fstat_by_version;
	return !strcmp(name, "fstatat") ? (void *)fstatat_by_version : NULL;
}

static void *find_in_libc(const char *name)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	return libc ? dlsym(libc, name) : NULL;
}

AT_START void *real_find(void *call, const char *name)
{
	any_function found;

	if (!started)
		real_start();
	found = loaded_next_symbol(name);
	/* Before dlsym, which would look for them in vain, with a lock and malloc. */
	if (!found && in_lists)
		found = find_older(name);
	/* POSIX promises the conversion of such a pointer to a function's (dlsym(3), NOTES). */
	if (!found)
		found = dlsym(RTLD_NEXT, name);
	if (!found)
		found = find_older(name);
	/* libc itself, executed as a program: it stands before us. */
	if (!found)
		found = find_in_libc(name);
	__atomic_store_n((any_function *)call, found, __ATOMIC_RELAXED);
	return found;
}

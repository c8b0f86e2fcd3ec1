/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A preload that makes one of the library's own system calls fail, as SQLite's test VFS does. It
 * stands behind libpreallocate.so in LD_PRELOAD.
 *
 *	INJECT_LIBRARY=PATH	libpreallocate.so as it stands in LD_PRELOAD
 *	INJECT_SYS=HEX		where its table `sys` lies (nm)
 *	INJECT_MEMBERS=NAME,...	the names of that table's members, in order (src/base/sys.h)
 *	INJECT_PROGRAMS=HEX+HEX,...	its functions (address, length) that make the program's own call
 *				through that table
 *	INJECT_STATE=FILE	counts of all processes
 *	INJECT_CALL=NAME	which call fails (without it, none)
 *	INJECT_ERRNO=EIO	how
 *	INJECT_AT=N		the Nth of that name, whichever process makes it; N- for all from there on
 *	INJECT_LIST=1		prints names and counts, at the start
 *
 * What is the library's own: all that goes through `sys`, but for the functions above; and what it
 * calls by a symbol that it doesn't interpose. Calls of a symbol that it does interpose, and yet
 * makes itself, are told by their arguments, which the program under test doesn't use.
 */
#include "claim/slot.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_CALLS 128
#define MAX_RANGES 64

/* Calls that do one thing by one number, and others by others. */
static const struct part {
	const char *name;
	long number;
} commands[] = {
	{"fcntl:F_DUPFD_CLOEXEC", F_DUPFD_CLOEXEC}, {"fcntl:F_GETFD", F_GETFD},
	{"fcntl:F_ADD_SEALS", F_ADD_SEALS},	    {"fcntl:F_GETFL", F_GETFL},		    {"fcntl:F_SETFL", F_SETFL},
	{"fcntl:F_SETSIG", F_SETSIG},		    {"fcntl:F_SETOWN_EX", F_SETOWN_EX},
	{"fcntl:F_SETLEASE", F_SETLEASE},	    {"fcntl:F_GETLEASE", F_GETLEASE},
	{"fcntl:other", -1},
}, numbers[] = {
	{"syscall:cachestat", 451},		    {"syscall:chdir", SYS_chdir},
	{"syscall:close", SYS_close},		    {"syscall:close_range", SYS_close_range},   {"syscall:dup3", SYS_dup3},
	{"syscall:execveat", SYS_execveat},		    {"syscall:exit_group", SYS_exit_group},
	{"syscall:fcntl", SYS_fcntl},		    {"syscall:futex", SYS_futex},
	{"syscall:gettid", SYS_gettid},		    {"syscall:kill", SYS_kill},
	{"syscall:openat", SYS_openat},		    {"syscall:pidfd_open", SYS_pidfd_open},
	{"syscall:setsockopt", SYS_setsockopt},	    {"syscall:getresuid", SYS_getresuid},
	{"syscall:getresgid", SYS_getresgid},	    {"syscall:setfsuid", SYS_setfsuid},
	{"syscall:setfsgid", SYS_setfsgid},
	{"syscall:prctl", SYS_prctl},		    {"syscall:pwritev2", SYS_pwritev2},
	{"syscall:read", SYS_read},		    {"syscall:sendto", SYS_sendto},
	{"syscall:rt_sigprocmask", SYS_rt_sigprocmask}, {"syscall:setsid", SYS_setsid},
	{"syscall:statx", SYS_statx},		    {"syscall:capget", SYS_capget},
	{"syscall:faccessat2", SYS_faccessat2},	    {"syscall:getdents64", SYS_getdents64},
	{"syscall:wait4", SYS_wait4},		    {"syscall:write", SYS_write},
	{"syscall:writev", SYS_writev},		    {"syscall:other", -1},
};

struct state {
	_Atomic uint32_t fired, lock;
	struct {
		char name[28];
		uint32_t count;
	} calls[MAX_CALLS];
};

struct range {
	uintptr_t start, end;
};

static struct state nothing, *state = &nothing;
static struct range code, programs[MAX_RANGES];
static size_t program_count;
static uintptr_t base;
static const char *chosen;
static int error;
static uint32_t at;
static bool from_there_on, ready;

/* --- which call is it, and does it fail --- */

static bool is_within(const struct range *range, const void *address)
{
	return (uintptr_t)address >= range->start && (uintptr_t)address < range->end;
}

static bool is_librarys(const void *caller)
{
	return ready && is_within(&code, caller);
}

/* Through the table; a tail call returns to the program: then it is the program's. */
static bool is_own(const void *caller)
{
	if (!is_librarys(caller))
		return false;
	for (size_t i = 0; i < program_count; i++)
		if (is_within(&programs[i], caller))
			return false;
	return true;
}

/* Names get their places in the order in which they are first met. */
static uint32_t count(const char *name)
{
	size_t i = 0;
	uint32_t n;

	while (atomic_exchange(&state->lock, 1))
		;
	while (i < MAX_CALLS - 1 && state->calls[i].name[0] && strcmp(state->calls[i].name, name))
		i++;
	if (!state->calls[i].name[0])
		strncpy(state->calls[i].name, name, sizeof(state->calls[i].name) - 1);
	n = ++state->calls[i].count;
	atomic_store(&state->lock, 0);
	return n;
}

static bool fails(const char *name)
{
	uint32_t n = count(name);

	if (!chosen || strcmp(chosen, name) != 0 || (from_there_on ? n < at : n != at))
		return false;
	atomic_fetch_add(&state->fired, 1);
	errno = error;
	return true;
}

static bool part_fails(const struct part *parts, long number)
{
	while (parts->number != number && parts->number != -1)
		parts++;
	return fails(parts->name);
}

#define OWN(name) (is_own(__builtin_return_address(0)) && fails(name))

/* --- the table --- */

/* The members that can be made to fail; the library may have fewer. */
#define MEMBERS(X)                                                                                 \
	X(close) X(read) X(fcntl) X(ioctl) X(fstat) X(fstatat) X(statx) X(lseek) X(pread) X(write) X(pwritev)       \
	X(ftruncate) X(fallocate) X(futimens) X(fchmod) X(openat) X(fsync) X(fdatasync)            \
	X(getxattr) X(fgetxattr) X(fsetxattr) X(fremovexattr) X(clone) X(sendmsg)                  \
	X(recv) X(poll) X(sync_file_range) X(sigtimedwait) X(clock_nanosleep) X(getrandom)

/* What our table stands before. */
#define X(name) static __typeof__(name) *next_##name;
MEMBERS(X)
#undef X

/* Inside of the library's member, which may make its call by number. */
static __thread int in_member;

#define GO_ON(call)                                                                                \
	({                                                                                         \
		__typeof__(call) result_;                                                          \
		in_member++;                                                                       \
		result_ = call;                                                                    \
		in_member--;                                                                       \
		result_;                                                                           \
	})

static int own_close(int fd)
{
	bool failed = OWN("close");
	int saved_errno = errno, result = GO_ON(next_close(fd)); /* close(2): closed all the same */

	if (failed)
		errno = saved_errno;
	return failed ? -1 : result;
}

static int own_fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	/* A lease that is there is given up, always (generic_delete_lease). */
	if ((command != F_SETLEASE || argument != F_UNLCK) &&
	    is_own(__builtin_return_address(0)) && part_fails(commands, command))
		return -1;
	return next_fcntl(fd, command, argument);
}

static int own_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return OWN("ioctl") ? -1 : next_ioctl(fd, request, argument);
}

static int own_openat(int directory, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return OWN("openat") ? -1 : GO_ON(next_openat(directory, path, flags, mode));
}

static int own_clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	return OWN("clone") ? -1 : next_clone(run, stack, flags, argument);
}

#define MEMBER(type, name, parameters, arguments)                                                  \
	static type own_##name parameters                                                          \
	{                                                                                          \
		return OWN(#name) ? (type)-1 : GO_ON(next_##name arguments);                       \
	}

MEMBER(int, fstat, (int fd, struct stat *st), (fd, st))
MEMBER(int, fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags))
MEMBER(int, statx, (int fd, const char *path, int flags, unsigned int mask, struct statx *stx), (fd, path, flags, mask, stx))
MEMBER(ssize_t, read, (int fd, void *to, size_t bytes), (fd, to, bytes))
MEMBER(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
MEMBER(ssize_t, pread, (int fd, void *to, size_t bytes, off_t offset), (fd, to, bytes, offset))
MEMBER(ssize_t, write, (int fd, const void *from, size_t bytes), (fd, from, bytes))
MEMBER(ssize_t, pwritev, (int fd, const struct iovec *iov, int parts, off_t offset),
       (fd, iov, parts, offset))
MEMBER(int, ftruncate, (int fd, off_t length), (fd, length))
MEMBER(int, fallocate, (int fd, int mode, off_t offset, off_t bytes), (fd, mode, offset, bytes))
MEMBER(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
MEMBER(int, fchmod, (int fd, mode_t mode), (fd, mode))
MEMBER(int, fsync, (int fd), (fd))
MEMBER(int, fdatasync, (int fd), (fd))
MEMBER(ssize_t, getxattr, (const char *path, const char *name, void *to, size_t bytes),
       (path, name, to, bytes))
MEMBER(ssize_t, fgetxattr, (int fd, const char *name, void *to, size_t bytes),
       (fd, name, to, bytes))
MEMBER(int, fsetxattr, (int fd, const char *name, const void *from, size_t bytes, int flags),
       (fd, name, from, bytes, flags))
MEMBER(int, fremovexattr, (int fd, const char *name), (fd, name))
MEMBER(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
MEMBER(ssize_t, recv, (int fd, void *to, size_t bytes, int flags), (fd, to, bytes, flags))
MEMBER(int, poll, (struct pollfd *fds, nfds_t n, int timeout), (fds, n, timeout))
MEMBER(int, sync_file_range, (int fd, off_t from, off_t bytes, unsigned int flags), (fd, from, bytes, flags))
MEMBER(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *time), (set, info, time))
MEMBER(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
       (clock, flags, time, left))
MEMBER(ssize_t, getrandom, (void *to, size_t bytes, unsigned int flags), (to, bytes, flags))

static const struct member {
	const char *name;
	void *own;
	void *next; /* void **, whatever the function's type */
} members[] = {
#define X(name) {#name, (void *)own_##name, (void *)&next_##name},
	MEMBERS(X)
#undef X
};

/* names: of all the table's members, in order, with commas between. */
static void put_into(void **table, const char *names)
{
	for (; *names; table++, names += *names == ',') {
		size_t length = strcspn(names, ",");

		for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
			if (strlen(members[i].name) != length ||
			    strncmp(members[i].name, names, length) != 0 || *table == members[i].own)
				continue;
			memcpy(members[i].next, table, sizeof(*table));
			*table = members[i].own;
		}
		names += length;
	}
}

/* --- what the library calls by symbols that it doesn't interpose --- */

#define NEXT(name)                                                                                 \
	({                                                                                         \
		static __typeof__(name) *next_;                                                    \
		if (!next_)                                                                        \
			next_ = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);                       \
		next_;                                                                             \
	})

#define LIBRARYS(name) (is_librarys(__builtin_return_address(0)) && fails(name))

#define SYMBOL(type, name, parameters, arguments, failure)                                         \
	EXPORT type name parameters                                                                \
	{                                                                                          \
		__typeof__(name) *further = NEXT(name);                                            \
		return LIBRARYS(#name) ? failure : further arguments;                              \
	}

SYMBOL(int, access, (const char *path, int mode), (path, mode), -1)
SYMBOL(int, fstatfs, (int fd, struct statfs *fs), (fd, fs), -1)
SYMBOL(int, getrlimit, (__rlimit_resource_t what, struct rlimit *limit), (what, limit), -1)
SYMBOL(ssize_t, readlink, (const char *path, char *to, size_t bytes), (path, to, bytes), -1)
SYMBOL(int, memfd_create, (const char *name, unsigned int flags), (name, flags), -1)
SYMBOL(int, socketpair, (int domain, int type, int protocol, int pair[2]),
       (domain, type, protocol, pair), -1)
SYMBOL(int, sigpending, (sigset_t *set), (set), -1)
SYMBOL(int, shutdown, (int fd, int how), (fd, how), -1)
SYMBOL(int, madvise, (void *map, size_t bytes, int advice), (map, bytes, advice), -1)
SYMBOL(ssize_t, process_vm_readv, (pid_t pid, const struct iovec *to, unsigned long count, const struct iovec *from,
				   unsigned long parts, unsigned long flags), (pid, to, count, from, parts, flags), -1)
SYMBOL(int, munmap, (void *map, size_t bytes), (map, bytes), -1)
SYMBOL(char *, strdup, (const char *text), (text), NULL)
SYMBOL(int, dladdr, (const void *address, Dl_info *info), (address, info), 0)
SYMBOL(int, vasprintf, (char **text, const char *format, va_list arguments),
       (text, format, arguments), -1)

/* pthread_sigmask(3) returns the error, and leaves errno alone. */
EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	__typeof__(pthread_sigmask) *further = NEXT(pthread_sigmask);
	int saved_errno = errno;
	bool failed = LIBRARYS("pthread_sigmask");

	errno = saved_errno;
	return failed ? error : further(how, set, old);
}

/* Before anything else is there, dlsym calls them: so by the names that need no dlsym. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t parts, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

EXPORT void *malloc(size_t bytes)
{
	return LIBRARYS("malloc") ? NULL : __libc_malloc(bytes);
}

EXPORT void *calloc(size_t parts, size_t bytes)
{
	return LIBRARYS("calloc") ? NULL : __libc_calloc(parts, bytes);
}

EXPORT void *reallocarray(void *old, size_t parts, size_t bytes)
{
	size_t all;

	if (__builtin_mul_overflow(parts, bytes, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return LIBRARYS("reallocarray") ? NULL : __libc_realloc(old, all);
}

/* --- what it interposes, and calls by the symbol all the same --- */

/* The stack of the guardian's start, the memory shared with it, what a fork child puts over that. */
static bool is_own_mapping(size_t bytes, int flags)
{
	return bytes == sizeof(struct claim_shared) || (flags & MAP_STACK);
}

EXPORT void *mmap(void *where, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	__typeof__(mmap) *further = NEXT(mmap);

	if (is_librarys(__builtin_return_address(0)) && is_own_mapping(bytes, flags) &&
	    fails(flags & MAP_FIXED ? "mmap:MAP_FIXED" : "mmap"))
		return MAP_FAILED;
	return further(where, bytes, protection, flags, fd, offset);
}

EXPORT long syscall(long number, ...)
{
	__typeof__(syscall) *further = NEXT(syscall);
	va_list arguments;
	long a[6];

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (in_member == 0 && is_librarys(__builtin_return_address(0)) && part_fails(numbers, number))
		return -1;
	return further(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The library asks for AT_SECURE when its table is filled, and before it makes a call by it. */
EXPORT unsigned long getauxval(unsigned long type)
{
	const char *where = getenv("INJECT_SYS"), *names = getenv("INJECT_MEMBERS");

	if (is_librarys(__builtin_return_address(0)) && where && names)
		put_into((void **)(base + strtoul(where, NULL, 16)), names);
	return NEXT(getauxval)(type);
}

/* --- the start --- */

static int find_library(struct dl_phdr_info *info, size_t size, void *name)
{
	(void)size;
	if (!name || strcmp(info->dlpi_name, name) != 0)
		return 0;
	base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X)) {
			code.start = base + info->dlpi_phdr[i].p_vaddr;
			code.end = code.start + info->dlpi_phdr[i].p_memsz;
		}
	return 1;
}

static void note_programs(const char *ranges)
{
	unsigned long start, bytes;
	int length;

	while (ranges && program_count < MAX_RANGES &&
	       sscanf(ranges, "%lx+%lx%n", &start, &bytes, &length) == 2) {
		programs[program_count++] = (struct range){base + start, base + start + bytes};
		ranges += length;
		ranges += *ranges == ',';
	}
}

static void map_state(const char *path)
{
	void *map;
	int fd = path ? (int)NEXT(syscall)(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	map = NEXT(mmap)(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEXT(syscall)(SYS_close, fd);
	if (map != MAP_FAILED)
		state = map;
}

static void list(void)
{
	for (size_t i = 0; i < MAX_CALLS && state->calls[i].name[0]; i++)
		printf("%s %u\n", state->calls[i].name, state->calls[i].count);
	printf("fired %u\n", state->fired);
}

static int error_of(const char *name)
{
	for (int i = 1; name && i < 4096; i++)
		if (strerrorname_np(i) && strcmp(strerrorname_np(i), name) == 0)
			return i;
	return 0;
}

/* Before the library's: libraries start in the reverse order of LD_PRELOAD. */
__attribute__((constructor)) static void start(void)
{
	const char *text;
	char *end;

	dl_iterate_phdr(find_library, getenv("INJECT_LIBRARY"));
	note_programs(getenv("INJECT_PROGRAMS"));
	map_state(getenv("INJECT_STATE"));
	chosen = getenv("INJECT_CALL");
	error = error_of(getenv("INJECT_ERRNO"));
	at = (text = getenv("INJECT_AT")) ? (uint32_t)strtoul(text, &end, 10) : 0;
	from_there_on = text && *end == '-';
	ready = state != &nothing;
	if (getenv("INJECT_LIST"))
		list();
}

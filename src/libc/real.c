/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libc/real.h"

#include "base/sys.h"
#include "libc/loaded.h"

#include <dlfcn.h>
#include <string.h>

/* Those that are called without a look whether they are known yet: they look themselves up. */
#define FIRST(name) ((__typeof__(name) *)real_find(&real_calls.name, #name))

static ssize_t first_read(int fd, void *buffer, size_t bytes)
{
	return FIRST(read)(fd, buffer, bytes);
}

static ssize_t first_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	return FIRST(pread)(fd, buffer, bytes, offset);
}

static ssize_t first_write(int fd, const void *buffer, size_t bytes)
{
	return FIRST(write)(fd, buffer, bytes);
}

static ssize_t first_pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	return FIRST(pwrite)(fd, buffer, bytes, offset);
}

static off_t first_lseek(int fd, off_t offset, int whence)
{
	return FIRST(lseek)(fd, offset, whence);
}

static int first_fstat(int fd, struct stat *st)
{
	return FIRST(fstat)(fd, st);
}

struct real real_calls = {
	.read = first_read,
	.pread = first_pread,
	.write = first_write,
	.pwrite = first_pwrite,
	.lseek = first_lseek,
	.fstat = first_fstat,
};
struct sys sys;
static bool started;

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
#define X(name) FIRST(name);
	REAL_CALLS(X)
#undef X
}

void real_start(void)
{
	started = true;
	/* dlsym waits behind another thread's dlopen, and isn't allowed in a signal handler. */
	if (!loaded_start())
		find_all();
	sys = (struct sys){
		.close = REAL(close),
		.fcntl = REAL(fcntl),
		.ioctl = REAL(ioctl),
		.fstat = FIRST(fstat),
		.fstatat = REAL(fstatat),
		.lseek = FIRST(lseek),
		.pread = FIRST(pread),
		.write = FIRST(write),
		.pwritev = REAL(pwritev),
		.ftruncate = REAL(ftruncate),
		.fallocate = REAL(fallocate),
		.futimens = REAL(futimens),
		.fchmod = REAL(fchmod),
		.openat = REAL(openat),
		.fdatasync = REAL(fdatasync),
		.getxattr = REAL(getxattr),
		.fgetxattr = REAL(fgetxattr),
		.fsetxattr = REAL(fsetxattr),
		.fremovexattr = REAL(fremovexattr),
		.clone = REAL(clone),
		.sendmsg = REAL(sendmsg),
		.syscall = REAL(syscall),
	};
	if (!sys.fstat)
		sys.fstat = fstat_by_version;
	if (!sys.fstatat)
		sys.fstatat = fstatat_by_version;
}

void *real_find(void *call, const char *name)
{
	any_function found;

	if (!started)
		real_start();
	found = loaded_next_symbol(name);
	/* POSIX promises the conversion of such a pointer to a function's (dlsym(3), NOTES). */
	if (!found)
		found = dlsym(RTLD_NEXT, name);
	__atomic_store_n((any_function *)call, found, __ATOMIC_RELAXED);
	return found;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libc/real.h"

#include "base/sys.h"
#include "libc/loaded.h"

#include <dlfcn.h>
#include <string.h>

static ssize_t first_read(int fd, void *buffer, size_t bytes)
{
	return real()->read(fd, buffer, bytes);
}

static ssize_t first_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	return real()->pread(fd, buffer, bytes, offset);
}

static ssize_t first_write(int fd, const void *buffer, size_t bytes)
{
	return real()->write(fd, buffer, bytes);
}

static ssize_t first_pwrite(int fd, const void *buffer, size_t bytes, off_t offset)
{
	return real()->pwrite(fd, buffer, bytes, offset);
}

static off_t first_lseek(int fd, off_t offset, int whence)
{
	return real()->lseek(fd, offset, whence);
}

static int first_fstat(int fd, struct stat *st)
{
	return real()->fstat(fd, st);
}

struct real real_calls = {
	.read = first_read,
	.pread = first_pread,
	.write = first_write,
	.pwrite = first_pwrite,
	.lseek = first_lseek,
	.fstat = first_fstat,
};
bool real_resolved;
struct sys sys;

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
	return real_calls.__fxstat(STAT_VERSION, fd, st);
}

static int fstatat_by_version(int dirfd, const char *path, struct stat *st, int flags)
{
	return real_calls.__fxstatat(STAT_VERSION, dirfd, path, st, flags);
}

/* A table of pointers would be relocated at each start. */
#define X(name) #name "\0"
static const char real_names[] = REAL_CALLS(X);
#undef X

#define REAL_COUNT (sizeof(struct real) / sizeof(void *))

static const char *real_name(size_t index)
{
	const char *name = real_names;

	for (; index > 0; index--)
		name += strlen(name) + 1;
	return name;
}

/*
 * All at once, at the start: a look-up later on can wait behind another thread's dlopen, and isn't
 * allowed in a signal handler.
 */
void real_resolve(void)
{
	void *symbols[REAL_COUNT];

	loaded_next_symbols(real_names, REAL_COUNT, symbols);
	for (size_t i = 0; i < REAL_COUNT; i++) {
		if (!symbols[i])
			symbols[i] = dlsym(RTLD_NEXT, real_name(i));
	}
	/* POSIX promises the conversion of such a pointer to a function's (dlsym(3), NOTES). */
	memcpy(&real_calls, symbols, sizeof(real_calls));
	sys = (struct sys){
		.close = real_calls.close,
		.fcntl = real_calls.fcntl,
		.ioctl = real_calls.ioctl,
		.fstat = real_calls.fstat ? real_calls.fstat : fstat_by_version,
		.fstatat = real_calls.fstatat ? real_calls.fstatat : fstatat_by_version,
		.lseek = real_calls.lseek,
		.pread = real_calls.pread,
		.write = real_calls.write,
		.pwritev = real_calls.pwritev,
		.ftruncate = real_calls.ftruncate,
		.fallocate = real_calls.fallocate,
		.futimens = real_calls.futimens,
		.fchmod = real_calls.fchmod,
		.openat = real_calls.openat,
		.fdatasync = real_calls.fdatasync,
		.getxattr = real_calls.getxattr,
		.fgetxattr = real_calls.fgetxattr,
		.fsetxattr = real_calls.fsetxattr,
		.fremovexattr = real_calls.fremovexattr,
		.clone = real_calls.clone,
		.sendmsg = real_calls.sendmsg,
		.syscall = real_calls.syscall,
	};
	real_resolved = true;
}

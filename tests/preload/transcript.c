/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transcript.h"

#include <dlfcn.h>
#include <err.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

char file[64];
long (*raw_syscall)(long number, ...);
static int sections;

/* Not buffered: the program may end in any way, and have children. */
void say(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int length;
	int saved_errno = errno;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof(line))
		length = sizeof(line) - 1;
	if (raw_syscall(SYS_write, STDOUT_FILENO, line, (size_t)length) != length)
		_exit(99);
	errno = saved_errno;
}

void say_call(const char *call, long long value, int error)
{
	say("%s = %lld%s%s\n", call, value, error == ERRNO_KEPT ? "" : " ",
	    error == ERRNO_KEPT ? "" : strerrorname_np(error) ? strerrorname_np(error) : "?");
}

uint64_t digest(const void *buffer, size_t bytes, uint64_t digest)
{
	const unsigned char *p = buffer;

	for (size_t i = 0; i < bytes; i++)
		digest = (digest ^ p[i]) * UINT64_C(0x100000001b3);
	return digest;
}

/* Of the bytes up to the end that reads meet, and how many there were. */
static void say_bytes(int fd)
{
	static char buffer[1 << 16] __attribute__((aligned(4096)));
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	long long at = 0;
	struct stat st;
	ssize_t got;

	/* A file of a tebibyte is mostly a hole: only what lies before and after it counts. */
	while ((got = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		sum = digest(buffer, (size_t)got, sum);
		at += got;
		if (at == 4 << 20 && fstat(fd, &st) == 0 && st.st_size > 64 << 20)
			at = (st.st_size & -4096) - (1 << 20);
	}
	if (got < 0)
		say(" read %s at %lld", strerrorname_np(errno), at);
	say(" bytes %lld digest %016llx", at, (unsigned long long)sum);
}

void state(int fd)
{
	int saved_errno = errno;
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0) {
		say("  not open: %s\n", strerrorname_np(errno));
		return;
	}
	say("  size %lld offset %lld mode %o flags %o", (long long)st.st_size,
	    (long long)lseek(fd, 0, SEEK_CUR), st.st_mode, (unsigned int)flags);
	if ((flags & O_ACCMODE) != O_WRONLY)
		say_bytes(fd);
	say("\n");
	errno = saved_errno;
}

void state_of(const char *name)
{
	int saved_errno = errno;
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		say("  %s: %s\n", name, strerrorname_np(errno));
	} else {
		say("  %s: size %lld mode %o", name, (long long)st.st_size, st.st_mode);
		say_bytes(fd);
		say("\n");
	}
	if (fd >= 0)
		close(fd);
	errno = saved_errno;
}

void section(const char *name)
{
	snprintf(file, sizeof(file), "%03d-%s.dat", ++sections, name);
	say("\n# %s\n", name);
}

void fill(void *buffer, size_t bytes, unsigned int seed)
{
	unsigned char *p = buffer;
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < bytes; i++) {
		x = x * 1664525 + 1013904223;
		/* Never 0: a byte of nobody's can't pass for one of ours. */
		p[i] = (unsigned char)((x >> 24) | 1);
	}
}

int start(const char *name, int flags)
{
	char buffer[START_BYTES];
	int fd;

	section(name);
	fill(buffer, sizeof(buffer), (unsigned int)sections);
	fd = (int)CALL(open(file, flags | O_CREAT, 0640));
	if (fd < 0 || write(fd, buffer, sizeof(buffer)) != sizeof(buffer))
		err(99, "%s", file);
	EXTENDED(fd);
	return fd;
}

void finish(int fd)
{
	CALL(close(fd));
	state_of(file);
}

void append(int fd)
{
	char buffer[700];

	fill(buffer, sizeof(buffer), 7);
	CALL(lseek(fd, 0, SEEK_END));
	CALL(write(fd, buffer, sizeof(buffer)));
	CALL(write(fd, buffer, sizeof(buffer)));
}

void again(int fd)
{
	append(fd);
	EXTENDED(fd);
}

bool extended_runs(void)
{
	return getenv("TRANSCRIPT_EXTENDED") != NULL;
}

long long real_size(int fd)
{
	struct statx stx;

	if (raw_syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx) < 0)
		err(99, "statx");
	return (long long)stx.stx_size;
}

/* Opened for writing only, its tail couldn't be proved empty on tmpfs (libpreallocate(7)). */
static bool is_never_extended(int fd)
{
	struct statfs fs;

	return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == TMPFS_MAGIC;
}

void expect_extended(int fd, const char *where, int line)
{
	int saved_errno = errno;
	struct stat st;

	if (extended_runs() && !is_never_extended(fd) &&
	    (fstat(fd, &st) < 0 || real_size(fd) <= st.st_size)) {
		fprintf(stderr, "%s:%d: the file isn't extended\n", where, line);
		_exit(98);
	}
	errno = saved_errno;
}

int main(int argc, char **argv)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);

	if (!libc)
		errx(99, "%s", dlerror());
	*(void **)&raw_syscall = dlsym(libc, "syscall");
	umask(022);
	transcript(argc, argv);
	return 0;
}

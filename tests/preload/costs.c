/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * costs: one call after the other, many times each, on files in the current directory: on what no rule
 * matches, on a file that nothing has been appended to (old.zero), on one in mode keep (file.keep), on
 * extended ones (file.zero, append.zero). Says "extended" at the end, if they were.
 *
 * costs -l: lists them, and how often each is made.
 *
 * costs.sh counts the instructions in the functions cost_*, and the system calls between two
 * write(-1, name).
 */
#include "bare.h"

#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define COUNT 200
#define WARM 20
#define SIZE 65536

static int null, plain, high, extended, appended, keep, old, watched;
static off_t end;
static char byte = 'x';
static struct stat st;

/* The warm-up is another function, so that what the first call does isn't counted. */
#define WORK(name, call) \
	__attribute__((noinline)) static void warm_##name(void) \
	{ \
		for (int i = 0; i < WARM; i++) \
			call; \
	} \
	__attribute__((noinline)) static void cost_##name(void) \
	{ \
		for (int i = 0; i < COUNT; i++) \
			call; \
	}

#define WORKS(X) \
	X(null_pwrite, pwrite(null, &byte, 1, 0)) \
	X(null_read, read(null, &byte, 1)) \
	X(null_lseek, lseek(null, 1, SEEK_SET)) \
	X(null_fstat, fstat(null, &st)) \
	X(unmanaged_pwrite, pwrite(plain, &byte, 1, 7)) \
	X(unmanaged_write, write(plain, &byte, 1)) \
	X(unmanaged_pread, pread(plain, &byte, 1, 7)) \
	X(unmanaged_read, read(plain, &byte, 1)) \
	X(unmanaged_lseek, lseek(plain, 1, SEEK_SET)) \
	X(unmanaged_fstat, fstat(plain, &st)) \
	X(unmanaged_fdatasync, fdatasync(plain)) \
	X(high_pwrite, pwrite(high, &byte, 1, 7)) \
	X(high_fstat, fstat(high, &st)) \
	X(old_pread, pread(old, &byte, 1, 7)) \
	X(old_read, read(old, &byte, 1)) \
	X(old_lseek, lseek(old, 7, SEEK_SET)) \
	X(old_tell, lseek(old, 0, SEEK_CUR)) \
	X(old_overwrite, pwrite(old, &byte, 1, 7)) \
	X(old_write, write(old, &byte, 1)) \
	X(old_fstat, fstat(old, &st)) \
	X(auto_append_pwrite, pwrite(watched, &byte, 1, end++)) \
	X(auto_append_write, write(watched, &byte, 1)) \
	X(keep_append, pwrite(keep, &byte, 1, end++)) \
	X(keep_pread, pread(keep, &byte, 1, 7)) \
	X(keep_read, read(keep, &byte, 1)) \
	X(keep_lseek, lseek(keep, 7, SEEK_SET)) \
	X(keep_tell, lseek(keep, 0, SEEK_CUR)) \
	X(keep_overwrite, pwrite(keep, &byte, 1, 7)) \
	X(keep_fstat, fstat(keep, &st)) \
	X(extended_append_pwrite, pwrite(extended, &byte, 1, end++)) \
	X(extended_append_write, write(extended, &byte, 1)) \
	X(extended_append_writev, writev(extended, &(struct iovec){&byte, 1}, 1)) \
	X(extended_fdatasync, fdatasync(extended)) \
	X(extended_overwrite, pwrite(extended, &byte, 1, 7)) \
	X(extended_pread, pread(extended, &byte, 1, 7)) \
	X(extended_fstat, fstat(extended, &st)) \
	X(extended_tell, lseek(extended, 0, SEEK_CUR)) \
	X(extended_lseek, lseek(extended, 7, SEEK_SET)) \
	X(extended_write_inside, write(extended, &byte, 1)) \
	X(extended_read, read(extended, &byte, 1)) \
	X(appended_append, write(appended, &byte, 1)) \
	X(appended_pread, pread(appended, &byte, 1, 7)) \
	X(appended_fstat, fstat(appended, &st))

WORKS(WORK)

static const struct {
	const char *name;
	void (*warm)(void), (*cost)(void);
} works[] = {
#define ROW(name, call) {#name, warm_##name, cost_##name},
	WORKS(ROW)
};

static int file(const char *name, int flags)
{
	static char bytes[SIZE];
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(bytes, 'b', sizeof(bytes));
	if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || close(fd) < 0)
		err(1, "%s", name);
	fd = open(name, O_RDWR | flags);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

/* Appends by pwrite go on at end, those by write at the offset; all else is well inside. */
static void prepare(const char *name)
{
	end = lseek(strstr(name, "keep") ? keep : strstr(name, "auto") ? watched : extended, 0, SEEK_END);
	if (strcmp(name, "extended_append_write") && strcmp(name, "extended_append_writev"))
		lseek(extended, 100, SEEK_SET);
	lseek(old, 100, SEEK_SET);
	lseek(keep, 100, SEEK_SET);
	lseek(plain, 100, SEEK_SET);
}

int main(int argc, char **argv)
{
	bool listed = argc > 1 && !strcmp(argv[1], "-l");
	struct stat real;

	if (!listed) {
		null = open("/dev/null", O_RDWR);
		plain = file("plain.dat", 0);
		/* Where descriptors aren't limited to 1024. */
		high = fcntl(plain, F_DUPFD, 1500);
		if (high < 0)
			high = plain;
		old = file("old.zero", 0);
		watched = file("file.auto", 0);
		keep = file("file.keep", 0);
		extended = file("file.zero", 0);
		appended = file("append.zero", O_APPEND);
	}
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (listed) {
			printf("%s %d\n", works[i].name, COUNT);
			continue;
		}
		prepare(works[i].name);
		works[i].warm();
		write(-1, works[i].name, strlen(works[i].name));
		works[i].cost();
		write(-1, works[i].name, strlen(works[i].name));
	}
	if (!listed && BARE(SYS_fstat, extended, &real, 0, 0) == 0 &&
	    fstat(extended, &st) == 0 && real.st_size > st.st_size)
		puts("extended");
	return 0;
}

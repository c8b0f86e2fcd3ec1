/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * told WHAT: what a program can tell of the library after all; told.sh compares it with the answer
 * on a plain file. Each prints one line about told.dat, which it has appended to.
 */
#include "../lib/paced.h"
#include "bare.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define SIZE 8192

static char bytes[SIZE];
static int fd;

static void append(void)
{
	if (write(fd, bytes, SIZE / 2) != SIZE / 2 || write(fd, bytes, SIZE / 2) != SIZE / 2)
		err(99, "write");
}

static long long real_size(void)
{
	struct statx stx;

	if (bare_call(SYS_statx, fd, (long)"", AT_EMPTY_PATH, STATX_SIZE, (long)&stx, 0) < 0)
		errx(99, "statx");
	return (long long)stx.stx_size;
}

static void tell_blocks(void)
{
	struct stat st;

	fstat(fd, &st);
	printf("%s\n", st.st_blocks * 512 > SIZE + 65536 ? "more" : "as many");
}

/* Nobody touches it, but the guardian: it is settled when idle. */
static void tell_ctime(void)
{
	struct stat before, after;

	fstat(fd, &before);
	for (unsigned int ms = 0; ms < patience(4000) && real_size() != before.st_size; ms += 10)
		usleep(10000);
	fstat(fd, &after);
	printf("mtime %s, ctime %s\n",
	       memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)) ? "moves" : "stays",
	       memcmp(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim)) ? "moves" : "stays");
}

static void tell_bare(void)
{
	struct stat st;

	fstat(fd, &st);
	printf("fstat %lld, bare %s\n", (long long)st.st_size,
	       real_size() == st.st_size ? "the same" : "more");
}

/* The offset is elsewhere, and O_APPEND is cleared while the file is extended. */
static void tell_bare_append(void)
{
	struct stat st;

	lseek(fd, 0, SEEK_SET);
	BARE(SYS_write, fd, "bare", 4, 0);
	fstat(fd, &st);
	printf("%s\n", st.st_size == SIZE + 4 ? "at the end" : "at the offset");
}

static void tell_fdinfo(void)
{
	char name[64], line[200];
	unsigned int flags = 0;
	FILE *info;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = fopen(name, "r");
	while (info && fgets(line, sizeof(line), info))
		sscanf(line, "flags: %o", &flags);
	printf("F_GETFL %s, fdinfo %s\n", fcntl(fd, F_GETFL) & O_APPEND ? "O_APPEND" : "none",
	       flags & O_APPEND ? "O_APPEND" : "none");
}

static void tell_descriptors(void)
{
	int count = 0;

	while (dup(0) >= 0)
		count++;
	printf("%d of 64\n", count + 4);
}

/* Of the library alone, and with what it shares with the guardian. */
static void tell_address_space(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to, library = 0, shared = 0;
	char line[4096];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		if (strstr(line, "/libpreallocate.so"))
			library += to - from;
		else if (strstr(line, "/memfd:preallocate"))
			shared += to - from;
	}
	printf("%s, %s\n", library == 0 ? "none" : library <= 512 << 10 ? "512 KiB" : "more",
	       shared == 0 ? "none" : shared <= 5 << 20 ? "5 MiB" : "more");
}

static void tell_seccomp(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {1, &allow};
	const char *before = real_size() > SIZE ? "extended" : "plain";

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		err(99, "seccomp");
	append();
	append();
	printf("%s, then %s\n", before, real_size() > 3 * SIZE ? "extended" : "plain");
}

static void tell_extended(void)
{
	printf("%s\n", real_size() > SIZE ? "extended" : "plain");
}

static void tell_fiemap(void)
{
	union {
		struct fiemap map;
		char space[sizeof(struct fiemap) + 64 * sizeof(struct fiemap_extent)];
	} u;
	uint64_t end = 0;

	memset(&u, 0, sizeof(u));
	u.map.fm_length = ~0ULL;
	u.map.fm_flags = FIEMAP_FLAG_SYNC;
	u.map.fm_extent_count = 64;
	if (ioctl(fd, FS_IOC_FIEMAP, &u.map) < 0)
		err(99, "FIEMAP");
	for (uint32_t i = 0; i < u.map.fm_mapped_extents; i++)
		end = u.map.fm_extents[i].fe_logical + u.map.fm_extents[i].fe_length;
	printf("%s\n", end > SIZE + 65536 ? "behind the end" : "to the end");
}

static void tell_free_space(void)
{
	struct statfs before, after;

	fstatfs(fd, &before);
	append();
	if (fdatasync(fd) < 0)
		err(99, "fdatasync");
	fstatfs(fd, &after);
	printf("%s\n", (before.f_bfree - after.f_bfree) * (uint64_t)before.f_bsize > 300000
			       ? "misses more" : "misses what was written");
}

/* Until its input ends: somebody else looks. */
static void hold(void)
{
	char byte;

	printf("%d\n", (int)getpid());
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static const struct {
	const char *name;
	void (*tell)(void);
	int flags;
} ways[] = {
	{"blocks", tell_blocks, O_RDWR},
	{"ctime", tell_ctime, O_RDWR},
	{"bare", tell_bare, O_RDWR},
	{"bare-append", tell_bare_append, O_RDWR | O_APPEND},
	{"fdinfo", tell_fdinfo, O_RDWR | O_APPEND},
	{"descriptors", tell_descriptors, O_RDWR},
	{"address-space", tell_address_space, O_RDWR},
	{"seccomp", tell_seccomp, O_RDWR},
	{"write-only", tell_extended, O_WRONLY},
	{"read-write", tell_extended, O_RDWR},
	{"fiemap", tell_fiemap, O_RDWR},
	{"free-space", tell_free_space, O_RDWR},
	{"hold", hold, O_RDWR},
};

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct rlimit limit = {64, 64};

	setrlimit(RLIMIT_NOFILE, &limit);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(what, ways[i].name))
			continue;
		close_range(3, ~0U, 0);
		fd = open("told.dat", ways[i].flags | O_CREAT | O_TRUNC, 0644);
		if (fd < 0)
			err(99, "told.dat");
		memset(bytes, 'b', sizeof(bytes));
		if (strcmp(what, "free-space"))
			append();
		ways[i].tell();
		return 0;
	}
	errx(99, "told what?");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unseen HOW GAP[z] FILE: appends by write(2), so that the file is extended, then writes past the
 * end of that in a way that no preloaded library sees, GAP bytes behind it (negative: so far before
 * the real end), and says where. HOW: raw (a system call by instruction), uring (set up in the same
 * way), none (others do it now). With z it then appends once more, zeroes at its end, and syncs. It
 * closes the file and ends when its stdin does.
 *
 * unseen neighbour AT FILE		writes the same bytes there, as another process; AT -: O_APPEND
 * unseen check AT[z] FILE		both are there, and between them only zeroes. Prints what
 *					is behind the last of them: "exact" or the number of bytes
 */
#include "../preload/bare.h"
#include "paced.h"
#include "records.h"

#include <err.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#endif

#define OWN 15000
#define MORE 200
#define MORE_ZEROES 70
#define UNSEEN 700

static char own[OWN], more[MORE], unseen[UNSEEN];

static void fill(void)
{
	memset(own, 'o', OWN);
	memset(more, 'm', MORE - MORE_ZEROES);
	memset(unseen, 'u', UNSEEN);
}

static void write_by_uring(int fd, off_t at)
{
	struct io_uring_params p = { 0 };
	int ring = (int)BARE(SYS_io_uring_setup, 4, &p, 0, 0);
	struct io_uring_sqe *request;
	char *rings;
	_Atomic unsigned int *tail;

	if (ring < 0)
		exit(77);
	rings = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	request = mmap(NULL, p.sq_entries * sizeof(*request), PROT_READ | PROT_WRITE, MAP_SHARED,
		       ring, IORING_OFF_SQES);
	if (rings == MAP_FAILED || request == MAP_FAILED)
		err(98, "mmap");
	request->opcode = IORING_OP_WRITE;
	request->fd = fd;
	request->addr = (uint64_t)(uintptr_t)unseen;
	request->len = UNSEEN;
	request->off = (uint64_t)at;
	((unsigned int *)(void *)(rings + p.sq_off.array))[0] = 0;
	tail = (void *)(rings + p.sq_off.tail);
	(*tail)++;
	if (BARE(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS) < 0)
		err(98, "io_uring_enter");
	if (((struct io_uring_cqe *)(void *)(rings + p.cq_off.cqes))->res != UNSEEN)
		errx(98, "io_uring: %d",
		     ((struct io_uring_cqe *)(void *)(rings + p.cq_off.cqes))->res);
}

static void append(int fd, const char *bytes, size_t count)
{
	if (write(fd, bytes, count) != (ssize_t)count || fdatasync(fd) < 0)
		err(98, "append");
}

static off_t real_end(int fd)
{
	struct stat st;

	/* Of x86-64 and its like: the kernel's struct is libc's there. */
	if (BARE(SYS_fstat, fd, &st, 0, 0) < 0)
		errx(98, "fstat");
	return st.st_size;
}

static int be_program(const char *how, const char *gap, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
	off_t at = strtoll(gap, NULL, 10);
	char c;

	if (fd < 0)
		err(98, "%s", path);
	for (size_t i = 0; i < OWN; i += OWN / 5)
		append(fd, own + i, OWN / 5);
	at += at < 0 ? real_end(fd) : OWN;
	if (!strcmp(how, "uring"))
		write_by_uring(fd, at);
	else if (!strcmp(how, "raw") && BARE(SYS_pwrite64, fd, unseen, UNSEEN, at) != UNSEEN)
		errx(98, "pwrite");
	if (strchr(gap, 'z'))
		append(fd, more, MORE);
	printf("%lld %lld\n", (long long)at, (long long)real_end(fd));
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return close(fd) < 0;
}

static int be_neighbour(const char *at, const char *path)
{
	int appends = !strcmp(at, "-"), fd = open(path, O_RDWR | (appends ? O_APPEND : 0));
	off_t offset = strtoll(at, NULL, 10);
	ssize_t n;

	if (fd < 0)
		err(98, "%s", path);
	n = appends ? write(fd, unseen, UNSEEN) : pwrite(fd, unseen, UNSEEN, offset);
	if (n != UNSEEN)
		err(98, "neighbour");
	printf("%lld\n", (long long)(appends ? lseek(fd, 0, SEEK_CUR) - UNSEEN : offset));
	return 0;
}

static int check(const char *where, const char *path)
{
	size_t at = strtoull(where, NULL, 10), end = at + UNSEEN, size = 0;
	char *bytes = file_content(path, &size), *expected;

	expected = calloc(1, size + end);
	memcpy(expected, own, OWN);
	if (strchr(where, 'z'))
		memcpy(expected + OWN, more, MORE);
	memcpy(expected + at, unseen, UNSEEN);
	if (!bytes || size < end)
		errx(1, "%zu bytes, the unseen ones end at %zu", size, end);
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != expected[i])
			errx(1, "byte %zu of %zu is %d, not %d", i, size, bytes[i], expected[i]);
	}
	if (size == end)
		puts("exact");
	else
		printf("%zu more\n", size - end);
	return 0;
}

int main(int argc, char **argv)
{
	fill();
	alarm(patience(120));
	if (argc == 4 && !strcmp(argv[1], "neighbour"))
		return be_neighbour(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check(argv[2], argv[3]);
	if (argc != 4)
		errx(99, "usage: unseen raw|uring|none GAP[z] FILE");
	return be_program(argv[1], argv[2], argv[3]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fallocate(2) in every mode, and posix_fallocate(3), merged with our own preallocation. */
#include "transcript.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>

static char bytes[100000];

static void allocate(int flags)
{
	int fd = start("fallocate", flags);

	CALL(fallocate(fd, 0, 0, 5000));
	state(fd);
	CALL(fallocate(fd, 0, 5000, 10000));
	state(fd);
	EXTENDED(fd);
	CALL(write(fd, bytes, 100));
	state(fd);
	CALL(fallocate(fd, 0, 15000, 60000));
	state(fd);
	again(fd);
	CALL(fallocate(fd, 0, 0, 1 << 20));
	state(fd);
	again(fd);
	/* A jump: where it is further than prealloc-size, given up for a while. */
	CALL(fallocate(fd, 0, 5 << 20, 100));
	state(fd);
	append(fd);
	state(fd);
	finish(fd);
}

static void posix_allocate(void)
{
	int fd = start("posix-fallocate", O_RDWR);

	CALL(posix_fallocate(fd, 0, 5000));
	CALL(posix_fallocate(fd, 9000, 5000));
	state(fd);
	EXTENDED(fd);
	CALL(posix_fallocate(fd, 0, 300000));
	state(fd);
	CALL(posix_fallocate(fd, -1, 10));
	CALL(posix_fallocate(fd, 0, 0));
	CALL(posix_fallocate(fd, 0, -1));
	CALL(posix_fallocate(fd, INT64_MAX, 10));
	CALL(posix_fallocate(-1, 0, 10));
	CALL(posix_fallocate(999, 0, 10));
	again(fd);
	finish(fd);
}

/* Whether blocks are allocated or written is told by a read that isn't aligned. */
static void allocate_direct(void)
{
	void *block;
	int fd;

	section("direct");
	fd = (int)CALL(open(file, O_RDWR | O_CREAT | O_DIRECT, 0640));
	if (fd < 0 || posix_memalign(&block, 4096, 4096) != 0)
		return;
	fill(block, 4096, 2);
	CALL(write(fd, block, 4096));
	CALL(write(fd, block, 4096));
	EXTENDED(fd);
	CALL(fallocate(fd, 0, 12049, 1));
	CALL(pread(fd, block, 3858, 8192));
	free(block);
	CALL(close(fd));
	state_of(file);
}

static void keep_size(void)
{
	int fd = start("keep-size", O_RDWR);

	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 30000));
	state(fd);
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 11400, 1 << 20));
	state(fd);
	again(fd);
	CALL(write(fd, bytes, sizeof(bytes)));
	state(fd);
	CALL(ftruncate(fd, 500));
	again(fd);
	state(fd);
	/* Behind a gap: with a small prealloc_align the program's own plan for the file. */
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 100000, 1 << 20));
	state(fd);
	append(fd);
	CALL(write(fd, bytes, sizeof(bytes)));
	state(fd);
	CALL(ftruncate(fd, 500));
	append(fd);
	state(fd);
	finish(fd);
}

/* What the program has allocated past the end is still there when ours has gone. */
static void keep_size_stays(void)
{
	int fd = start("keep-size-stays", O_RDWR);
	struct stat st;

	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 << 20));
	append(fd);
	append(fd);
	finish(fd);
	CALL(stat(file, &st));
	CALL(st.st_blocks >= 4096);
}

/* But not where it has gone with a cut of the program's own: that comes back with nothing. */
static void keep_size_goes(bool anew)
{
	int fd = start(anew ? "keep-size-anew" : "keep-size-cut", O_RDWR);
	struct stat st;

	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 << 20));
	append(fd);
	if (anew)
		CALL(close(open(file, O_WRONLY | O_TRUNC)));
	else
		CALL(ftruncate(fd, lseek(fd, 0, SEEK_END)));
	append(fd);
	finish(fd);
	CALL(stat(file, &st));
	CALL(st.st_blocks >= 2048);
}

/* Nor with somebody else's, whom we don't see: no more comes back than there is. */
static void keep_size_gone(void)
{
	static const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
	int fd = start("keep-size-gone", O_RDWR | O_CLOEXEC);
	char cut[200];
	struct stat st;

	CALL(ftruncate(fd, INT64_C(1) << 34));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, INT64_C(1) << 33, 1));
	snprintf(cut, sizeof(cut), "unset LD_PRELOAD; truncate -s 1 %s", file);
	CALL(system(cut));
	append(fd);
	append(fd);
	CALL(futimens(fd, times));
	append(fd);
	finish(fd);
	CALL(stat(file, &st));
	CALL(st.st_blocks < (INT64_C(1) << 28) / 512);
}

/* Far behind the end, and it is another descriptor that is closed last: nothing fills the gap. */
static void keep_size_far(void)
{
	int fd = start("keep-size-far", O_RDWR);
	int other = (int)CALL(open(file, O_RDWR));
	struct stat st;

	CALL(write(other, bytes, 100));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, INT64_C(1) << 33, 1));
	CALL(close(fd));
	CALL(ftruncate(other, 40000));
	CALL(pwrite(other, bytes, 100, 20000));
	state(other);
	finish(other);
	CALL(stat(file, &st));
	CALL(st.st_blocks < (INT64_C(1) << 30) / 512);
}

static void zero_range(void)
{
	int fd = start("zero-range", O_RDWR);

	CALL(fallocate(fd, FALLOC_FL_ZERO_RANGE, 1000, 3000));
	state(fd);
	EXTENDED(fd);
	CALL(fallocate(fd, FALLOC_FL_ZERO_RANGE, 9000, 3000));
	state(fd);
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_ZERO_RANGE, lseek(fd, 0, SEEK_CUR), 5000));
	state(fd);
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_ZERO_RANGE, 20000, 1 << 20));
	state(fd);
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 5000, 5 << 20));
	state(fd);
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 6 << 20, 1 << 20));
	state(fd);
	append(fd);
	finish(fd);
}

static void holes(void)
{
	int fd = start("punch", O_RDWR);

	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
	state(fd);
	EXTENDED(fd);
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50));
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9000, 50000));
	state(fd);
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 30000, 50000));
	state(fd);
	CALL(write(fd, bytes, 5000));
	state(fd);
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 100));
	state(fd);
	again(fd);
	finish(fd);
}

/* The size moves with the bytes. 1 MiB: a block of every filesystem divides it. */
static void shifts(void)
{
	int fd = start("shift", O_RDWR);

	for (int i = 0; i < 30; i++)
		write(fd, bytes, sizeof(bytes));
	EXTENDED(fd);
	CALL(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 1 << 20));
	state(fd);
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 1 << 20));
	state(fd);
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 1 << 20, 64 << 20));
	CALL(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 1, 2));
	CALL(fallocate(fd, FALLOC_FL_INSERT_RANGE, 64 << 20, 1 << 20));
	CALL(fallocate(fd, 0x40 /* UNSHARE_RANGE */, 0, 4096));
	state(fd);
	finish(fd);
}

static void bad_arguments(void)
{
	int fd = start("arguments", O_RDWR), other;

	CALL(fallocate(fd, 0, 0, 0));
	CALL(fallocate(fd, 0, -1, 10));
	CALL(fallocate(fd, 0, 0, -1));
	CALL(fallocate(fd, 0, INT64_MAX, 10));
	CALL(fallocate(fd, 0, 0, INT64_MAX));
	CALL(fallocate(fd, 0x4000, 0, 10));
	CALL(fallocate(fd, -1, 0, 10));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, -1, 10));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, -1, 10));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 0));
	CALL(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE, 0, 10));
	CALL(fallocate(-1, 0, 0, 10));
	CALL(fallocate(999, 0, 0, 10));
	CALL(other = open(file, O_RDONLY));
	CALL(fallocate(other, 0, 0, 100));
	CALL(posix_fallocate(other, 0, 100));
	CALL(close(other));
	state(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	allocate(O_RDWR);
	allocate(O_WRONLY | O_APPEND);
	posix_allocate();
	allocate_direct();
	keep_size();
	keep_size_stays();
	keep_size_goes(false);
	keep_size_goes(true);
	keep_size_gone();
	keep_size_far();
	zero_range();
	holes();
	shifts();
	bad_arguments();
}

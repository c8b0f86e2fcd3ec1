/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lseek(2) in an extended file. */
#include "transcript.h"

static void seeks(int flags)
{
	int fd = start("seek", flags);

	CALL(lseek(fd, 0, SEEK_END));
	CALL(lseek(fd, -10, SEEK_END));
	CALL(lseek(fd, 10, SEEK_END));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, -START_BYTES, SEEK_END));
	CALL(lseek(fd, -START_BYTES - 1, SEEK_END));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, INT64_MAX, SEEK_END));
	CALL(lseek(fd, INT64_MIN, SEEK_END));
	CALL(lseek(fd, INT64_MAX - START_BYTES, SEEK_END));
	CALL(lseek(fd, 1LL << 42, SEEK_END));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, 1LL << 42, SEEK_SET));
	CALL(lseek(fd, INT64_MAX, SEEK_SET));
	CALL(lseek(fd, -1, SEEK_SET));
	CALL(lseek(fd, 500, SEEK_SET));
	CALL(lseek(fd, -501, SEEK_CUR));
	CALL(lseek(fd, INT64_MAX, SEEK_CUR));
	CALL(lseek(fd, -500, SEEK_CUR));
	CALL(lseek(fd, 0, SEEK_DATA));
	CALL(lseek(fd, 5000, SEEK_DATA));
	CALL(lseek(fd, START_BYTES - 1, SEEK_DATA));
	CALL(lseek(fd, START_BYTES, SEEK_DATA));
	CALL(lseek(fd, START_BYTES + 1, SEEK_DATA));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, -1, SEEK_DATA));
	CALL(lseek(fd, 0, SEEK_HOLE));
	CALL(lseek(fd, 5000, SEEK_HOLE));
	CALL(lseek(fd, START_BYTES - 1, SEEK_HOLE));
	CALL(lseek(fd, START_BYTES, SEEK_HOLE));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, 1 << 20, SEEK_HOLE));
	CALL(lseek(fd, -1, SEEK_HOLE));
	CALL(lseek(fd, 0, 5));
	CALL(lseek(fd, 0, -1));
	CALL(lseek(fd, 0, 77));
	CALL(lseek(-1, 0, SEEK_END));
	CALL(lseek(999, 0, SEEK_END));
	EXTENDED(fd);
	state(fd);
	finish(fd);
}

static void holes(void)
{
	int fd = start("holes", O_RDWR);

	/* Blocks of 64 KiB and more: whatever the filesystem's, a hole is one. */
	CALL(pwrite(fd, "abc", 3, 0));
	CALL(ftruncate(fd, 1 << 20));
	CALL(pwrite(fd, "abc", 3, 1 << 20));
	EXTENDED(fd);
	CALL(lseek(fd, 0, SEEK_DATA));
	CALL(lseek(fd, 0, SEEK_HOLE) <= 65536);
	CALL(lseek(fd, 1 << 19, SEEK_DATA));
	CALL(lseek(fd, 1 << 19, SEEK_HOLE));
	CALL(lseek(fd, 1 << 20, SEEK_DATA));
	CALL(lseek(fd, 1 << 20, SEEK_HOLE));
	CALL(lseek(fd, (1 << 20) + 2, SEEK_HOLE));
	CALL(lseek(fd, (1 << 20) + 3, SEEK_HOLE));
	EXTENDED(fd);
	CALL(ftruncate(fd, 1 << 21));
	CALL(lseek(fd, (1 << 20) + 65536, SEEK_DATA));
	CALL(lseek(fd, (1 << 20) + 65536, SEEK_HOLE));
	state(fd);
	finish(fd);
}

static void seek_and_write(void)
{
	int fd = start("seek-and-write", O_RDWR);

	for (int i = 0; i < 60; i++) {
		CALL(lseek(fd, -i * 50, SEEK_END));
		CALL(write(fd, &fd, sizeof(fd)));
		CALL(lseek(fd, 0, SEEK_END));
		CALL(write(fd, file, sizeof(file)));
		CALL(lseek(fd, 3, SEEK_CUR));
		CALL(write(fd, file, 10));
	}
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

/* What is read ahead behind the end counts as data for the filesystem (ext4, XFS). */
static void hole_at_the_end(void)
{
	static char bytes[3 * 4096];
	int fd;

	section("hole-at-the-end");
	fd = (int)CALL(open(file, O_RDWR | O_CREAT, 0640));
	fill(bytes, sizeof(bytes), 1);
	CALL(write(fd, bytes, sizeof(bytes)));
	EXTENDED(fd);
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
	CALL(posix_fadvise(fd, 0, 65536, POSIX_FADV_WILLNEED));
	EXTENDED(fd);
	CALL(lseek(fd, 4096, SEEK_DATA));
	CALL(lseek(fd, 4096, SEEK_HOLE));
	CALL(lseek(fd, 8192, SEEK_DATA));
	CALL(lseek(fd, 8191, SEEK_HOLE));
	state(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	seeks(O_RDWR);
	seeks(O_WRONLY);
	seeks(O_RDWR | O_APPEND);
	holes();
	seek_and_write();
	hole_at_the_end();
}

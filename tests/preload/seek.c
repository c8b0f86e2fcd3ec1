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

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	seeks(O_RDWR);
	seeks(O_WRONLY);
	seeks(O_RDWR | O_APPEND);
	holes();
	seek_and_write();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ftruncate(2) and truncate(2) of an extended file. */
#include "transcript.h"

#include <sys/mman.h>

static char bytes[100000];

static void sizes(int flags)
{
	int fd = start("ftruncate", flags);

	CALL(ftruncate(fd, 9000));
	state(fd);
	again(fd);
	CALL(ftruncate(fd, 20000));
	state(fd);
	again(fd);
	state(fd);
	CALL(ftruncate(fd, lseek(fd, 0, SEEK_CUR)));
	state(fd);
	again(fd);
	CALL(ftruncate(fd, 0));
	state(fd);
	CALL(lseek(fd, 0, SEEK_SET));
	CALL(write(fd, bytes, 100));
	state(fd);
	CALL(lseek(fd, 0, SEEK_SET));
	CALL(write(fd, bytes, 50));
	state(fd);
	again(fd);
	CALL(ftruncate(fd, -1));
	CALL(ftruncate(fd, INT64_MIN));
	/* More than there can be, on some filesystems. */
	CALL(ftruncate(fd, INT64_MAX));
	CALL(ftruncate(fd, 20000));
	state(fd);
	again(fd);
	/* Within what was extended, and past it. */
	CALL(ftruncate(fd, 40000));
	state(fd);
	again(fd);
	CALL(ftruncate(fd, 1 << 20));
	state(fd);
	again(fd);
	CALL(ftruncate(fd, 1LL << 40));
	state(fd);
	CALL(ftruncate(fd, 100));
	state(fd);
	again(fd);
	CALL(ftruncate(-1, 0));
	CALL(ftruncate(999, 0));
	finish(fd);
}

/* What was inside the file before is past its end now. */
static void cut_before_the_next_write(void)
{
	int fd = start("cut-before", O_RDWR);

	CALL(ftruncate(fd, START_BYTES));
	CALL(lseek(fd, 0, SEEK_SET));
	CALL(write(fd, bytes, 100));
	CALL(ftruncate(fd, 100));
	CALL(write(fd, bytes, 700));
	EXTENDED(fd);
	state(fd);
	finish(fd);
}

/* The offset stays where it was: the next write leaves a hole before it. */
static void cut_behind_the_offset(void)
{
	int fd = start("cut-behind", O_RDWR);

	CALL(ftruncate(fd, 0));
	CALL(write(fd, bytes, 100));
	state(fd);
	append(fd);
	state(fd);
	finish(fd);
}

static void by_path(void)
{
	int fd = start("truncate", O_RDWR);

	CALL(truncate(file, 5000));
	state(fd);
	again(fd);
	CALL(truncate(file, 20000));
	state(fd);
	again(fd);
	CALL(truncate(file, -1));
	CALL(truncate("none.dat", 10));
	CALL(truncate(".", 10));
	state(fd);
	CALL(truncate(file, 0));
	CALL(pwrite(fd, bytes, 100, 100));
	state(fd);
	finish(fd);
}

/* Cut and regrown in turns, as a log that is rotated by copy and truncate. */
static void again_and_again(int flags)
{
	int fd = start("cut-and-grow", O_RDWR | flags);

	for (int i = 0; i < 20; i++) {
		CALL(write(fd, bytes, 3000));
		CALL(write(fd, bytes, (size_t)(i * 500)));
		CALL(ftruncate(fd, (i % 4) * 2000));
		if (i % 3 == 0)
			CALL(lseek(fd, 0, SEEK_END));
	}
	state(fd);
	append(fd);
	state(fd);
	finish(fd);
}

static void opened_with_truncation(void)
{
	int fd = start("o-trunc", O_RDWR);
	int other = (int)CALL(open(file, O_WRONLY | O_TRUNC));

	state(fd);
	CALL(write(other, bytes, 100));
	CALL(write(fd, bytes, 50));
	state(fd);
	CALL(close(other));
	finish(fd);
}

static void read_only(void)
{
	int fd = start("read-only", O_RDWR);
	int other = (int)CALL(open(file, O_RDONLY));

	CALL(ftruncate(other, 0));
	CALL(close(other));
	state(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	sizes(O_RDWR);
	sizes(O_WRONLY | O_APPEND);
	cut_before_the_next_write();
	cut_behind_the_offset();
	by_path();
	again_and_again(0);
	again_and_again(O_APPEND);
	opened_with_truncation();
	read_only();
}

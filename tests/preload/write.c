/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The write family on an extended file: inside, across and past the end, and every odd argument. */
#include "transcript.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

static char bytes[200000];
static char *edge; /* the last readable byte is edge[-1] */

static void bad_memory(void)
{
	char *map = mmap(NULL, 3 * 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	edge = map + 65536;
	fill(map, 65536, 3);
	mprotect(edge, 2 * 65536, PROT_NONE);
}

static void plain_writes(int flags)
{
	int fd = start("write", flags);

	CALL(write(fd, bytes, 1));
	CALL(write(fd, bytes, 4095));
	state(fd);
	CALL(write(fd, bytes, 0));
	CALL(write(fd, NULL, 0));
	for (int i = 0; i < 100; i++)
		CALL(write(fd, bytes + i, (size_t)(i * 7 + 1)));
	state(fd);
	EXTENDED(fd);
	CALL(write(fd, bytes, sizeof(bytes)));
	state(fd);
	EXTENDED(fd);
	CALL(lseek(fd, 5000, SEEK_SET));
	CALL(write(fd, bytes, 100));
	state(fd);
	CALL(lseek(fd, -50, SEEK_END));
	CALL(write(fd, bytes, 100));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

static void bad_buffers(void)
{
	int fd = start("fault", O_RDWR);
	struct iovec iov[3] = {{bytes, 100}, {edge, 100}, {bytes, 100}};

	CALL(write(fd, edge, 100));
	state(fd);
	again(fd);
	CALL(write(fd, edge - 10, 100));
	state(fd);
	CALL(write(fd, edge - 5000, 10000));
	state(fd);
	CALL(write(fd, edge - 65536, 100000));
	state(fd);
	CALL(writev(fd, iov, 3));
	state(fd);
	iov[1].iov_base = edge - 30;
	CALL(writev(fd, iov, 3));
	state(fd);
	iov[0].iov_base = edge;
	CALL(writev(fd, iov, 3));
	state(fd);
	again(fd);
	CALL(pwrite(fd, edge, 100, 100));
	CALL(pwrite(fd, edge - 10, 100, 9000));
	CALL(pwrite(fd, edge - 10, 100, 20000));
	state(fd);
	CALL(write(fd, (void *)-1L, 100));
	state(fd);
	/* Past the end: whether the file grows by it is the filesystem's affair. */
	again(fd);
	CALL(lseek(fd, 500, SEEK_END));
	CALL(write(fd, edge, 100));
	state(fd);
	again(fd);
	CALL(pwrite(fd, edge, 100, lseek(fd, 700, SEEK_END)));
	state(fd);
	again(fd);
	CALL(writev(fd, NULL, 1));
	state(fd);
	finish(fd);
}

static void bad_arguments(void)
{
	int fd = start("arguments", O_RDWR);
	int reader = (int)CALL(open("/dev/null", O_RDONLY));
	static struct iovec many[IOV_MAX + 1];
	struct iovec bad = {bytes, (size_t)-1};
	struct iovec one = {bytes, 10};

	for (int i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){bytes + i, (size_t)(i % 5)};
	CALL(write(-1, bytes, 10));
	CALL(write(999, bytes, 10));
	CALL(write(reader, bytes, 10));
	CALL(pwrite(-1, bytes, 10, 0));
	CALL(writev(999, &one, 1));
	CALL(pwritev(999, &one, 1, 0));
	CALL(pwritev2(999, &one, 1, 0, 0));
	CALL(pwrite(fd, bytes, 10, -1));
	CALL(pwrite(fd, bytes, 10, INT64_MIN));
	CALL(pwrite(fd, bytes, 10, INT64_MAX));
	CALL(pwrite(fd, bytes, 10, INT64_MAX - 5));
	CALL(pwrite(fd, bytes, 0, -1));
	CALL(pwrite(fd, bytes, 0, 1 << 30));
	CALL(pwritev(fd, &one, 1, -1));
	CALL(pwritev(fd, &one, 1, -5));
	CALL(pwritev2(fd, &one, 1, -5, 0));
	CALL(writev(fd, many, 0));
	CALL(writev(fd, many, -1));
	CALL(writev(fd, many, IOV_MAX + 1));
	CALL(writev(fd, &bad, 1));
	CALL(pwritev(fd, &bad, 1, 0));
	CALL(pwritev2(fd, &one, 1, 0, 0x4000000));
	state(fd);
	again(fd);
	CALL(writev(fd, many, IOV_MAX));
	state(fd);
	CALL(pwritev(fd, many, IOV_MAX, 11000));
	state(fd);
	EXTENDED(fd);
	CALL(close(reader));
	finish(fd);
}

static void at_offsets(int flags)
{
	int fd = start("pwrite", flags);
	struct iovec iov[3] = {{bytes, 10}, {NULL, 0}, {bytes + 500, 5000}};

	CALL(pwrite(fd, bytes, 100, 0));
	CALL(pwrite(fd, bytes, 100, START_BYTES - 100));
	state(fd);
	CALL(pwrite(fd, bytes, 100, START_BYTES - 50));
	state(fd);
	CALL(pwrite(fd, bytes, 100, START_BYTES + 50));
	state(fd);
	EXTENDED(fd);
	CALL(pwrite(fd, bytes, 100, START_BYTES + 1000));
	state(fd);
	EXTENDED(fd);
	CALL(pwritev(fd, iov, 3, START_BYTES + 1100));
	state(fd);
	CALL(pwritev2(fd, iov, 3, START_BYTES + 7000, 0));
	state(fd);
	CALL(pwritev2(fd, iov, 3, -1, 0));
	state(fd);
	CALL(lseek(fd, 0, SEEK_END));
	CALL(pwritev2(fd, iov, 3, -1, RWF_DSYNC));
	state(fd);
	CALL(pwritev2(fd, iov, 3, 300, RWF_SYNC));
	state(fd);
	EXTENDED(fd);
	CALL(pwritev2(fd, iov, 3, 17, RWF_APPEND));
	state(fd);
	CALL(lseek(fd, 30, SEEK_SET));
	CALL(pwritev2(fd, iov, 3, -1, RWF_APPEND));
	state(fd);
	/* By the flag alone it is made on an ordinary file; the next one that ends there extends it again. */
	CALL(write(fd, bytes, 100));
	state(fd);
	EXTENDED(fd);
	CALL(pwritev2(fd, iov, 3, 40, 0x20 /* RWF_NOAPPEND */));
	state(fd);
	finish(fd);
}

static void vectors(void)
{
	int fd = start("writev", O_RDWR);
	struct iovec iov[4] = {{bytes, 10}, {bytes + 100, 0}, {bytes + 500, 5000}, {bytes, 1}};

	for (int i = 0; i < 30; i++)
		CALL(writev(fd, iov, i % 5));
	state(fd);
	EXTENDED(fd);
	iov[2].iov_len = sizeof(bytes) - 500;
	CALL(writev(fd, iov, 4));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

/* Far past the end: given up for a while. */
static void far_away(void)
{
	int fd = start("far", O_RDWR);

	CALL(pwrite(fd, bytes, 10, INT64_MAX - 10));
	state(fd);
	CALL(write(fd, bytes, 10));
	state(fd);
	finish(fd);
	/* Where it succeeds nobody wants to read it all. */
	CALL(unlink(file));
}

static void read_only(void)
{
	int fd = start("other", O_RDWR), other;

	CALL(other = open(file, O_RDONLY));
	CALL(write(other, bytes, 10));
	CALL(pwrite(other, bytes, 10, 0));
	CALL(close(other));
	CALL(write(fd, bytes, 10));
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	bad_memory();
	plain_writes(O_RDWR);
	plain_writes(O_WRONLY);
	at_offsets(O_RDWR);
	at_offsets(O_WRONLY);
	vectors();
	bad_buffers();
	bad_arguments();
	read_only();
	far_away();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The read family: a read stops where the program's data ends. */
#include "transcript.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

static char bytes[50000];

#define READ(call) \
	({ \
		memset(bytes, 0xee, sizeof(bytes)); \
		CALL(call); \
		say("  %016llx\n", (unsigned long long)digest(bytes, sizeof(bytes), 1)); \
	})

static void reads(void)
{
	int fd = start("read", O_RDWR);
	volatile size_t length = 5000; /* not known when it is compiled: __read_chk */

	READ(read(fd, bytes, 100));
	CALL(lseek(fd, 0, SEEK_SET));
	READ(read(fd, bytes, length));
	READ(read(fd, bytes, length * 2));
	READ(read(fd, bytes, length));
	CALL(lseek(fd, -1, SEEK_CUR));
	READ(read(fd, bytes, sizeof(bytes)));
	READ(read(fd, bytes, sizeof(bytes)));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, 500, SEEK_END));
	READ(read(fd, bytes, sizeof(bytes)));
	CALL(lseek(fd, 0, SEEK_CUR));
	READ(read(fd, bytes, 0));
	EXTENDED(fd);
	READ(pread(fd, bytes, length, 0));
	READ(pread(fd, bytes, length, START_BYTES - 100));
	READ(pread(fd, bytes, 101, START_BYTES - 100));
	READ(pread(fd, bytes, 1, START_BYTES));
	READ(pread(fd, bytes, length, START_BYTES));
	READ(pread(fd, bytes, length, START_BYTES + 1));
	READ(pread(fd, bytes, length, 1LL << 40));
	READ(pread(fd, bytes, length, INT64_MAX));
	READ(pread(fd, bytes, length, INT64_MAX - 100));
	READ(pread(fd, bytes, length, -1));
	READ(pread(fd, bytes, length, INT64_MIN));
	READ(pread(fd, bytes, 0, START_BYTES + 50));
	READ(pread(fd, bytes, 0, -1));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

static void vectors(void)
{
	int fd = start("readv", O_RDWR);
	struct iovec iov[4] = {{bytes, 3000}, {bytes + 3500, 0}, {bytes + 4000, 5000}, {bytes + 9500, 6000}};
	static struct iovec many[IOV_MAX + 1];
	struct iovec bad = {bytes, (size_t)-1};

	for (int i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){bytes + i * 11, 11};
	CALL(lseek(fd, 0, SEEK_SET));
	READ(readv(fd, iov, 4));
	READ(readv(fd, iov, 4));
	CALL(lseek(fd, 4000, SEEK_SET));
	READ(readv(fd, iov, 2));
	READ(preadv(fd, iov, 4, 100));
	READ(preadv(fd, iov, 4, START_BYTES - 3000));
	READ(preadv(fd, iov, 4, START_BYTES - 3001));
	READ(preadv(fd, iov, 4, START_BYTES));
	READ(preadv2(fd, iov, 4, 9000, 0));
	READ(preadv2(fd, iov, 4, -1, 0));
	READ(preadv2(fd, iov, 4, -1, 0));
	READ(preadv2(fd, iov, 4, -2, 0));
	READ(preadv2(fd, iov, 4, 0, 0x4000000));
	READ(preadv(fd, iov, 4, -1));
	READ(readv(fd, iov, 0));
	READ(readv(fd, iov, -1));
	READ(readv(fd, many, IOV_MAX + 1));
	CALL(lseek(fd, 0, SEEK_SET));
	READ(readv(fd, many, IOV_MAX));
	READ(preadv(fd, many, IOV_MAX, 5));
	READ(readv(fd, &bad, 1));
	CALL(readv(fd, NULL, 1));
	state(fd);
	again(fd);
	finish(fd);
}

static void bad_buffers(void)
{
	int fd = start("fault", O_RDWR);
	char *edge = (char *)mmap(NULL, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0) + 65536;
	struct iovec iov[3] = {{bytes, 100}, {edge - 20, 100}, {bytes + 500, 100}};

	mprotect(edge, 65536, PROT_NONE);
	CALL(lseek(fd, 0, SEEK_SET));
	CALL(read(fd, edge, 100));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(read(fd, edge - 50, 100));
	CALL(lseek(fd, 0, SEEK_CUR));
	READ(readv(fd, iov, 3));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(pread(fd, edge, 100, 0));
	CALL(pread(fd, edge, 100, START_BYTES - 50));
	CALL(pread(fd, edge - 50, 100, START_BYTES - 50));
	CALL(pread(fd, edge, 100, START_BYTES));
	CALL(pread(fd, edge, 100, START_BYTES + 100));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(read(fd, edge, 100));
	CALL(read(fd, (void *)-1L, 100));
	CALL(read(fd, NULL, 100));
	EXTENDED(fd);
	finish(fd);
}

static void wrong_descriptors(void)
{
	int fd = start("write-only", O_WRONLY);

	CALL(lseek(fd, 0, SEEK_SET));
	CALL(read(fd, bytes, 100));
	CALL(read(fd, bytes, 0));
	CALL(pread(fd, bytes, 100, 0));
	CALL(pread(fd, bytes, 100, START_BYTES + 5));
	CALL(read(-1, bytes, 100));
	CALL(read(999, bytes, 100));
	CALL(pread(999, bytes, 100, 0));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

static void read_and_write(void)
{
	int fd = start("mixed", O_RDWR);

	for (int i = 0; i < 40; i++) {
		CALL(write(fd, bytes, 333));
		CALL(lseek(fd, -200, SEEK_CUR));
		READ(read(fd, bytes, 150));
		READ(read(fd, bytes, 150));
	}
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	reads();
	vectors();
	bad_buffers();
	wrong_descriptors();
	read_and_write();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes that jump far past the end make holes, direct and synced writes are what they were. */
#include "transcript.h"

#include <stdio.h>
#include <stdlib.h>

static char bytes[100000];

static void jumps(int64_t distance)
{
	int fd = start("jump", O_RDWR);

	CALL(pwrite(fd, bytes, 100, START_BYTES + distance));
	state(fd);
	append(fd);
	state(fd);
	CALL(pwrite(fd, bytes, 100, START_BYTES + 50));
	CALL(lseek(fd, distance, SEEK_END));
	CALL(write(fd, bytes, 100));
	state(fd);
	append(fd);
	CALL(ftruncate(fd, 5000));
	append(fd);
	state(fd);
	finish(fd);
}

/* A hole must be a hole: not our allocation, not a byte of it. */
static void hole_is_kept(void)
{
	int fd = start("hole", O_RDWR);
	struct stat st;

	CALL(pwrite(fd, bytes, 100, 1LL << 40));
	CALL(fsync(fd));
	CALL(close(fd));
	CALL(stat(file, &st));
	if (extended_runs() && st.st_blocks > 2048) {
		fprintf(stderr, "%lld blocks\n", (long long)st.st_blocks);
		_exit(98);
	}
	CALL(unlink(file));
}

/* Behind the bytes that it returns a direct read may leave zeroes, or nothing: unspecified. */
#define READ(call) \
	({ \
		ssize_t got_ = (ssize_t)CALL(call); \
		if (got_ > 0) \
			say("  %016llx\n", (unsigned long long)digest(block, (size_t)got_, 1)); \
	})

static void direct(int flags)
{
	char *block = NULL;
	int fd;

	section("direct");
	fd = (int)CALL(open(file, O_RDWR | O_CREAT | O_DIRECT | flags, 0640));
	if (fd < 0 || posix_memalign((void **)&block, 4096, 65536))
		return;
	fill(block, 65536, 2);
	CALL(write(fd, block, 4096));
	CALL(write(fd, block, 8192));
	EXTENDED(fd);
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(pwrite(fd, block, 4096, 4096));
	CALL(lseek(fd, 8192, SEEK_SET));
	READ(read(fd, block, 65536));
	READ(read(fd, block, 65536));
	CALL(lseek(fd, 0, SEEK_CUR));
	READ(pread(fd, block, 65536, 4096));
	READ(pread(fd, block, 65536, 12288));
	READ(pread(fd, block, 65536, 16384));
	fill(block, 65536, 2);
	for (int i = 0; i < 31; i++)
		CALL(write(fd, block, 65536));
	EXTENDED(fd);
	CALL(fcntl(fd, F_GETFL));
	CALL(lseek(fd, 0, SEEK_END));
	/* The end in the middle of a block, through another kind of write. */
	CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(write(fd, block, 1000));
	CALL(write(fd, block, 1000));
	EXTENDED(fd);
	CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT));
	READ(pread(fd, block, 65536, 12288 + 31 * 65536));
	free(block);
	CALL(close(fd));
	state_of(file);
}

static void synced(int flags)
{
	int fd = start("synced", O_RDWR | flags);

	for (int i = 0; i < 10; i++)
		CALL(write(fd, bytes, (size_t)(i * 1000 + 7)));
	CALL(fcntl(fd, F_GETFL));
	CALL(pwrite(fd, bytes, 100, 500));
	CALL(fdatasync(fd));
	CALL(fsync(fd));
	CALL(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	CALL(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CALL(readahead(fd, 0, 1 << 20));
	EXTENDED(fd);
	state(fd);
	finish(fd);
}

/* Clean pages of the tail in the page cache are not data. */
static void read_ahead(void)
{
	int fd = start("read-ahead", O_RDWR);

	CALL(posix_fadvise(fd, 0, 64 << 20, POSIX_FADV_WILLNEED));
	CALL(readahead(fd, 0, 64 << 20));
	state(fd);
	again(fd);
	CALL(readahead(fd, 0, 64 << 20));
	state(fd);
	finish(fd);
}

/* Zeroes are data, too. */
static void written_zeroes(int flags)
{
	static char zeroes[200000];
	int fd = start("zeroes", O_RDWR | flags);

	CALL(write(fd, zeroes, 5000));
	CALL(write(fd, zeroes, sizeof(zeroes)));
	CALL(write(fd, zeroes, 1));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	jumps(1000);
	jumps(70000);
	jumps(1 << 20);
	jumps(200 << 20);
	jumps(1LL << 40);
	hole_is_kept();
	direct(0);
	direct(O_APPEND);
	synced(O_SYNC);
	synced(O_DSYNC | O_APPEND);
	read_ahead();
	written_zeroes(0);
	written_zeroes(O_APPEND);
}

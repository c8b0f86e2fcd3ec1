/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmap(2) of an extended file: what is stored behind the end in the last page must not survive. */
#include "transcript.h"

#include <string.h>
#include <sys/mman.h>

static char bytes[3000];

static void shared(int flags)
{
	int fd = start("shared", O_RDWR | flags);
	char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CALL(map == MAP_FAILED);
	if (map == MAP_FAILED)
		return;
	memset(map + 100, 'm', 50);
	/* Past the end, in the last page: dropped by the kernel. */
	memset(map + START_BYTES, 'z', 12288 - START_BYTES);
	CALL(msync(map, 1 << 20, MS_SYNC));
	state(fd);
	append(fd);
	state(fd);
	memset(map + 5000, 'n', 50);
	CALL(ftruncate(fd, 50000));
	memset(map + 40000, 'o', 500);
	memset(map + 50000, 'o', 53248 - 50000);
	append(fd);
	state(fd);
	CALL(munmap(map, 1 << 20));
	append(fd);
	state(fd);
	finish(fd);
}

static void mapping_outlives_descriptor(void)
{
	int fd = start("outlives", O_RDWR);
	char *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	finish(fd);
	memset(map + 9000, 'x', 12288 - 9000);
	CALL(msync(map, 65536, MS_SYNC));
	state_of(file);
	fd = (int)CALL(open(file, O_RDWR | O_APPEND));
	CALL(write(fd, bytes, 3000));
	state(fd);
	memset(map + 9000, 'y', 12288 - 9000);
	CALL(munmap(map, 65536));
	state(fd);
	finish(fd);
}

static void private(int protection)
{
	int fd = start("private", O_RDWR);
	char *map = mmap(NULL, 65536, protection, MAP_PRIVATE, fd, 0);

	CALL(map == MAP_FAILED);
	say("  %016llx\n", (unsigned long long)digest(map, 12288, 1));
	if (protection & PROT_WRITE)
		memset(map + 9000, 'p', 3000);
	append(fd);
	state(fd);
	CALL(munmap(map, 65536));
	append(fd);
	state(fd);
	finish(fd);
}

static void read_only_then_writable(void)
{
	int fd = start("mprotect", O_RDWR);
	char *map = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);

	CALL(mprotect(map, 65536, PROT_READ | PROT_WRITE));
	memset(map + START_BYTES - 10, 'q', 100);
	append(fd);
	state(fd);
	CALL(munmap(map, 65536));
	finish(fd);
}

static void failures(void)
{
	int fd = start("fails", O_WRONLY);

	CALL(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	CALL(mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, fd, 0));
	CALL(mmap(NULL, 65536, PROT_READ, 0, fd, 0));
	CALL(mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 5));
	CALL(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0));
	append(fd);
	state(fd);
	finish(fd);
}

static void before_the_first_write(void)
{
	char *map;
	int fd;

	section("empty");
	fd = (int)CALL(open(file, O_RDWR | O_CREAT, 0600));
	CALL(ftruncate(fd, 100));
	map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(map + 50, 'e', 4000);
	append(fd);
	state(fd);
	memset(map + 1450, 'f', 2000);
	append(fd);
	state(fd);
	CALL(munmap(map, 65536));
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	shared(0);
	shared(O_APPEND);
	mapping_outlives_descriptor();
	private(PROT_READ);
	private(PROT_READ | PROT_WRITE);
	read_only_then_writable();
	failures();
	before_the_first_write();
}

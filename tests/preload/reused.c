/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An extended file's only descriptor is closed by a bare system call, and its number comes to stand
 * for another file in the same way: what is done by it is done to that one.
 */
#include "transcript.h"
#include "bare.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define OTHER_BYTES 40000

static char bytes[50000];

static void states(int fd) { state(fd); }
static void reads_all(int fd)
{
	for (int i = 0; i < 5; i++)
		CALL(read(fd, bytes, 9000));
	state(fd);
}
static void reads_across(int fd)
{
	CALL(pread(fd, bytes, 20000, START_BYTES - 100));
	CALL(pread(fd, bytes, 20000, START_BYTES + 100));
	CALL(lseek(fd, START_BYTES - 5, SEEK_SET));
	CALL(read(fd, bytes, 1000));
	CALL(read(fd, bytes, 50000));
	CALL(read(fd, bytes, 10));
}
static void seeks_end(int fd) { CALL(lseek(fd, -3, SEEK_END)); }
static void seeks_data(int fd) { CALL(lseek(fd, START_BYTES + 3, SEEK_DATA)); }
static void seeks_hole(int fd) { CALL(lseek(fd, 3, SEEK_HOLE)); }
static void writes(int fd)
{
	CALL(write(fd, bytes, 700));
	CALL(write(fd, bytes, START_BYTES));
	CALL(write(fd, bytes, 300));
}
static void writes_far(int fd)
{
	CALL(lseek(fd, 0, SEEK_END));
	CALL(write(fd, bytes, 3000));
	CALL(write(fd, bytes, 50000));
}
static void writes_there(int fd)
{
	CALL(pwrite(fd, bytes, 700, 100));
	CALL(pwrite(fd, bytes, 3000, START_BYTES + 100));
	CALL(pwrite(fd, bytes, 3000, OTHER_BYTES));
}
static void reads_and_writes(int fd)
{
	CALL(read(fd, bytes, 100));
	CALL(write(fd, bytes, 700));
	CALL(write(fd, bytes, 700));
}
static void cuts(int fd) { CALL(ftruncate(fd, 12345)); }
static void allocates(int fd) { CALL(fallocate(fd, 0, 0, 50000)); }
static void flags(int fd) { CALL(fcntl(fd, F_GETFL)); }
static void sets_flags(int fd) { CALL(fcntl(fd, F_SETFL, O_APPEND)); }
static void asks_how_many(int fd)
{
	int available = 0;

	CALL(ioctl(fd, FIONREAD, &available));
	CALL(available);
}

static void reused(const char *name, void (*use)(int fd), int of_first, int of_other)
{
	static int count;
	char other[32];
	int fd;

	snprintf(other, sizeof(other), "9%02d-other", count++);
	fd = open(other, O_RDWR | O_CREAT, 0640);
	fill(bytes, sizeof(bytes), 5);
	write(fd, bytes, OTHER_BYTES);
	close(fd);
	fd = start(name, O_RDWR | of_first);
	CALL(BARE(SYS_close, fd, 0, 0, 0));
	CALL(BARE(SYS_openat, AT_FDCWD, other, O_RDWR | of_other, 0) == fd);
	use(fd);
	/* The second one is the library's to know of. */
	CALL(close(fd));
	state_of(other);
	state_of(file);
}

static void all(int of_first, int of_other)
{
	reused("states", states, of_first, of_other);
	reused("reads", reads_all, of_first, of_other);
	reused("reads-across", reads_across, of_first, of_other);
	reused("end", seeks_end, of_first, of_other);
	reused("data", seeks_data, of_first, of_other);
	reused("hole", seeks_hole, of_first, of_other);
	reused("writes", writes, of_first, of_other);
	reused("writes-far", writes_far, of_first, of_other);
	reused("writes-there", writes_there, of_first, of_other);
	reused("mixed", reads_and_writes, of_first, of_other);
	reused("cuts", cuts, of_first, of_other);
	reused("allocates", allocates, of_first, of_other);
	reused("flags", flags, of_first, of_other);
	reused("sets-flags", sets_flags, of_first, of_other);
	reused("available", asks_how_many, of_first, of_other);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	all(0, 0);
	all(O_APPEND, 0);
	all(O_APPEND, O_APPEND);
	all(0, O_APPEND);
}

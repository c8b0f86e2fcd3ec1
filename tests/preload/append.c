/* SPDX-License-Identifier: GPL-2.0-or-later */
/* O_APPEND: cleared behind the program's back while the file is extended. */
#include "transcript.h"

#include <sys/mman.h>
#include <sys/uio.h>

static char bytes[50000];

static void appends(int flags)
{
	int fd = start("append", flags | O_APPEND);
	struct iovec iov[2] = {{bytes, 100}, {bytes + 7, 3000}};

	CALL(fcntl(fd, F_GETFL));
	CALL(lseek(fd, 0, SEEK_CUR));
	again(fd);
	state(fd);
	for (int i = 0; i < 50; i++) {
		write(fd, bytes + i, (size_t)(100 + i));
		if (i % 7 == 0)
			lseek(fd, i * 100, SEEK_SET);
	}
	state(fd);
	EXTENDED(fd);
	CALL(pwritev(fd, iov, 2, 50));
	state(fd);
	CALL(lseek(fd, 5, SEEK_SET));
	CALL(pwritev2(fd, iov, 2, 50, RWF_APPEND));
	CALL(pwritev2(fd, iov, 2, -1, RWF_APPEND));
	state(fd);
	CALL(lseek(fd, 5, SEEK_SET));
	CALL(pwritev2(fd, iov, 2, 3, 0));
	CALL(pwritev2(fd, iov, 2, 3, 0x20 /* RWF_NOAPPEND */));
	state(fd);
	CALL(write(fd, bytes, 100));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

/* The very next write appends, wherever the offset is. */
static void appends_from_now_on(void)
{
	int fd = start("from-now-on", O_RDWR);

	CALL(lseek(fd, 0, SEEK_SET));
	CALL(fcntl(fd, F_SETFL, O_APPEND));
	CALL(write(fd, bytes, 700));
	EXTENDED(fd);
	state(fd);
	finish(fd);
}

static void appends_and_reads(void)
{
	int fd = start("append-and-read", O_RDWR | O_APPEND);
	char back[300];

	CALL(lseek(fd, 100, SEEK_SET));
	CALL(read(fd, back, 200));
	say("%016llx\n", (unsigned long long)digest(back, 200, 1));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(write(fd, bytes, 1000));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(read(fd, back, 200));
	CALL(lseek(fd, -150, SEEK_CUR));
	CALL(read(fd, back, 200));
	say("%016llx\n", (unsigned long long)digest(back, 150, 1));
	CALL(write(fd, bytes, 1000));
	CALL(lseek(fd, -100, SEEK_END));
	CALL(write(fd, bytes, 30));
	CALL(pread(fd, back, 200, 11900));
	CALL(write(fd, bytes, 30));
	CALL(lseek(fd, 0, SEEK_CUR));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

static void failed_appends(void)
{
	int fd = start("append-fails", O_RDWR | O_APPEND);
	char *edge = (char *)mmap(NULL, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0) + 65536;

	mprotect(edge, 65536, PROT_NONE);
	CALL(lseek(fd, 77, SEEK_SET));
	CALL(write(fd, edge, 100));
	state(fd);
	CALL(write(fd, edge - 10, 100));
	state(fd);
	CALL(write(fd, edge, 100));
	state(fd);
	CALL(lseek(fd, 77, SEEK_SET));
	CALL(write(fd, bytes, 0));
	CALL(pwrite(fd, edge, 10, 0));
	CALL(pwrite(fd, bytes, 10, -1));
	state(fd);
	again(fd);
	CALL(write(fd, bytes, 100));
	state(fd);
	finish(fd);
}

static void toggled(int flags)
{
	int fd = start("toggled", O_RDWR | flags);

	CALL(fcntl(fd, F_GETFL));
	CALL(lseek(fd, 10, SEEK_SET));
	CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) ^ O_APPEND));
	CALL(fcntl(fd, F_GETFL));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(write(fd, bytes, 100));
	state(fd);
	again(fd);
	CALL(lseek(fd, 20, SEEK_SET));
	CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) ^ O_APPEND));
	CALL(write(fd, bytes, 100));
	state(fd);
	again(fd);
	CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
	CALL(fcntl(fd, F_GETFL));
	again(fd);
	CALL(fcntl(fd, F_SETFL, 0));
	CALL(fcntl(fd, F_GETFL));
	CALL(fcntl(fd, F_SETFL, O_APPEND | O_NOATIME));
	CALL(fcntl(fd, F_GETFL));
	CALL(lseek(fd, 20, SEEK_SET));
	CALL(write(fd, bytes, 100));
	state(fd);
	finish(fd);
}

static void two_descriptors(void)
{
	int fd = start("two", O_RDWR | O_APPEND);
	int other = (int)CALL(dup(fd));

	for (int i = 0; i < 10; i++) {
		CALL(write(fd, bytes, 100));
		CALL(write(other, bytes, 50));
		CALL(lseek(other, 0, SEEK_CUR));
	}
	CALL(fcntl(other, F_GETFL));
	CALL(fcntl(other, F_SETFL, 0));
	CALL(fcntl(fd, F_GETFL));
	EXTENDED(start("two-more", O_RDWR | O_APPEND));
	state(fd);
	CALL(close(other));
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	appends(O_RDWR);
	appends(O_WRONLY);
	appends_from_now_on();
	appends_and_reads();
	failed_appends();
	toggled(0);
	toggled(O_APPEND);
	two_descriptors();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RLIMIT_FSIZE: as many signals, as short writes, the same errno. */
#include "transcript.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

static char bytes[100000];
static volatile sig_atomic_t signals;

static void count(int signal)
{
	(void)signal;
	signals++;
}

static void limit_to(rlim_t size)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	CALL(setrlimit(RLIMIT_FSIZE, &limit));
}

static void writes(int flags)
{
	struct iovec iov[2] = {{bytes, 7000}, {bytes, 20000}};
	int fd = start("limit", O_RDWR | flags);

	limit_to(30000);
	CALL(write(fd, bytes, 5000));
	state(fd);
	CALL(write(fd, bytes, 10000));
	CALL(signals);
	CALL(write(fd, bytes, 10000));
	state(fd);
	CALL(signals);
	CALL(write(fd, bytes, 1));
	CALL(signals);
	CALL(pwrite(fd, bytes, 100, 29950));
	CALL(pwrite(fd, bytes, 100, 30000));
	CALL(pwrite(fd, bytes, 100, 50000));
	CALL(signals);
	CALL(ftruncate(fd, 20000));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(writev(fd, iov, 2));
	CALL(signals);
	state(fd);
	CALL(ftruncate(fd, 30000));
	CALL(ftruncate(fd, 30001));
	CALL(signals);
	CALL(fallocate(fd, 0, 0, 30001));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 40000));
	CALL(posix_fallocate(fd, 0, 40000));
	CALL(truncate(file, 40000));
	CALL(signals);
	limit_to(RLIM_INFINITY);
	append(fd);
	CALL(signals);
	state(fd);
	finish(fd);
}

/* The limit comes down on a file that is already extended past it. */
static void under_an_extended_file(void)
{
	int fd = start("lowered", O_RDWR);

	limit_to(START_BYTES + 100);
	CALL(write(fd, bytes, 50));
	CALL(write(fd, bytes, 100));
	CALL(write(fd, bytes, 100));
	CALL(signals);
	state(fd);
	finish(fd);
	limit_to(RLIM_INFINITY);
}

static sigjmp_buf back;

static void jump_back(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

/* Out of the signal's handler, which comes from inside of the write. */
static void jump_out_of_a_write(int fd, int flags)
{
	struct sigaction action = {.sa_handler = jump_back}, before;
	int state_before = -1;

	sigaction(SIGXFSZ, &action, &before);
	limit_to((rlim_t)lseek(fd, 0, SEEK_END));
	if (sigsetjmp(back, 1) == 0)
		CALL(write(fd, bytes, 100));
	limit_to(RLIM_INFINITY);
	sigaction(SIGXFSZ, &before, NULL);
	CALL(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state_before));
	CALL(state_before);
	CALL(fcntl(fd, F_GETFL) == (O_RDWR | flags));
}

static void jumps(int flags)
{
	int fd = start("jumps", O_RDWR | flags);

	jump_out_of_a_write(fd, fcntl(fd, F_GETFL) & ~O_ACCMODE);
	state(fd);
	again(fd);
	state(fd);
	CALL(ftruncate(fd, START_BYTES));
	jump_out_of_a_write(fd, fcntl(fd, F_GETFL) & ~O_ACCMODE);
	append(fd);
	state(fd);
	finish(fd);
}

/* What is allocated ahead stays below the limit, too. */
static void allocated_ahead(void)
{
	int fd;

	section("ahead");
	fd = (int)CALL(open(file, O_RDWR | O_CREAT, 0600));
	limit_to(30000);
	append(fd);
	EXTENDED(fd);
	CALL(real_size(fd) <= 30000);
	CALL(signals);
	limit_to(RLIM_INFINITY);
	finish(fd);
}

static void of_nothing(void)
{
	int fd;

	section("zero");
	fd = (int)CALL(open(file, O_RDWR | O_CREAT, 0600));
	limit_to(0);
	CALL(write(fd, bytes, 50));
	CALL(signals);
	limit_to(RLIM_INFINITY);
	append(fd);
	finish(fd);
}

/* Zeroes over the byte that tells where the data end, and no room to record that they do. */
static void no_room_to_record(void)
{
	static const char zeroes[300];
	int fd;

	section("zeroes");
	fd = (int)CALL(open(file, O_RDWR | O_CREAT, 0600));
	limit_to(9000);
	for (int i = 0; i < 7; i++)
		CALL(write(fd, bytes, 1000));
	CALL(fsync(fd));
	for (int i = 0; i < 4; i++) {
		CALL(lseek(fd, -100, SEEK_END));
		CALL(write(fd, zeroes, sizeof(zeroes)));
		CALL(write(fd, bytes, 1));
	}
	CALL(signals);
	limit_to(RLIM_INFINITY);
	append(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = count};

	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	sigaction(SIGXFSZ, &action, NULL);
	writes(0);
	writes(O_APPEND);
	under_an_extended_file();
	jumps(0);
	jumps(O_APPEND);
	allocated_ahead();
	of_nothing();
	no_room_to_record();
}

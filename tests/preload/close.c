/* SPDX-License-Identifier: GPL-2.0-or-later */
/* close(2), close_range(2), closefrom(3): the file is what the program made it, at once. */
#include "transcript.h"

#include <sys/syscall.h>

static char bytes[3000];

static int open_more(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0640);

	write(fd, bytes, 1000);
	EXTENDED(fd);
	return fd;
}

static void singly(void)
{
	int fd = start("close", O_RDWR);

	finish(fd);
	CALL(close(fd));
	CALL(close(-1));
	CALL(close(999));
	CALL(close(INT32_MAX));
	CALL(write(fd, bytes, 1));
	CALL(lseek(fd, 0, SEEK_END));
	state(fd);
	/* The number is used anew, by a file that nobody manages. */
	CALL(open("/dev/null", O_WRONLY));
	CALL(write(fd, bytes, 100));
	CALL(close(fd));
}

static void ranges(void)
{
	int first = start("close-range", O_RDWR);
	int last = open_more("901-range.dat");

	CALL(close_range((unsigned int)last, (unsigned int)first, 0));
	CALL(close_range((unsigned int)first, (unsigned int)last, 0x4000));
	state(first);
	EXTENDED(first);
	CALL(close_range((unsigned int)first, (unsigned int)last, CLOSE_RANGE_CLOEXEC));
	CALL(fcntl(first, F_GETFD));
	CALL(write(first, bytes, 100));
	EXTENDED(first);
	CALL(close_range((unsigned int)first, (unsigned int)last, 0));
	state_of(file);
	state_of("901-range.dat");
	state(first);
}

/* As if it knew where the guardian's socket is: the last number of all. */
static void up_to_the_socket(void)
{
	int fd = start("to-the-socket", O_RDWR), last = fd + 1;

	for (int i = fd; i < 70000; i++)
		if (raw_syscall(SYS_fcntl, i, F_GETFD) >= 0 && i > last)
			last = i;
	CALL(close_range((unsigned int)fd + 1, (unsigned int)last, 0));
	CALL(write(fd, bytes, 100));
	EXTENDED(fd);
	state(fd);
	CALL(close_range((unsigned int)fd, (unsigned int)last, 0));
	state_of(file);
}

static void to_the_last(const char *name, void (*call)(int first))
{
	int fd = start(name, O_RDWR);
	int other = open_more("902-from.dat");

	open_more("903-from.dat");
	call(other);
	state(fd);
	CALL(write(fd, bytes, 100));
	CALL(write(other, bytes, 100));
	state_of("902-from.dat");
	state_of("903-from.dat");
	again(fd);
	finish(fd);
}

static void by_closefrom(int first)
{
	closefrom(first);
}

static void by_close_range(int first)
{
	CALL(close_range((unsigned int)first, ~0U, 0));
}

/* As daemons do; the guardian's socket is among the numbers. */
static void one_by_one(int first)
{
	for (int fd = first; fd < 1024; fd++)
		close(fd);
}

static void over_and_over(int first)
{
	for (int i = 0; i < 5; i++) {
		int fd = open_more("904-loop.dat");

		one_by_one(first);
		say("descriptor %d\n", fd);
	}
}

/* Past libc: the library learns it when the number comes back. */
static void unseen(void)
{
	int fd = start("unseen", O_RDWR);
	int next;

	syscall(SYS_close, fd);
	next = (int)CALL(open("other.txt", O_RDWR | O_CREAT, 0600));
	CALL(write(next, bytes, 100));
	state(next);
	CALL(close(next));
	CALL(unlink("other.txt"));
	state_of(file);
}

static void deleted(void)
{
	int fd = start("deleted", O_RDWR);

	CALL(unlink(file));
	state(fd);
	CALL(write(fd, bytes, 1000));
	state(fd);
	CALL(write(fd, bytes, 1000));
	EXTENDED(fd);
	state(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	singly();
	ranges();
	up_to_the_socket();
	to_the_last("closefrom", by_closefrom);
	to_the_last("close-range-all", by_close_range);
	to_the_last("close-loop", one_by_one);
	to_the_last("close-loops", over_and_over);
	unseen();
	deleted();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dup(2) and its kin: one description, one offset, settled with the last descriptor. */
#include "transcript.h"

static char bytes[3000];

static void aliases(int flags)
{
	int fd = start("dup", O_RDWR | flags);
	int other[5];

	other[0] = (int)CALL(dup(fd));
	other[1] = (int)CALL(dup2(fd, 50));
	other[2] = (int)CALL(dup3(fd, 51, O_CLOEXEC));
	other[3] = (int)CALL(fcntl(fd, F_DUPFD, 20));
	other[4] = (int)CALL(fcntl(fd, F_DUPFD_CLOEXEC, 20));
	for (int i = 0; i < 5; i++) {
		CALL(fcntl(other[i], F_GETFD));
		CALL(write(other[i], bytes, (size_t)(100 + i)));
		CALL(lseek(fd, 0, SEEK_CUR));
		CALL(pwrite(other[i], bytes, 10, 9990 + i * 500));
		state(other[i]);
	}
	EXTENDED(fd);
	CALL(lseek(other[2], -40, SEEK_END));
	CALL(write(other[3], bytes, 80));
	state(fd);
	CALL(close(fd));
	EXTENDED(other[0]);
	for (int i = 0; i < 4; i++)
		CALL(close(other[i]));
	EXTENDED(other[4]);
	CALL(write(other[4], bytes, 100));
	state(other[4]);
	finish(other[4]);
}

static void replaced(void)
{
	int fd = start("replaced", O_RDWR);
	int null = (int)CALL(open("/dev/null", O_RDWR));

	CALL(dup2(null, fd));
	state_of(file);
	CALL(write(fd, bytes, 100));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(close(fd));
	CALL(close(null));
	state_of(file);
}

static void replaced_by_another(void)
{
	int fd = start("first", O_RDWR), other;
	char first[sizeof(file)];

	for (size_t i = 0; i < sizeof(file); i++)
		first[i] = file[i];
	other = start("second", O_RDWR | O_APPEND);
	CALL(dup2(other, fd));
	state_of(first);
	CALL(write(fd, bytes, 500));
	CALL(write(other, bytes, 500));
	state(fd);
	EXTENDED(fd);
	CALL(close(other));
	EXTENDED(fd);
	finish(fd);
}

static void odd_ones(void)
{
	int fd = start("odd", O_RDWR);

	CALL(dup2(fd, fd));
	CALL(dup3(fd, fd, 0));
	CALL(dup3(fd, 60, 0x4000));
	CALL(dup2(999, fd));
	CALL(dup2(-1, fd));
	CALL(dup2(fd, -1));
	CALL(dup3(999, fd, 0));
	CALL(dup(-1));
	CALL(dup(999));
	CALL(fcntl(fd, F_DUPFD, -1));
	CALL(fcntl(999, F_DUPFD, 0));
	CALL(write(fd, bytes, 100));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

/* Standard output put into a file and back, as a shell does. */
static void redirected(void)
{
	int fd = start("redirected", O_WRONLY | O_APPEND);
	int saved = (int)CALL(fcntl(1, F_DUPFD_CLOEXEC, 10));
	ssize_t written;

	dup2(fd, 1);
	close(fd);
	written = write(1, bytes, 700);
	written += write(1, bytes, 700);
	dup2(saved, 1);
	CALL(close(saved));
	CALL(written);
	state_of(file);
}

/* Whatever numbers the program likes, ours among them. */
static void every_number(void)
{
	int fd = start("numbers", O_RDWR);

	for (int to = fd + 1; to < 1024; to++)
		if (dup2(fd, to) != to)
			CALL(to);
	CALL(write(1000, bytes, 1000));
	CALL(write(1001, bytes, 1000));
	state(1002);
	for (int to = fd + 1; to < 1024; to++)
		if (close(to) < 0)
			CALL(to);
	state(fd);
	CALL(write(fd, bytes, 1000));
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	aliases(0);
	aliases(O_APPEND);
	replaced();
	replaced_by_another();
	odd_ones();
	redirected();
	every_number();
}

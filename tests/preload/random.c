/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thousands of random calls on one file, through one description or several descriptors of it:
 *
 *	random SEED COUNT
 */
#include "transcript.h"

#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static uint64_t seed;
static char bytes[70000], back[70000];
static char *unreadable = (char *)64; /* in the page that is never mapped */

static uint32_t any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

/* Mostly small, now and then larger than what is allocated ahead in one of the runs. */
static size_t length(void)
{
	return any(20) == 0 ? any(sizeof(bytes)) : any(4) == 0 ? any(5000) : any(200);
}

static int64_t place(int fd)
{
	struct stat st;

	fstat(fd, &st);
	switch (any(6)) {
	case 0:
		return any(20000);
	case 1:
		return st.st_size + any(3000);
	case 2:
		return st.st_size;
	case 3:
		return any(40) == 0 ? st.st_size + any(500000) : st.st_size / 2;
	default:
		return st.st_size > 300 ? st.st_size - any(300) : any(300);
	}
}

static void tell_read(ssize_t got)
{
	if (got > 0)
		say("  %016llx\n", (unsigned long long)digest(back, (size_t)got, 1));
}

static void write_something(int fd)
{
	size_t n = length();
	struct iovec iov[3] = {{bytes + any(100), n / 3}, {NULL, 0}, {bytes + any(100), n / 2}};

	switch (any(9)) {
	case 0:
		CALL(pwrite(fd, bytes, n, place(fd)));
		break;
	case 1:
		CALL(writev(fd, iov, 3));
		break;
	case 2:
		CALL(pwritev(fd, iov, 3, place(fd)));
		break;
	case 3:
		CALL(pwritev2(fd, iov, 3, any(2) ? -1 : place(fd), any(2) ? RWF_APPEND : 0));
		break;
	case 4:
		iov[1] = (struct iovec){unreadable, 10};
		CALL(any(2) ? writev(fd, iov, 3) : write(fd, unreadable, n));
		break;
	case 5:
		CALL(pwritev2(fd, iov, 3, place(fd), 0x20 /* RWF_NOAPPEND */));
		break;
	default:
		CALL(write(fd, bytes + any(100), n));
	}
}

static void read_something(int fd)
{
	size_t n = length();
	struct iovec iov[2] = {{back, n / 2}, {back + n / 2, n - n / 2}};

	switch (any(4)) {
	case 0:
		tell_read((ssize_t)CALL(pread(fd, back, n, place(fd))));
		break;
	case 1:
		tell_read((ssize_t)CALL(readv(fd, iov, 2)));
		break;
	case 2:
		tell_read((ssize_t)CALL(preadv2(fd, iov, 2, any(2) ? -1 : place(fd), 0)));
		break;
	default:
		tell_read((ssize_t)CALL(read(fd, back, n)));
	}
}

static void seek_somewhere(int fd)
{
	switch (any(7)) {
	case 0:
		CALL(lseek(fd, 0, SEEK_END));
		break;
	case 1:
		CALL(lseek(fd, -(int64_t)any(3000), SEEK_END));
		break;
	case 2:
		CALL(lseek(fd, any(3000), SEEK_END));
		break;
	case 3:
		CALL(lseek(fd, (int64_t)any(2000) - 1000, SEEK_CUR));
		break;
	case 4:
		/* Where exactly is the filesystem's affair, and moves with its allocation. */
		CALL(lseek(fd, place(fd), SEEK_DATA) >= 0);
		CALL(lseek(fd, place(fd), SEEK_SET));
		break;
	default:
		CALL(lseek(fd, place(fd), SEEK_SET));
	}
}

static void something_rare(int fd)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
	int number = 0;

	switch (any(10)) {
	case 0:
		CALL(ftruncate(fd, place(fd)));
		break;
	case 1:
		CALL(truncate(file, place(fd)));
		break;
	case 2:
	case 3:
		CALL(fallocate(fd, modes[any(5)], place(fd), (off_t)length()));
		break;
	case 4:
		CALL(posix_fallocate(fd, place(fd), (off_t)length()));
		break;
	case 5:
		CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) ^ O_APPEND));
		break;
	case 6:
		CALL(fchmod(fd, any(2) ? 0640 : 0600));
		break;
	case 7:
		CALL(ioctl(fd, FIONREAD, &number));
		CALL(number);
		break;
	case 8:
		CALL(fdatasync(fd));
		break;
	default:
		CALL(fcntl(fd, F_GETFL));
	}
}

static void tell_size(int fd)
{
	struct stat st;

	CALL(any(2) ? fstat(fd, &st) : stat(file, &st));
	say("  size %lld at %lld\n", (long long)st.st_size, (long long)lseek(fd, 0, SEEK_CUR));
}

static void act(int fd)
{
	switch (any(12)) {
	case 0:
	case 1:
		read_something(fd);
		break;
	case 2:
		seek_somewhere(fd);
		break;
	case 3:
		tell_size(fd);
		break;
	case 4:
		if (any(4) == 0)
			something_rare(fd);
		break;
	default:
		write_something(fd);
	}
}

void transcript(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 1000;
	int fds[3] = {-1, -1, -1};

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) * 77777 : 1;
	fill(bytes, sizeof(bytes), (unsigned int)seed);
	while (count > 0) {
		fds[0] = start("random", O_RDWR | (any(2) ? O_APPEND : 0));
		fds[1] = dup(fds[0]);
		fds[2] = any(3) == 0 ? open(file, O_RDONLY) : -1;
		if (fds[2] >= 0)
			close(fds[2]);
		for (int i = (int)any(300) + 30; i > 0; i--, count--)
			act(fds[any(2)]);
		state(fds[0]);
		CALL(close(fds[1]));
		finish(fds[0]);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of buffers that can't be read, wholly or partly, or are too long: the kernel says so. */
#include "transcript.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char bytes[5000];

static void all_calls(int fd, const struct iovec *iov, int count)
{
	CALL(writev(fd, iov, count));
	CALL(pwritev(fd, iov, count, START_BYTES));
	CALL(pwritev2(fd, iov, count, -1, 0));
	CALL(pwritev2(fd, iov, count, 17, RWF_APPEND));
	CALL(syscall(SYS_writev, fd, iov, count));
	CALL(lseek(fd, 0, SEEK_SET));
	CALL(readv(fd, iov, count));
	CALL(preadv(fd, iov, count, START_BYTES - 10));
	CALL(preadv2(fd, iov, count, START_BYTES - 10, 0));
	CALL(preadv2(fd, iov, count, -1, 0));
	CALL(syscall(SYS_readv, fd, iov, count));
	state(fd);
	/* Appends by pwrite that can't be read back are made on an ordinary file. */
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
		again(fd);
	else
		append(fd);
}

static void unreadable(int flags)
{
	int fd = start("lists", flags);
	struct iovec *edge = mmap(NULL, 2 * 65536, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec *last;

	edge = (struct iovec *)(void *)((char *)edge + 65536);
	for (int i = 1; i <= 100; i++)
		edge[-i] = (struct iovec){bytes + 10 * i, 10};
	mprotect(edge, 65536, PROT_NONE);
	all_calls(fd, NULL, 1);
	all_calls(fd, (struct iovec *)8, 1);
	all_calls(fd, (struct iovec *)-4096L, 1);
	all_calls(fd, (struct iovec *)-16L, 3);
	all_calls(fd, edge, 1);
	all_calls(fd, edge, IOV_MAX);
	all_calls(fd, edge - 1, 1);
	all_calls(fd, edge - 1, 2);
	all_calls(fd, edge - 100, 100);
	all_calls(fd, edge - 100, 101);
	all_calls(fd, edge - 100, IOV_MAX);
	all_calls(fd, edge - 100, IOV_MAX + 1);
	all_calls(fd, edge, IOV_MAX + 1);
	all_calls(fd, edge - 100, INT_MAX);
	all_calls(fd, edge, -1);
	all_calls(fd, edge, 0);
	/* Half an element. */
	last = (struct iovec *)(void *)((char *)edge - sizeof(*edge) / 2);
	all_calls(fd, last, 1);
	munmap((char *)edge - 65536, 2 * 65536);
	finish(fd);
}

/* Where the number stands for nothing, EBADF comes first. */
static void closed(void)
{
	int fd = start("closed", O_RDWR);

	CALL(raw_syscall(SYS_close, fd));
	CALL(writev(fd, (struct iovec *)8, 1));
	CALL(readv(fd, (struct iovec *)8, 1));
	CALL(close(fd));
	state_of(file);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	unreadable(O_RDWR);
	unreadable(O_RDWR | O_APPEND);
	unreadable(O_WRONLY);
	closed();
}

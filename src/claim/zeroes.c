/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/zeroes.h"

#include "base/layout.h"
#include "base/sys.h"
#include "recovery/tail.h"

#include <errno.h>
#include <stdint.h>
#include <sys/uio.h>

/* Linux 6.17; where the device can write zeroes by itself. */
#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES 0x80
#endif

#define PAGE 4096 /* also what O_DIRECT asks for */
#define PIECE (64 * 1024)
#define PIECES 16

/* Not aligned by the linker: that would move the library's other variables to a page of their own. */
FAR static unsigned char unaligned_zeroes[PAGE + PIECE];

static int write_some(int fd, int64_t from, int64_t to)
{
	unsigned char *zeroes = unaligned_zeroes + (-(uintptr_t)unaligned_zeroes & (PAGE - 1));
	struct iovec iov[PIECES];
	int count = 0;
	ssize_t written;

	for (int64_t at = from; at < to && count < PIECES; at += PIECE)
		iov[count++] = (struct iovec){zeroes, to - at < PIECE ? (size_t)(to - at) : PIECE};
	do
		written = sys.pwritev(fd, iov, count, from);
	while (written < 0 && errno == EINTR);
	return written < 0 ? -errno : (int)written;
}

int zeroes_write(struct certainty *certainty, int fd, int64_t from, int64_t to)
{
	int64_t used;

	from = (from + PAGE - 1) / PAGE * PAGE;
	to = to / PAGE * PAGE;
	if (from >= to)
		return 0;
	used = tail_data_end(fd, true, false, from, to);
	if (used != from)
		return used < 0 ? (int)used : -EEXIST;
	if (!certainty_is_whole(certainty, fd))
		return -EAGAIN;
	if (sys.fallocate(fd, FALLOC_FL_WRITE_ZEROES, from, to - from) == 0)
		return 0;
	while (from < to) {
		int written = certainty_is_whole(certainty, fd) ? write_some(fd, from, to) : -EAGAIN;

		if (written <= 0)
			return written < 0 ? written : -EIO;
		from += written;
	}
	return 0;
}

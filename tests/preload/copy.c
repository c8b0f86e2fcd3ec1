/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls in which the kernel reads and writes: sendfile, splice, copy_file_range, tee, ioctl. */
#include "transcript.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

static char bytes[50000];

static int second(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0640);

	write(fd, bytes, 5000);
	EXTENDED(fd);
	return fd;
}

static void sendfiles(int flags)
{
	int fd = start("sendfile", O_RDWR | flags);
	int other = second("910-sendfile.dat");
	off_t offset = 100;

	CALL(lseek(other, 0, SEEK_SET));
	CALL(sendfile(fd, other, NULL, 100000));
	state(fd);
	state(other);
	again(fd);
	CALL(sendfile(fd, other, &offset, 2000));
	CALL(offset);
	CALL(sendfile(fd, other, &offset, 100000));
	CALL(sendfile(fd, other, &offset, 100000));
	state(fd);
	CALL(sendfile(fd, 999, NULL, 10));
	CALL(sendfile(999, fd, NULL, 10));
	again(other);
	again(fd);
	state(other);
	CALL(close(other));
	finish(fd);
}

static void splices(void)
{
	int fd = start("splice", O_RDWR);
	off_t offset = 500;
	int ends[2];

	CALL(pipe(ends));
	CALL(write(ends[1], bytes, 5000));
	CALL(splice(ends[0], NULL, fd, NULL, 3000, 0));
	state(fd);
	again(fd);
	CALL(splice(ends[0], NULL, fd, &offset, 3000, 0));
	CALL(offset);
	state(fd);
	again(fd);
	offset = lseek(fd, 0, SEEK_END) - 300;
	CALL(splice(fd, &offset, ends[1], NULL, 3000, SPLICE_F_NONBLOCK));
	CALL(offset);
	CALL(splice(fd, &offset, ends[1], NULL, 3000, SPLICE_F_NONBLOCK));
	CALL(read(ends[0], bytes, 5000));
	again(fd);
	CALL(lseek(fd, -100, SEEK_END));
	CALL(splice(fd, NULL, ends[1], NULL, 3000, SPLICE_F_NONBLOCK));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(splice(fd, NULL, fd, NULL, 10, 0));
	CALL(close(ends[0]));
	CALL(close(ends[1]));
	state(fd);
	finish(fd);
}

static void ranges(int flags)
{
	int fd = start("copy-range", O_RDWR | flags);
	int other = second("911-range.dat");
	off_t from = 10, to = 20000;

	CALL(lseek(other, 0, SEEK_SET));
	CALL(copy_file_range(other, NULL, fd, NULL, 100000, 0));
	state(fd);
	state(other);
	again(fd);
	CALL(copy_file_range(other, &from, fd, &to, 3000, 0));
	CALL(from);
	CALL(to);
	state(fd);
	again(fd);
	from = 0, to = lseek(fd, 0, SEEK_END);
	CALL(copy_file_range(fd, &from, fd, &to, 3000, 0));
	from = 0;
	CALL(copy_file_range(fd, &from, fd, &from, 3000, 0));
	CALL(copy_file_range(999, NULL, fd, NULL, 3000, 0));
	again(fd);
	CALL(lseek(fd, -50, SEEK_END));
	CALL(copy_file_range(fd, NULL, other, NULL, 3000, 0));
	state(fd);
	state(other);
	CALL(close(other));
	finish(fd);
}

static void requests(void)
{
	int fd = start("ioctl", O_RDWR), other, number;
	union {
		struct fiemap map;
		char space[sizeof(struct fiemap) + 8 * sizeof(struct fiemap_extent)];
	} u;

	CALL(lseek(fd, 0, SEEK_SET));
	CALL(ioctl(fd, FIONREAD, &number));
	CALL(number);
	CALL(lseek(fd, 9000, SEEK_SET));
	CALL(ioctl(fd, FIONREAD, &number));
	CALL(number);
	CALL(lseek(fd, 10000, SEEK_SET));
	CALL(ioctl(fd, FIONREAD, &number));
	CALL(number);
	CALL(lseek(fd, 10500, SEEK_SET));
	CALL(ioctl(fd, FIONREAD, &number));
	CALL(number);
	CALL(ioctl(fd, FIONREAD, NULL));
	CALL(ioctl(fd, FIOCLEX));
	CALL(fcntl(fd, F_GETFD));
	CALL(ioctl(fd, FIONCLEX));
	CALL(fcntl(fd, F_GETFD));
	CALL(ioctl(fd, 0x12345678, NULL));
	EXTENDED((again(fd), fd));
	number = 1;
	CALL(ioctl(fd, FIONBIO, &number));
	CALL(fcntl(fd, F_GETFL));
	again(fd);
	number = 0;
	CALL(ioctl(fd, FIONBIO, &number));

	memset(&u, 0, sizeof(u));
	u.map.fm_length = ~0ULL;
	u.map.fm_flags = FIEMAP_FLAG_SYNC;
	u.map.fm_extent_count = 8;
	if (CALL(ioctl(fd, FS_IOC_FIEMAP, &u.map)) == 0 && extended_runs())
		/* No extent of ours behind the end. */
		for (uint32_t i = 0; i < u.map.fm_mapped_extents; i++)
			if (u.map.fm_extents[i].fe_logical > (1 << 20))
				say("extent at %llu\n", u.map.fm_extents[i].fe_logical);
	again(fd);
	CALL(ioctl(fd, FS_IOC_GETFLAGS, &number) == 0 || errno == ENOTTY);

	other = second("912-clone.dat");
	again(fd);
	CALL(ioctl(other, FICLONE, fd));
	state(other);
	CALL(ioctl(other, FICLONE, 999));
	again(fd);
	again(other);
	CALL(close(other));
	state(fd);
	finish(fd);
}

/* Into a pipe and out of it again, by the names of libc that do it inside. */
static void while_other_way(void)
{
	int fd = start("vmsplice", O_RDWR);
	int ends[2];

	CALL(pipe(ends));
	for (int i = 0; i < 20; i++) {
		CALL(write(ends[1], bytes + i, 600));
		CALL(splice(ends[0], NULL, fd, NULL, 600, SPLICE_F_MOVE));
		CALL(write(fd, bytes + i, 77));
	}
	state(fd);
	EXTENDED(fd);
	CALL(close(ends[0]));
	CALL(close(ends[1]));
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	sendfiles(0);
	sendfiles(O_APPEND);
	splices();
	ranges(0);
	ranges(O_APPEND);
	requests();
	while_other_way();
}

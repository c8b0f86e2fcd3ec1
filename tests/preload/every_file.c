/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "every.h"

#include <aio.h>
#include <execinfo.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define TEST(name) static void name(void *call, int fd)

static struct iovec two[2] = {{every_bytes, 100}, {every_bytes + 1000, 500}};
static const char other[] = "900-every.dat";

static void seen(int number)
{
	CALL(number >= 0);
	state(number);
	CALL(close(number));
}

TEST(opens) { (void)fd; seen(AS(open)(file, O_RDONLY)); }
TEST(opens_2) { (void)fd; seen(((int (*)(const char *, int))call)(file, O_RDONLY)); }
TEST(opens_at) { (void)fd; seen(AS(openat)(AT_FDCWD, file, O_WRONLY | O_APPEND)); }
TEST(opens_at_2)
{
	(void)fd;
	seen(((int (*)(int, const char *, int))call)(AT_FDCWD, file, O_RDONLY));
}
TEST(creats) { state(fd); seen(AS(creat)(file, 0600)); }

static void made(int number, const char *name)
{
	CALL(number >= 0);
	CALL(write(number, every_bytes, 5000));
	EXTENDED(number);
	CALL(unlink(name));
	seen(number);
}

TEST(mkstemps_) { char name[] = "temp-XXXXXX"; (void)fd; made(AS(mkstemp)(name), name); }
TEST(mkostemps_)
{
	char name[] = "temp-XXXXXX";
	(void)fd;
	made(AS(mkostemp)(name, O_APPEND), name);
}
TEST(suffixed) { char name[] = "temp-XXXXXX.x"; (void)fd; made(AS(mkstemps)(name, 2), name); }
TEST(suffixed_o)
{
	char name[] = "temp-XXXXXX.x";

	(void)fd;
	made(AS(mkostemps)(name, 2, O_APPEND), name);
}

TEST(closes) { CALL(AS(close)(fd)); }
TEST(closes_range) { CALL(AS(close_range)((unsigned int)fd, (unsigned int)fd, 0)); }
TEST(closes_from) { AS(closefrom)(fd); }

static void doubled(int number, int fd)
{
	CALL(number >= 0);
	CALL(write(number, every_bytes, 300));
	EXTENDED(fd);
	state(number);
	CALL(close(number));
}

TEST(dups) { doubled(AS(dup)(fd), fd); }
TEST(dups_2) { doubled(AS(dup2)(fd, 90), fd); }
TEST(dups_3) { doubled(AS(dup3)(fd, 90, O_CLOEXEC), fd); }
TEST(fcntls) { CALL(AS(fcntl)(fd, F_GETFL)); doubled(AS(fcntl)(fd, F_DUPFD, 90), fd); }
TEST(gets)
{
	int pidfd = (int)raw_syscall(SYS_pidfd_open, getpid(), 0);
	int number = ((int (*)(int, int, unsigned int))call)(pidfd, fd, 0);

	CALL(number >= 0);
	CALL(write(number, every_bytes, 300));
	state(number);
	close(number);
	close(pidfd);
}

static void got(int fd, ssize_t bytes)
{
	say("  %016llx\n",
	    (unsigned long long)digest(every_bytes, bytes > 0 ? (size_t)bytes : 0, 1));
	EXTENDED(fd);
}

TEST(reads) { CALL(lseek(fd, 9000, SEEK_SET)); got(fd, CALL(AS(read)(fd, every_bytes, 4000))); }
TEST(reads_chk)
{
	CALL(lseek(fd, 9000, SEEK_SET));
	got(fd, CALL(((ssize_t (*)(int, void *, size_t, size_t))call)(fd, every_bytes, 4000,
								      8192)));
}
TEST(preads) { got(fd, CALL(AS(pread)(fd, every_bytes, 4000, 9000))); }
TEST(preads_chk)
{
	got(fd, CALL(((ssize_t (*)(int, void *, size_t, off_t, size_t))call)(fd, every_bytes, 4000,
									     9000, 8192)));
}
TEST(readvs) { CALL(lseek(fd, 9700, SEEK_SET)); got(fd, CALL(AS(readv)(fd, two, 2))); }
TEST(preadvs) { got(fd, CALL(AS(preadv)(fd, two, 2, 9700))); }
TEST(preadv2s) { got(fd, CALL(AS(preadv2)(fd, two, 2, 9700, 0))); }
/* Bytes that end in zeroes are synced: nothing is shown of their record. */
static void zeroes_end(int fd)
{
	CALL(write(fd, "text\0\0\0", 7));
	EXTENDED(fd);
}
TEST(syncs_one) { zeroes_end(fd); CALL(AS(fsync)(fd)); EXTENDED(fd); state(fd); }
TEST(syncs_fs) { zeroes_end(fd); CALL(AS(syncfs)(fd)); state(fd); }
TEST(syncs_all) { zeroes_end(fd); AS(sync)(); state(fd); }
TEST(writes) { CALL(AS(write)(fd, every_bytes, 700)); EXTENDED(fd); }
TEST(pwrites) { CALL(AS(pwrite)(fd, every_bytes, 700, 9700)); EXTENDED(fd); }
TEST(writevs) { CALL(AS(writev)(fd, two, 2)); EXTENDED(fd); }
TEST(pwritevs) { CALL(AS(pwritev)(fd, two, 2, 9700)); EXTENDED(fd); }
TEST(pwritev2s) { CALL(AS(pwritev2)(fd, two, 2, -1, 0)); EXTENDED(fd); }
TEST(dprintfs) { CALL(AS(dprintf)(fd, "%s %d\n", "text", 7)); EXTENDED(fd); }
TEST(dprintfs_chk)
{
	CALL(((int (*)(int, int, const char *, ...))call)(fd, 1, "%s %d\n", "text", 7));
	EXTENDED(fd);
}

static void with_list(void *call, int fd, bool flagged, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (flagged)
		CALL(((int (*)(int, int, const char *, va_list))call)(fd, 1, format, list));
	else
		CALL(AS(vdprintf)(fd, format, list));
	va_end(list);
	EXTENDED(fd);
}

TEST(vdprintfs) { with_list(call, fd, false, "%s %d\n", "text", 7); }
TEST(vdprintfs_chk) { with_list(call, fd, true, "%s %d\n", "text", 7); }
TEST(traces)
{
	void *address[] = {(void *)1, (void *)2};

	AS(backtrace_symbols_fd)(address, 2, fd);
}
TEST(seeks)
{
	CALL(AS(lseek)(fd, -10, SEEK_END));
	CALL(AS(lseek)(fd, 0, SEEK_DATA));
	CALL(AS(lseek)(fd, 0, SEEK_HOLE));
	EXTENDED(fd);
}

static void sized(int result, const struct stat *st, int fd)
{
	say("%d: %lld\n", result, (long long)st->st_size);
	EXTENDED(fd);
}

TEST(stats) { struct stat st; sized(AS(stat)(file, &st), &st, fd); }
TEST(fstats) { struct stat st; sized(AS(fstat)(fd, &st), &st, fd); }
TEST(fstatats) { struct stat st; sized(AS(fstatat)(fd, "", &st, AT_EMPTY_PATH), &st, fd); }
TEST(xstats)
{
	struct stat st;

	sized(((int (*)(int, const char *, struct stat *))call)(1, file, &st), &st, fd);
}
TEST(fxstats)
{
	struct stat st;
	sized(((int (*)(int, int, struct stat *))call)(1, fd, &st), &st, fd);
}
TEST(fxstatats)
{
	struct stat st;

	sized(((int (*)(int, int, const char *, struct stat *, int))call)(1, AT_FDCWD, file, &st,
									  0),
	      &st, fd);
}
TEST(statxs)
{
	struct statx stx;

	CALL(AS(statx)(AT_FDCWD, file, 0, STATX_SIZE, &stx));
	CALL(stx.stx_size);
	EXTENDED(fd);
}
TEST(allocates) { CALL(AS(fallocate)(fd, 0, 9000, 3000)); }
TEST(posix_allocates) { CALL(AS(posix_fallocate)(fd, 9000, 3000)); }
TEST(ioctls)
{
	int number = -1;

	CALL(lseek(fd, 100, SEEK_SET));
	CALL(AS(ioctl)(fd, FIONREAD, &number));
	CALL(number);
	EXTENDED(fd);
}
TEST(ftruncates) { CALL(AS(ftruncate)(fd, 20000)); }
TEST(truncates) { (void)fd; CALL(AS(truncate)(file, 5000)); }
TEST(sendfiles)
{
	off_t from = 100;
	int second = open(other, O_RDWR | O_CREAT, 0600);

	CALL(AS(sendfile)(second, fd, &from, 20000));
	CALL(from);
	seen(second);
	CALL(unlink(other));
}
TEST(splices)
{
	int ends[2];
	off_t from = 9000;

	CALL(pipe(ends));
	CALL(AS(splice)(fd, &from, ends[1], NULL, 4000, 0));
	CALL(from);
	CALL(AS(splice)(ends[0], NULL, fd, NULL, 4000, 0));
	close(ends[0]);
	close(ends[1]);
}
TEST(copies)
{
	off_t from = 9000, to = 10000;
	CALL(AS(copy_file_range)(fd, &from, fd, &to, 4000, 0));
}
TEST(maps)
{
	char *map = AS(mmap)(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8192);

	CALL(map != MAP_FAILED);
	map[1000] = 'x';
	CALL(munmap(map, 4096));
}

static void done(struct aiocb *request)
{
	const struct aiocb *list[] = {request};

	while (aio_error(request) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	CALL(aio_return(request));
}

TEST(aio_reads)
{
	struct aiocb request = {.aio_fildes = fd, .aio_buf = every_bytes, .aio_nbytes = 4000,
				.aio_offset = 9000};

	CALL(AS(aio_read)(&request));
	done(&request);
}
TEST(aio_syncs)
{
	struct aiocb request = {.aio_fildes = fd};

	CALL(AS(aio_fsync)(O_SYNC, &request));
	done(&request);
}
TEST(lists)
{
	struct aiocb request = {.aio_fildes = fd, .aio_buf = every_bytes, .aio_nbytes = 4000,
				.aio_offset = 9000, .aio_lio_opcode = LIO_WRITE};
	struct aiocb *list[] = {&request};

	CALL(AS(lio_listio)(LIO_WAIT, list, 1, NULL));
	CALL(aio_return(&request));
}
TEST(submits)
{
	aio_context_t context = 0;
	struct iocb request = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)fd,
			       .aio_buf = (uint64_t)(uintptr_t)every_bytes, .aio_nbytes = 4000,
			       .aio_offset = 9000};
	struct iocb *list[] = {&request};
	struct io_event event;

	CALL(raw_syscall(SYS_io_setup, 4, &context));
	CALL(((int (*)(aio_context_t, long, struct iocb **))call)(context, 1, list));
	CALL(raw_syscall(SYS_io_getevents, context, 1, 1, &event, NULL));
	CALL(event.res);
	CALL(raw_syscall(SYS_io_destroy, context));
}

const struct every_row every_file_rows[] = {
	{"open open64 __open __open64", opens},
	{"__open_2 __open64_2", opens_2},
	{"openat openat64", opens_at},
	{"__openat_2 __openat64_2", opens_at_2},
	{"creat creat64", creats},
	{"mkstemp mkstemp64", mkstemps_},
	{"mkostemp mkostemp64", mkostemps_},
	{"mkstemps mkstemps64", suffixed},
	{"mkostemps mkostemps64", suffixed_o},
	{"close __close", closes},
	{"close_range", closes_range},
	{"closefrom", closes_from},
	{"dup", dups},
	{"dup2 __dup2", dups_2},
	{"dup3", dups_3},
	{"fcntl fcntl64 __fcntl", fcntls},
	{"pidfd_getfd", gets},
	{"read __read", reads},
	{"__read_chk", reads_chk},
	{"pread pread64 __pread64", preads},
	{"__pread_chk __pread64_chk", preads_chk},
	{"readv", readvs},
	{"preadv preadv64", preadvs},
	{"preadv2 preadv64v2", preadv2s},
	{"fsync fdatasync", syncs_one},
	{"syncfs", syncs_fs},
	{"sync", syncs_all},
	{"fsync fdatasync", syncs_one},
	{"syncfs", syncs_fs},
	{"sync", syncs_all},
	{"write __write", writes},
	{"pwrite pwrite64 __pwrite64", pwrites},
	{"writev", writevs},
	{"pwritev pwritev64", pwritevs},
	{"pwritev2 pwritev64v2", pwritev2s},
	{"dprintf", dprintfs},
	{"__dprintf_chk", dprintfs_chk},
	{"vdprintf", vdprintfs},
	{"__vdprintf_chk", vdprintfs_chk},
	{"backtrace_symbols_fd __backtrace_symbols_fd", traces},
	{"lseek lseek64 __lseek llseek", seeks},
	{"stat stat64 lstat lstat64", stats},
	{"fstat fstat64", fstats},
	{"fstatat fstatat64", fstatats},
	{"__xstat __xstat64 __lxstat __lxstat64", xstats},
	{"__fxstat __fxstat64", fxstats},
	{"__fxstatat __fxstatat64", fxstatats},
	{"statx", statxs},
	{"fallocate fallocate64", allocates},
	{"posix_fallocate posix_fallocate64", posix_allocates},
	{"ioctl", ioctls},
	{"ftruncate ftruncate64", ftruncates},
	{"truncate truncate64", truncates},
	{"sendfile sendfile64", sendfiles},
	{"splice", splices},
	{"copy_file_range", copies},
	{"mmap mmap64", maps},
	{"aio_read aio_read64 aio_write aio_write64", aio_reads},
	{"aio_fsync aio_fsync64", aio_syncs},
	{"lio_listio lio_listio64", lists},
	{"io_submit", submits},
	{NULL, NULL},
};

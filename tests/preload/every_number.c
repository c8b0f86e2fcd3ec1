/* SPDX-License-Identifier: GPL-2.0-or-later */
/* syscall(2) by each number that stands for one of the calls. */
#include "every.h"

#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <utime.h>

static struct iovec two[2] = {{every_bytes, 100}, {every_bytes + 1000, 500}};
static const struct timespec old[2] = {{1000000000, 0}, {1100000000, 0}};
static const struct timeval old_us[2] = {{1000000000, 0}, {1100000000, 0}};
static const char other[] = "901-every.dat";
static struct stat st;
static struct statx stx;

/* n_CALL(fd) makes the calls that follow. */
#define N(name, ...) \
	static void n_##name(void *call, int fd) \
	{ \
		(void)call, (void)fd; \
		__VA_ARGS__; \
	}
#define DO(name, ...) CALL(syscall(SYS_##name, __VA_ARGS__))

static void seen(long number)
{
	CALL(number >= 0);
	state((int)number);
	CALL(close((int)number));
}

static void written(int fd)
{
	EXTENDED(fd);
	state(fd);
}

static void doubled(long number, int fd)
{
	CALL(write((int)number, every_bytes, 300));
	EXTENDED(fd);
	seen(number);
}

static void named(void)
{
	state_of(other);
	CALL(rename(other, file));
}

static void waited(long pid, int fd)
{
	int status;

	if (pid == 0)
		_exit(write(fd, every_bytes, 123) == 123 ? 7 : 8);
	waitpid((pid_t)pid, &status, 0);
	CALL(pid > 0);
	CALL(status);
	state(fd);
}

N(read, CALL(lseek(fd, 9900, SEEK_SET)); DO(read, fd, every_bytes, 4000); written(fd))
N(write, DO(write, fd, every_bytes, 700); written(fd))
N(pread64, DO(pread64, fd, every_bytes, 4000, 9000); written(fd))
N(pwrite64, DO(pwrite64, fd, every_bytes, 700, 9700); written(fd))
N(readv, CALL(lseek(fd, 9900, SEEK_SET)); DO(readv, fd, two, 2); written(fd))
N(writev, DO(writev, fd, two, 2); written(fd))
N(preadv, DO(preadv, fd, two, 2, 9700, 0); written(fd))
N(pwritev, DO(pwritev, fd, two, 2, 9700, 0); written(fd))
N(preadv2, DO(preadv2, fd, two, 2, 9700, 0, 0); written(fd))
N(pwritev2, DO(pwritev2, fd, two, 2, -1L, -1L, 0); written(fd))
N(lseek, DO(lseek, fd, -10L, SEEK_END); DO(lseek, fd, 0L, SEEK_HOLE); written(fd))
N(ftruncate, DO(ftruncate, fd, 20000L))
N(truncate, DO(truncate, file, 5000L))
N(fallocate, DO(fallocate, fd, 0, 9000L, 3000L))
N(fcntl, DO(fcntl, fd, F_GETFL); doubled(syscall(SYS_fcntl, fd, F_DUPFD, 90), fd))
N(ioctl, CALL(lseek(fd, 100, SEEK_SET)); int number = 0; DO(ioctl, fd, FIONREAD, &number);
  CALL(number); written(fd))
N(dup, doubled(syscall(SYS_dup, fd), fd))
N(dup3, doubled(syscall(SYS_dup3, fd, 90, 0), fd))
N(close, DO(close, fd))
N(close_range, DO(close_range, fd, fd, 0))
N(openat, seen(syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND)))
N(openat2, struct open_how how = {.flags = O_RDWR}; CALL(write(fd, every_bytes, 9));
  CALL(close(fd)); fd = (int)syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof(how));
  CALL(fd >= 0); CALL(lseek(fd, 0, SEEK_END)); CALL(write(fd, every_bytes, 900)); written(fd))
N(fstat, DO(fstat, fd, &st); CALL(st.st_size); written(fd))
N(newfstatat, DO(newfstatat, AT_FDCWD, file, &st, 0); CALL(st.st_size); written(fd))
N(statx, DO(statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx); CALL(stx.stx_size); written(fd))
N(sendfile, off_t from = 9000; int second = open(other, O_RDWR | O_CREAT | O_TRUNC, 0600);
  DO(sendfile, second, fd, &from, 9000); seen(second); CALL(unlink(other)))
N(splice, int ends[2]; off_t from = 9000; CALL(pipe(ends));
  DO(splice, fd, &from, ends[1], NULL, 4000, 0); DO(splice, ends[0], NULL, fd, NULL, 4000, 0);
  close(ends[0]); close(ends[1]))
N(copy_file_range, off_t from = 9000; off_t to = 10000;
  DO(copy_file_range, fd, &from, fd, &to, 4000, 0))
N(mmap, char *map = (char *)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				    8192L);
  CALL(map != MAP_FAILED); map[1000] = 'x'; map[3000] = 'y')
N(fchmod, DO(fchmod, fd, 06755))
N(fchmodat, DO(fchmodat, AT_FDCWD, file, 06755))
N(fchmodat2, CALL(syscall(452, AT_FDCWD, file, 06755, 0)))
N(fchown, DO(fchown, fd, -1, -1))
N(fchownat, DO(fchownat, AT_FDCWD, file, -1, -1, 0))
N(utimensat, DO(utimensat, fd, NULL, old, 0); CALL(real_size(fd)); CALL(close(fd));
  CALL(stat(file, &st)); CALL(st.st_mtime))
N(setxattr, DO(setxattr, file, "user.a", "1", 1, 0))
N(lsetxattr, DO(lsetxattr, file, "user.a", "1", 1, 0))
N(fsetxattr, DO(fsetxattr, fd, "user.a", "1", 1, 0))
N(removexattr, DO(removexattr, file, "user.a"))
N(lremovexattr, DO(lremovexattr, file, "user.a"))
N(fremovexattr, DO(fremovexattr, fd, "user.a"))
N(getxattr, DO(getxattr, file, "user.preallocate", every_bytes, 100))
N(lgetxattr, DO(lgetxattr, file, "user.preallocate", every_bytes, 100))
N(fgetxattr, DO(fgetxattr, fd, "user.preallocate", every_bytes, 100))
N(listxattr, DO(listxattr, file, every_bytes, 100))
N(llistxattr, DO(llistxattr, file, every_bytes, 100))
N(flistxattr, DO(flistxattr, fd, every_bytes, 100))
N(fsync, CALL(write(fd, "\0", 1)); DO(fsync, fd))
N(fdatasync, CALL(write(fd, "\0", 1)); DO(fdatasync, fd))
N(syncfs, CALL(write(fd, "\0", 1)); DO(syncfs, fd))
N(sync, CALL(write(fd, "\0", 1)); DO(sync, 0))
N(renameat2, DO(renameat2, AT_FDCWD, file, AT_FDCWD, other, 0); named())
N(linkat, DO(linkat, AT_FDCWD, file, AT_FDCWD, other, 0); CALL(unlink(file)); named())
N(clone, waited(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), fd))
N(clone3, uint64_t arguments[11] = {[4] = SIGCHLD};
  waited(syscall(SYS_clone3, arguments, sizeof(arguments)), fd))
N(execve, char *arguments[] = {(char *)"sh", (char *)"-c", (char *)"wc -c <\"$0\"", file, NULL};
  DO(execve, "/bin/sh", arguments, environ))
N(execveat, char *arguments[] = {(char *)"sh", (char *)"-c", (char *)"wc -c <\"$0\"", file, NULL};
  DO(execveat, AT_FDCWD, "/bin/sh", arguments, environ, 0))
N(exit_group, DO(exit_group, 6))
/* Who it is stays the same, so that what comes after may be done. */
#define BECOMES(name, ...) N(name, DO(name, __VA_ARGS__); CALL(write(fd, every_bytes, 90)); written(fd))
BECOMES(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)
BECOMES(setuid, getuid())
BECOMES(setgid, getgid())
BECOMES(setreuid, -1, getuid())
BECOMES(setregid, -1, getgid())
BECOMES(setresuid, -1, getuid(), -1)
BECOMES(setresgid, -1, getgid(), -1)
BECOMES(setfsuid, getuid())
BECOMES(setfsgid, getgid())
BECOMES(setgroups, 0, NULL)
BECOMES(capset, NULL, NULL)
BECOMES(chroot, "/")
BECOMES(pivot_root, file, file)
BECOMES(unshare, CLONE_FS)
BECOMES(setns, fd, 0)
N(pidfd_getfd, int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  int number = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0); CALL(number >= 0);
  CALL(write(number, every_bytes, 300)); state(number); close(number); close(pidfd))
N(io_submit, aio_context_t context = 0; struct io_event event;
  struct iocb request = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)fd,
			 .aio_buf = (uint64_t)(uintptr_t)every_bytes, .aio_nbytes = 4000,
			 .aio_offset = 9000};
  struct iocb *list[] = {&request}; DO(io_setup, 4, &context); DO(io_submit, context, 1, list);
  DO(io_getevents, context, 1, 1, &event, NULL); CALL(event.res); DO(io_destroy, context))
N(io_uring_setup, struct io_uring_params params = {.flags = 0};
  CALL(syscall(SYS_io_uring_setup, 4, &params) >= -1))
N(io_uring_enter, DO(io_uring_enter, fd, 1, 0, 0, NULL, 0))
N(io_uring_register, DO(io_uring_register, fd, IORING_REGISTER_FILES, &fd, 1))
#ifdef SYS_open
N(open, seen(syscall(SYS_open, file, O_RDONLY)))
N(creat, seen(syscall(SYS_creat, file, 0600)))
N(stat, DO(stat, file, &st); CALL(st.st_size); written(fd))
N(lstat, DO(lstat, file, &st); CALL(st.st_size); written(fd))
N(dup2, doubled(syscall(SYS_dup2, fd, 90), fd))
N(chmod, DO(chmod, file, 06755))
N(chown, DO(chown, file, -1, -1))
N(lchown, DO(lchown, file, -1, -1))
N(utime, DO(utime, file, (&(struct utimbuf){1000000000, 1100000000})))
N(utimes, DO(utimes, file, old_us))
N(futimesat, DO(futimesat, AT_FDCWD, file, old_us))
N(rename, DO(rename, file, other); named())
N(renameat, DO(renameat, AT_FDCWD, file, AT_FDCWD, other); named())
N(link, DO(link, file, other); CALL(unlink(file)); named())
N(fork, waited(syscall(SYS_fork), fd))
#endif

static void carry(int fd, bool many)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec one = {every_bytes, 1};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1,
					      .msg_control = &control,
					      .msg_controllen = sizeof(control)}};
	int ends[2], received;

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	CALL(many ? syscall(SYS_sendmmsg, ends[0], &message, 1, 0)
		  : syscall(SYS_sendmsg, ends[0], &message.msg_hdr, 0));
	CALL(recvmsg(ends[1], &message.msg_hdr, 0));
	memcpy(&received, CMSG_DATA(&control.header), sizeof(received));
	CALL(write(received, every_bytes, 250));
	seen(received);
	close(ends[0]);
	close(ends[1]);
}

N(sendmsg, carry(fd, false))
N(sendmmsg, carry(fd, true))

static void by_number(void *call, int fd)
{
	CALL(((long (*)(long, ...))call)(SYS_write, fd, every_bytes, 700));
	written(fd);
}

#define R(name) {"SYS_" #name, n_##name}
const struct every_row every_number_rows[] = {
	{"syscall", by_number}, R(read), R(write), R(pread64), R(pwrite64), R(readv), R(writev),
	R(preadv), R(pwritev), R(preadv2), R(pwritev2), R(lseek), R(ftruncate), R(truncate),
	R(fallocate), R(fcntl), R(ioctl), R(dup), R(dup3), R(close), R(close_range), R(openat),
	R(openat2), R(fstat), R(newfstatat), R(statx), R(sendfile), R(splice), R(copy_file_range),
	R(mmap), R(fchmod), R(fchmodat), R(fchmodat2), R(fchown), R(fchownat), R(utimensat),
	R(setxattr), R(lsetxattr), R(fsetxattr), R(removexattr), R(lremovexattr), R(fremovexattr),
	R(getxattr), R(lgetxattr), R(fgetxattr), R(listxattr), R(llistxattr), R(flistxattr),
	R(fsync), R(fdatasync), R(syncfs), R(sync),
	R(renameat2), R(linkat), R(clone), R(clone3), R(execve), R(execveat), R(exit_group),
	R(prctl), R(setuid), R(setgid), R(setreuid), R(setregid), R(setresuid), R(setresgid), R(setfsuid),
	R(setfsgid), R(setgroups), R(capset), R(chroot), R(pivot_root), R(unshare), R(setns), R(pidfd_getfd), R(io_submit), R(io_uring_setup), R(io_uring_enter),
	R(io_uring_register), R(sendmsg), R(sendmmsg),
#ifdef SYS_open
	R(open), R(creat), R(stat), R(lstat), R(dup2), R(chmod), R(chown), R(lchown), R(utime),
	R(utimes), R(futimesat), R(rename), R(renameat), R(link), R(fork),
#endif
	{NULL, NULL},
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other ways to an extended file's inode, or to its description: descriptors from a socket, by
 * pidfd_getfd, by /proc, by a handle; other names; files without a name; pipes' own calls.
 */
#include "transcript.h"

#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char bytes[5000];

static void send_fd(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {"x", 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	sendmsg(socket, &message, 0);
}

static int receive_fd(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(socket, &message, 0) == 1)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
	return fd;
}

/* Comes back: the program has one description by two descriptors, and the library knows of one. */
static void sent_to_itself(int flags)
{
	int fd = start("sent", O_RDWR | flags);
	int ends[2], got;

	CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	send_fd(ends[0], fd);
	got = (int)CALL(receive_fd(ends[1]));
	CALL(write(got, bytes, 700));
	CALL(write(fd, bytes, 300));
	CALL(pwrite(got, bytes, 700, 20000));
	state(got);
	state(fd);
	CALL(close(fd));
	CALL(write(got, bytes, 300));
	state(got);
	finish(got);
	CALL(close(ends[0]));
	CALL(close(ends[1]));
}

/* A child opens it and sends it, then ends. */
static void received(void)
{
	int ends[2], fd;
	pid_t child;

	section("received");
	CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	child = fork();
	if (child == 0) {
		fd = open(file, O_RDWR | O_CREAT | O_APPEND, 0640);
		write(fd, bytes, 3000);
		EXTENDED(fd);
		send_fd(ends[0], fd);
		write(fd, bytes, 1000);
		_exit(0);
	}
	fd = (int)CALL(receive_fd(ends[1]));
	CALL(waitpid(child, NULL, 0) == child);
	state(fd);
	CALL(write(fd, bytes, 1000));
	state(fd);
	finish(fd);
	CALL(close(ends[0]));
	CALL(close(ends[1]));
}

/* Nothing is seen of it: what is written by it is kept, and the file ends where it should. */
static void taken(void)
{
#ifdef SYS_pidfd_getfd
	int fd = start("pidfd_getfd", O_RDWR | O_APPEND);
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int got = (int)syscall(SYS_pidfd_getfd, self, fd, 0);

	CALL(got >= 0);
	CALL(write(fd, bytes, 500));
	CALL(lseek(got, 0, SEEK_END));
	CALL(write(got, bytes, 300));
	state(fd);
	CALL(close(fd));
	/* The last one that is known of is closed: an ordinary file again. */
	state(got);
	CALL(write(got, bytes, 500));
	state(got);
	CALL(close(self));
	finish(got);
#endif
}

/* A loop device holds the description itself, and reads and writes by it. */
static void behind_a_loop_device(void)
{
	int fd = start("loop", O_RDWR), loop = -1;

	for (int tries = 0; loop < 0 && tries < 50; tries++) {
		int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		char path[64];

		close(control);
		snprintf(path, sizeof(path), "/dev/loop%d", number);
		loop = number < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
		/* Somebody else may have been faster. */
		if (loop >= 0 && ioctl(loop, LOOP_SET_FD, fd) < 0) {
			close(loop);
			loop = -1;
		}
	}
	for (int i = 0; i < 3; i++) {
		CALL(write(fd, bytes, 700));
		if (loop >= 0 && real_size(fd) != lseek(fd, 0, SEEK_END))
			say("it is extended\n");
	}
	state(fd);
	if (loop >= 0) {
		ioctl(loop, LOOP_CLR_FD, 0);
		close(loop);
	}
	finish(fd);
}

static void by_proc(int flags)
{
	char path[64];
	int fd = start("proc", O_RDWR | O_APPEND), other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = (int)CALL(open(path, flags));
	state(other);
	CALL(write(other, bytes, 700));
	CALL(write(fd, bytes, 300));
	state(other);
	state(fd);
	CALL(ftruncate(other, 9000));
	append(fd);
	state(fd);
	CALL(close(fd));
	CALL(write(other, bytes, 300));
	finish(other);
}

static void by_handle(void)
{
	struct {
		struct file_handle handle;
		char space[MAX_HANDLE_SZ];
	} h = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
	int fd = start("handle", O_RDWR | O_APPEND), mount, directory, other;

	if (name_to_handle_at(AT_FDCWD, file, &h.handle, &mount, 0) < 0) {
		finish(fd);
		return;
	}
	directory = open(".", O_RDONLY);
	other = open_by_handle_at(directory, &h.handle, O_RDWR);
	say("opened: %s\n", other < 0 ? strerrorname_np(errno) : "yes");
	if (other >= 0) {
		state(other);
		CALL(write(other, bytes, 700));
		CALL(write(fd, bytes, 300));
		state(other);
		CALL(close(other));
	}
	CALL(close(directory));
	append(fd);
	finish(fd);
}

static void nameless(void)
{
	char path[64];
	int fd;

	section("tmpfile");
	fd = open(".", O_RDWR | O_TMPFILE, 0640);
	if (fd < 0) {
		say("no O_TMPFILE\n");
		return;
	}
	CALL(write(fd, bytes, 5000));
	state(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CALL(linkat(AT_FDCWD, path, AT_FDCWD, file, AT_SYMLINK_FOLLOW));
	CALL(write(fd, bytes, 5000));
	state_of(file);
	finish(fd);
	fd = (int)CALL(open(file, O_RDWR));
	again(fd);
	state(fd);
	finish(fd);
}

static void in_memory(void)
{
	char path[64];
	int fd, other;

	section("memfd");
	fd = memfd_create("memory.dat", MFD_ALLOW_SEALING);
	CALL(write(fd, bytes, 5000));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = (int)CALL(open(path, O_RDWR | O_APPEND));
	CALL(write(other, bytes, 5000));
	state(fd);
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	CALL(write(other, bytes, 5000));
	state(fd);
	CALL(close(other));
	CALL(close(fd));
}

/* Names come, go and move to another directory while it is open. */
static void names(void)
{
	int fd = start("names", O_RDWR | O_APPEND), other;

	CALL(mkdir("one", 0700));
	CALL(link(file, "one/linked.dat"));
	again(fd);
	state_of("one/linked.dat");
	CALL(rename(file, "one/moved.dat"));
	append(fd);
	state_of("one/moved.dat");
	CALL(rename("one", "two"));
	append(fd);
	CALL(symlink("two/moved.dat", file));
	state_of(file);
	other = (int)CALL(open(file, O_WRONLY | O_APPEND));
	CALL(write(other, bytes, 500));
	CALL(write(fd, bytes, 400));
	state(fd);
	CALL(close(other));
	/* By its other name it is managed as well, and it is the same file. */
	other = (int)CALL(open("two/linked.dat", O_RDWR));
	CALL(lseek(other, 0, SEEK_END));
	CALL(write(other, bytes, 500));
	CALL(write(fd, bytes, 400));
	state(other);
	CALL(close(other));
	CALL(truncate("two/linked.dat", 5000));
	append(fd);
	state(fd);
	CALL(unlink(file));
	CALL(rename("two/moved.dat", file));
	CALL(unlink("two/linked.dat"));
	CALL(rmdir("two"));
	finish(fd);
}

static void pipes(void)
{
	struct iovec iov = {bytes, 3000};
	int fd = start("pipes", O_RDWR | O_APPEND), plain;
	int one[2], two[2];
	off_t from = 100;

	CALL(pipe(one));
	CALL(pipe(two));
	CALL(vmsplice(one[1], &iov, 1, 0));
	/* Refused: opened with O_APPEND. */
	CALL(splice(one[0], NULL, fd, NULL, 3000, 0));
	CALL(fcntl(fd, F_SETFL, 0));
	again(fd);
	CALL(tee(one[0], two[1], 2000, 0));
	CALL(splice(one[0], NULL, fd, NULL, 3000, 0));
	again(fd);
	CALL(splice(two[0], NULL, fd, NULL, 2000, 0));
	state(fd);
	again(fd);
	plain = open("plain", O_RDWR | O_CREAT, 0640);
	CALL(splice(fd, &from, one[1], NULL, 4000, 0));
	CALL(tee(one[0], two[1], 4000, 0));
	CALL(splice(one[0], NULL, plain, NULL, 4000, 0));
	state(plain);
	from = 0;
	CALL(splice(two[0], NULL, fd, &from, 4000, 0));
	again(fd);
	CALL(copy_file_range(fd, &from, plain, NULL, 1 << 20, 0));
	state(plain);
	from = 10;
	again(fd);
	CALL(copy_file_range(plain, &from, fd, NULL, 1 << 20, 0));
	state(plain);
	CALL(close(plain));
	for (int i = 0; i < 2; i++) {
		close(one[i]);
		close(two[i]);
	}
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	sent_to_itself(0);
	sent_to_itself(O_APPEND);
	received();
	taken();
	behind_a_loop_device();
	by_proc(O_RDWR);
	by_proc(O_RDWR | O_APPEND);
	by_handle();
	nameless();
	in_memory();
	names();
	pipes();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/destination.h"

#include "base/layout.h"
#include "base/sys.h"
#include "base/thread.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

/* A file that a neighbour of ours has extended opens as soon as that one has settled it. */
#define OPEN_TRIES 20
#define OPEN_PAUSE_MS 5

#define BARE_OPEN (O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* What the loader has called: nothing else may be allowed (seccomp(2)), and this is made in every program. */
AT_START static int identify(int fd, struct stat *st)
{
	/* fstat(3) may hand the kernel an empty name of libc's, on a page that nothing else touches. */
	return sys.fstatat(fd, START_STRING(""), st, AT_EMPTY_PATH);
}

AT_START void destination_stream(struct destination *destination, int fd)
{
	struct stat st;

	*destination = (struct destination){.fd = fd};
	if (identify(fd, &st) < 0)
		return;
	destination->type = st.st_mode & S_IFMT;
	destination->dev = st.st_dev;
	destination->inode = st.st_ino;
	destination->changed = st.st_ctim;
}

int destination_named(struct destination *destination, const char *name, char *buffer)
{
	static const struct {
		const char *name;
		int fd;
	} streams[] = {
		{"stderr", 2},	   {"/dev/stderr", 2},	     {"/dev/fd/2", 2},
		{"/proc/self/fd/2", 2}, {"/dev/stdout", 1}, {"/dev/fd/1", 1}, {"/proc/self/fd/1", 1},
	};

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		if (strcmp(name, streams[i].name) == 0) {
			destination_stream(destination, streams[i].fd);
			return 0;
		}
	if (strlen(name) >= DESTINATION_NAME_BYTES)
		return -ENAMETOOLONG;
	strcpy(buffer, name);
	*destination = (struct destination){.fd = -1, .path = buffer};
	return 0;
}

static bool is_born_later(int fd, const struct timespec *than)
{
	struct statx stx;

	return sys.statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) == 0 && (stx.stx_mask & STATX_BTIME) &&
	       (stx.stx_btime.tv_sec > than->tv_sec ||
		(stx.stx_btime.tv_sec == than->tv_sec && (long)stx.stx_btime.tv_nsec > than->tv_nsec));
}

static bool is_as_it_was(const struct destination *at_start)
{
	struct stat now;

	return at_start->type && identify(at_start->fd, &now) == 0 &&
	       (now.st_mode & S_IFMT) == at_start->type && now.st_dev == at_start->dev &&
	       now.st_ino == at_start->inode &&
	       !(at_start->type == S_IFREG && is_born_later(at_start->fd, &at_start->changed));
}

static int bare_write(int fd, const char *line, size_t bytes)
{
	long written = sys.syscall(SYS_write, fd, line, bytes);

	if (written < 0)
		return -errno;
	return (size_t)written < bytes ? -EAGAIN : 0;
}

/* Behind the end, or nowhere: the same file may have been opened once more, as something else. */
static int write_to_file(int fd, const char *line, size_t bytes)
{
	struct stat st;
	int flags = sys.fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_APPEND) &&
	    (sys.fstat(fd, &st) < 0 || sys.lseek(fd, 0, SEEK_CUR) < st.st_size))
		return -EBADF;
	return bare_write(fd, line, bytes);
}

/*
 * A pipe or a terminal is opened once more, so as not to block: O_NONBLOCK on the program's description would
 * be seen by it. Other devices do things when they are opened, or closed (st(4) rewinds).
 */
static int write_to_other(int fd, mode_t type, const char *line, size_t bytes)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	struct termios settings;
	int again = -1, ret;

	if (type == S_IFIFO || (type == S_IFCHR && sys.ioctl(fd, TCGETS, &settings) == 0)) {
		again = (int)sys.syscall(SYS_openat, AT_FDCWD,
					 fd == 1 ? "/proc/self/fd/1" : "/proc/self/fd/2", BARE_OPEN, 0);
		if (again < 0 && errno == ENXIO)
			return -EPIPE;
	}
	/* Without /proc, or another user's terminal: what there is room for now. */
	if (again < 0)
		return sys.poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT)
			       ? bare_write(fd, line, bytes) : -EAGAIN;
	ret = bare_write(again, line, bytes);
	sys.close(again);
	return ret;
}

static int write_to_stream(const struct destination *to, const char *line, size_t bytes)
{
	if (!is_as_it_was(to))
		return -EBADF;
	switch (to->type) {
	case S_IFREG:
		return write_to_file(to->fd, line, bytes);
	case S_IFSOCK:
		return sys.syscall(SYS_sendto, to->fd, line, bytes, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) < 0
			       ? -errno : 0;
	default:
		return write_to_other(to->fd, to->type, line, bytes);
	}
}

static int write_to_path(const char *path, const char *line, size_t bytes)
{
	int fd, ret;

	for (int tries = 1;; tries++) {
		fd = (int)sys.syscall(SYS_openat, AT_FDCWD, path, BARE_OPEN | O_APPEND | O_CREAT, 0666);
		if (fd >= 0 || errno != EAGAIN || tries == OPEN_TRIES)
			break;
		sys.poll(NULL, 0, OPEN_PAUSE_MS);
	}
	if (fd < 0)
		return -errno;
	ret = bare_write(fd, line, bytes);
	sys.close(fd);
	return ret;
}

/* What the kernel sends the thread that writes; SIGTTOU isn't sent at all where it is blocked (tty_ioctl(4)). */
static void take_back_signals(const sigset_t *before)
{
	static const struct timespec at_once;
	sigset_t set;

	sigemptyset(&set);
	if (!sigismember(before, SIGPIPE))
		sigaddset(&set, SIGPIPE);
	if (!sigismember(before, SIGXFSZ))
		sigaddset(&set, SIGXFSZ);
	sys.sigtimedwait(&set, NULL, &at_once);
}

int destination_write(const struct destination *to, const char *line, size_t bytes)
{
	sigset_t mask, pending;
	int ret;

	signals_block(&mask);
	sigpending(&pending);
	ret = to->fd < 0 ? write_to_path(to->path, line, bytes) : write_to_stream(to, line, bytes);
	if (ret == -EPIPE || ret == -EFBIG)
		take_back_signals(&pending);
	signals_restore(&mask);
	return ret;
}

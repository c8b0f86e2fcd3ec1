/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/output.h"

#include "base/layout.h"
#include "base/sys.h"
#include "base/thread.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct stat stderr_at_start; /* st_ino 0: there was none */

AT_START void output_start(void)
{
	/* fstat(3) may hand the kernel an empty name of libc's, on a page that nothing else touches. */
	if (sys.fstatat(STDERR_FILENO, START_STRING(""), &stderr_at_start, AT_EMPTY_PATH) < 0)
		stderr_at_start.st_ino = 0;
}

static bool stderr_is_as_at_start(void)
{
	struct stat now;

	return stderr_at_start.st_ino != 0 && sys.fstat(STDERR_FILENO, &now) == 0 &&
	       now.st_ino == stderr_at_start.st_ino && now.st_dev == stderr_at_start.st_dev &&
	       now.st_rdev == stderr_at_start.st_rdev;
}

/*
 * pipe(7), unix(7), tty_ioctl(4): what poll(2) calls writable takes PIPE_BUF bytes without waiting, a
 * stopped terminal isn't. In between another writer may have filled it: so without waiting, where the
 * file can do that (RWF_NOWAIT; not terminals, nor an O_DIRECT file).
 */
static void write_now(int fd, const char *line, size_t length)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	struct iovec iov = {(char *)line, length};
	struct stat st;

	if (sys.fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		sys.syscall(SYS_write, fd, line, length);
		return;
	}
	if (sys.poll(&poll_fd, 1, 0) != 1 || !(poll_fd.revents & POLLOUT))
		return;
	if (sys.syscall(SYS_pwritev2, fd, &iov, 1, -1L, -1L, RWF_NOWAIT) < 0 &&
	    (errno == EOPNOTSUPP || errno == ENOSYS))
		sys.syscall(SYS_write, fd, line, length);
}

/* What the write raises: a pipe without a reader, a limit of the file's size, a background job's terminal. */
static void write_unnoticed(int fd, const char *line, size_t length)
{
	static const int raised[] = {SIGPIPE, SIGXFSZ, SIGTTOU};
	static const struct timespec now;
	sigset_t saved, pending, ours;

	signals_block(&saved);
	sigemptyset(&pending);
	sigpending(&pending);
	write_now(fd, line, length);
	sigemptyset(&ours);
	for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++)
		if (!sigismember(&pending, raised[i]))
			sigaddset(&ours, raised[i]);
	while (sys.sigtimedwait(&ours, NULL, &now) > 0)
		;
	signals_restore(&saved);
}

int output_line(const char *path, const char *line, size_t length)
{
	int saved_errno = errno, ret = 0, fd;

	if (!path) {
		if (stderr_is_as_at_start())
			write_unnoticed(STDERR_FILENO, line, length);
	} else {
		fd = sys.openat(AT_FDCWD, path,
				O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
		if (fd < 0) {
			ret = -errno;
		} else {
			write_unnoticed(fd, line, length);
			sys.close(fd);
		}
	}
	errno = saved_errno;
	return ret;
}

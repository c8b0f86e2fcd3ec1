/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/session.h"

#include "base/layout.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* After this many guardians that didn't start or didn't stay, the process works without. */
#define MAX_FAILURES 3

#define END_PATIENCE_MS 2000
#define GREETING_PATIENCE_S 10

FAR struct session session;
void (*session_find_guardian)(char *path, size_t size);

bool shared_guardian_lives(const struct claim_shared *shared)
{
	return !(atomic_load(&shared->guardian) & FUTEX_OWNER_DIED);
}

bool session_socket_is_ours(void)
{
	struct stat st;

	/* Not to be asked (seccomp) doesn't mean that it isn't there. */
	if (sys.fstat(session.socket, &st) < 0)
		return errno != EBADF;
	return S_ISSOCK(st.st_mode) &&
	       (st.st_ino == session.socket_inode || !session.socket_inode);
}

void session_close_socket(void)
{
	if (session_socket_is_ours())
		sys.close(session.socket);
}

/* False: there is no such process any more, and its id may be another's. */
static bool signal_guardian(int number)
{
	char path[64], name[16] = "";
	const char *slash = strrchr(session.guardian_path, '/');
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)session.guardian);
	fd = (int)sys.syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = sys.syscall(SYS_read, fd, name, sizeof(name));
	sys.close(fd);
	/* The kernel keeps 15 bytes of it, and ends them with a newline. */
	return got > 1 && slash && strncmp(slash + 1, name, (size_t)got - 1) == 0 &&
	       sys.syscall(SYS_kill, session.guardian, number) == 0;
}

static bool has_hung_up(void)
{
	struct pollfd poll_fd = {.fd = session.socket};

	return sys.poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

/*
 * A guardian that hears no more of us settles, then ends. Two must not settle the same file: the later
 * cut could take what a neighbour has appended since. The shared memory alone, which the program may
 * have scribbled over, isn't believed, nor the socket, where the program has closed it by its number.
 */
static void await_end(const struct claim_shared *shared)
{
	bool ours = session_socket_is_ours();

	if (ours)
		shutdown(session.socket, SHUT_WR);
	for (int ms = 0; session.greeted && (shared_guardian_lives(shared) || (ours && !has_hung_up()));
	     ms++) {
		if (ms > END_PATIENCE_MS && !signal_guardian(SIGKILL))
			break;
		sys.poll(NULL, 0, 1);
	}
	session.greeted = false;
	if (ours)
		sys.close(session.socket);
}

/* The guardian is gone, or can't be talked to. */
void session_lose(void)
{
	await_end(session.shared);
	session.shared = NULL;
	session.lost = true;
	session.failures++;
	memset(session.used, 0, sizeof(session.used));
}

static int send_with_fd(int socket, const void *data, size_t bytes, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {(void *)data, bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	do
		sent = sys.sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/*
 * Waits as long as the guardian lives: a settle waits for writes that are under way. But who doesn't
 * answer the first question may be something else.
 */
static int receive_answer(int socket, int *result)
{
	struct claim_answer answer;
	struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
	ssize_t got;

	for (int seconds = 1;; seconds++) {
		int ready = sys.poll(&poll_fd, 1, 1000);

		if (ready > 0)
			break;
		if (ready == 0 && !session.greeted && seconds >= GREETING_PATIENCE_S) {
			signal_guardian(SIGKILL);
			return -ETIMEDOUT;
		}
		/* One that somebody has stopped holds us up: let it go on, if we may. */
		if (ready == 0)
			signal_guardian(SIGCONT);
		else if (ready < 0 && errno != EINTR)
			return -errno;
	}
	do
		got = sys.recv(socket, &answer, sizeof(answer), 0);
	while (got < 0 && errno == EINTR);
	if (got != sizeof(answer))
		return got < 0 ? -errno : -EPIPE;
	*result = answer.result;
	return 0;
}

int session_ask(const struct claim_request *request, int fd)
{
	int result = 0;
	int ret = session_socket_is_ours()
			  ? send_with_fd(session.socket, request, sizeof(*request), fd)
			  : -EBADF;

	/* No room for a descriptor in flight, or not a socket any more: two different things. */
	if (ret == -ETOOMANYREFS || ret == -ENOBUFS || ret == -ENOMEM)
		return ret;
	if (ret == 0)
		ret = receive_answer(session.socket, &result);
	if (ret < 0) {
		session_lose();
		return ret == -ETIMEDOUT ? ret : -EPIPE;
	}
	return result;
}

static struct claim_shared *map_shared(int *memfd)
{
	struct claim_shared *shared;
	struct rlimit limit;
	int fd;

	/* The limit goes for a memfd, too: SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < sizeof(*shared)) {
		errno = EFBIG;
		return NULL;
	}
	fd = memfd_create("preallocate", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	shared = MAP_FAILED;
	if (sys.ftruncate(fd, sizeof(*shared)) == 0)
		shared = sys.mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		int error = errno;

		sys.close(fd);
		errno = error;
		return NULL;
	}
	*memfd = fd;
	return shared;
}

static int greet(struct claim_shared *shared, int memfd)
{
	struct claim_request hello = {.verb = CLAIM_HELLO};
	struct stat st;
	int ret;

	session.socket_inode = sys.fstat(session.socket, &st) == 0 ? st.st_ino : 0;
	session.shared = shared;
	session.greeted = false;
	ret = session_ask(&hello, memfd);
	session.greeted = ret == 0;
	/* Where clone(2) was made a fork of; the program hasn't been back yet to scribble over it. */
	if (ret == 0 && session.guardian <= 0)
		session.guardian = (pid_t)(atomic_load(&shared->guardian) & FUTEX_TID_MASK);
	return ret;
}

static int start(void)
{
	struct claim_shared *shared;
	int pair[2], memfd, ret;

	/* Without a thread id (seccomp) there are no locks between us. */
	if (thread_id() >= GUARDIAN_OWNER)
		return -ENOSYS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	shared = map_shared(&memfd);
	if (!shared) {
		ret = -errno;
		sys.close(pair[0]);
		sys.close(pair[1]);
		return ret;
	}
	session_find_guardian(session.guardian_path, sizeof(session.guardian_path));
	session.socket = fd_out_of_the_way(pair[0]);
	ret = session.socket < 0 ? session.socket
				 : spawn_hidden(session.guardian_path, pair[1], &session.guardian);
	sys.close(pair[1]);
	if (ret == 0)
		ret = greet(shared, memfd);
	if (ret < 0 && !session.shared && session.socket >= 0 && !session.lost)
		sys.close(session.socket);
	sys.close(memfd);
	if (ret < 0) {
		if (session.shared)
			session_lose();
		session.lost = false; /* it never held anything */
		munmap(shared, sizeof(*shared));
	}
	return ret;
}

int session_start(void)
{
	unsigned int failures = session.failures;
	int ret;

	if (failures >= MAX_FAILURES)
		return -ENOENT;
	if (spawn_would_show()) {
		session.failures = MAX_FAILURES;
		return -ECHILD;
	}
	ret = start();
	if (ret == 0)
		return 0;
	session.failures = ret == -ETIMEDOUT ? MAX_FAILURES : failures + 1;
	if (!session.told)
		log_warn("no guardian (%s: %s): files work in mode keep; see that it can be started, "
			 "or write mode=keep",
			 session.guardian_path, strerrordesc_np(-ret));
	session.told = true;
	return ret;
}

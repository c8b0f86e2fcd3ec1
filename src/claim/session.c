/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/session.h"

#include "base/layout.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/helper.h"
#include "claim/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* After this many guardians that didn't start or didn't stay, the process works without. */
#define MAX_FAILURES 3

/* Until one that doesn't end by itself is ended; and until it is given up, should that not be possible. */
#define END_PATIENCE_MS 2000
#define KILL_PATIENCE_MS 2000

FAR struct session session;
const char *(*session_find_guardian)(char *path, size_t size);

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

/*
 * What the guardian's process does (proc_pid_stat(5): R runs, S sleeps, D waits for a disk, T stopped);
 * 0: it has ended, or nobody knows. By the time of its start: its id may be another's.
 */
static char guardian_state(void)
{
	unsigned long long born;
	char stat[512];
	const char *state;

	if (proc_text(stat, sizeof(stat), "/proc/%d/stat", (int)session.guardian) < 0)
		return 0;
	state = strrchr(stat, ')');
	if (!state || sscanf(state + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
					"%*d %*d %*d %llu", &born) != 1)
		return 0;
	if (session.guardian_born == 0)
		session.guardian_born = born;
	return session.guardian_born == born && state[2] != 'Z' && state[2] != 'X' ? state[2] : 0;
}

/*
 * By a control group of version 1: in the same state as who waits for a disk, and no signal ends it before it is
 * thawed. But it has no call under way that changes a file (proc_pid_syscall(5)): it waits for requests, or is on its
 * way out of the kernel.
 */
static bool guardian_is_frozen(void)
{
	char text[256];
	long number;

	if (guardian_state() != 'D' || proc_text(text, sizeof(text), "/proc/%d/wchan", (int)session.guardian) < 0)
		return false;
	if (strstr(text, "freezer") || strstr(text, "refrigerator"))
		return true;
	if (proc_text(text, sizeof(text), "/proc/%d/syscall", (int)session.guardian) < 0 ||
	    sscanf(text, "%ld", &number) != 1)
		return false;
#ifdef SYS_poll
	if (number == SYS_poll)
		return true;
#endif
	return number == SYS_ppoll;
}

/* False: it isn't there, or may not be sent a signal. */
static bool signal_guardian(int number)
{
	return guardian_state() && sys.syscall(SYS_kill, session.guardian, number) == 0;
}

/*
 * Signals are held back in the section, but nobody who is to be ended by one waits for us: of those whose
 * action is to end the process (signal(7)), one that is pending does so now. True: another waits for its handler.
 */
static bool let_signals_through(void)
{
	bool handled = false;
	sigset_t pending;

	if (sigpending(&pending) < 0)
		return false;
	for (int i = 1; i <= SIGRTMAX; i++) {
		struct sigaction action;
		sigset_t one;

		if (!sigismember(&pending, i) || sigaction(i, NULL, &action) < 0 ||
		    (!(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_IGN))
			continue;
		if ((action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL) {
			handled = true;
			continue;
		}
		if (i == SIGCHLD || i == SIGCONT || i == SIGURG || i == SIGWINCH)
			continue;
		sigemptyset(&one);
		sigaddset(&one, i);
		pthread_sigmask(SIG_UNBLOCK, &one, NULL);
		pthread_sigmask(SIG_BLOCK, &one, NULL);
	}
	return handled;
}

static bool has_hung_up(void)
{
	struct pollfd poll_fd = {.fd = session.socket};

	return sys.poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

/*
 * A guardian that hears no more of us settles, then ends. Two must not settle the same file: the later
 * cut could take what a neighbour has appended since. The shared memory alone, which the program may
 * have scribbled over, isn't believed, nor the socket, where the program has closed it by its number. False: it
 * is there still, and nobody may end it.
 */
static bool await_end(const struct claim_shared *shared)
{
	bool ours = session_socket_is_ours(), ended = true;

	if (ours)
		shutdown(session.socket, SHUT_WR);
	for (int ms = 0; session.greeted && (shared_guardian_lives(shared) || (ours && !has_hung_up()));
	     ms++) {
		/* Killed, it ends as soon as its filesystem lets it: until then it may be about to cut. */
		if (ms > END_PATIENCE_MS && (!signal_guardian(SIGKILL) ||
					     (ms > END_PATIENCE_MS + KILL_PATIENCE_MS && guardian_is_frozen()))) {
			ended = guardian_state() == 0;
			break;
		}
		if (ms % 100 == 99)
			let_signals_through();
		sys.poll(NULL, 0, 1);
	}
	session.greeted = false;
	if (ours)
		sys.close(session.socket);
	return ended;
}

/* The guardian is gone, or can't be talked to. */
void session_lose(void)
{
	session.stuck |= !await_end(session.shared);
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
		/* One question at a time: there is room, or it isn't our socket's other end any more. */
		sent = sys.sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* A tenth of a second each. Who doesn't answer the first question may be something else. */
#define GREETING_TICKS 100
#define HANDLER_TICKS 50	 /* a signal waits for its handler */
#define PATIENCE_TICKS 600

/*
 * Has it been waited for long enough? A settle waits for writes that are under way, and for a disk: as long as
 * the program's own call would. One that somebody has stopped goes on, if we may have it do so.
 */
static bool is_overdue(int ticks, bool signal_waits)
{
	char state;

	if (!session.greeted)
		return ticks >= GREETING_TICKS;
	if (ticks % 10)
		return false;
	state = guardian_state();
	if (state == 'T' || state == 't')
		return !signal_guardian(SIGCONT) || ticks >= PATIENCE_TICKS;
	if (state == 'D' && !guardian_is_frozen())
		return false;
	return ticks >= (signal_waits ? HANDLER_TICKS : PATIENCE_TICKS);
}

static int await_answer(void)
{
	struct pollfd poll_fd = {.fd = session.socket, .events = POLLIN};

	for (int ticks = 1;; ticks++) {
		int ready = sys.poll(&poll_fd, 1, 100);
		bool signal_waits;

		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
		signal_waits = let_signals_through();
		if (is_overdue(ticks, signal_waits)) {
			signal_guardian(SIGKILL);
			return -ETIMEDOUT;
		}
	}
}

/* An answer of just so many bytes. */
static int receive(void *answer, size_t bytes)
{
	int ret = await_answer();
	ssize_t got;

	if (ret < 0)
		return ret;
	do
		got = sys.recv(session.socket, answer, bytes, MSG_TRUNC);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)bytes ? 0 : got < 0 ? -errno : got == 0 ? -EPIPE : -EPROTO;
}

int session_ask(const struct claim_request *request, int fd)
{
	struct claim_answer answer = {.result = 0};
	int ret = session_socket_is_ours()
			  ? send_with_fd(session.socket, request, sizeof(*request), fd)
			  : -EBADF;

	/* No room for a descriptor in flight, or not a socket any more: two different things. */
	if (ret == -ETOOMANYREFS || ret == -ENOBUFS || ret == -ENOMEM)
		return ret;
	if (ret == 0)
		ret = receive(&answer, sizeof(answer));
	if (ret < 0) {
		session_lose();
		return ret == -ETIMEDOUT ? ret : -EPIPE;
	}
	return answer.result;
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
	fd = memfd_create("preallocate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return NULL;
	shared = MAP_FAILED;
	/* Cut, it would end in SIGBUS whoever looks at it. */
	if (sys.ftruncate(fd, sizeof(*shared)) == 0 &&
	    sys.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
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

/* An older or newer guardian, or another program. */
static int greet(struct claim_shared *shared, int memfd)
{
	struct claim_hello hello = {
		.version = CLAIM_VERSION,
		.request_bytes = sizeof(struct claim_request),
		.answer_bytes = sizeof(struct claim_answer),
		.slot_bytes = sizeof(struct claim_slot),
		.shared_bytes = sizeof(struct claim_shared),
	};
	struct claim_welcome welcome = {.version = 0};
	struct stat st;
	int ret = capabilities_get(&hello.capabilities);

	hello.dumpable = session.dumpable = helper_program_is_dumpable();
	session.socket_inode = sys.fstat(session.socket, &st) == 0 ? st.st_ino : 0;
	session.shared = shared;
	session.greeted = false;
	if (ret == 0)
		ret = send_with_fd(session.socket, &hello, sizeof(hello), memfd);
	if (ret == 0)
		ret = receive(&welcome, sizeof(welcome));
	if (ret == 0 && welcome.version != CLAIM_VERSION)
		ret = -EPROTO;
	if (ret == 0)
		ret = welcome.result;
	if (ret == -EPROTO || ret == -EPIPE || ret == -ECONNRESET)
		session.why = "it is no guardian, or one of another version than the library: start the "
			      "program again, or install both anew";
	session.greeted = ret == 0;
	/* Where clone(2) was made a fork of; the program hasn't been back yet to scribble over it. */
	if (ret == 0 && session.guardian <= 0)
		session.guardian = (pid_t)(atomic_load(&shared->guardian) & FUTEX_TID_MASK);
	return ret;
}

/* Starts it, with the other end of session.socket. */
static int spawn(int end, const char *library)
{
	int program = helper_open(session.guardian_path, library, &session.why);
	int ret;

	if (program >= 0 && !helper_identity(&session.uid, &session.gid)) {
		sys.close(program);
		program = -EPERM;
	}
	if (program < 0)
		return program;
	ret = spawn_hidden(program, session.guardian_path, end, &session.guardian);
	sys.close(program);
	session.guardian_born = 0;
	if (ret == 0)
		guardian_state();
	return ret;
}

static int start(const char *library)
{
	struct claim_shared *shared;
	int pair[2], memfd, ret, yes = 1;

	/* Without a thread id (seccomp) there are no locks between us. */
	if (thread_id() >= GUARDIAN_OWNER)
		return -ENOSYS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* Now: the kernel says whose a message is when it is sent. */
	shared = sys.syscall(SYS_setsockopt, pair[1], SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0
			 ? NULL
			 : map_shared(&memfd);
	if (!shared) {
		ret = -errno;
		sys.close(pair[0]);
		sys.close(pair[1]);
		return ret;
	}
	session.socket = fd_out_of_the_way(pair[0]);
	ret = session.socket < 0 ? session.socket : spawn(pair[1], library);
	sys.close(pair[1]);
	if (ret == 0)
		ret = greet(shared, memfd);
	if (ret < 0 && !session.shared && session.socket >= 0)
		sys.close(session.socket);
	sys.close(memfd);
	if (ret < 0) {
		if (session.shared)
			session_lose();
		session.lost = session.stuck = false; /* it never held anything */
		munmap(shared, sizeof(*shared));
	}
	return ret;
}

static bool would_show(void)
{
	session.why = spawn_would_show() ? "the program, or the PID 1 of its process namespace, would find it among its "
					   "children; give the container an init"
					 : NULL;
	return session.why;
}

int session_try(void)
{
	const char *library = session_find_guardian(session.guardian_path, sizeof(session.guardian_path));

	return would_show() ? -ECHILD : start(library);
}

const char *session_why(int ret)
{
	return session.why ? session.why : strerrordesc_np(-ret);
}

int session_start(void)
{
	unsigned int failures = session.failures;
	int ret;

	if (failures >= MAX_FAILURES)
		return -ECHILD;
	if (would_show()) {
		session.failures = MAX_FAILURES;
		return -ECHILD;
	}
	ret = session_try();
	if (ret == 0)
		return 0;
	/* Who isn't trusted now may be later: the program becomes one user, say. */
	session.failures = ret == -ETIMEDOUT ? MAX_FAILURES : ret == -EPERM && session.why ? failures : failures + 1;
	if (!session.told)
		log_warn("no guardian (%s: %s): files work in mode keep; see that it can be started, "
			 "or write mode=keep",
			 session.guardian_path, session_why(ret));
	session.told = true;
	return -ECHILD;
}

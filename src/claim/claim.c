/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/claim.h"

#include "base/log.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/spawn.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* After this many guardians that didn't start or didn't stay, the process works without. */
#define MAX_FAILURES 3

#define END_PATIENCE_MS 2000

/*
 * Changed inside the section; a fork's child starts it anew. Pointers to slots of an earlier
 * guardian stay readable: its memory isn't unmapped.
 */
static struct {
	struct section section;
	struct claim_shared *_Atomic shared; /* NULL: no guardian */
	int socket;		     /* valid while shared is set */
	ino_t socket_inode;	     /* of sockfs: never used anew */
	unsigned int failures;
	_Atomic unsigned int barred;
	_Atomic bool lost; /* a guardian ended, and claim_guardian_was_lost hasn't told yet */
	char guardian_path[4096];
	uint64_t used[CLAIM_SLOTS / 64]; /* a bit for each slot of shared */
} session;

struct claim_slot slot_none = {
	.positions = {.data_end = FILTER_UNKNOWN, .file_end = FILTER_UNKNOWN},
};

void claim_init(const char *guardian_path)
{
	snprintf(session.guardian_path, sizeof(session.guardian_path), "%s", guardian_path);
}

bool shared_guardian_lives(const struct claim_shared *shared)
{
	return !(atomic_load(&shared->guardian) & FUTEX_OWNER_DIED);
}

bool claim_is_lost(void)
{
	const struct claim_shared *shared = atomic_load(&session.shared);

	return atomic_load(&session.lost) || (shared && !shared_guardian_lives(shared));
}

static bool socket_is_ours(void)
{
	struct stat st;

	return sys.fstat(session.socket, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_ino == session.socket_inode;
}

static void close_socket(void)
{
	if (socket_is_ours())
		sys.close(session.socket);
}

/*
 * A program that has closed our socket by its number leaves a guardian that settles, then ends. Two
 * must not settle the same file: the later cut could take what a neighbour has appended since.
 */
static void await_end(const struct claim_shared *shared)
{
	for (int ms = 0; shared_guardian_lives(shared); ms++) {
		uint32_t id = atomic_load(&shared->guardian) & FUTEX_TID_MASK;

		if (!id || (ms > END_PATIENCE_MS && syscall(SYS_kill, (pid_t)id, SIGKILL) < 0))
			return;
		poll(NULL, 0, 1);
	}
}

/* The guardian is gone, or can't be talked to. */
static void lose_guardian(void)
{
	close_socket();
	await_end(session.shared);
	session.shared = NULL;
	session.lost = true;
	session.failures++;
	memset(session.used, 0, sizeof(session.used));
}

static int send_with_fds(int socket, const void *data, size_t bytes, const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = {(void *)data, bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	do
		sent = sys.sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* A guardian that somebody has stopped holds us up: let it go on, if we may. */
static void continue_guardian(void)
{
	uint32_t id = atomic_load(&session.shared->guardian) & FUTEX_TID_MASK;

	if (id)
		syscall(SYS_kill, (pid_t)id, SIGCONT);
}

/* Waits as long as the guardian lives: a settle waits for writes that are under way. */
static int receive_answer(int socket, int *result)
{
	struct claim_answer answer;
	struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
	ssize_t got;

	for (;;) {
		int ready = poll(&poll_fd, 1, 1000);

		if (ready > 0)
			break;
		if (ready == 0 && atomic_load(&session.shared->guardian))
			continue_guardian();
		else if (ready < 0 && errno != EINTR)
			return -errno;
	}
	do
		got = recv(socket, &answer, sizeof(answer), 0);
	while (got < 0 && errno == EINTR);
	if (got != sizeof(answer))
		return got < 0 ? -errno : -EPIPE;
	*result = answer.result;
	return 0;
}

static int ask(const struct claim_request *request, const int *fds, size_t count)
{
	int result = 0;
	int ret = socket_is_ours()
			  ? send_with_fds(session.socket, request, sizeof(*request), fds, count)
			  : -EBADF;

	/* No room for a descriptor in flight, or not a socket any more: two different things. */
	if (ret == -ETOOMANYREFS || ret == -ENOBUFS || ret == -ENOMEM)
		return ret;
	if (ret == 0)
		ret = receive_answer(session.socket, &result);
	if (ret < 0) {
		lose_guardian();
		return -EPIPE;
	}
	return result;
}

static struct claim_shared *map_shared(int *memfd)
{
	struct claim_shared *shared;
	int fd = memfd_create("preallocate", MFD_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (sys.ftruncate(fd, sizeof(*shared)) < 0) {
		sys.close(fd);
		return NULL;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		sys.close(fd);
		return NULL;
	}
	*memfd = fd;
	return shared;
}

static int greet(struct claim_shared *shared, int memfd)
{
	struct claim_request hello = {.verb = CLAIM_HELLO};
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int fds[2] = {memfd, pidfd};
	struct stat st;
	int ret;

	if (pidfd < 0)
		return -errno;
	if (sys.fstat(session.socket, &st) == 0)
		session.socket_inode = st.st_ino;
	session.shared = shared;
	ret = ask(&hello, fds, 2);
	sys.close(pidfd);
	return ret;
}

static int start_guardian(void)
{
	struct claim_shared *shared;
	int pair[2], memfd, ret;

	if (session.failures >= MAX_FAILURES || !session.guardian_path[0])
		return -ENOENT;
	if (spawn_would_show()) {
		session.failures = MAX_FAILURES;
		return -ECHILD;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	shared = map_shared(&memfd);
	if (!shared) {
		sys.close(pair[0]);
		sys.close(pair[1]);
		return -ENOMEM;
	}
	session.socket = fd_out_of_the_way(pair[0]);
	ret = session.socket < 0 ? session.socket : spawn_hidden(session.guardian_path, pair[1]);
	sys.close(pair[1]);
	if (ret == 0)
		ret = greet(shared, memfd);
	if (ret < 0 && !session.shared && session.socket >= 0 && !session.lost)
		sys.close(session.socket);
	sys.close(memfd);
	if (ret < 0) {
		if (session.shared)
			lose_guardian();
		else
			session.failures++;
		session.lost = false; /* it never held anything */
		munmap(shared, sizeof(*shared));
		log_warn("no guardian (%s: %s): files work in mode keep", session.guardian_path,
			 strerrordesc_np(-ret));
	}
	return ret;
}

static struct claim_slot *slot_new(void)
{
	for (size_t i = 0; i < CLAIM_SLOTS / 64; i++) {
		unsigned int bit;
		struct claim_slot *slot;

		if (session.used[i] == UINT64_MAX)
			continue;
		bit = (unsigned int)__builtin_ctzll(~session.used[i]);
		session.used[i] |= UINT64_C(1) << bit;
		slot = &session.shared->slots[i * 64 + bit];
		memset((void *)slot, 0, sizeof(*slot));
		filter_disengage(&slot->positions);
		atomic_store(&slot->size_before, FILTER_UNKNOWN);
		return slot;
	}
	return NULL;
}

bool claim_slot_is_current(const struct claim_slot *slot)
{
	return session.shared && slot >= session.shared->slots &&
	       slot < session.shared->slots + CLAIM_SLOTS;
}

static uint32_t slot_index(const struct claim_slot *slot)
{
	return (uint32_t)(slot - session.shared->slots);
}

void claim_slot_free(struct claim_slot *slot)
{
	struct section_hold hold;

	section_enter(&session.section, &hold);
	if (claim_slot_is_current(slot)) {
		uint32_t index = slot_index(slot);

		session.used[index / 64] &= ~(UINT64_C(1) << (index % 64));
	}
	section_leave(&session.section, &hold);
}

/* Every question, inside the section, with errno kept. */
struct question {
	struct section_hold hold;
	int saved_errno;
};

static void question_begin(struct question *question)
{
	question->saved_errno = errno;
	owner_suspend_all();
	section_enter(&session.section, &question->hold);
	if (session.shared && !shared_guardian_lives(session.shared))
		lose_guardian();
}

static void question_end(struct question *question)
{
	section_leave(&session.section, &question->hold);
	owner_resume_all();
	errno = question->saved_errno;
}

int claim_take(struct claim_slot *_Atomic *slot, int fd, struct claim_request *request)
{
	struct question question;
	int ret = 0;

	question_begin(&question);
	if (session.barred || session.lost)
		ret = -EBUSY;
	else if (!session.shared)
		ret = start_guardian();
	if (ret == 0 && !claim_slot_is_current(atomic_load(slot))) {
		struct claim_slot *fresh = slot_new();

		/* Before the file changes: others go by the slot's sequence number. */
		if (fresh)
			atomic_store(slot, fresh);
		else
			ret = -ENFILE;
	}
	if (ret == 0) {
		request->verb = CLAIM_TAKE;
		request->slot = slot_index(atomic_load(slot));
		ret = ask(request, &fd, 1);
	}
	question_end(&question);
	return ret;
}

int claim_extend(struct claim_slot *slot, struct claim_request *request)
{
	struct question question;
	int ret = -EPIPE;

	question_begin(&question);
	if (claim_slot_is_current(slot)) {
		request->verb = CLAIM_EXTEND;
		request->slot = slot_index(slot);
		ret = ask(request, NULL, 0);
	}
	question_end(&question);
	return ret;
}

int claim_settle(struct claim_slot *slot)
{
	struct question question;
	int ret = 0;

	question_begin(&question);
	if (claim_slot_is_current(slot)) {
		struct claim_request request = {.verb = CLAIM_SETTLE, .slot = slot_index(slot)};

		ret = ask(&request, NULL, 0);
	}
	question_end(&question);
	return ret;
}

static void ask_all(enum claim_verb verb)
{
	struct claim_request request = {.verb = verb};

	if (session.shared)
		ask(&request, NULL, 0);
}

void claim_bar(void)
{
	struct question question;

	question_begin(&question);
	session.barred++;
	ask_all(CLAIM_SETTLE_ALL);
	question_end(&question);
}

bool claim_is_barred(void)
{
	return atomic_load(&session.barred) > 0;
}

void claim_unbar(void)
{
	struct question question;

	question_begin(&question);
	if (session.barred > 0)
		session.barred--;
	question_end(&question);
}

void claim_leave(void)
{
	struct question question;

	question_begin(&question);
	if (session.shared) {
		ask_all(CLAIM_LEAVE);
		/* Not lost: it was sent away. */
		if (session.shared) {
			close_socket();
			session.shared = NULL;
			memset(session.used, 0, sizeof(session.used));
		}
	}
	question_end(&question);
}

void claim_forget(void)
{
	session.section = (struct section){0};
	if (session.shared) {
		close_socket();
		/*
		 * Not just unmapped: a call that a signal handler's fork has interrupted goes on in
		 * the child too, and must not reach the parent's slots.
		 */
		mmap(session.shared, sizeof(*session.shared), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		/* Zeroes would be an extended file without data. */
		for (size_t i = 0; i < CLAIM_SLOTS; i++)
			if (session.used[i / 64] & (UINT64_C(1) << (i % 64)))
				filter_disengage(&session.shared->slots[i].positions);
	}
	session.shared = NULL;
	session.barred = 0;
	session.lost = false;
	session.failures = 0;
	memset(session.used, 0, sizeof(session.used));
}

bool claim_guardian_was_lost(void)
{
	struct question question;
	bool lost;

	question_begin(&question);
	lost = session.lost;
	session.lost = false;
	question_end(&question);
	return lost;
}

int claim_socket(void)
{
	return session.shared ? session.socket : -1;
}

bool claim_owns(int fd)
{
	return fd >= 0 && fd == claim_socket() && socket_is_ours();
}

void claim_move_socket(int fd)
{
	struct question question;

	question_begin(&question);
	if (session.shared && session.socket == fd && socket_is_ours()) {
		int moved = sys.fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);

		if (moved < 0)
			moved = sys.fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (moved >= 0) {
			session.socket = moved;
			sys.close(fd);
		} else {
			ask_all(CLAIM_LEAVE);
			if (session.shared)
				lose_guardian();
			session.lost = false;
		}
	}
	question_end(&question);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guardian: holds the claims of one program, and answers for it while it sleeps, is stopped, or
 * is dead. Started by the library (src/claim/spawn.c); it has nothing of the program but a socket,
 * the shared memory and the descriptions it was handed.
 */
#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "guardian/claims.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 1048576 /* /proc/sys/fs/nr_open's default */

static struct guardian guardian = {.program.pidfd = -1};

/* The kernel's struct robust_list_head (get_robust_list(2)), with one entry. */
static struct robust {
	struct robust *next;
	long futex_offset;
	struct robust *pending;
	struct robust *entry;
} robust;

/* From now on our death, whatever the cause, sets FUTEX_OWNER_DIED in the shared memory. */
static int register_life(void)
{
	robust.entry = (struct robust *)&robust; /* the list ends where it began */
	robust.next = (struct robust *)&robust.entry;
	robust.futex_offset = (long)((char *)&guardian.shared->guardian - (char *)&robust.entry);
	atomic_store(&guardian.shared->guardian, thread_id());
	return sys.syscall(SYS_set_robust_list, &robust, offsetof(struct robust, entry)) < 0 ? -errno : 0;
}

/*
 * Whole, and never smaller than it is: who cuts the memory would end us by SIGBUS, with leases in our hands.
 */
static bool is_shared_memory(int memfd)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(memfd, &st) == 0 &&
	       st.st_size == sizeof(*guardian.shared);
}

static int map_shared(int memfd)
{
	void *shared = is_shared_memory(memfd)
			       ? mmap(NULL, sizeof(*guardian.shared), PROT_READ | PROT_WRITE, MAP_SHARED,
				      memfd, 0)
			       : MAP_FAILED;

	if (shared == MAP_FAILED)
		return -EINVAL;
	guardian.shared = shared;
	return register_life();
}

/*
 * The program waits for the answer: so its number is still its own, unless it has just been killed,
 * and then there is nothing yet to settle.
 */
static int begin(const struct claim_hello *hello, int memfd)
{
	struct capabilities left;
	int ret;

	if (hello->version != CLAIM_VERSION || hello->request_bytes != sizeof(struct claim_request) ||
	    hello->answer_bytes != sizeof(struct claim_answer) ||
	    hello->slot_bytes != sizeof(struct claim_slot) ||
	    hello->shared_bytes != sizeof(struct claim_shared))
		return -EPROTO;
	guardian.program.pidfd = (int)sys.syscall(SYS_pidfd_open, guardian.program.pid, 0);
	if (guardian.program.pidfd < 0)
		return -errno;
	/* execve(2) has given root's all back to us: the program may have given them up. */
	ret = capabilities_lower(&hello->capabilities, &left);
	if (ret < 0)
		return ret;
	/* As well protected as the program, and no better: others of its user take space back from us. */
	if (hello->dumpable && left.permitted == hello->capabilities.permitted)
		prctl(PR_SET_DUMPABLE, 1);
	return map_shared(memfd);
}

static int open_signals(void)
{
	sigset_t set;

	/* What the program ignored or blocked came along with exec. */
	for (int i = 1; i < SIGRTMIN; i++)
		signal(i, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigfillset(&set);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	signal(CHALLENGE_OVERFLOW, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, CHALLENGE_SIGNAL);
	sigaddset(&set, CHALLENGE_OVERFLOW);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Whether the program may write that far is checked in its own name (max_end). */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_FSIZE, &limit);
	}
}

static int answer(int result)
{
	struct claim_answer message = {.result = result};

	return send(GUARDIAN_SOCKET, &message, sizeof(message), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* As the library makes them: by anything else no claim may be harmed. */
static bool is_sane(const struct claim_request *request)
{
	return request->offset >= 0 && request->end >= request->offset && request->max_end >= 0 &&
	       request->most >= 0 &&
	       request->idle >= 0 && request->min_free <= 100 &&
	       request->options.prealloc_size >= 0 && request->options.prealloc_align > 0 &&
	       request->options.prealloc_align % FILTER_SECTOR == 0;
}

/* What the program could do itself: a file that it has open for writing. The lease is asked of the kernel. */
static bool may_be_claimed(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY &&
	       fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int obey(const struct claim_request *request, int fd)
{
	if ((fd >= 0) != (request->verb == CLAIM_TAKE)) {
		if (fd >= 0)
			close(fd);
		return -EINVAL;
	}
	switch (request->verb) {
	case CLAIM_TAKE:
		if (is_sane(request) && may_be_claimed(fd))
			return claims_take(&guardian, request, fd);
		close(fd);
		return -ERANGE;
	case CLAIM_EXTEND:
	case CLAIM_RECORD:
		if (is_sane(request))
			return claims_change(&guardian, request);
		claims_settle(&guardian, request->slot, SETTLED_FAILED);
		return -ERANGE;
	case CLAIM_SETTLE:
		claims_settle(&guardian, request->slot, SETTLED_ASKED);
		return 0;
	case CLAIM_SETTLE_ALL:
		if (request->flags & CLAIM_SYNCING)
			claims_note_syncing();
		__attribute__((fallthrough));
	case CLAIM_LEAVE:
		claims_settle_all(&guardian, SETTLED_ASKED);
		return 0;
	default:
		return -EINVAL;
	}
}

/* The descriptor that came: one, or none is kept. Two fit where the credentials leave room for one (padding). */
static bool take_descriptors(const struct cmsghdr *header, int *fd)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int came;

	for (size_t i = 0; i < count; i++) {
		memcpy(&came, CMSG_DATA(header) + i * sizeof(int), sizeof(came));
		if (count == 1 && *fd < 0)
			*fd = came;
		else
			close(came);
	}
	return count == 1;
}

/*
 * One message of just so many bytes from the program itself, with the descriptor that came with it (-1: none).
 * From anybody else (another process that has got hold of the socket; the program, once it has become another
 * user past the library) it is none. unix(7): the kernel vouches for SCM_CREDENTIALS. 0, 1: nothing has come, -1: it is
 * none, and no more will be taken.
 */
static int receive(void *data, size_t bytes, int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {data, bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	struct ucred sender = {.pid = 0};
	bool sound = true;
	ssize_t got = recvmsg(GUARDIAN_SOCKET, &message, MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -1;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
	     header = CMSG_NXTHDR(&message, header)) {
		if (header->cmsg_level != SOL_SOCKET)
			continue;
		if (header->cmsg_type == SCM_RIGHTS)
			sound &= take_descriptors(header, fd);
		else if (header->cmsg_type == SCM_CREDENTIALS)
			memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	}
	if (sound && got == (ssize_t)bytes && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	    sender.pid == guardian.program.pid && sender.uid == getuid() && sender.gid == getgid())
		return 0;
	if (*fd >= 0)
		close(*fd);
	return -1;
}

static bool welcome(void)
{
	struct claim_welcome message = {.version = CLAIM_VERSION};
	struct claim_hello hello;
	int memfd, got = receive(&hello, sizeof(hello), &memfd);

	if (got != 0)
		return got > 0;
	message.result = memfd >= 0 ? begin(&hello, memfd) : -EMFILE;
	if (memfd >= 0)
		close(memfd);
	return send(GUARDIAN_SOCKET, &message, sizeof(message), MSG_NOSIGNAL) >= 0 && message.result == 0;
}

/* False: the program has let go of us; *left: by asking us to leave. */
static bool serve(bool *left)
{
	struct claim_request request;
	int fd, got;

	if (!guardian.shared)
		return welcome();
	got = receive(&request, sizeof(request), &fd);
	if (got != 0)
		return got > 0;
	*left = request.verb == CLAIM_LEAVE;
	return answer(obey(&request, fd)) == 0 && !*left;
}

/* True: everything is settled, and the program has sent us away. */
static bool watch(int signals)
{
	for (;;) {
		struct pollfd poll_fds[2] = {{.fd = GUARDIAN_SOCKET, .events = POLLIN},
					     {.fd = signals, .events = POLLIN}};
		struct signalfd_siginfo info;
		bool look, left = false;

		if (poll(poll_fds, 2, claims_patience()) < 0 && errno != EINTR)
			return false;
		look = clock_now() - guardian.last_look >= claims_patience() * NS_PER_MS;
		/* Any signal means a look at every claim: si_fd may be a number used anew. */
		while (read(signals, &info, sizeof(info)) > 0)
			look = true;
		if (look)
			claims_look(&guardian);
		if ((poll_fds[0].revents & (POLLIN | POLLHUP | POLLERR)) && !serve(&left))
			return left;
	}
}

/* What of the program's came through exec; its pipes and ports would stay open with us. */
static void close_others(void)
{
	struct rlimit limit;
	int end = MOST_DESCRIPTORS;

	/* Linux 5.9, and not behind every seccomp filter. */
	if (sys.syscall(SYS_close_range, GUARDIAN_SOCKET + 1, ~0U, 0) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MOST_DESCRIPTORS)
		end = (int)limit.rlim_cur;
	for (int fd = GUARDIAN_SOCKET + 1; fd < end; fd++)
		close(fd);
}

int main(void)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int signals;

	if (getsockopt(GUARDIAN_SOCKET, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) {
		/* The library tells of what else there may be. */
		if (errno == EBADF || errno == ENOTSOCK)
			fputs("preallocate-guardian: is started by libpreallocate.so alone\n",
			      stderr);
		return 125;
	}
	/* Nobody sees into us before the program has told who may (begin). From execve(2) on: claim/helper.c. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, CLAIM_NAME); /* execveat(2) has no path to take it from before Linux 6.14 */
	close_others();
	for (int fd = 0; fd < GUARDIAN_SOCKET; fd++)
		close(fd);
	for (int fd = 0; fd < GUARDIAN_SOCKET; fd++)
		if (open("/dev/null", O_RDWR) != fd)
			break;
	signals = open_signals();
	if (signals < 0)
		return 125; /* challenges wouldn't be heard */
	raise_limits();
	guardian.program.pid = peer.pid;
	guardian.last_look = clock_now();
	if (watch(signals))
		return 0;
	if (program_has_ended(&guardian.program))
		claims_unlock_all();
	claims_settle_all(&guardian, guardian.program.ended ? SETTLED_DEATH : SETTLED_ASKED);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that meet a lease on the file that they name: those that our guardians hold would not be there without us, and
 * are waited for in the program's place. Somebody else's are the program's own business.
 */
#include "files/files.h"

#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/lease.h"
#include "files/leases.h"
#include "recovery/mark.h"

#include <errno.h>
#include <stdio.h>
#include <sys/vfs.h>

/* A guardian answers within a millisecond; one that is frozen, never. */
#define PATIENCE_TRIES 2000
#define PATIENCE_NS 500000

/*
 * Who can't be seen holding it has just given it up, or is of another process namespace: then the mark tells, which
 * goes before the lease does.
 */
#define PATIENCE_UNSEEN 20

enum holder { HOLDER_UNSEEN, HOLDER_GUARDIAN, HOLDER_STRANGER };

struct question {
	uint64_t inode;
	enum holder holder;
};

/* Of several on one inode number one is on another filesystem: rather wait. */
static bool note_holder(const struct lease *lease, void *context)
{
	struct question *question = context;

	if (lease->inode == question->inode)
		question->holder = lease_is_guardians(lease) ? HOLDER_GUARDIAN : HOLDER_STRANGER;
	return question->holder != HOLDER_GUARDIAN;
}

static bool is_marked(int path_fd)
{
	char path[64], mark[1];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	return sys.getxattr(path, MARK_NAME, mark, 0) >= 0;
}

/* Whose lease the call has met, on a regular file of the filesystems that we take leases on. */
static enum holder holder_of(int dirfd, const char *path)
{
	struct question question = {.holder = HOLDER_STRANGER};
	struct statfs fs;
	struct stat st;
	int fd = sys.openat(dirfd, path, O_PATH | O_CLOEXEC);

	if (fd >= 0 && sys.fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fstatfs(fd, &fs) == 0 &&
	    lease_is_trusted(&fs)) {
		question = (struct question){.inode = st.st_ino, .holder = HOLDER_UNSEEN};
		leases_visit(note_holder, &question);
		if (question.holder == HOLDER_UNSEEN && is_marked(fd))
			question.holder = HOLDER_GUARDIAN;
	}
	if (fd >= 0)
		sys.close(fd);
	return question.holder;
}

/* Is it a guardian's, as far as can be told? */
static bool waits_for_guardian(int dirfd, const char *path, struct patience *patience)
{
	enum holder holder = holder_of(dirfd, path);

	return holder == HOLDER_GUARDIAN || (holder == HOLDER_UNSEEN && ++patience->unseen <= PATIENCE_UNSEEN);
}

/* __break_lease of Linux: on these files nothing else of an open(2) or truncate(2) is interrupted by signals. */
bool files_had_to_wait(int dirfd, const char *path, struct patience *patience)
{
	int saved_errno = errno;
	bool waited;

	if (saved_errno != EINTR || thread_state.vforked || files_have_left())
		return false;
	waited = waits_for_guardian(dirfd, path, patience);
	errno = saved_errno;
	return waited;
}

/*
 * An opener with O_NONBLOCK isn't made to wait for a lease to be given up, it gets EWOULDBLOCK
 * (open(2)). Regular files know no other EWOULDBLOCK.
 */
bool files_should_wait(int dirfd, const char *path, struct patience *patience)
{
	bool waits;

	if (errno != EWOULDBLOCK || thread_state.vforked || files_have_left())
		return false;
	waits = ++patience->tries <= PATIENCE_TRIES && waits_for_guardian(dirfd, path, patience);
	if (waits)
		clock_sleep(PATIENCE_NS);
	errno = EWOULDBLOCK;
	return waits;
}

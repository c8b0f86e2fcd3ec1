/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/reclaim.h"

#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "files/engage.h"
#include "files/leases.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Guardians that are found at one time; the others' turn comes with the next try. */
#define MOST_GUARDIANS 64

/*
 * How long the guardians may take to settle what is challenged: it may have to be written out first.
 * One that is frozen would take for ever, and is left alone for a while then.
 */
#define GUARDIAN_PATIENCE (2 * NS_PER_S)
#define GUARDIAN_POLL (NS_PER_MS / 10)

/* A fruitless search isn't repeated before so many times its own length have passed. */
#define SEARCH_REST 4
#define SHORTEST_REST NS_PER_MS
#define LONGEST_REST (20 * NS_PER_MS)
#define FROZEN_REST (60 * NS_PER_S)

static _Atomic int64_t next_search;

/* Where space is short. */
struct place_of_need {
	dev_t dev;
	fsid_t fsid; /* zeroes: the filesystem has none */
};

static bool has_fsid(const fsid_t *id)
{
	return id->__val[0] || id->__val[1];
}

static struct place_of_need place_of(const struct stat *st, const struct statfs *fs)
{
	return (struct place_of_need){.dev = st->st_dev, .fsid = fs->f_fsid};
}

static bool place_is(const struct place_of_need *need, const struct place_of_need *place)
{
	/* One filesystem may have several device numbers: overlayfs above it. */
	return need->dev == place->dev ||
	       (has_fsid(&need->fsid) && memcmp(&need->fsid, &place->fsid, sizeof(fsid_t)) == 0);
}

/* Where fd's file lies, if that is a regular one. */
static bool look_at(int fd, struct place_of_need *place)
{
	struct statfs fs;
	struct stat st;

	if (sys.fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fstatfs(fd, &fs) < 0)
		return false;
	*place = place_of(&st, &fs);
	return true;
}

/* --- what this process holds --- */

static bool give_back_one(struct description *description, int fd)
{
	bool any = false;

	if (slot_is_extended(atomic_load(&description->slot))) {
		description_settle(description);
		any = true;
	}
	if (atomic_load(&description->kept)) {
		keep_give_back(description, fd);
		any = true;
	}
	engage_pause(description, KEEP_FAILED);
	atomic_store(&description->keep_retry_at, atomic_load(&description->retry_at));
	return any;
}

/* need NULL: wherever it lies. */
static bool give_back_own(const struct place_of_need *need)
{
	bool any = false;

	for (int fd = table_next(0, INT_MAX - 1); fd >= 0; fd = table_next(fd + 1, INT_MAX - 1)) {
		struct description *description = description_of(fd);
		struct place_of_need place;

		if (!description)
			continue;
		if (!need || !look_at(fd, &place) || place_is(need, &place))
			any |= give_back_one(description, fd);
		description_let_go(description);
	}
	return any;
}

bool files_give_back_all(void)
{
	int saved_errno = errno;
	bool any = give_back_own(NULL);

	errno = saved_errno;
	return any;
}

/* --- what others hold --- */

struct guardians {
	int pids[MOST_GUARDIANS];
	size_t count;
};

static bool note_guardian(const struct lease *lease, void *context)
{
	struct guardians *guardians = context;

	for (size_t i = 0; i < guardians->count; i++)
		if (guardians->pids[i] == lease->pid)
			return true;
	if (lease_is_guardians(lease))
		guardians->pids[guardians->count++] = lease->pid;
	return guardians->count < MOST_GUARDIANS;
}

/* What a search is for, and what has come of it. */
struct search {
	const struct place_of_need *need;
	int64_t until; /* no more patience then */
	bool fruitful, frozen;
};

/*
 * An open(2) has the guardian settle the file. With O_NONBLOCK it fails until that is done, and so
 * never waits for a guardian that is stopped.
 */
static void challenge(struct search *search, int path_fd)
{
	const int flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	bool extended = false;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", path_fd);
	for (;;) {
		fd = (int)sys.syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | flags);
		if (fd < 0 && errno == EACCES)
			fd = (int)sys.syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | flags);
		if (fd >= 0 || errno != EWOULDBLOCK)
			break;
		extended = true;
		if (clock_now() > search->until)
			break;
		clock_sleep(GUARDIAN_POLL);
	}
	if (fd >= 0)
		sys.close(fd);
	search->fruitful |= extended && fd >= 0;
	search->frozen |= fd < 0 && clock_now() > search->until;
}

/* By an O_PATH descriptor: what is opened is what was looked at, whoever the process is. */
static void challenge_descriptor(struct search *search, int pid, const char *number)
{
	struct place_of_need place;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%.16s", pid, number);
	fd = (int)sys.syscall(SYS_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	if (look_at(fd, &place) && place_is(search->need, &place))
		challenge(search, fd);
	sys.close(fd);
}

/* The kernel's struct linux_dirent64 (getdents64(2)). */
struct entry {
	uint64_t ino;
	int64_t next;
	unsigned short length;
	unsigned char type;
	char name[];
};

static void challenge_guardian(struct search *search, int pid)
{
	_Alignas(struct entry) char entries[1024];
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fd = (int)sys.syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (;;) {
		long length = sys.syscall(SYS_getdents64, fd, entries, sizeof(entries));

		if (length <= 0)
			break;
		for (long at = 0; at < length;) {
			const struct entry *entry = (const struct entry *)(entries + at);

			if (entry->name[0] != '.')
				challenge_descriptor(search, pid, entry->name);
			at += entry->length;
		}
	}
	sys.close(fd);
}

static int64_t rest_after(const struct search *search, int64_t started)
{
	int64_t rest = (clock_now() - started) * SEARCH_REST;

	if (search->frozen)
		return FROZEN_REST;
	if (search->fruitful)
		return 0;
	return rest < SHORTEST_REST ? SHORTEST_REST : rest > LONGEST_REST ? LONGEST_REST : rest;
}

/* False: it was looked for just now, and nothing was found. */
static bool give_back_others(const struct place_of_need *need)
{
	struct guardians guardians = {.count = 0};
	int64_t started = clock_now();
	struct search search = {.need = need, .until = started + GUARDIAN_PATIENCE};

	if (started < atomic_load(&next_search))
		return false;
	/* Not while leases are being broken: lines would move up, past the reader. */
	leases_visit(note_guardian, &guardians);
	for (size_t i = 0; i < guardians.count; i++)
		challenge_guardian(&search, guardians.pids[i]);
	atomic_store(&next_search, clock_now() + rest_after(&search, started));
	/* Somebody else's search may have ended meanwhile, with what we lack. */
	return true;
}

static bool reclaim(const struct place_of_need *need)
{
	bool any = give_back_own(need);

	return give_back_others(need) || any;
}

/* Also after the program's own descriptors are all closed: others may hold something. */
static bool may_hold(void)
{
	return !thread_state.vforked && !files_have_left() && (files_are_managed() || descriptions_exist());
}

bool reclaim_for(int fd)
{
	int saved_errno = errno;
	int cancel = cancel_disable();
	struct place_of_need need;
	bool any = may_hold() && look_at(fd, &need) && reclaim(&need);

	cancel_restore(cancel);
	errno = saved_errno;
	return any;
}

/* The directory that path's last component lies in. */
static bool look_at_parent(int dirfd, const char *path, struct place_of_need *place)
{
	const char *last = strrchr(path, '/');
	char parent[PATH_MAX] = ".";
	struct statfs fs;
	struct stat st;
	bool seen;
	int fd;

	if (last && (size_t)(last - path) >= sizeof(parent) - 1)
		return false;
	if (last)
		snprintf(parent, sizeof(parent), "%.*s", (int)(last - path) + 1, path);
	fd = (int)sys.syscall(SYS_openat, dirfd, parent, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	seen = sys.fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0;
	sys.close(fd);
	if (seen)
		*place = place_of(&st, &fs);
	return seen;
}

bool reclaim_for_name(int dirfd, const char *path)
{
	int saved_errno = errno;
	int cancel = cancel_disable();
	struct place_of_need need;
	bool any = may_hold() && look_at_parent(dirfd, path, &need) && reclaim(&need);

	cancel_restore(cancel);
	errno = saved_errno;
	return any;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptions that other processes hold. The lease can't see them (one description counts once,
 * however many hold it), so whatever may hand one over settles everything first, and the
 * description isn't extended again until it is certain that nobody else has it.
 */
#include "files/files.h"

#include "base/sys.h"
#include "base/thread.h"
#include "claim/claim.h"
#include "claim/spawn.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WATCHES 64

/* Shared with the children: has this one passed on what it inherited? */
static _Atomic bool *passed_on; /* WATCHES of them; NULL until the first fork with managed files */
static _Atomic bool *mine;	/* this process's own, in its parent's array */

/* How often somebody may have been given descriptors: by enum share_kind. */
static _Atomic unsigned int handed_over[2];

static struct section section;
static struct {
	bool used;
	int pidfd;
} watches[WATCHES];

void share_begin(void)
{
	thread_state.barred++;
	/* First: another thread may be just about to open its first file, and to extend it. */
	claim_bar_new();
	if (!descriptions_exist())
		return;
	claim_bar();
	claim_unbar();
	files_check_guardian();
	if (!passed_on) {
		void *map = sys.mmap(NULL, WATCHES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				 -1, 0);

		passed_on = map == MAP_FAILED ? NULL : map;
	}
}

static void mark(struct description *description, uint64_t bit)
{
	if (bit)
		atomic_fetch_or(&description->shared_with, bit);
	else
		atomic_fetch_or(&description->reasons, KEEP_SHARED);
}

static void mark_all(uint64_t bit)
{
	struct description *description;

	for (size_t i = 0; (description = description_next(&i)); description_let_go(description))
		mark(description, bit);
}

static bool mark_inherited(void)
{
	bool any = false;

	for (int fd = table_next(0, INT_MAX - 1); fd >= 0; fd = table_next(fd + 1, INT_MAX - 1)) {
		int flags = sys.fcntl(fd, F_GETFD);
		struct description *description = table_get(fd);

		if (flags < 0 || (flags & FD_CLOEXEC) || !description)
			continue;
		mark(description, 0);
		any = true;
	}
	return any;
}

/* Before the fork: the child must find its flag cleared. */
void share_prepare_watch(void)
{
	struct section_hold hold;

	thread_state.next_watch = 0;
	if (!descriptions_exist() || !passed_on)
		return;
	section_enter(&section, &hold);
	for (int i = 0; i < WATCHES && !thread_state.next_watch; i++) {
		if (!watches[i].used) {
			watches[i].used = true;
			watches[i].pidfd = -1;
			atomic_store(&passed_on[i], false);
			thread_state.next_watch = i + 1;
		}
	}
	section_leave(&section, &hold);
}

static void watch_free(int watch)
{
	if (watches[watch].pidfd >= 0)
		sys.close(watches[watch].pidfd);
	watches[watch].used = false;
}

/* The bit of the new watch; 0: the child can't be watched. */
static uint64_t watch_start(pid_t pid)
{
	int watch = thread_state.next_watch - 1;
	int fd;

	thread_state.next_watch = 0;
	if (watch < 0)
		return 0;
	fd = pid > 0 ? (int)sys.syscall(SYS_pidfd_open, pid, 0) : -1;
	watches[watch].pidfd = fd >= 0 ? fd_out_of_the_way(fd) : -1;
	if (watches[watch].pidfd >= 0)
		return UINT64_C(1) << watch;
	watch_free(watch);
	return 0;
}

void share_unbar(void)
{
	if (thread_state.barred > 0) {
		thread_state.barred--;
		claim_unbar();
	}
}

void share_opening(void)
{
	thread_state.opening = true;
	for (int kind = SHARE_ALL; kind <= SHARE_INHERITED; kind++)
		thread_state.handed_before[kind] = atomic_load(&handed_over[kind]);
}

void share_opened(struct description *description, bool close_on_exec)
{
	if (!thread_state.opening)
		return;
	if (atomic_load(&handed_over[SHARE_ALL]) != thread_state.handed_before[SHARE_ALL] ||
	    (!close_on_exec &&
	     atomic_load(&handed_over[SHARE_INHERITED]) !=
		     thread_state.handed_before[SHARE_INHERITED]))
		mark(description, 0);
}

void share_end(bool succeeded, enum share_kind kind, pid_t pid)
{
	int saved_errno = errno;

	/* First: a description that is made after the marks finds that it came too late for them. */
	if (succeeded)
		atomic_fetch_add(&handed_over[kind], 1);
	if (!succeeded || !descriptions_exist()) {
		watch_start(0);
	} else if (kind == SHARE_ALL) {
		mark_all(watch_start(pid));
		if (mine)
			atomic_store(mine, true);
	} else if (mark_inherited() && mine) {
		atomic_store(mine, true);
	}
	share_unbar();
	errno = saved_errno;
}

void share_before_exec(void)
{
	int saved_errno = errno;

	share_begin();
	for (int fd = table_next(0, INT_MAX - 1); fd >= 0; fd = table_next(fd + 1, INT_MAX - 1)) {
		struct description *description = description_of(fd);

		if (description) {
			keep_give_back(description, fd);
			description_let_go(description);
		}
		if (mine && !(sys.fcntl(fd, F_GETFD) & FD_CLOEXEC))
			atomic_store(mine, true);
	}
	errno = saved_errno;
}

void share_descriptors_gone(unsigned int first, unsigned int last)
{
	for (int i = 0; i < WATCHES; i++) {
		unsigned int fd = (unsigned int)watches[i].pidfd;
		struct description *description;

		if (!watches[i].used || watches[i].pidfd < 0 || fd < first || fd > last)
			continue;
		for (size_t k = 0; (description = description_next(&k));
		     description_let_go(description))
			if (atomic_load(&description->shared_with) & (UINT64_C(1) << i))
				mark(description, 0);
		watches[i].pidfd = -1;
		watches[i].used = false;
	}
}

void share_in_child(void)
{
	struct description *description;
	int watch = thread_state.next_watch - 1;

	thread_reset();
	section = (struct section){0};
	claim_forget();
	for (size_t i = 0; (description = description_next(&i)); description_let_go(description)) {
		description->gate = (struct gate){0};
		/* Another thread may have been about it. */
		atomic_store(&description->resizes, 0);
		atomic_store(&description->slot, &slot_none);
		atomic_store(&description->shared_with, 0);
		atomic_store(&description->kept, false);
		mark(description, 0);
	}
	for (int i = 0; i < WATCHES; i++) {
		if (watches[i].used && watches[i].pidfd >= 0)
			sys.close(watches[i].pidfd);
		watches[i].used = false;
	}
	mine = watch >= 0 ? &passed_on[watch] : NULL;
	passed_on = NULL;
}

void share_description(struct description *description)
{
	/* Barred: it may be just about to be extended. */
	claim_bar();
	mark(description, 0);
	claim_unbar();
	description_settle(description);
	if (mine)
		atomic_store(mine, true);
}

/* The child is gone: nobody has what it had, or somebody whom we don't know. */
static void watch_over(int watch)
{
	uint64_t bit = UINT64_C(1) << watch;
	bool passed = atomic_load(&passed_on[watch]);
	struct description *description;

	for (size_t i = 0; (description = description_next(&i)); description_let_go(description)) {
		if (!(atomic_load(&description->shared_with) & bit))
			continue;
		if (passed)
			mark(description, 0);
		atomic_fetch_and(&description->shared_with, ~bit);
	}
	watch_free(watch);
}

static bool child_is_gone(int watch)
{
	struct pollfd poll_fd = {.fd = watches[watch].pidfd, .events = POLLIN};

	return sys.poll(&poll_fd, 1, 0) == 1;
}

bool description_is_exclusive(struct description *description)
{
	uint64_t bits = atomic_load(&description->shared_with);
	struct section_hold hold;

	if (atomic_load(&description->reasons) & KEEP_SHARED)
		return false;
	if (!bits)
		return true;
	for (int i = 0; i < WATCHES; i++) {
		if (!(bits & (UINT64_C(1) << i)) || !child_is_gone(i))
			continue;
		section_enter(&section, &hold);
		if (watches[i].used && child_is_gone(i))
			watch_over(i);
		section_leave(&section, &hold);
	}
	return !atomic_load(&description->shared_with) &&
	       !(atomic_load(&description->reasons) & KEEP_SHARED);
}

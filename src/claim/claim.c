/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/claim.h"

#include "base/layout.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/helper.h"
#include "claim/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct claim_slot slot_none = {
	.positions = {.data_end = FILTER_UNKNOWN, .file_end = FILTER_UNKNOWN},
};

AT_START void claim_init(const char *(*find)(char *path, size_t size))
{
	helper_start();
	session_find_guardian = find;
}

bool claim_is_lost(void)
{
	const struct claim_shared *shared = atomic_load(&session.shared);

	return atomic_load(&session.lost) || (shared && !shared_guardian_lives(shared));
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
		session_lose();
}

static void question_end(struct question *question)
{
	section_leave(&session.section, &question->hold);
	owner_resume_all();
	errno = question->saved_errno;
}

static void ask_all(enum claim_verb verb, uint32_t flags)
{
	struct claim_request request = {.verb = verb, .flags = flags};

	if (session.shared)
		session_ask(&request, -1);
}

static void leave(void)
{
	ask_all(CLAIM_LEAVE, 0);
	/* Not lost: it was sent away. */
	if (session.shared) {
		session_close_socket();
		session.shared = NULL;
		memset(session.used, 0, sizeof(session.used));
	}
}

/*
 * One of the calling thread's identity. Who becomes somebody else by the instruction, or a single thread, leaves
 * without our seeing it; what others may see of the program they may see of its guardian, and no more.
 */
static int guardian_of_ours(void)
{
	uid_t uid;
	gid_t gid;

	if (session.shared && session.dumpable && !helper_program_is_dumpable())
		leave();
	if (!session.shared)
		return session_start();
	return helper_identity(&uid, &gid) && uid == session.uid && gid == session.gid ? 0 : -ECHILD;
}

int claim_try(const char **path, const char **why)
{
	struct question question;
	int ret;

	question_begin(&question);
	ret = session_try();
	if (ret == 0)
		leave();
	*path = session.guardian_path;
	*why = session_why(ret);
	question_end(&question);
	return ret;
}

int claim_take(struct claim_slot *_Atomic *slot, int fd, struct claim_request *request,
	       unsigned int bars)
{
	struct question question;
	int ret = 0;

	question_begin(&question);
	if (session.barred || session.bars != bars || session.lost)
		ret = -EBUSY;
	else
		ret = guardian_of_ours();
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
		ret = session_ask(request, fd);
	}
	question_end(&question);
	return ret;
}

static int ask_for_change(struct claim_slot *slot, struct claim_request *request,
			  enum claim_verb verb)
{
	struct question question;
	int ret = -EPIPE;

	question_begin(&question);
	if (claim_slot_is_current(slot)) {
		request->verb = verb;
		request->slot = slot_index(slot);
		ret = session_ask(request, -1);
	}
	question_end(&question);
	return ret;
}

int claim_extend(struct claim_slot *slot, struct claim_request *request)
{
	return ask_for_change(slot, request, CLAIM_EXTEND);
}

int claim_record(struct claim_slot *slot, struct claim_request *request, bool open)
{
	if (open)
		request->flags |= CLAIM_OPEN;
	return ask_for_change(slot, request, CLAIM_RECORD);
}

int claim_settle(struct claim_slot *slot)
{
	struct question question;
	int ret = 0;

	question_begin(&question);
	if (claim_slot_is_current(slot)) {
		struct claim_request request = {.verb = CLAIM_SETTLE, .slot = slot_index(slot)};

		ret = session_ask(&request, -1);
	}
	question_end(&question);
	return ret;
}

void claim_bar_new(void)
{
	atomic_fetch_add(&session.barred, 1);
	atomic_fetch_add(&session.bars, 1);
}

static void bar(uint32_t flags)
{
	struct question question;

	claim_bar_new();
	question_begin(&question);
	ask_all(CLAIM_SETTLE_ALL, flags);
	question_end(&question);
}

void claim_bar(void)
{
	bar(0);
}

void claim_bar_to_sync(void)
{
	bar(CLAIM_SYNCING);
}

bool claim_is_barred(void)
{
	return atomic_load(&session.barred) > 0;
}

unsigned int claim_bars(void)
{
	return atomic_load(&session.bars);
}

void claim_unbar(void)
{
	unsigned int barred = atomic_load(&session.barred);

	/* Not below none: a fork's child begins with none. */
	while (barred > 0 && !atomic_compare_exchange_weak(&session.barred, &barred, barred - 1))
		;
}

void claim_leave(void)
{
	struct question question;

	/* Nobody starts one now: who leaves has seen to that, or is alone. */
	if (!atomic_load(&session.shared))
		return;
	question_begin(&question);
	if (session.shared)
		leave();
	question_end(&question);
}

void claim_forget(void)
{
	void *covered;

	session.section = (struct section){0};
	if (session.shared) {
		session_close_socket();
		/*
		 * Not just unmapped: a call that a signal handler's fork has interrupted goes on in
		 * the child too, and must not reach the parent's slots.
		 */
		covered = sys.mmap(session.shared, sizeof(*session.shared), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		/*
		 * Zeroes would be an extended file without data. Without memory (RLIMIT_DATA, strict
		 * accounting) they are the parent's slots still, which may be extended again.
		 */
		for (size_t i = 0; covered != MAP_FAILED && i < CLAIM_SLOTS; i++)
			if (session.used[i / 64] & (UINT64_C(1) << (i % 64)))
				filter_disengage(&session.shared->slots[i].positions);
	}
	session.shared = NULL;
	session.barred = 0;
	session.lost = session.stuck = false;
	session.failures = 0;
	memset(session.used, 0, sizeof(session.used));
}

bool claim_guardian_was_lost(bool *stuck)
{
	struct question question;
	bool lost;

	question_begin(&question);
	lost = session.lost;
	*stuck = session.stuck;
	session.lost = session.stuck = false;
	question_end(&question);
	return lost;
}

int claim_socket(void)
{
	return session.shared ? session.socket : -1;
}

bool claim_owns(int fd)
{
	return fd >= 0 && fd == claim_socket() && session_socket_is_ours();
}

void claim_move_socket(int fd)
{
	struct question question;

	question_begin(&question);
	if (session.shared && session.socket == fd && session_socket_is_ours()) {
		int moved = sys.fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);

		if (moved < 0)
			moved = sys.fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (moved >= 0) {
			session.socket = moved;
			sys.close(fd);
		} else {
			ask_all(CLAIM_LEAVE, 0);
			if (session.shared)
				session_lose();
			session.lost = false;
		}
	}
	question_end(&question);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors come and go. */
#include "files/files.h"

#include "base/clock.h"
#include "base/layout.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/claim.h"
#include "claim/lease.h"
#include "claim/settle.h"
#include "files/engage.h"
#include "files/report.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIRECT_ALIGN 4096

/* How long a close, which doesn't wait for other threads' calls, waits for those on this file. */
#define CLOSING_PATIENCE (10 * NS_PER_MS)

static const struct rules *_Atomic rules;
static _Atomic uint32_t reasons_of_all;
static atomic_bool left;

AT_START void files_init(const struct rules *loaded, const char *(*find_guardian)(char *path, size_t size))
{
	rules = loaded;
	claim_init(find_guardian);
}

static int resolve(void *context, char *buffer, size_t size)
{
	char link[64];
	ssize_t length;

	/* /proc/self is gone once main's thread has exited. */
	snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", *(int *)context);
	length = readlink(link, buffer, size - 1);
	if (length < 0)
		return -errno;
	if ((size_t)length == size - 1)
		return -ENAMETOOLONG;
	buffer[length] = '\0';
	return 0;
}

static void remember_path(struct description *description, const char *name)
{
	size_t length = strlen(name);
	size_t room = sizeof(description->path) - 1;

	/* Ended by us: another thread may have changed the name since it was opened. */
	if (length <= room) {
		memcpy(description->path, name, length);
		description->path[length] = '\0';
	} else {
		snprintf(description->path, sizeof(description->path), "...%s",
			 name + length - (room - 3));
	}
}

static void manage(int fd, int flags, const char *name, const struct rule *rule, uint32_t reasons)
{
	struct description *description, *was;
	struct rule_options options;
	struct stat st;

	if (sys.fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	if (flags & O_TRUNC)
		descriptions_forget_keep_end(st.st_dev, st.st_ino);
	description = description_new();
	if (!description)
		return;
	description->dev = st.st_dev;
	description->ino = st.st_ino;
	description->rule = rule;
	options = rule->options;
	description->readable = (flags & O_ACCMODE) == O_RDWR;
	description->synchronous = flags & O_DSYNC;
	atomic_store(&description->synced_end, st.st_size);
	atomic_store(&description->found, st.st_size > 0);
	atomic_store(&description->auto_end, st.st_size);
	if (options.mode == RULE_MODE_KEEP)
		reasons |= KEEP_RULE;
	if (flags & O_DIRECT)
		options.prealloc_align = (options.prealloc_align + DIRECT_ALIGN - 1) /
					 DIRECT_ALIGN * DIRECT_ALIGN;
	description_set_options(description, &options);
	if (st.st_size == 0)
		atomic_store(&description->bytes_earned, (uint64_t)options.prealloc_align);
	atomic_store(&description->append, flags & O_APPEND);
	atomic_store(&description->direct, flags & O_DIRECT);
	atomic_store(&description->reasons, reasons | atomic_load(&reasons_of_all));
	remember_path(description, name);
	description_publish(description);
	description_inherit_keep_end(description);
	if (!table_exchange(fd, description, &was)) {
		description_free(description);
		return;
	}
	share_opened(description, flags & O_CLOEXEC);
	log_debug("%s: managed as descriptor %d", name, fd);
}

static const struct rule *match(int fd, const char *name)
{
	const struct rules *loaded = atomic_load(&rules);
	const struct rule *rule = loaded && name ? rules_match(loaded, name, resolve, &fd) : NULL;

	return rule && rule->options.mode != RULE_MODE_OFF ? rule : NULL;
}

bool files_matches(int fd, const char *name)
{
	return match(fd, name);
}

bool files_may_match(const char *name)
{
	return name && rules_may_match(atomic_load(&rules), name);
}

static void opened(int fd, int flags, const char *name, uint32_t reasons)
{
	int saved_errno = errno;
	int cancel = cancel_disable();
	bool may_append = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH) &&
			  (flags & O_TMPFILE) != O_TMPFILE;
	const struct rule *rule;

	files_forget(fd);
	rule = may_append ? match(fd, name) : NULL;
	if (rule)
		manage(fd, flags, name, rule, reasons);
	thread_state.opening = false;
	cancel_restore(cancel);
	errno = saved_errno;
}

/* libc's streams read and write there from the inside, whatever it was that took the number. */
static bool is_standard_stream(int fd)
{
	return fd >= STDIN_FILENO && fd <= STDERR_FILENO;
}

void files_opened(int fd, int flags, const char *name)
{
	opened(fd, flags, name, is_standard_stream(fd) ? KEEP_STREAM : 0);
}

void files_stream_opened(int fd, int flags, const char *name)
{
	opened(fd, flags, name, KEEP_STREAM);
}

/* It isn't in the table any more, so that nobody else settles it after a lost guardian. */
static void settle_detached(struct description *description, int fd)
{
	struct claim_slot *slot = atomic_load(&description->slot);

	while (slot_is_extended(slot)) {
		claim_settle(slot);
		if (!slot_is_extended(slot) || claim_slot_is_current(slot))
			continue;
		if (fd >= 0)
			files_settle_lost(description, fd);
		else
			filter_disengage(&slot->positions);
	}
}

/* The blocks past the end couldn't be given back, since the file is open once more: left to that one. */
static void bequeath(const struct description *was)
{
	struct description *heir = description_find(was->dev, was->ino);

	if (!heir)
		return;
	atomic_store(&heir->kept, true);
	description_let_go(heir);
}

/* fd: -1: no descriptor leads to it any more, somebody has closed it behind our back. */
static void finish(struct description *description, int fd)
{
	bool kept;

	atomic_fetch_or(&description->reasons, KEEP_CLOSED);
	gate_drain(&description->gate, CLOSING_PATIENCE);
	settle_detached(description, fd);
	/* Settled just now by a challenge: flock(2) goes with the last copy. */
	if (atomic_load(&atomic_load(&description->slot)->held))
		claim_settle(atomic_load(&description->slot));
	if (fd >= 0)
		keep_give_back_last(description, fd);
	report_closed(description);
	kept = atomic_load(&description->kept);
	description_free(description);
	if (kept)
		bequeath(description);
}

/* One descriptor of several: what is under way by this number may not reach another file. */
static void await_calls(struct description *description)
{
	struct claim_slot *slot = atomic_load(&description->slot);
	struct owner_hold hold;

	gate_drain(&description->gate, CLOSING_PATIENCE);
	if (slot_is_extended(slot) && slot_lock(slot, &hold))
		slot_unlock(slot, &hold);
}

static void detach(int fd, bool still_open)
{
	int saved_errno = errno;
	struct description *was;
	int cancel;

	if (!table_get(fd))
		return;
	cancel = cancel_disable();
	table_exchange(fd, NULL, &was);
	if (was) {
		count_add(&was->holders, 1);
		if (atomic_fetch_sub(&was->fds, 1) == 1)
			finish(was, still_open ? fd : -1);
		else
			await_calls(was);
		description_let_go(was);
	}
	cancel_restore(cancel);
	errno = saved_errno;
}

void files_forget(int fd)
{
	detach(fd, false);
}

void files_closing(int fd)
{
	detach(fd, true);
}

void files_closing_range(unsigned int first, unsigned int last)
{
	int to = last > INT_MAX - 1 ? INT_MAX - 1 : (int)last;

	if (first > INT_MAX - 1)
		return;
	for (int fd = table_next((int)first, to); fd >= 0; fd = table_next(fd + 1, to))
		files_closing(fd);
}

/* False: its last descriptor has gone meanwhile. */
static bool add_descriptor(struct description *description)
{
	int seen = atomic_load(&description->fds);

	while (seen > 0)
		if (atomic_compare_exchange_weak(&description->fds, &seen, seen + 1))
			return true;
	return false;
}

void files_duplicated(int from, int to)
{
	struct description *description, *was;
	struct plain plain;
	int cancel;

	if (from == to)
		return;
	files_forget(to);
	cancel = cancel_disable();
	description = description_of(from);
	if (!description) {
		cancel_restore(cancel);
		return;
	}
	/* An alias that we can't follow: as if another process had it. */
	if (add_descriptor(description) && !table_exchange(to, description, &was))
		share_description(description);
	description_let_go(description);
	if (is_standard_stream(to)) {
		plain_begin(&plain, to, KEEP_STREAM);
		plain_end(&plain);
	}
	cancel_restore(cancel);
}

void files_keep_all(uint32_t reasons)
{
	struct description *description;

	/* While it is still certain that nothing is written past us. */
	for (int fd = table_next(0, INT_MAX - 1); fd >= 0; fd = table_next(fd + 1, INT_MAX - 1))
		if ((description = description_of(fd))) {
			keep_give_back(description, fd);
			description_let_go(description);
		}
	/* Barred: one may be just about to be extended. */
	claim_bar();
	atomic_fetch_or(&reasons_of_all, reasons);
	for (size_t i = 0; (description = description_next(&i)); description_let_go(description)) {
		atomic_fetch_or(&description->reasons, reasons);
		description_settle(description);
	}
	claim_unbar();
}

bool files_are_managed(void)
{
	return atomic_load(&rules);
}

bool files_have_left(void)
{
	return atomic_load(&left);
}

void files_leave(void)
{
	int saved_errno = errno;

	atomic_store(&left, true);
	atomic_store(&rules, NULL);
	files_closing_range(0, INT_MAX);
	claim_leave();
	errno = saved_errno;
}

void files_exit(void)
{
	for (int fd = table_next(0, INT_MAX - 1); fd >= 0; fd = table_next(fd + 1, INT_MAX - 1)) {
		struct description *description = description_of(fd);

		if (description) {
			description_settle(description);
			keep_give_back_last(description, fd);
			report_closed(description);
			description_let_go(description);
		}
	}
	claim_bar();
	files_check_guardian();
	claim_leave();
}

/* The guardian ended while it looked through the tail. */
static void put_offset_back(struct claim_slot *slot, int fd)
{
	int64_t from = atomic_load(&slot->seeks_from);

	if (from <= 0)
		return;
	sys.lseek(fd, from - 1, SEEK_SET);
	atomic_store(&slot->seeks_from, 0);
}

void files_settle_lost(struct description *description, int fd)
{
	struct claim_slot *slot = atomic_load(&description->slot);
	struct claimed claimed = {
		.fd = fd,
		.certainty = {.vouched = description->options.exclusive != RULE_EXCLUSIVE_LEASE,
			      .seen_at = atomic_load(&slot->certain_at)},
		.readable = description->readable,
		.append = atomic_load(&description->append),
		.options = {atomic_load(&description->options.prealloc_size),
			    atomic_load(&description->options.prealloc_align)},
		.slot = slot,
		.record_at = atomic_load(&slot->record_at),
	};
	struct owner_hold hold;
	bool locked;

	if (slot == &slot_none || claim_slot_is_current(slot))
		return;
	put_offset_back(slot, fd);
	claimed_adopt(&claimed);
	atomic_store(&slot->wanted, 0);
	locked = !owner_take_over(&slot->lock, GUARDIAN_OWNER, thread_id(), false);
	if (locked && !slot_lock(slot, &hold)) {
		/* In a signal handler, above an append of this thread's own. */
		locked = false;
		atomic_fetch_add(&slot->robbed, 1);
		claimed_catch_up(&claimed);
	}
	if (atomic_load(&slot->key) && mark_read(fd, &claimed.mark) < 0)
		claimed.mark.key = 0;
	if (atomic_load(&slot->sequence) & 1) {
		int64_t size = atomic_load(&slot->size_before);

		/* It died in the first extension: how far that came nobody knows. */
		if (size >= 0) {
			atomic_store(&slot->positions.file_end, size);
			atomic_store(&slot->positions.data_end, size);
			atomic_store(&slot->data_end_check, ~size);
			claimed_adopt(&claimed);
		}
		atomic_fetch_add(&slot->sequence, 1);
	}
	claimed_settle(&claimed, SETTLED_LOST);
	lease_release(fd);
	if (atomic_exchange(&slot->synced, 0) && sys.fdatasync(fd) < 0)
		atomic_store(&slot->sync_error, errno);
	if (locked)
		slot_unlock(slot, &hold);
	else
		owner_unlock(&slot->lock, thread_id());
}

/*
 * A guardian that nobody can reach holds the lease, and may cut once it goes on. What it finds in the slot then
 * is nothing to cut by (find_data_end): the file stays as long as it is, with its mark, for recovery.
 */
static void strand(struct description *description, int fd)
{
	struct claim_slot *slot = atomic_load(&description->slot);
	int flags;

	if (slot == &slot_none || claim_slot_is_current(slot) || !slot_is_extended(slot))
		return;
	atomic_fetch_or(&description->reasons, KEEP_OFF);
	filter_disengage(&slot->positions);
	atomic_store(&slot->data_end_check, 0);
	atomic_store(&slot->wanted, 0);
	owner_take_over(&slot->lock, GUARDIAN_OWNER, 0, false);
	atomic_store(&slot->sequence, (atomic_load(&slot->sequence) | 1) + 1);
	flags = sys.fcntl(fd, F_GETFL);
	if (flags >= 0 && atomic_load(&description->append))
		sys.fcntl(fd, F_SETFL, flags | O_APPEND);
}

static void settle_all_lost(void)
{
	static bool told; /* once is enough */
	int saved_errno = errno;
	sigset_t signals;
	bool stuck;

	if (!claim_guardian_was_lost(&stuck))
		return;
	log_at(told ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "%s",
	       stuck ? "the guardian doesn't answer, and can't be ended: what it held stays as long as it is, "
		       "until `preallocate recover` has looked at it; see what stops preallocate-guardian"
		     : "the guardian has ended: what it held is settled by the program itself; see what kills "
		       "preallocate-guardian");
	told = true;
	/* A handler's call would wait for what only we can settle. */
	signals_block(&signals);
	for (int fd = table_next(0, INT_MAX - 1); fd >= 0; fd = table_next(fd + 1, INT_MAX - 1)) {
		struct description *description = description_of(fd);
		struct gate_pass pass;

		if (!description)
			continue;
		/* Nobody claims it again meanwhile. */
		gate_enter(&description->gate, &pass);
		if (stuck)
			strand(description, fd);
		else
			files_settle_lost(description, fd);
		gate_leave(&description->gate, &pass);
		description_let_go(description);
	}
	signals_restore(&signals);
	errno = saved_errno;
}

void files_check_guardian(void)
{
	if (__builtin_expect(claim_is_lost(), 0))
		settle_all_lost();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/engage.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/claim.h"
#include "claim/lease.h"
#include "files/auto.h"
#include "files/seal.h"
#include "files/space.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SHORTEST_PAUSE NS_PER_S
#define LONGEST_PAUSE (60 * NS_PER_S)
#define GATE_PATIENCE NS_PER_MS
#define CACHE_PAGE 4096

void slot_wait_wanted(struct claim_slot *slot)
{
	struct timespec timeout = {.tv_nsec = NS_PER_MS};
	int saved_errno = errno;

	sys.syscall(SYS_futex, &slot->wanted, FUTEX_WAIT, 1, &timeout, NULL, 0);
	errno = saved_errno;
}

uint32_t slot_wait_stable(struct claim_slot *slot)
{
	uint32_t sequence;

	files_check_guardian();
	while ((sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire)) & 1) {
		files_check_guardian();
		/* The guardian holds the lock meanwhile. */
		if (owner_of(&slot->lock) == thread_id())
			sched_yield();
		else
			owner_wait(&slot->lock, NS_PER_MS);
	}
	return sequence;
}

void engage_pause(struct description *description, enum keep_reason reason)
{
	int64_t now = clock_now();
	int64_t pause = atomic_load(&description->back_off);

	/* Quiet for as long as the longest pause: forgotten. */
	if (now - atomic_load(&description->retry_at) > LONGEST_PAUSE)
		pause = 0;
	pause = pause == 0 ? SHORTEST_PAUSE : pause * 2;
	if (pause > LONGEST_PAUSE)
		pause = LONGEST_PAUSE;
	atomic_store(&description->back_off, pause);
	atomic_store(&description->retry_at, now + pause);
	atomic_fetch_or(&description->reasons, reason);
}

/* What the guardian did to the file by itself since the last time. */
static void note_settle(struct description *description)
{
	struct claim_slot *slot = atomic_load(&description->slot);
	int64_t settled_at = atomic_load(&slot->settled_at);
	uint64_t covered;

	if (settled_at == atomic_load(&description->handled_at))
		return;
	atomic_store(&description->handled_at, settled_at);
	if (atomic_load(&slot->reason) == SETTLED_CHALLENGED)
		engage_pause(description, KEEP_CHALLENGED);
	covered = atomic_exchange(&slot->covered, 0);
	if (covered)
		log_warn("%s: %llu bytes past the end were written by somebody that libpreallocate "
			 "doesn't see; they were kept",
			 description->path, (unsigned long long)covered);
}

static bool is_of(const struct description *description, const struct stat *st)
{
	return st->st_ino == description->ino && st->st_dev == description->dev;
}

bool engage_is_behind(const struct description *description, int fd)
{
	int saved_errno = errno;
	struct stat st;
	/* Not to be asked (seccomp, say) doesn't mean that it leads elsewhere. */
	bool behind = sys.fstat(fd, &st) == 0 ? is_of(description, &st) : errno != EBADF;

	errno = saved_errno;
	return behind;
}

/*
 * Does the write cross the end of file? Where a hint says that it doesn't, no system call is made.
 * A write that leaves a whole block out makes a hole: that is no append.
 */
static bool write_crosses_end(struct description *description, const struct transfer *transfer)
{
	struct stat st;
	int64_t start = transfer->offset;
	int64_t end;

	if (appends_by_flag_alone(description, transfer))
		return false;
	if (atomic_load(&description->append))
		return true;
	if (transfer->at_offset) {
		if (__builtin_add_overflow(start, (int64_t)transfer->bytes, &end) ||
		    end <= atomic_load(&description->size_seen))
			return false;
	} else {
		if (atomic_fetch_sub(&description->inside_left, (int64_t)transfer->bytes) >=
		    (int64_t)transfer->bytes)
			return false;
		start = sys.lseek(transfer->fd, 0, SEEK_CUR);
		if (start < 0 || __builtin_add_overflow(start, (int64_t)transfer->bytes, &end))
			return false;
	}
	if (sys.fstat(transfer->fd, &st) < 0)
		return false;
	if (!is_of(description, &st)) {
		files_forget(transfer->fd);
		return false;
	}
	atomic_store(&description->size_seen, st.st_size);
	atomic_store(&description->inside_left, st.st_size - end);
	return end > st.st_size && !size_skips_block(st.st_size, start);
}

bool engage_is_due(struct description *description, const struct transfer *transfer)
{
	const struct claim_slot *slot = atomic_load(&description->slot);
	int saved_errno = errno;
	bool due;

	note_settle(description);
	if (atomic_load(&description->retry_at) > 0 &&
	    clock_now() < atomic_load(&description->retry_at))
		return false;
	due = !transfer->apart && !claim_is_barred() && atomic_load(&slot->robbed) == 0 &&
	      thread_state.in_gate != &description->gate && space_piece(description) > 0 &&
	      write_crosses_end(description, transfer) && description_is_exclusive(description);
	errno = saved_errno;
	return due;
}

int files_flags(struct description *description, int fd)
{
	for (;;) {
		struct claim_slot *slot = atomic_load(&description->slot);
		uint32_t sequence = slot_wait_stable(slot);
		int flags = sys.fcntl(fd, F_GETFL);
		bool extended = slot_is_extended(slot);

		if (atomic_load(&description->slot) != slot ||
		    atomic_load(&slot->sequence) != sequence)
			continue;
		/* An ordinary file's are the kernel's: a child that shared it may have set them. */
		return extended && flags >= 0 && atomic_load(&description->append) &&
				       engage_is_behind(description, fd)
			       ? flags | O_APPEND
			       : flags;
	}
}

static void read_flags(struct description *description, int fd)
{
	int flags = sys.fcntl(fd, F_GETFL);

	if (flags < 0)
		return;
	atomic_store(&description->append, flags & O_APPEND);
	atomic_store(&description->direct, flags & O_DIRECT);
}

static int64_t file_size_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur > (rlim_t)INT64_MAX)
		return INT64_MAX;
	return (int64_t)limit.rlim_cur;
}

/*
 * Where a file can't be read, whole pages count as data or as none: a size inside of a page has the
 * next extension write zeroes behind it (btrfs), and those would pass for somebody's.
 */
static void keep_to_pages(struct claim_request *request)
{
	request->max_end -= request->max_end % CACHE_PAGE;
	request->options.prealloc_align =
		(request->options.prealloc_align + CACHE_PAGE - 1) / CACHE_PAGE * CACHE_PAGE;
}

void engage_fill_request(struct description *description, struct claim_request *request,
				int64_t offset, int64_t end)
{
	struct rule_options options;

	description_options(description, &options);
	*request = (struct claim_request){
		.flags = (atomic_load(&description->append) ? CLAIM_APPEND : 0) |
			 (description->readable ? CLAIM_READABLE : 0) |
			 (seal_is_synced(description) ? CLAIM_SYNCED : 0) |
			 (options.exclusive == RULE_EXCLUSIVE_ASSUME ? CLAIM_ASSUME : 0) |
			 (options.mode == RULE_MODE_WRITE ? CLAIM_WRITE : 0),
		.min_free = (uint32_t)options.min_free,
		.offset = offset,
		.end = end,
		.max_end = file_size_limit(),
		.idle = options.idle,
		.keep_end = atomic_load(&description->program_keep_end),
		.options = {.prealloc_size = options.prealloc_size,
			    .prealloc_align = space_piece(description)},
	};
	auto_fill_request(description, request, end);
	if (!description->readable)
		keep_to_pages(request);
}

/* What follows from a claim that wasn't granted. */
static void note_refusal(struct description *description, int error)
{
	switch (-error) {
	case EBUSY: /* barred: a matter of moments */
	case ESTALE:
		return;
	case EAGAIN:
		engage_pause(description, KEEP_REFUSED);
		break;
	case ECHILD:
		engage_pause(description, KEEP_UNGUARDED);
		break;
	case EACCES: /* not the file's owner */
	case EPERM:  /* chattr +a */
	case EINVAL:
	case EOPNOTSUPP:
		atomic_fetch_or(&description->reasons, KEEP_UNSUPPORTED);
		break;
	default:
		engage_pause(description, KEEP_FAILED);
	}
	log_debug("%s: works in mode keep: %s", description->path, strerrordesc_np(-error));
}

static void engage_locked(struct description *description, const struct transfer *transfer)
{
	struct claim_request request;
	struct statfs fs;
	struct stat st;
	unsigned int bars = claim_bars();
	int64_t start = transfer->offset;
	int64_t here, end;
	int ret;

	/* Looked at once more: mapped, shared with a child, closed or replaced since engage_is_due. */
	if (claim_is_barred() || (atomic_load(&description->reasons) & KEEP_FOREVER) ||
	    table_get(transfer->fd) != description || !description_is_exclusive(description))
		return;
	if (slot_is_extended(atomic_load(&description->slot)) ||
	    sys.fstat(transfer->fd, &st) < 0)
		return;
	read_flags(description, transfer->fd);
	/* An extended file is read and written by its offset: that must be to be had (seccomp). */
	here = sys.lseek(transfer->fd, 0, SEEK_CUR);
	if (here < 0) {
		note_refusal(description, -EOPNOTSUPP);
		return;
	}
	if (atomic_load(&description->append))
		start = st.st_size;
	else if (!transfer->at_offset)
		start = here;
	if (start < 0 || __builtin_add_overflow(start, (int64_t)transfer->bytes, &end))
		return;
	/* Before a guardian is started for it: /proc has regular files, too. */
	if (fstatfs(transfer->fd, &fs) < 0 ||
	    (description->options.exclusive == RULE_EXCLUSIVE_LEASE && !lease_is_trusted(&fs))) {
		note_refusal(description, -EOPNOTSUPP);
		return;
	}
	space_look(description, transfer->fd, &fs);
	if (auto_leaves_alone(description, &fs)) {
		atomic_fetch_or(&description->reasons, KEEP_GAINLESS);
		return;
	}
	if (space_piece(description) == 0)
		return;
	description->at_end = false;
	engage_fill_request(description, &request, start, end);
	request.floor = seal_floor(description, st.st_size);
	if (atomic_load(&description->found))
		request.flags |= CLAIM_FOUND;
	ret = claim_take(&description->slot, transfer->fd, &request, bars);
	if (ret < 0) {
		if (ret == -EPIPE)
			files_settle_lost(description, transfer->fd);
		note_refusal(description, ret);
		return;
	}
	atomic_store(&description->found, false);
	atomic_fetch_and(&description->reasons, KEEP_FOREVER);
	/* The extension has swallowed them, the settle will give them back. */
	atomic_store(&description->kept, false);
	atomic_store(&description->keep_left, 0);
	atomic_store(&description->keep_end, 0);
}

bool engage_take(struct description *description, const struct transfer *transfer)
{
	int saved_errno = errno;
	sigset_t saved;

	signals_block(&saved);
	if (gate_close(&description->gate, GATE_PATIENCE)) {
		atomic_fetch_add(&description->resizes, 1);
		engage_locked(description, transfer);
		atomic_fetch_add(&description->resizes, 1);
		gate_open(&description->gate);
	} else {
		/* Somebody stays inside: waiting for him at every append would be the slower way. */
		atomic_store(&description->retry_at, clock_now() + 100 * GATE_PATIENCE);
	}
	signals_restore(&saved);
	errno = saved_errno;
	return slot_is_extended(atomic_load(&description->slot));
}

void engage_extend(struct description *description, struct claim_slot *slot, int64_t offset,
		   int64_t end)
{
	struct claim_request request;
	int saved_errno = errno;
	int ret;

	engage_fill_request(description, &request, offset, end);
	ret = claim_extend(slot, &request);
	if (ret < 0 && ret != -EAGAIN)
		note_refusal(description, ret);
	errno = saved_errno;
}

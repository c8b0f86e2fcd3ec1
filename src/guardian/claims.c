/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guardian/claims.h"

#include "base/clock.h"
#include "base/sys.h"
#include "claim/lease.h"
#include "claim/protocol.h"
#include "claim/seal.h"
#include "recovery/recover.h"
#include "recovery/tail.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LONGEST_PATIENCE NS_PER_S

struct claim {
	struct claimed claimed; /* claimed.slot NULL: not in use */
	bool synced;		/* by the program, before it was extended */
	int64_t idle;		/* ns */
	int64_t seen_data_end;	/* at the last look, and since when it hasn't moved */
	int64_t unmoved_since;
	uint32_t place; /* in active[] */
};

static struct claim claims[CLAIM_SLOTS];
static uint32_t active[CLAIM_SLOTS]; /* the slots in use, in no order */
static uint32_t active_count;
static int64_t shortest_idle = LONGEST_PATIENCE; /* of those that were ever active */

static void activate(uint32_t slot)
{
	claims[slot].place = active_count;
	active[active_count++] = slot;
}

static void deactivate(uint32_t slot)
{
	uint32_t last = active[--active_count];

	active[claims[slot].place] = last;
	claims[last].place = claims[slot].place;
	claims[slot].claimed.slot = NULL;
}

static bool is_leased(const struct claim *claim)
{
	return !claim->claimed.certainty.vouched;
}

static void unlock(const struct claim *claim)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	flock(claim->claimed.fd, LOCK_UN);
	sys.fcntl(claim->claimed.fd, F_OFD_SETLK, &all);
}

/*
 * An unlinked file doesn't come back. What the kernel tells us of a failed write it doesn't tell the
 * program any more (fsync(2), since Linux 4.13).
 */
static void sync_claimed(const struct claim *claim)
{
	struct stat st;

	if (sys.fstat(claim->claimed.fd, &st) == 0 && st.st_nlink > 0 &&
	    sys.fdatasync(claim->claimed.fd) < 0)
		atomic_store(&claim->claimed.slot->sync_error, errno);
}

/*
 * What the program has synced is to come back with its true size, should the power fail after this; who
 * waited for the lease needn't wait for it.
 */
static void sync_settled(const struct claim *claim)
{
	if (atomic_exchange(&claim->claimed.slot->synced, 0))
		sync_claimed(claim);
}

/*
 * A filesystem commits the size that a write has made after its data, but the cut's at once: should the
 * power fail in between, a file that the program syncs would end in NULs. As long as it is marked, recovery
 * knows better. Nobody is made to wait for more than this.
 */
#define WRITTEN_BEFORE_CUT (4 << 20)

static int write_out(int fd, struct claim_slot *slot, int64_t from, int64_t to)
{
	int ret = tail_write_out(fd, from, to);

	if (ret < 0)
		atomic_store(&slot->sync_error, -ret);
	return ret;
}

static void write_out_before_cut(const struct claim *claim)
{
	struct claim_slot *slot = claim->claimed.slot;
	int64_t end = atomic_load(&slot->positions.data_end);
	int64_t synced = atomic_load(&slot->synced_end);
	struct stat st;

	/* What counts as synced may be so only when a sync is over that is under way. */
	if (synced >= end)
		synced = end > WRITTEN_BEFORE_CUT ? end - WRITTEN_BEFORE_CUT : 0;
	if ((claim->synced || atomic_load(&slot->synced)) && end - synced <= WRITTEN_BEFORE_CUT &&
	    sys.fstat(claim->claimed.fd, &st) == 0 && st.st_nlink > 0)
		write_out(claim->claimed.fd, claim->claimed.slot, synced, end);
}

/*
 * The floor that the mark names has to be there when the mark is: an allocation makes the size known at once,
 * the data may come half a minute later (ext4). With much to write the file is extended some time later.
 */
static int write_out_floor(int fd, const struct claim_request *request, struct guardian *guardian)
{
	int64_t dirty = tail_dirty_bytes(fd, request->floor);

	if (dirty > WRITTEN_BEFORE_CUT)
		return -EAGAIN;
	return dirty ? write_out(fd, &guardian->shared->slots[request->slot], 0, request->floor) : 0;
}

/*
 * Lets go of the description: challengers go on, flock and unlinked space are the program's. Who waits for
 * the lease may be the program, started again: its locks go first.
 */
static void let_go(struct guardian *guardian, struct claim *claim)
{
	uint32_t slot = active[claim->place];

	/*
	 * Of a program that has ended the copy is closed first, and the lease goes with it: who executes the file, or
	 * unmounts it, would find it open for writing. Should the power fail before the cut is on the disk, so is
	 * the mark still. The description of one that lives would keep the lease.
	 */
	if (program_has_ended(&guardian->program)) {
		unlock(claim);
		close(claim->claimed.fd);
	} else {
		if (is_leased(claim))
			lease_release(claim->claimed.fd);
		sync_settled(claim);
		close(claim->claimed.fd);
	}
	atomic_store(&claim->claimed.slot->held, 0);
	deactivate(slot);
}

/*
 * Whoever opened the file to read it may have been let in by force, by a lease that keeps only writers out since
 * then: F_GETLEASE tells the same as while it was challenged, but /proc/locks knows. The inode number may
 * be another there (overlayfs), so: as many lines as we have leases.
 */
static bool leases_are_all_active(void)
{
	char line[256], state[16];
	uint32_t leases = 0, lines = 0;
	FILE *locks = fopen("/proc/locks", "re");
	int pid;

	if (!locks)
		return false;
	while (fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*d: LEASE %15s %*s %d", state, &pid) == 2 && pid == getpid())
			lines += strcmp(state, "ACTIVE") == 0;
	fclose(locks);
	for (uint32_t i = 0; i < active_count; i++)
		leases += is_leased(&claims[active[i]]);
	return lines >= leases;
}

static void look_for_active_leases(struct claim *claim)
{
	struct certainty *certainty = &claim->claimed.certainty;
	int64_t now = clock_now();

	if (!certainty_holds(certainty, claim->claimed.fd) && leases_are_all_active())
		certainty->seen_at = now;
}

/* And when it wasn't: for the library, should we end. */
static bool is_challenged(struct claim *claim)
{
	bool whole = certainty_is_whole(&claim->claimed.certainty, claim->claimed.fd);

	atomic_store(&claim->claimed.slot->certain_at, claim->claimed.certainty.seen_at);
	return !whole;
}

static void settle(struct guardian *guardian, struct claim *claim, enum settle_reason reason)
{
	struct claimed *claimed = &claim->claimed;

	owner_lock_slot(claimed, &guardian->program);
	write_out_before_cut(claim);
	look_for_active_leases(claim);
	claimed_settle(claimed, reason);
	if (reason == SETTLED_CHALLENGED)
		atomic_fetch_add(&claimed->slot->challenges, 1);
	owner_unlock_slot(claimed);
	let_go(guardian, claim);
}

/* Left extended by an earlier guardian. Nobody else has the file. */
static int recover(int fd, bool readable, struct certainty *certainty)
{
	struct recover_options options = {.certainty = certainty};
	struct recovery recovery;
	struct mark mark;
	int ret = mark_read(fd, &mark);

	if (ret == -ENODATA || ret == -EOPNOTSUPP)
		return 0;
	return readable ? recover_file(fd, &options, &recovery) : -EOPNOTSUPP;
}

static int prepare(struct claim *claim, const struct claim_request *request, int fd)
{
	struct statfs fs;
	bool assume = request->flags & CLAIM_ASSUME;
	int ret;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (!assume && !lease_is_trusted(&fs))
		return -EOPNOTSUPP;
	if (!tail_is_provable(fd, request->flags & CLAIM_READABLE))
		return -EOPNOTSUPP;
	claim->claimed.certainty = (struct certainty){.vouched = assume};
	claim->claimed.signal = CHALLENGE_SIGNAL;
	claim->synced = request->flags & CLAIM_SYNCED;
	claim->claimed.piecemeal = !space_is_freed_by_cut(fd, &fs);
	claim->claimed.in_memory = is_in_memory(&fs);
	ret = assume ? 0 : lease_take(fd, CHALLENGE_SIGNAL, &claim->claimed.certainty);
	if (ret < 0)
		return ret;
	ret = recover(fd, request->flags & CLAIM_READABLE, &claim->claimed.certainty);
	if (ret < 0 && !assume)
		lease_release(fd);
	return ret;
}

/*
 * Zeroes that nobody can read can't be told from data; where data are never overwritten, or never brought to a
 * disk, they gain nothing.
 */
static void set_options(struct claimed *claimed, const struct claim_request *request)
{
	claimed->options = request->options;
	claimed->most = request->most;
	claimed->writes = (request->flags & CLAIM_WRITE) && claimed->readable && !claimed->piecemeal &&
			  !claimed->in_memory;
}

int claims_take(struct guardian *guardian, const struct claim_request *request, int fd)
{
	struct claim *claim;
	struct claimed *claimed;
	int ret;

	if (request->slot >= CLAIM_SLOTS) {
		close(fd);
		return -EINVAL;
	}
	claim = &claims[request->slot];
	if (claim->claimed.slot) {
		/* Scribbled over: the library takes it for an ordinary file. */
		close(fd);
		settle(guardian, claim, SETTLED_ASKED);
		return -EAGAIN;
	}
	claimed = &claim->claimed;
	ret = request->flags & CLAIM_FOUND ? write_out_floor(fd, request, guardian) : 0;
	if (ret == 0)
		ret = prepare(claim, request, fd);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	claimed->fd = fd;
	claimed->slot = &guardian->shared->slots[request->slot];
	claimed->readable = request->flags & CLAIM_READABLE;
	claimed->append = request->flags & CLAIM_APPEND;
	claimed->min_free = request->min_free;
	set_options(claimed, request);
	claimed->uncounted_end = claimed->write_end = 0;
	filter_disengage(&claimed->positions);
	ret = seal_begin(claimed, request->floor);
	claim->idle = request->idle;
	atomic_store(&claimed->slot->program_keep_end, request->keep_end);
	claim->seen_data_end = -1;
	atomic_store(&claimed->slot->certain_at, claimed->certainty.seen_at);
	atomic_store(&claimed->slot->held, 1);
	if (claim->idle < shortest_idle)
		shortest_idle = claim->idle;
	activate(request->slot);

	owner_lock_slot(claimed, &guardian->program);
	if (ret == 0)
		ret = atomic_load(&claimed->slot->robbed)
			      ? -EAGAIN
			      : claimed_extend(claimed, request->offset, request->end,
					       request->max_end);
	owner_unlock_slot(claimed);
	if (ret < 0 && claimed_is_extended(claimed))
		settle(guardian, claim, SETTLED_FAILED);
	else if (ret < 0)
		let_go(guardian, claim);
	return ret;
}

static int change(struct claim *claim, const struct claim_request *request)
{
	struct claimed *claimed = &claim->claimed;

	if (atomic_load(&claimed->slot->robbed))
		return -EAGAIN;
	if (request->verb == CLAIM_RECORD)
		return claimed_record(claimed, request->flags & CLAIM_OPEN, request->max_end);
	return claimed_extend(claimed, request->offset, request->end, request->max_end);
}

int claims_change(struct guardian *guardian, const struct claim_request *request)
{
	struct claim *claim;
	int ret;

	/* Settled meanwhile: the library looks again. */
	if (request->slot >= CLAIM_SLOTS || !claims[request->slot].claimed.slot)
		return -ESTALE;
	claim = &claims[request->slot];
	if (is_challenged(claim)) {
		settle(guardian, claim, SETTLED_CHALLENGED);
		return -EAGAIN;
	}
	set_options(&claim->claimed, request);
	owner_lock_slot(&claim->claimed, &guardian->program);
	ret = change(claim, request);
	owner_unlock_slot(&claim->claimed);
	if (ret < 0)
		settle(guardian, claim,
		       ret != -EAGAIN	      ? SETTLED_FAILED
		       : is_challenged(claim) ? SETTLED_CHALLENGED
					      : SETTLED_ASKED);
	return ret;
}

void claims_settle(struct guardian *guardian, uint32_t slot, enum settle_reason reason)
{
	if (slot < CLAIM_SLOTS && claims[slot].claimed.slot)
		settle(guardian, &claims[slot], reason);
}

void claims_note_syncing(void)
{
	for (uint32_t i = 0; i < active_count; i++)
		atomic_store(&claims[active[i]].claimed.slot->synced, 1);
}

void claims_settle_all(struct guardian *guardian, enum settle_reason reason)
{
	while (active_count > 0)
		settle(guardian, &claims[active[active_count - 1]], reason);
}

void claims_unlock_all(void)
{
	for (uint32_t i = 0; i < active_count; i++)
		unlock(&claims[active[i]]);
}

static bool is_idle(struct claim *claim, int64_t now)
{
	int64_t data_end = atomic_load(&claim->claimed.slot->positions.data_end);

	claimed_note_end(&claim->claimed);
	if (data_end != claim->seen_data_end) {
		claim->seen_data_end = data_end;
		claim->unmoved_since = now;
		return false;
	}
	return now - claim->unmoved_since >= claim->idle;
}

/* Half of what is never taken has been taken by others. */
static bool is_short_of_space(const struct claim *claim)
{
	struct statfs fs;

	return fstatfs(claim->claimed.fd, &fs) == 0 &&
	       space_headroom(&fs, claim->claimed.min_free / 2) == 0;
}

/*
 * For those who can't take it: programs without the library, libc's streams. One claim is looked at
 * each time, in turn: most often all are on one filesystem.
 */
static void give_back_what_is_short(struct guardian *guardian)
{
	static uint32_t turn;

	if (active_count == 0 || !is_short_of_space(&claims[active[turn++ % active_count]]))
		return;
	for (uint32_t i = active_count; i > 0; i--)
		if (is_short_of_space(&claims[active[i - 1]]))
			settle(guardian, &claims[active[i - 1]], SETTLED_FAILED);
}

void claims_look(struct guardian *guardian)
{
	int64_t now = clock_now();

	/* Backwards: settling moves the last one into the freed place. */
	for (uint32_t i = active_count; i > 0; i--) {
		struct claim *claim = &claims[active[i - 1]];

		if (is_challenged(claim))
			settle(guardian, claim, SETTLED_CHALLENGED);
		else if (is_idle(claim, now))
			settle(guardian, claim, SETTLED_IDLE);
	}
	give_back_what_is_short(guardian);
	guardian->last_look = clock_now();
}

int claims_patience(void)
{
	return active_count == 0 ? -1 : (int)(shortest_idle / 4 / NS_PER_MS) + 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/files.h"

#include "base/size.h"
#include "base/sys.h"
#include "base/thread.h"
#include "files/engage.h"
#include "files/seal.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

/* The file was ordinary (or extended) all the time since the sequence number was read. */
static bool unchanged(struct description *description, struct claim_slot *slot, uint32_t sequence)
{
	return atomic_load(&description->slot) == slot &&
	       atomic_load_explicit(&slot->sequence, memory_order_acquire) == sequence;
}

/*
 * With the slot's lock held and the file extended. No signal handler may come between what is read
 * here and the offset that follows from it.
 */
static off_t seek_from_end(struct claim_slot *slot, int fd, off_t offset, int whence)
{
	int64_t data_end = atomic_load(&slot->positions.data_end);
	off_t from, to;

	switch (whence) {
	case SEEK_END:
		/* The kernel's sum wraps, and a negative offset is EINVAL (vfs_setpos). */
		if (__builtin_add_overflow(data_end, offset, &to))
			to = -1;
		return sys.lseek(fd, to, SEEK_SET);
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset >= data_end) {
			errno = ENXIO;
			return -1;
		}
		from = sys.lseek(fd, 0, SEEK_CUR);
		to = sys.lseek(fd, offset, whence);
		if (to < data_end)
			return to;
		if (whence == SEEK_HOLE)
			return sys.lseek(fd, data_end, SEEK_SET);
		sys.lseek(fd, from, SEEK_SET);
		errno = ENXIO;
		return -1;
	default:
		return sys.lseek(fd, offset, whence);
	}
}

static off_t seek_extended(struct claim_slot *slot, int fd, off_t offset, int whence)
{
	sigset_t saved;
	off_t result;

	if (whence == SEEK_SET || whence == SEEK_CUR)
		return sys.lseek(fd, offset, whence);
	signals_block(&saved);
	result = seek_from_end(slot, fd, offset, whence);
	signals_restore(&saved);
	return result;
}

/* False: the file has become an extended one, or the descriptor leads elsewhere. */
static bool seek_ordinary(struct description *description, int fd, off_t offset, int whence,
			  off_t *result)
{
	struct gate_pass pass;
	bool ordinary;

	gate_enter(&description->gate, &pass);
	ordinary = !slot_is_extended(atomic_load(&description->slot)) &&
		   table_get(fd) == description;
	if (ordinary)
		*result = sys.lseek(fd, offset, whence);
	gate_leave(&description->gate, &pass);
	return ordinary;
}

/* False: the descriptor has come to lead elsewhere. */
static bool seek_managed(struct description *description, int fd, off_t offset, int whence,
			 off_t *result)
{
	while (table_get(fd) == description) {
		struct claim_slot *slot = atomic_load(&description->slot);
		struct owner_hold hold;
		bool locked;

		slot_wait_stable(slot);
		if (!(whence == SEEK_CUR && offset == 0)) {
			atomic_store(&description->inside_left, 0);
			atomic_store(&description->keep_left, 0);
		}
		if (!slot_is_extended(slot)) {
			if (seek_ordinary(description, fd, offset, whence, result))
				return true;
			continue;
		}
		if (whence != SEEK_SET && whence != SEEK_CUR && !engage_is_behind(description, fd)) {
			files_forget(fd);
			continue;
		}
		locked = slot_lock(slot, &hold);
		/* In a signal handler, above a call that goes by the offset: an ordinary file's matter. */
		if (!locked && !(whence == SEEK_CUR && offset == 0)) {
			description_settle(description);
			continue;
		}
		if (!slot_is_extended(slot) || table_get(fd) != description) {
			if (locked)
				slot_unlock(slot, &hold);
			continue;
		}
		atomic_store(&slot->intent, INTENT_NONE);
		if (!(whence == SEEK_CUR && offset == 0))
			description->at_end = false;
		*result = seek_extended(slot, fd, offset, whence);
		/* Taken over: the end that it went by may have been none any more. */
		if (locked && !slot_unlock(slot, &hold) && whence != SEEK_SET && whence != SEEK_CUR)
			continue;
		return true;
	}
	return false;
}

static off_t seek(struct description *description, int fd, off_t offset, int whence)
{
	for (; description; description = table_get(fd)) {
		off_t result;
		bool done;

		if (!description_hold(description, fd))
			continue;
		done = seek_managed(description, fd, offset, whence, &result);
		description_let_go(description);
		if (done)
			return result;
	}
	return sys.lseek(fd, offset, whence);
}

off_t files_lseek(struct description *description, int fd, off_t offset, int whence)
{
	/* Cancelled asynchronously, the thread would take the slot's lock along. */
	int cancel = cancel_disable();
	off_t result = seek(description, fd, offset, whence);

	cancel_restore(cancel);
	return result;
}

/* The description is held: its file's answer, until the call gives another file's. */
static int stat_managed(struct description *description, int (*call)(void *argument),
			void *argument, dev_t (*dev)(void *argument), ino_t (*ino)(void *argument),
			int64_t *size)
{
	for (;;) {
		struct claim_slot *slot = atomic_load(&description->slot);
		uint32_t sequence = slot_wait_stable(slot);
		int result = call(argument);
		int64_t data_end = atomic_load(&slot->positions.data_end);

		if (result == 0 && (dev(argument) != description->dev ||
				    ino(argument) != description->ino))
			return result;
		if (!unchanged(description, slot, sequence))
			continue;
		if (result == 0 && data_end >= 0)
			*size = data_end;
		return result;
	}
}

int files_stat_path(int (*call)(void *argument), void *argument, dev_t (*dev)(void *argument),
		    ino_t (*ino)(void *argument), int64_t *size, int result)
{
	struct description *description;
	int cancel;

	if (result != 0)
		return result;
	cancel = cancel_disable();
	/*
	 * Looked for after the call: if it was settled in between, the size may be the extended one.
	 * So every managed file is looked for, extended or not, and asked again in a stable moment.
	 */
	description = description_find(dev(argument), ino(argument));
	if (description) {
		result = stat_managed(description, call, argument, dev, ino, size);
		description_let_go(description);
	}
	cancel_restore(cancel);
	return result;
}

/* Negative past the end, as the kernel's answer is. False: the file was settled or extended meanwhile. */
static bool count_available(struct description *description, int fd, struct claim_slot *slot,
			    uint32_t sequence, int64_t *available)
{
	int64_t size = atomic_load(&slot->positions.data_end);
	struct stat st;
	off_t at;

	if (size < 0 && sys.fstat(fd, &st) == 0)
		size = st.st_size;
	at = files_lseek(description, fd, 0, SEEK_CUR);
	if (!unchanged(description, slot, sequence))
		return false;
	if (size >= 0 && at >= 0)
		*available = size - at;
	return true;
}

int64_t files_available(struct description *description, int fd, int64_t available)
{
	int saved_errno = errno;

	/* Of a moment, perhaps, in which the file was another one: extended, and settled since. */
	while (engage_is_behind(description, fd)) {
		struct claim_slot *slot = atomic_load(&description->slot);
		uint32_t sequence = slot_wait_stable(slot);

		if (count_available(description, fd, slot, sequence, &available))
			break;
	}
	errno = saved_errno;
	return available;
}

static bool reaches_past_end(struct description *description, int fd, int64_t offset, int64_t bytes)
{
	int64_t end, size = atomic_load(&atomic_load(&description->slot)->positions.data_end);
	struct stat st;

	if (offset < 0 || __builtin_add_overflow(offset, bytes, &end))
		return false;
	if (size < 0 && sys.fstat(fd, &st) == 0)
		size = st.st_size;
	return end > size && (slot_is_extended(atomic_load(&description->slot)) ||
			      atomic_load(&description->kept));
}

/*
 * A hole before it has no blocks of ours. keeps_size: its blocks are past the end, and a cut of ours could put back only
 * all of it.
 */
static void leave_alone_if_apart(struct plain *plain, int fd, off_t offset, bool keeps_size)
{
	struct stat st;

	if (!plain->description || offset < 0 || sys.fstat(fd, &st) < 0 ||
	    !size_skips_block(st.st_size, offset))
		return;
	plain_give_back(plain);
	if (keeps_size && plain->description)
		descriptions_note_keep_end(plain->description->dev, plain->description->ino, 0, true);
}

/*
 * The program's own fallocate. Ours goes first, so that both are one piece; then theirs is a
 * formality inside file_end, and still made: mtime, errno and what the filesystem makes of the mode
 * are then its own.
 */
static bool fallocate_extended(struct description *description, struct claim_slot *slot, int fd,
			       int mode, off_t offset, off_t bytes,
			       int (*call)(int fd, int mode, off_t offset, off_t bytes),
			       int *result)
{
	struct owner_hold hold;
	struct rlimit limit;
	int64_t end;
	int saved_errno = errno;

	if (offset < 0 || bytes <= 0 || __builtin_add_overflow(offset, bytes, &end))
		return false;
	/* Past the limit it fails only where the file has to grow. */
	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur < (rlim_t)end) {
		errno = saved_errno;
		return false;
	}
	if (!slot_lock(slot, &hold))
		return false;
	if ((mode & FALLOC_FL_ZERO_RANGE) && seal_hangs_on(slot, NULL, offset, bytes)) {
		slot_unlock(slot, &hold);
		seal_harden(description, slot, fd);
		slot_lock(slot, &hold);
	}
	if (slot_is_extended(slot) && end > slot_room_end(slot)) {
		slot_unlock(slot, &hold);
		engage_extend(description, slot, offset, end);
		slot_lock(slot, &hold);
	}
	if (!slot_is_extended(slot) || end > slot_room_end(slot) ||
	    table_get(fd) != description || atomic_load(&slot->uncounted_end) ||
	    size_skips_block(atomic_load(&slot->positions.data_end), offset)) {
		slot_unlock(slot, &hold);
		return false;
	}
	atomic_store(&slot->intent, INTENT_NONE);
	*result = call(fd, mode, offset, bytes);
	if (*result == 0 && !(mode & FALLOC_FL_KEEP_SIZE)) {
		seal_note_zeroes(slot, offset, end);
		slot_wrote(slot, end);
		description->at_end = false;
	}
	if (*result == 0 && (mode & FALLOC_FL_KEEP_SIZE) &&
	    end > atomic_load(&slot->program_keep_end)) {
		atomic_store(&slot->program_keep_end, end);
		descriptions_note_keep_end(description->dev, description->ino, end, false);
	}
	/* Taken over: the file may have been cut to where it ended before. Once more, of an ordinary file. */
	if (!slot_unlock(slot, &hold))
		return false;
	seal_after_zeroes(description);
	return true;
}

static bool fallocate_held(struct description *description, int fd, int mode, off_t offset,
			   off_t bytes, int (*call)(int fd, int mode, off_t offset, off_t bytes),
			   int *result)
{
	struct claim_slot *slot;
	bool done;

	if (!description_hold(description, fd))
		return false;
	slot = atomic_load(&description->slot);
	/* XFS reads what was allocated, not what was written ahead, at offsets and lengths that aren't a sector's, too. */
	done = slot_is_extended(slot) && !atomic_load(&description->direct) && engage_is_behind(description, fd) &&
	       fallocate_extended(description, slot, fd, mode, offset, bytes, call, result);
	description_let_go(description);
	return done;
}

static int punch(struct description *description, int fd, int mode, off_t offset, off_t bytes,
		 int (*call)(int fd, int mode, off_t offset, off_t bytes))
{
	struct claim_slot *slot = atomic_load(&description->slot);
	int result;

	if (!seal_is_at_stake(slot, offset, bytes) || !description_hold(description, fd))
		return call(fd, mode, offset, bytes);
	if (seal_hangs_on(slot, NULL, offset, bytes))
		seal_harden(description, slot, fd);
	seal_note_zeroes(slot, offset, offset + bytes);
	result = call(fd, mode, offset, bytes);
	if (result == 0)
		seal_after_zeroes(description);
	description_let_go(description);
	return result;
}

int files_fallocate(struct description *description, int fd, int mode, off_t offset, off_t bytes,
		    int (*call)(int fd, int mode, off_t offset, off_t bytes))
{
	struct plain plain;
	int result, cancel, saved_errno;

	/* Neither the size nor anything past data_end comes of it; but mtime, if blocks are there. */
	if (mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
		plain.description = NULL;
		if (reaches_past_end(description, fd, offset, bytes)) {
			plain_begin(&plain, fd, 0);
			plain_give_back(&plain);
		}
		result = punch(description, fd, mode, offset, bytes, call);
		saved_errno = errno;
		plain_end(&plain);
		errno = saved_errno;
		return result;
	}
	pthread_testcancel();
	cancel = cancel_disable();
	if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)) == 0 &&
	    fallocate_held(description, fd, mode, offset, bytes, call, &result)) {
		cancel_restore(cancel);
		return result;
	}
	plain_begin(&plain, fd, 0);
	leave_alone_if_apart(&plain, fd, offset, mode & FALLOC_FL_KEEP_SIZE);
	result = call(fd, mode, offset, bytes);
	saved_errno = errno;
	description = plain.description;
	if (result == 0 && (mode & FALLOC_FL_KEEP_SIZE) && description)
		descriptions_note_keep_end(description->dev, description->ino, offset + bytes,
					   false);
	plain_end(&plain);
	cancel_restore(cancel);
	errno = saved_errno;
	return result;
}

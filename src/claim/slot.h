/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the program's library and its guardian share about each claimed file: a memfd that both map.
 */
#ifndef CLAIM_SLOT_H
#define CLAIM_SLOT_H

#include "base/lock.h"
#include "filter/filter.h"
#include "recovery/record.h"

#include <stdint.h>

/* Owner id of the guardian in a slot's lock; above every thread id (PID_MAX_LIMIT is 2^22). */
#define GUARDIAN_OWNER OWNER_MASK

/* Why an extended file was settled. */
enum settle_reason {
	SETTLED_NOT,	    /* never */
	SETTLED_ASKED,	    /* the library asked */
	SETTLED_CHALLENGED, /* somebody opened or truncated the file */
	SETTLED_IDLE,	    /* no append for the rule's idle time */
	SETTLED_FAILED,	    /* an extension failed */
	SETTLED_DEATH,	    /* the program ended */
	SETTLED_LOST,	    /* the guardian ended */
};

/* What the lock's owner is about to do to the file; read when the lock is taken over. */
enum slot_intent {
	INTENT_NONE,	 /* nothing past data_end: reads, seeks, overwrites */
	INTENT_AT_OFFSET, /* pwrite up to intent_end */
	INTENT_AT_POSITION, /* write(2): the description's offset tells how far it came */
};

struct claim_slot {
	/* Odd while the guardian changes the real size. What was read meanwhile is to be read again. */
	_Atomic uint32_t sequence;

	/*
	 * Held over every append, and over every use of the description's offset, while the file is
	 * extended; by the guardian over every change of the real size.
	 */
	owner_lock lock;

	/*
	 * The guardian waits for the lock: others stay back until it has it, or a busy appender
	 * would keep it out.
	 */
	_Atomic uint32_t wanted;

	/* Known (>= 0) exactly while the file is extended. Set and unset by the guardian only. */
	struct filter_positions positions;

	/*
	 * ~data_end, written after it: a program that scribbles over its memory doesn't hit both. Behind it
	 * by a write in a thread that was killed in between.
	 */
	_Atomic int64_t data_end_check;

	/*
	 * Threads that the lock was taken from and that don't know it yet: what they were about to
	 * write comes outside of every lock. Until they know, the file stays an ordinary one.
	 * robbed_end: the settle since then may have cut what they have written behind it.
	 */
	_Atomic uint32_t robbed;
	_Atomic int64_t robbed_end;

	/* Valid while the lock is held by a thread of the program. */
	_Atomic int64_t intent_start;
	_Atomic int64_t intent_end;
	_Atomic uint32_t intent;

	/*
	 * A write that faulted part of the way has left bytes in the page cache that it doesn't count:
	 * behind the end of an ordinary file the kernel clears them, here they would pass for
	 * somebody's data. They end here at the latest, and go with the next settle, before which
	 * nothing is appended. 0: there are none.
	 */
	_Atomic int64_t uncounted_end;

	/*
	 * The size before the first extension, while that is under way: the guardian may die in the
	 * middle. Otherwise FILTER_UNKNOWN.
	 */
	_Atomic int64_t size_before;

	/*
	 * Where the data ends, for whoever finds the file after a crash (src/recovery/record.h). Behind
	 * the last byte that isn't zero, as far as the library knows; 0: it doesn't. Under the lock.
	 */
	_Atomic int64_t nonzero_end;
	/* All up to here is on the disk, by syncs of the program's; moved by the library only. */
	_Atomic int64_t synced_end;
	/* The program has synced the file while it was extended: once more after the settle. */
	_Atomic uint32_t synced;
	/* An errno that a sync of ours was told, and the program's next one won't be. */
	_Atomic int32_t sync_error;
	/*
	 * The guardian's: the end that the mark or the record tells without looking at the data; whether
	 * appends that end in zeroes may follow unrecorded; the record's place, before which what is
	 * allocated ahead ends for the program (0: there is none); the mark's key (0: no mark).
	 */
	_Atomic int64_t recorded_end;
	_Atomic uint32_t recorded_open;
	/* The record is doubted when the byte before this is zero; 0: by none. */
	_Atomic int64_t recorded_nonzero;
	/* How appends behind recorded_end may end without being recorded (struct record). */
	_Atomic int64_t recorded_zeroes, recorded_stride;
	_Atomic int64_t record_at;
	_Atomic uint32_t key;

	/*
	 * One more than the description's offset, while the guardian seeks in the tail by it: should it
	 * end in the middle, the offset is put back. 0: it doesn't.
	 */
	_Atomic int64_t seeks_from;

	/* When the guardian last saw its lease unchallenged: struct certainty. Should it end, that goes for us. */
	_Atomic int64_t certain_at;

	/* The guardian has a copy of the description: longer than the file is extended, by moments. */
	_Atomic uint32_t held;

	/* enum settle_reason of the last settle, and when (CLOCK_MONOTONIC, ns). */
	_Atomic uint32_t reason;
	_Atomic int64_t settled_at;

	/* A KEEP_SIZE allocation of the program's own ends here: put back after a cut. 0: none. */
	_Atomic int64_t program_keep_end;

	/* Counts for the report; bytes of unseen writers that a settle has found and kept. */
	_Atomic uint64_t extensions, bytes_extended, settles, challenges, covered;
	_Atomic uint64_t bytes_cut; /* by settles */
	_Atomic uint64_t bytes_zeroed; /* written ahead, in mode write */
	_Atomic uint64_t extend_ns;
};

#define CLAIM_SLOTS 16384

struct claim_shared {
	/*
	 * The guardian's thread id; the kernel sets FUTEX_OWNER_DIED in it when the guardian dies
	 * (get_robust_list(2)), so that every append sees it without a system call.
	 */
	_Atomic uint32_t guardian;
	_Alignas(64) struct claim_slot slots[CLAIM_SLOTS];
};

/* A slot that is never extended: of every file that isn't claimed. Read-only. */
extern struct claim_slot slot_none;

static inline bool slot_is_extended(const struct claim_slot *slot)
{
	return atomic_load_explicit(&slot->positions.data_end, memory_order_acquire) >= 0;
}

/* A write of an extended file that ends at or before this needs no extension. */
static inline int64_t slot_room_end(struct claim_slot *slot)
{
	int64_t record_at = atomic_load_explicit(&slot->record_at, memory_order_acquire);

	return record_at ? record_at : atomic_load(&slot->positions.file_end);
}

/* After a write that left bytes up to end. */
static inline void slot_wrote(struct claim_slot *slot, int64_t end)
{
	int64_t data_end;

	filter_wrote(&slot->positions, end);
	/* A signal handler may write in between. */
	do {
		data_end = atomic_load_explicit(&slot->positions.data_end, memory_order_relaxed);
		atomic_store_explicit(&slot->data_end_check, ~data_end, memory_order_release);
	} while (data_end !=
		 atomic_load_explicit(&slot->positions.data_end, memory_order_relaxed));
}

static inline bool slot_is_sound(const struct claim_slot *slot)
{
	int64_t data_end = atomic_load(&slot->positions.data_end);

	if (data_end == ~atomic_load(&slot->data_end_check))
		return true;
	/* A signal handler has written in between here, too? Once is enough: who scribbles over it holds nobody up. */
	data_end = atomic_load(&slot->positions.data_end);
	return data_end == ~atomic_load(&slot->data_end_check);
}

/* Where the data end, as far as their last byte that isn't zero tells whoever finds the file. */
static inline int64_t slot_told_end(const struct claim_slot *slot)
{
	int64_t zeroes = atomic_load_explicit(&slot->recorded_zeroes, memory_order_relaxed);
	int64_t stride = atomic_load_explicit(&slot->recorded_stride, memory_order_relaxed);
	int64_t nonzero_end = atomic_load(&slot->nonzero_end);
	struct record record;

	/* No habit, as most have none. */
	if (zeroes == 0 && stride == 0)
		return nonzero_end;
	record = (struct record){
		.zeroes = zeroes,
		.stride = stride,
		.end = atomic_load_explicit(&slot->recorded_end, memory_order_relaxed),
	};
	return record_told_end(&record, nonzero_end);
}

/* The guardian lives; without one (the slot of a file that isn't claimed) there is none to die. */
bool shared_guardian_lives(const struct claim_shared *shared);

#endif

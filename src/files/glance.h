/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that need neither lock nor hold: those that end inside the data, or don't go by its end. What
 * was seen of the file before the call is looked at again after it; where it has changed, the verb of
 * the call (files.h) answers. That a stale description is looked at does no harm: neither it nor its
 * slot is ever unmapped, and `lives` tells whether it has become another file's.
 */
#ifndef FILES_GLANCE_H
#define FILES_GLANCE_H

#include "files/auto.h"
#include "files/files.h"
#include "files/seal.h"

#include <errno.h>

struct glance {
	struct claim_slot *slot;
	uint32_t lives, sequence;
};

/* Between glance and call: no registers are saved for what is needed after that. */
#define GLANCE_IN_MEMORY(glance) __asm__("" : "+m"(glance))

/* Returns its slot. */
static inline struct claim_slot *glance_at(struct glance *glance, struct description *description)
{
	struct claim_slot *slot;

	glance->lives = atomic_load_explicit(&description->lives, memory_order_acquire);
	slot = atomic_load_explicit(&description->slot, memory_order_acquire);
	glance->slot = slot;
	glance->sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
	return slot;
}

/* The call was made on that file, and nobody has changed its real size meanwhile. */
static inline bool glance_holds(const struct glance *glance, struct description *description,
				int fd)
{
	struct claim_slot *slot = glance->slot;
	uint32_t sequence = glance->sequence;

	/* An odd one agrees with none. */
	return atomic_load_explicit(&slot->sequence, memory_order_acquire) == (sequence & ~1U) &&
	       atomic_load_explicit(&description->slot, memory_order_acquire) == slot &&
	       atomic_load_explicit(&description->lives, memory_order_acquire) == glance->lives &&
	       table_get(fd) == description;
}

/* A pread of these bytes needs no end from us. */
static inline bool glance_reads(struct glance *glance, struct description *description,
				off_t offset, size_t bytes)
{
	int64_t data_end = atomic_load_explicit(&glance_at(glance, description)->positions.data_end,
						memory_order_acquire);

	return description->readable &&
	       (data_end < 0 || ((uint64_t)offset <= (uint64_t)data_end &&
				 bytes <= (uint64_t)(data_end - offset)));
}

/* A pwrite of these bytes stays inside the data of an extended file. */
static inline bool glance_overwrites(struct glance *glance, struct description *description,
				     off_t offset, size_t bytes)
{
	struct claim_slot *slot;
	int64_t data_end;

	glance->lives = atomic_load_explicit(&description->lives, memory_order_acquire);
	slot = atomic_load_explicit(&description->slot, memory_order_acquire);
	glance->slot = slot;
	data_end = atomic_load_explicit(&slot->positions.data_end, memory_order_acquire);
	return offset >= 0 && offset <= data_end && bytes <= (uint64_t)(data_end - offset) &&
	       !atomic_load_explicit(&description->append, memory_order_relaxed) &&
	       !seal_is_at_stake(slot, offset, (int64_t)bytes);
}

/*
 * A pwrite of these bytes stays inside an ordinary file, as far as we know: then it makes no difference
 * to it whether the file is extended meanwhile. *resizes is for after it.
 */
static inline bool glance_overwrites_ordinary(struct description *description, off_t offset,
					      size_t bytes, uint32_t *resizes)
{
	int64_t size = atomic_load_explicit(&description->size_seen, memory_order_relaxed);
	struct claim_slot *slot;

	*resizes = atomic_load_explicit(&description->resizes, memory_order_acquire);
	slot = atomic_load_explicit(&description->slot, memory_order_acquire);
	return !slot_is_extended(slot) && (uint64_t)offset <= (uint64_t)size &&
	       bytes <= (uint64_t)(size - offset) && !description->synchronous &&
	       !atomic_load_explicit(&description->append, memory_order_relaxed);
}

/*
 * After it: neither has the file's size been changed meanwhile, nor does fd lead elsewhere. Else the
 * write may have gone past an end of which we knew nothing, and be cut away: it is to be made again.
 */
static inline bool glance_overwrote_ordinary(struct description *description, int fd,
					     uint32_t resizes)
{
	/* An odd one agrees with none. */
	return atomic_load_explicit(&description->resizes, memory_order_acquire) == (resizes & ~1U) &&
	       table_get(fd) == description;
}

/*
 * An append of the only thread's to an ordinary file that stays one, and gets nothing allocated. A signal
 * handler may come in its middle, and sync the file and append, or close it: so it holds the description, and
 * is in the gate.
 */
struct passage {
	struct gate_pass pass;
	int error; /* errno before it */
};

/* False: it isn't such a one, or may not be. */
static inline __attribute__((always_inline)) bool
passage_begin(struct passage *passage, struct description *description, int fd)
{
	uint32_t reasons = atomic_load_explicit(&description->reasons, memory_order_relaxed);

	if (!__libc_single_threaded || (reasons & KEEP_TOPPED_UP) || description->synchronous ||
	    (!(reasons & KEEP_FOREVER) && auto_has_earned(description)) ||
	    atomic_load_explicit(&description->kept, memory_order_relaxed))
		return false;
	passage->error = errno;
	count_add(&description->holders, 1);
	gate_enter(&description->gate, &passage->pass);
	if (__builtin_expect(!slot_is_extended(atomic_load_explicit(&description->slot,
								    memory_order_relaxed)) &&
			     table_get(fd) == description, 1))
		return true;
	gate_leave(&description->gate, &passage->pass);
	description_let_go(description);
	return false;
}

/* Of a write; offset: -1: at the description's. */
static inline __attribute__((always_inline)) void
passage_end(const struct passage *passage, struct description *description, off_t offset, ssize_t written)
{
	gate_leave(&description->gate, &passage->pass);
	if (written > 0) {
		description_earn(description, written);
		if (offset >= 0)
			description_reached(description, offset + written);
	}
	description_let_go(description);
}

/* After it: the data hasn't been cut to less, which would have come first then. */
static inline bool glance_overwrote(const struct glance *glance, off_t offset, size_t bytes)
{
	return atomic_load(&glance->slot->positions.data_end) >= offset + (int64_t)bytes;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A managed description: an open file description, opened for writing by this process, whose file a
 * rule matched. While its file is extended it is the only description of it on the machine (that is
 * what the claim proves), so what there is to know about the file stands here too.
 *
 * Descriptions come from a pool and are never unmapped, and none is given to another file while a
 * thread holds it: who uses a descriptor while another thread closes it, or replaces it by dup2(2),
 * may look at a stale one, but never at something else's.
 */
#ifndef FILES_DESCRIPTION_H
#define FILES_DESCRIPTION_H

#include "base/lock.h"
#include "claim/slot.h"
#include "rules/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Why a description isn't extended. Those in KEEP_FOREVER hold until it is closed, or told so. */
enum keep_reason {
	KEEP_RULE = 1,	     /* mode=keep */
	KEEP_MAPPED = 2,     /* stores into a mapping's last page go past data_end */
	KEEP_STREAM = 4,     /* libc writes a FILE's buffer where no preload reaches */
	KEEP_ASYNC = 8,	     /* POSIX aio, libaio, io_uring */
	KEEP_OWN = 16,	     /* the program uses F_SETLEASE, F_SETOWN, F_SETSIG, O_ASYNC itself */
	KEEP_SHARED = 32,    /* another process may hold it */
	KEEP_UNSUPPORTED = 64, /* no lease to be trusted on this filesystem, or not our file */
	KEEP_OFF = 1024,     /* mode=off, set later on: not topped up either */
	KEEP_CLOSED = 2048,  /* its last descriptor is gone */
	KEEP_APART = 4096,   /* the program has blocks past the end, and a gap before them */
	KEEP_GAINLESS = 8192,     /* mode=auto, and it would gain nothing here: btrfs, tmpfs */
	KEEP_FOREVER = 127 | KEEP_OFF | KEEP_CLOSED | KEEP_APART | KEEP_GAINLESS,
	KEEP_CHALLENGED = 128, /* until retry_at: a neighbour wanted the file */
	KEEP_REFUSED = 256,    /* until retry_at: somebody else has the file open */
	KEEP_FAILED = 512,     /* until retry_at: it couldn't be extended */
	KEEP_UNGUARDED = 16384, /* until retry_at: no guardian can be started */

	/* With one of these it is topped up; a stream is counted in its own calls. */
	KEEP_TOPPED_UP = KEEP_RULE | KEEP_MAPPED | KEEP_STREAM | KEEP_ASYNC | KEEP_OWN |
			 KEEP_SHARED | KEEP_UNSUPPORTED | KEEP_REFUSED | KEEP_UNGUARDED,
};

/* What rule_options says for the filter and the guardian, while others look at it. */
struct description_options {
	_Atomic uint32_t version; /* odd while they are changed */
	_Atomic uint32_t mode, exclusive;
	_Atomic int64_t prealloc_size, prealloc_align, idle;
	_Atomic int min_free;
};

struct description {
	/* Never NULL, even while free: &slot_none until the first claim. */
	struct claim_slot *_Atomic slot;
	_Atomic uint32_t holders; /* see description_hold; a stale one may hold a free one */
	_Atomic bool released;	      /* to be freed by the last holder */
	_Atomic int fds;	      /* descriptors in the table; 0 while free */
	_Atomic uint32_t lives;	      /* how often freed: another number, another file */
	_Atomic uint32_t resizes;     /* odd while we have the size of the ordinary file changed, see glance.h */
	size_t index; /* in the pool; never changes */

	/* What each call looks at stands together: with ten thousand files, each line is fetched anew. */
	struct gate gate;
	_Atomic uint32_t reasons; /* enum keep_reason */
	_Atomic int auto_score;	  /* mode auto, see auto.h: what speaks for extending */
	/* Set when the file is opened, as are dev, ino, rule and path; unchanged until the last descriptor is closed. */
	bool readable;
	bool synchronous; /* O_DSYNC or O_SYNC: F_SETFL can't change them */
	/* As the program set them; changed while the gate is held and the file is settled. */
	_Atomic bool append, direct;

	/* Writes that end at or below this don't cross the end of file (a hint, it may be stale). */
	_Atomic int64_t size_seen;
	/* So many bytes can be written from the offset on without crossing it (a hint). */
	_Atomic int64_t inside_left;

	_Atomic uint64_t bytes_earned; /* may be lost by cuts, where a cut frees nothing: space.c */

	/* The description's offset is data_end. Valid while extended and append, under the slot's lock. */
	_Atomic bool at_end;
	/* A nested call wrote while the lock's owner was inside a write: its end is to be read back. */
	_Atomic bool nested;
	/* One has appended before the outer write had said where it will. */
	_Atomic bool outrun;
	_Atomic bool kept; /* mode keep: blocks past the end of file are ours */
	_Atomic bool synced; /* by a call for this file, since it was opened */
	_Atomic bool cut_stays; /* on this filesystem a cut frees nothing */

	/* One option may be read by itself; those that belong together by description_options. */
	struct description_options options;

	_Atomic int64_t retry_at;    /* CLOCK_MONOTONIC, ns */
	_Atomic int64_t back_off;    /* ns */
	_Atomic int64_t handled_at;  /* settled_at of the last settle that was taken note of */

	/* Mode auto: syncs that found it grown, by how much; its size then. */
	_Atomic unsigned int auto_syncs;
	_Atomic unsigned int all_synced_seen; /* sync(2)s that synced_end takes account of */
	_Atomic int64_t auto_grown, auto_end;

	_Atomic int64_t synced_end; /* there when it was opened, or synced since */
	_Atomic bool found;	    /* what was there then may not have come to the disk */

	/* A KEEP_SIZE allocation of the program's own ends here; ours goes, theirs stays. 0: none. */
	_Atomic int64_t program_keep_end;
	_Atomic uint64_t keep_bytes_lost;
	_Atomic uint64_t shared_with; /* bits of children that may hold it, see share.c */

	/* Mode keep, see keep.c. */
	_Atomic int64_t keep_end;     /* of what was allocated last; 0: it has been dealt with */
	_Atomic int64_t keep_left;    /* bytes that can be written before the next top-up */
	_Atomic int64_t keep_retry_at;
	_Atomic int64_t keep_look_at; /* when to look next whether space is short */

	dev_t dev;
	ino_t ino;
	const struct rule *rule;
	char path[144]; /* for people: the end of the path, "..." before it where it was longer */

	/* For the report: once each. */
	_Atomic bool reported;
	_Atomic uint64_t appends, bytes_appended, keep_extensions, keep_bytes, retries;
};

/* What a description keeps from one use to the next. */
#define DESCRIPTION_KEPT (offsetof(struct description, index) + sizeof(size_t))

/*
 * What the program has allocated past the end of a file, for all its descriptions: whichever is
 * closed last has to leave it there. apart: with a gap before it.
 */
void descriptions_note_keep_end(dev_t dev, ino_t ino, int64_t end, bool apart);
/* The same for one that has just been published, from another of the file. */
void description_inherit_keep_end(struct description *description);
/* It has cut the file: nothing is put back any more. */
void descriptions_forget_keep_end(dev_t dev, ino_t ino);

/* A fresh one with one reference, or NULL: none left. */
struct description *description_new(void);
/* It and its slot may be used anew, as soon as nobody holds it any more. */
void description_free(struct description *description);

/* dev and ino are filled in: description_find may find it. */
void description_publish(struct description *description);

/*
 * Until description_let_go neither the description nor its slot is given to another file. Who never
 * lets go (a longjmp leaves the call) only keeps it from being used again. False: fd doesn't lead
 * to it any more.
 */
bool description_hold(struct description *description, int fd);
/* The same for who has seen it in the life of that number. */
bool description_hold_in(struct description *description, uint32_t lives);
void description_let_go_last(struct description *description);
static inline void description_let_go(struct description *description)
{
	if (__builtin_expect(count_add(&description->holders, (uint32_t)-1) == 1 &&
			     atomic_load_explicit(&description->released, memory_order_seq_cst), 0))
		description_let_go_last(description);
}

/* The description behind fd, held, or NULL. */
struct description *description_of(int fd);

/* One whole set of options. */
void description_options(struct description *description, struct rule_options *options);
/* One caller at a time, with signals blocked once the description is published. */
void description_set_options(struct description *description, const struct rule_options *options);

/*
 * So many bytes were written to an ordinary file: its cuts may lose as many. Not locked: what threads
 * take from each other's sum makes the allowance smaller, no more.
 */
static inline void description_earn(struct description *description, int64_t bytes)
{
	uint64_t earned = atomic_load_explicit(&description->bytes_earned, memory_order_relaxed);

	atomic_store_explicit(&description->bytes_earned, earned + (uint64_t)bytes,
			      memory_order_relaxed);
}

/* A pwrite has ended there; with O_APPEND it was made somewhere else. */
static inline void description_reached(struct description *description, int64_t end)
{
	if (end > atomic_load_explicit(&description->size_seen, memory_order_relaxed) &&
	    !atomic_load_explicit(&description->append, memory_order_relaxed))
		atomic_store_explicit(&description->size_seen, end, memory_order_relaxed);
}

/* For walking: the first in use from *index on, held; *index goes behind it. NULL: no more. */
struct description *description_next(size_t *index);

/* Descriptions with something to settle or to give back may exist: a hint, never falsely 0. */
bool descriptions_exist(void);

/*
 * A managed description of the file, held, or NULL. If the file is extended it is the only one. No
 * lock, async-signal-safe.
 */
struct description *description_find(dev_t dev, ino_t ino);

/* The lists of some inodes' descriptions each. NULL: there has been none at all. */
extern _Atomic uint64_t *_Atomic description_buckets __attribute__((visibility("hidden")));
#define DESCRIPTION_NEXT 0xffffff /* in such a list: 1 + the index of the first; 0: none */
#define DESCRIPTION_BUCKETS 8192

/* Filesystems count inodes up: no hash spreads them better. */
static inline uint32_t description_bucket(ino_t ino)
{
	return (uint32_t)ino % DESCRIPTION_BUCKETS;
}

/* A hint, never falsely false: without a walk, for the many files that aren't managed. */
static inline bool description_may_be_found(ino_t ino)
{
	_Atomic uint64_t *buckets =
		atomic_load_explicit(&description_buckets, memory_order_acquire);

	return buckets && (atomic_load_explicit(&buckets[description_bucket(ino)],
						memory_order_acquire) & DESCRIPTION_NEXT) != 0;
}

#endif

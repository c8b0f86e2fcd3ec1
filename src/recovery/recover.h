/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a file ends that its program and its guardian have left extended, and cutting it there. */
#ifndef RECOVERY_RECOVER_H
#define RECOVERY_RECOVER_H

#include "recovery/cut.h"
#include "recovery/mark.h"
#include "recovery/record.h"
#include "recovery/search.h"

/*
 * Zeroes are written ahead by the MiB, and what else the search meets there is data: more than this isn't looked
 * through while a program waits for its file. In bytes read, see struct search.
 */
#define RECOVER_EFFORT (INT64_C(256) << 20)

struct recover_options {
	int64_t effort;	  /* 0: RECOVER_EFFORT; < 0: without a bound */
	bool (*gives_way)(void *context, int64_t spent); /* see struct search */
	void *context;
	bool handlers_wait; /* claim_recover: only a signal that ends or stops the process is given way to */
	bool strip_zeros; /* in doubt: to the last byte that isn't zero, not to its block's end */
	bool dry_run;	  /* nothing is changed */
	struct certainty *certainty; /* of the caller's claim; not needed where nothing is changed */
};

/* From where the end is known. */
enum recover_source {
	RECOVER_BY_MARK,   /* nothing was written since it was set */
	RECOVER_BY_RECORD, /* data that ends in zero bytes */
	RECOVER_BY_DATA,   /* the last byte that isn't zero */
	RECOVER_BY_BLOCK,  /* in doubt: the end of the last block that was written to */
	RECOVER_BY_STRIP,  /* in doubt, and strip_zeros */
};

enum recover_outcome {
	RECOVER_UNMARKED, /* there is no mark: nothing to do */
	RECOVER_CUT,	  /* cut (or would be), and the mark removed */
	RECOVER_WHOLE,	  /* ends where its data end: only the mark was removed */
	RECOVER_COPY,	  /* another inode's mark: removed, not obeyed */
	RECOVER_CHANGED,  /* somebody has changed the size since: the mark was removed, not obeyed */
	RECOVER_CORRUPT,  /* not a mark: removed, not obeyed */
};

struct recovery {
	enum recover_outcome outcome;
	enum recover_source source;   /* valid with RECOVER_CUT and RECOVER_WHOLE */
	int64_t size_before, size;    /* valid with every outcome but RECOVER_UNMARKED */
};

/* What was found in the tail. */
struct recover_facts {
	int64_t size;
	bool has_record;	/* record is valid */
	struct record record;
	int64_t used;		/* behind the last byte that isn't zero, or where the search began */
	int64_t block_end;	/* behind the last block that was written to; at least used */
};

/* The end, never below used and never above size. Pure. */
int64_t recover_end(const struct mark *mark, const struct recover_facts *facts, bool strip_zeros,
		    enum recover_source *source);

/*
 * From where the tail has to be looked through: what the mark knows beyond that was in the page cache when it was
 * written, and the filesystem may have been shut down since, on a machine that runs on.
 */
int64_t recover_begin(const struct mark *mark);

/*
 * The caller holds the claim, and fd is open for reading and writing (with dry_run: for reading).
 * mtime and mode stay as they are. Killed at any point, it may be run again. 0 or -errno; then
 * nothing was cut. RECOVER_BEYOND: the search would take more effort; -EINTR: it has given way.
 */
int recover_file(int fd, const struct recover_options *options, struct recovery *recovery);

#endif

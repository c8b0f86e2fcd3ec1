/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the library asks of its guardian: one SOCK_SEQPACKET message each, one answer each. First comes the
 * hello, whose layout stays the same for ever: the two files may come from different versions, where one is
 * replaced while programs run. Who finds another version ends the session.
 */
#ifndef CLAIM_PROTOCOL_H
#define CLAIM_PROTOCOL_H

#include "base/capability.h"
#include "filter/filter.h"

#include <stdint.h>

#define GUARDIAN_SOCKET 3 /* the guardian's end, from its start */

#define CLAIM_VERSION 1
#define CLAIM_NAME "preallocate-gua" /* of the guardian's process, as long as a name can be */

struct claim_hello { /* carries the memfd */
	uint32_t version;
	uint32_t request_bytes, answer_bytes, slot_bytes;
	uint64_t shared_bytes;
	uint32_t dumpable; /* the program is: others of its user may trace it, and so the guardian */
	uint32_t unused;
	struct capabilities capabilities; /* the program's: the guardian has no more */
};

struct claim_welcome { /* the answer to it */
	uint32_t version;
	int32_t result; /* 0 or -errno */
};

enum claim_verb {
	CLAIM_TAKE = 1,	  /* carries the description: take the claim and extend for [offset, end) */
	CLAIM_EXTEND,	  /* extend for [offset, end); on failure the file is settled */
	CLAIM_RECORD,	  /* record where the data ends; on failure the file is settled */
	CLAIM_SETTLE,	  /* settle and let go of one description */
	CLAIM_SETTLE_ALL, /* of all */
	CLAIM_LEAVE,	  /* settle all and exit */
};

#define CLAIM_APPEND 1u	  /* the description has O_APPEND */
#define CLAIM_READABLE 2u /* it isn't O_WRONLY */
#define CLAIM_ASSUME 4u	  /* exclusive=assume: no lease */
#define CLAIM_OPEN 8u	  /* CLAIM_RECORD: see struct record */
#define CLAIM_SYNCED 16u  /* CLAIM_TAKE: the program has synced it before */
#define CLAIM_WRITE 64u	  /* CLAIM_TAKE, CLAIM_EXTEND: the zeroes are to be written */
#define CLAIM_FOUND 128u  /* CLAIM_TAKE: what is below floor may not be on the disk */
#define CLAIM_SYNCING 32u /* CLAIM_SETTLE_ALL: before a sync of all */

struct claim_request {
	uint32_t verb;
	uint32_t slot;
	uint32_t flags;	    /* CLAIM_TAKE: CLAIM_APPEND... */
	uint32_t min_free;  /* percent of the filesystem that is never taken */
	int64_t offset, end;
	int64_t most;	    /* bytes at once, where that is less than prealloc_size; 0: all */
	int64_t max_end;    /* RLIMIT_FSIZE of the program, or INT64_MAX */
	int64_t idle;	    /* ns */
	int64_t keep_end;   /* CLAIM_TAKE: the slot's program_keep_end */
	int64_t floor;	    /* CLAIM_TAKE: the mark's */
	struct filter_options options;
};

struct claim_answer {
	int32_t result; /* 0 or -errno */
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The claims that this guardian holds for its program. */
#ifndef GUARDIAN_CLAIMS_H
#define GUARDIAN_CLAIMS_H

#include "claim/protocol.h"
#include "guardian/owner.h"

/* The signals of a challenged lease; the second comes when the queue of the first is full. */
#define CHALLENGE_SIGNAL SIGRTMIN
#define CHALLENGE_OVERFLOW SIGIO

struct guardian {
	struct claim_shared *shared;
	struct program program;
	int64_t last_look;	/* when the claims were last looked at */
};

/* Takes over fd, whatever the result. 0 or -errno as the library's answer. */
int claims_take(struct guardian *guardian, const struct claim_request *request, int fd);
/* CLAIM_EXTEND and CLAIM_RECORD, of a file that is claimed already. */
int claims_change(struct guardian *guardian, const struct claim_request *request);
void claims_settle(struct guardian *guardian, uint32_t slot, enum settle_reason reason);
/* The program is about to sync them all. */
void claims_note_syncing(void);
void claims_settle_all(struct guardian *guardian, enum settle_reason reason);

/*
 * The program has ended, and with it its flock(2) and open file description locks: who starts it
 * again at once must not find them in our hands while we settle.
 */
void claims_unlock_all(void);

/* Settles those that are challenged, and those that have been idle for long enough. */
void claims_look(struct guardian *guardian);

/* How long claims_look can wait, in ms for poll(2): -1 without claims. */
int claims_patience(void);

#endif

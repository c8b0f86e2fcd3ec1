/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's side of the claim: starting a guardian at the first claim, handing descriptions to
 * it, and asking it to extend and to settle. Every function returns 0 or -errno, may be called from
 * any thread and from a signal handler, and leaves errno alone.
 */
#ifndef CLAIM_CLAIM_H
#define CLAIM_CLAIM_H

#include "claim/protocol.h"
#include "claim/slot.h"

#include <stdbool.h>

/*
 * To be called at the start. find writes the path of the guardian's program, when one is started, and returns
 * that of the library (NULL: unknown): helper_find, for one of the two.
 */
void claim_init(const char *(*find)(char *path, size_t size));

/*
 * Starts a guardian as the first claim does, and sends it away. -errno: it can't be; *path is its program's, *why
 * says it in words.
 */
int claim_try(const char **path, const char **why);

/*
 * Takes the claim on the description behind fd and extends the file for a write of [offset, end).
 * *slot is filled in at the first time and is then the description's until claim_slot_free.
 * request: all but verb and slot. bars: what claim_bars said before the caller made sure that
 * nothing is barred, and that the description is this process's alone. -EBUSY: barred (see
 * claim_bar), now or since then.
 */
int claim_take(struct claim_slot *_Atomic *slot, int fd, struct claim_request *request,
	       unsigned int bars);

/* Extends a claimed file further. On any error the file has been settled. */
int claim_extend(struct claim_slot *slot, struct claim_request *request);

/*
 * Writes down where the data ends now, for whoever finds the file after a crash. open: see struct
 * record. request: as for claim_extend. On any error the file has been settled.
 */
int claim_record(struct claim_slot *slot, struct claim_request *request, bool open);

/* Settles and lets go; the guardian has closed its copy of the description when this returns. */
int claim_settle(struct claim_slot *slot);
void claim_slot_free(struct claim_slot *slot);

/* False: the guardian that it belongs to has ended, or was sent away. */
bool claim_slot_is_current(const struct claim_slot *slot);

/*
 * Settles everything, and nothing is extended until claim_unbar: around fork and all else that may
 * share a description. Nests.
 */
void claim_bar(void);
void claim_bar_to_sync(void);
void claim_unbar(void);
/* The same where nothing is extended yet: no lock, no system call. */
void claim_bar_new(void);
bool claim_is_barred(void);
unsigned int claim_bars(void);

/* Settles everything and sends the guardian away. */
void claim_leave(void);

/* In a fork's child: the guardian, its memory and its socket are the parent's. */
void claim_forget(void);

/*
 * The guardian has ended without being asked to: what was extended is still so, under a lease that
 * nobody answers. True once for each guardian that was lost; the caller settles all its files. *stuck: it
 * couldn't be ended (stopped, and not ours to end): it may still cut what it holds, so that nobody else must.
 */
bool claim_guardian_was_lost(bool *stuck);
bool claim_is_lost(void);

/*
 * The descriptor of ours that the program must not close or replace; -1: none. A program may have
 * closed it all the same, by a bare system call, and have the number for something of its own:
 * claim_owns looks.
 */
int claim_socket(void);
bool claim_owns(int fd);

/* The program wants our descriptor's number: takes another one. */
void claim_move_socket(int fd);

#endif

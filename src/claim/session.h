/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection with the guardian: starting it, asking it, losing it. Internal to src/claim. */
#ifndef CLAIM_SESSION_H
#define CLAIM_SESSION_H

#include "claim/protocol.h"
#include "claim/slot.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Changed inside the section; a fork's child starts it anew. Pointers to slots of an earlier
 * guardian stay readable: its memory isn't unmapped.
 */
struct session {
	struct section section;
	struct claim_shared *_Atomic shared; /* NULL: no guardian */
	int socket;		     /* valid while shared is set */
	ino_t socket_inode;	     /* of sockfs: never used anew */
	pid_t guardian;		     /* its id; the shared memory's may be scribbled over */
	unsigned long long guardian_born; /* proc_pid_stat(5), starttime: tells it from a later one; 0: unknown */
	bool greeted;		     /* it has the shared memory, and may hold claims */
	bool dumpable; /* valid while shared is set, as uid and gid are: the program was, when it was started */
	uid_t uid;
	gid_t gid;
	unsigned int failures;
	bool told; /* of the first failure: once is enough */
	_Atomic unsigned int barred;
	_Atomic unsigned int bars; /* how often there was one */
	bool stuck; /* valid with lost: it couldn't be ended, and may still hold what it held */
	_Atomic bool lost; /* a guardian ended, and claim_guardian_was_lost hasn't told yet */
	char guardian_path[4096]; /* valid after an attempt to start it */
	const char *why;	  /* the last attempt failed, in words; NULL: an errno says it */
	uint64_t used[CLAIM_SLOTS / 64]; /* a bit for each slot of shared */
};

extern struct session session;
/* Apart from session, which a process that manages nothing doesn't touch. */
extern const char *(*session_find_guardian)(char *path, size_t size);

/* Inside the section. Starts one, of session.guardian_path. 0 or -errno, which session_why puts in words. */
int session_try(void);
const char *session_why(int ret);

/* Inside the section. Starts one, unless that has failed too often; warns at the first failure. 0 or -errno. */
int session_start(void);

/*
 * Inside the section. One question with the descriptor that goes with it (-1: none), and its
 * answer. -EPIPE: the guardian is lost.
 */
int session_ask(const struct claim_request *request, int fd);

/* Inside the section. The guardian is gone, or can't be talked to. */
void session_lose(void);

/* The number may have become something else of the program's: then it isn't closed. */
bool session_socket_is_ours(void);
void session_close_socket(void);

#endif

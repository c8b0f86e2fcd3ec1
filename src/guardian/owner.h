/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Getting a slot's lock from a program that may be busy, stopped or dead. */
#ifndef GUARDIAN_OWNER_H
#define GUARDIAN_OWNER_H

#include "claim/settle.h"

#include <sys/types.h>

struct program {
	pid_t pid;  /* as we see it */
	int pidfd;  /* -1: it hasn't greeted us yet */
	bool ended; /* its memory and descriptors are gone */
};

/*
 * True: it has ended, and will not be back; noted in it. Its end of the socket is gone with its other descriptors
 * before anybody can know that it is dead; but it may also have lost it, past the library, and live on.
 */
bool program_has_ended(struct program *program);

/*
 * Takes the lock of a claimed file. From a dead, stopped or suspended owner it is taken over, and
 * what the interrupted append has already written counts as written.
 */
void owner_lock_slot(struct claimed *claimed, const struct program *program);
void owner_unlock_slot(struct claimed *claimed);

#endif

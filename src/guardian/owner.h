/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Getting a slot's lock from a program that may be busy, stopped or dead. */
#ifndef GUARDIAN_OWNER_H
#define GUARDIAN_OWNER_H

#include "claim/settle.h"

#include <sys/types.h>

struct program {
	pid_t pid;  /* as we see it */
	bool ended; /* its memory and descriptors are gone */
};

/*
 * Takes the lock of a claimed file. From a dead, stopped or suspended owner it is taken over, and
 * what the interrupted append has already written counts as written.
 */
void owner_lock_slot(struct claimed *claimed, const struct program *program);
void owner_unlock_slot(struct claimed *claimed);

#endif

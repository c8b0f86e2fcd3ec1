/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter's operations on a claimed file. Internal to src/claim; with the slot's lock held. */
#ifndef CLAIM_OPERATIONS_H
#define CLAIM_OPERATIONS_H

#include "claim/settle.h"

/* Their file is a struct claimed. A truncate that finds an interrupted write done: -ECANCELED. */
extern const struct file_ops claimed_ops;

/*
 * Has the interrupted write come about since? lseek(2) waits for one under way: both take the
 * offset's lock where two processes have the description (fdget_pos in Linux).
 */
bool claimed_write_has_come(const struct claimed *claimed);

/* A cut frees the blocks behind the size, too; this does, where there was nothing to cut. size: the real one. */
void claimed_free_ahead(struct claimed *claimed, int64_t size);

#endif

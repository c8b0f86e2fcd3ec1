/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a change of ours to the size would leave behind. */
#ifndef RECOVERY_RESTORE_H
#define RECOVERY_RESTORE_H

#include <sys/stat.h>

/* Our own changes of the size, and the proof's reads, leave no trace (but ctime can't be set back). */
int restore_times(int fd, const struct stat *before);

/* mtime alone. */
void restore_mtime(int fd, const struct stat *before);

/*
 * ftruncate(2) strips set-user-ID and set-group-ID where the caller has no CAP_FSETID. What the
 * program itself sets finds the file settled; but others may do it, unseen.
 */
void restore_mode(int fd, const struct stat *before);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who holds which lease, as /proc/locks says (proc_locks(5)). Internal to src/files. */
#ifndef FILES_LEASES_H
#define FILES_LEASES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* inode: the file's, on whichever filesystem (btrfs's and overlayfs's device numbers aren't stat(2)'s). */
struct lease {
	pid_t pid;
	uint64_t inode;
};

/*
 * Calls visit for each lease, until it returns false. Those of processes outside of our process namespace aren't
 * there (locks_show); nor is any without /proc. No cancellation point.
 */
void leases_visit(bool (*visit)(const struct lease *lease, void *context), void *context);

/* By the name of its holder, which anybody may take. */
bool lease_is_guardians(const struct lease *lease);

#endif

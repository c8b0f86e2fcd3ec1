/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lease of fcntl(2): the proof that no other open file description of the file exists. */
#ifndef CLAIM_LEASE_H
#define CLAIM_LEASE_H

#include "recovery/cut.h"

struct statfs;

/*
 * Takes a write lease on the description. A challenge (open(2) or truncate(2) by anybody) sends
 * signal to the calling thread. 0, -EAGAIN: somebody else has the file open, -EACCES: not ours,
 * -EINVAL: this filesystem has none, or another -errno. certainty: what is known of it from then on.
 */
int lease_take(int fd, int signal, struct certainty *certainty);

/* Gives the lease back and forgets the owner and the signal: challengers go on. */
void lease_release(int fd);

/*
 * Does a lease on this filesystem hold for everybody? On FUSE and network filesystems it is a
 * matter of this machine alone. The list is of those where it was tried.
 */
bool lease_is_trusted(const struct statfs *fs);

/*
 * Cutting a preallocated extent gives nothing back on btrfs, or an overlayfs above it: the extent stays
 * whole until none of it is in use. fs: of fd.
 */
bool space_is_freed_by_cut(int fd, const struct statfs *fs);

/*
 * fd: of a file where a cut frees nothing. With quotas a cut reserves its part of them before it gives anything back
 * (btrfs_truncate of Linux 6.18): where a quota is used up, the file stays as long as it is. True also where
 * it can't be found out: above it.
 */
bool cut_needs_quota(int fd);

/* tmpfs: its files don't outlive the machine, and no sync costs anything. */
bool is_in_memory(const struct statfs *fs);

/* What the filesystem itself allocates ahead isn't freed at close(2), after a fallocate(2). */
bool space_stays_after_close(const struct statfs *fs);

/*
 * A lease of this thread's own, for a moment, with all signals blocked: whoever opens the file in that
 * moment waits, and sends this thread a SIGIO, which is taken out of the queue again. 0 or -errno.
 */
struct lease_moment {
	bool pending; /* a SIGIO was there before */
	struct certainty certainty;
};

int lease_begin_moment(int fd, struct lease_moment *moment);
void lease_end_moment(int fd, const struct lease_moment *moment);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lease of fcntl(2): the proof that no other open file description of the file exists. */
#ifndef CLAIM_LEASE_H
#define CLAIM_LEASE_H

#include <stdbool.h>

#include "recovery/cut.h"

struct statfs;

/*
 * Takes a write lease on the description. A challenge (open(2) or truncate(2) by anybody) sends
 * signal to the calling thread. 0, -EAGAIN: somebody else has the file open, -EACCES: not ours,
 * -EINVAL: this filesystem has none, or another -errno.
 */
int lease_take(int fd, int signal);

/* Gives the lease back and forgets the owner and the signal: challengers go on. */
void lease_release(int fd);

/*
 * When a lease was surely ours. From the moment at which somebody challenges it, the kernel leaves it to us for
 * /proc/sys/fs/lease-break-time; so what was seen unchallenged is certain for that long. For half of it, we say.
 */
struct lease_look {
	struct exclusive exclusive; /* for file_cut: looks again, where too much time has gone by */
	int fd;
	int64_t at;    /* CLOCK_MONOTONIC, ns: it was ours, and unchallenged */
	int64_t lasts; /* ns; INT64_MAX: for ever (exclusive=assume) */
};

/* The lease has just been taken; !leased: there is none, and the user vouches. */
void lease_look_begin(struct lease_look *look, int fd, bool leased);

/* False: it is challenged, or taken away. Otherwise it is certain anew. */
bool lease_look(struct lease_look *look);

/* Somebody waits, or the kernel has already taken the lease away. */
bool lease_is_challenged(int fd);

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
	struct lease_look look;
};

int lease_begin_moment(int fd, struct lease_moment *moment);
void lease_end_moment(int fd, const struct lease_moment *moment);

#endif

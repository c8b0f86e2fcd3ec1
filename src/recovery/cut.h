/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every change of a file's size that we make, and how certain it is then that nobody else has the file: here
 * are the only calls of ftruncate(2) and of fallocate(2) without FALLOC_FL_KEEP_SIZE (tests/house/cuts.sh).
 */
#ifndef RECOVERY_CUT_H
#define RECOVERY_CUT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A challenged lease is still ours for /proc/sys/fs/lease-break-time, but since when it is challenged nobody
 * tells: after the last moment at which it wasn't.
 */
struct certainty {
	bool vouched;	 /* exclusive=assume: there is no lease, the user says so */
	int64_t seen_at; /* when the lease was last seen unchallenged: clock_now, ns; 0: never */
};

/* Looks. True: the lease is ours, and nobody waits for it. */
bool certainty_is_whole(struct certainty *certainty, int fd);

/*
 * Looks. True: the lease is ours, and will be for as long again as it may have been challenged. Not longer: so the
 * question comes right before what hangs on the answer.
 */
bool certainty_holds(struct certainty *certainty, int fd);

/* Sets the size, to cut. 0; -ESTALE: somebody else may have the file, it is as it was; or another -errno. */
int cut(struct certainty *certainty, int fd, int64_t length);

/*
 * Allocates [offset, offset + bytes) as zeroes, and the size with them. 0; -EAGAIN: somebody waits for
 * the file; or another -errno.
 */
int grow(struct certainty *certainty, int fd, int64_t offset, int64_t bytes);

#endif

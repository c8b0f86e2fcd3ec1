/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only place at which a file of the program's is cut. Whoever cuts has proved that nothing is lost by it, and
 * that nobody else has the file: but calls in between may block, on a journal, while the kernel takes the
 * lease away. So right before each ftruncate(2) it is asked once more.
 */
#ifndef RECOVERY_CUT_H
#define RECOVERY_CUT_H

#include <stdbool.h>
#include <stdint.h>

/* Embedded in what knows about it (struct lease_look). */
struct exclusive {
	/* Nobody else has the file open now, for certain. In doubt: false. */
	bool (*holds)(struct exclusive *exclusive);
};

/*
 * exclusive NULL: who calls vouches for it (exclusive=assume). 0; -EBUSY: it is in doubt, and nothing was cut;
 * another -errno of ftruncate(2).
 */
int file_cut(int fd, int64_t length, struct exclusive *exclusive);

#endif

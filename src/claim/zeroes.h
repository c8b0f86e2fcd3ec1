/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing the zeroes that mode write has ahead of the data. Internal to src/claim. */
#ifndef CLAIM_ZEROES_H
#define CLAIM_ZEROES_H

#include "recovery/cut.h"

/*
 * What is written at each extension: whoever appends waits for it, and ScyllaDB found writes of 32 MiB
 * to hold up everybody else's (scylladb#7794).
 */
#define ZEROES_AT_ONCE (INT64_C(1) << 20)

/*
 * Turns the pages in [from, to), just allocated, into written ones. 0, or -errno: some may be. -EEXIST:
 * somebody has put bytes there; they stay.
 */
int zeroes_write(struct certainty *certainty, int fd, int64_t from, int64_t to);

#endif

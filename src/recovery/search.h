/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in a file the last byte is that isn't zero: looked for from its end, in what blocks were written to. So it
 * costs what was written of the tail, however long the file is; and no more than it is given.
 */
#ifndef RECOVERY_SEARCH_H
#define RECOVERY_SEARCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* More work than is allowed; no call that recovery makes fails so. */
#define RECOVER_BEYOND (-EDOM)

struct search {
	int fd;
	int64_t left;  /* what it may still cost, about as many bytes as are read; < 0: no bound */
	int64_t spent;
	/* NULL, or asked again and again: true ends the search. */
	bool (*gives_way)(void *context, int64_t spent);
	void *context;
};

/*
 * *used: behind the last byte in [from, to) that isn't zero, or from. *block_end: behind the last block there that
 * was written to, at least *used. 0, RECOVER_BEYOND: it would cost more; -EINTR: it has given way; or another -errno.
 * Writes out what is in the cache; where the filesystem has no extent map, moves the description's offset for a
 * moment.
 */
int search_last(struct search *search, int64_t from, int64_t to, int64_t *used, int64_t *block_end);

#endif

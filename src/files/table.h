/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fd -> description: chunks grown on demand, read without a lock. */
#ifndef FILES_TABLE_H
#define FILES_TABLE_H

#include "files/description.h"

#define TABLE_CHUNK 1024
#define TABLE_CHUNKS (1 << 20) /* NR_OPEN's ceiling is 2^30 (fs/file.c, sysctl_nr_open_max) */

typedef struct description *_Atomic table_entry;
extern table_entry *_Atomic table_chunks[TABLE_CHUNKS];

/* The managed description behind fd, or NULL: any other fd, or none. */
static inline struct description *table_get(int fd)
{
	table_entry *chunk;

	if (__builtin_expect((unsigned int)fd >= (unsigned int)TABLE_CHUNK * TABLE_CHUNKS, 0))
		return NULL;
	chunk = atomic_load_explicit(&table_chunks[fd / TABLE_CHUNK], memory_order_acquire);
	if (!chunk)
		return NULL;
	return atomic_load_explicit(&chunk[fd % TABLE_CHUNK], memory_order_acquire);
}

/* Puts description (or NULL) there and returns what was there. False: no memory, nothing changed. */
bool table_exchange(int fd, struct description *description, struct description **was);

/* The lowest descriptor in [from, to] that is in the table, or -1. */
int table_next(int from, int to);

#endif

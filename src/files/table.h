/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fd -> description, read without a lock. The first thousand, which is where most programs stay, are
 * found by one load; the others by three levels grown on demand, so that little is there before the
 * first managed file: mlockall(2) would make anything larger resident.
 */
#ifndef FILES_TABLE_H
#define FILES_TABLE_H

#include "files/description.h"

#define TABLE_BITS 10
#define TABLE_WIDTH (1 << TABLE_BITS)
#define TABLE_END (1 << (3 * TABLE_BITS)) /* NR_OPEN's ceiling (fs/file.c, sysctl_nr_open_max) */

#pragma GCC visibility push(hidden) /* found without the global offset table */
typedef struct description *_Atomic table_entry;
typedef table_entry *_Atomic table_chunk;
extern table_entry table_low[TABLE_WIDTH];
extern table_chunk *_Atomic *_Atomic table_root; /* NULL: none of the others */
#pragma GCC visibility pop

static inline table_entry *table_find(int fd)
{
	table_chunk *_Atomic *root;
	table_chunk *chunks;
	table_entry *entries;

	if (__builtin_expect((unsigned int)fd < TABLE_WIDTH, 1))
		return &table_low[(unsigned int)fd];
	root = atomic_load_explicit(&table_root, memory_order_acquire);
	if (!root || (unsigned int)fd >= TABLE_END)
		return NULL;
	chunks = atomic_load_explicit(&root[fd >> (2 * TABLE_BITS)], memory_order_acquire);
	if (!chunks)
		return NULL;
	entries = atomic_load_explicit(&chunks[(fd >> TABLE_BITS) % TABLE_WIDTH],
				       memory_order_acquire);
	return entries ? &entries[fd % TABLE_WIDTH] : NULL;
}

/* The managed description behind fd, or NULL: any other fd, or none. */
static inline struct description *table_get(int fd)
{
	table_entry *entry;

	if (__builtin_expect((unsigned int)fd < TABLE_WIDTH, 1))
		return atomic_load_explicit(&table_low[(unsigned int)fd], memory_order_acquire);
	entry = table_find(fd);
	return entry ? atomic_load_explicit(entry, memory_order_acquire) : NULL;
}

/* Puts description (or NULL) there and returns what was there. False: no memory, nothing changed. */
bool table_exchange(int fd, struct description *description, struct description **was);

/* The lowest descriptor in [from, to] that is in the table, or -1. */
int table_next(int from, int to);

#endif

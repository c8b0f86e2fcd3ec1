/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/table.h"

#include "base/layout.h"
#include "base/memory.h"

/* Its beginning is what most programs need of it. */
NEAR table_entry table_low[TABLE_WIDTH];
table_chunk *_Atomic *_Atomic table_root;

/* What a place of a level leads to, made where it was empty. */
static void *grow(void *_Atomic *place, size_t bytes)
{
	void *seen = atomic_load(place);

	return seen ? seen : memory_place(place, memory_new(bytes), bytes);
}

static table_entry *entry_new(int fd)
{
	table_chunk *_Atomic *root =
		grow((void *_Atomic *)&table_root, TABLE_WIDTH * sizeof(*table_root));
	table_chunk *chunks;
	table_entry *entries;

	if (!root)
		return NULL;
	chunks = grow((void *_Atomic *)&root[fd >> (2 * TABLE_BITS)],
		      TABLE_WIDTH * sizeof(table_chunk));
	if (!chunks)
		return NULL;
	entries = grow((void *_Atomic *)&chunks[(fd >> TABLE_BITS) % TABLE_WIDTH],
		       TABLE_WIDTH * sizeof(table_entry));
	return entries ? &entries[fd % TABLE_WIDTH] : NULL;
}

bool table_exchange(int fd, struct description *description, struct description **was)
{
	table_entry *entry = table_find(fd);

	*was = NULL;
	if (!entry && !description)
		return true;
	if (!entry && (unsigned int)fd < TABLE_END)
		entry = entry_new(fd);
	if (!entry)
		return false;
	*was = atomic_exchange(entry, description);
	return true;
}

int table_next(int from, int to)
{
	table_chunk *_Atomic *root = atomic_load(&table_root);
	long end = root ? TABLE_END : TABLE_WIDTH;

	for (long fd = from < 0 ? 0 : from; fd <= to && fd < end; fd++) {
		table_entry *entry = table_find((int)fd);

		if (entry && atomic_load(entry))
			return (int)fd;
		if (fd < TABLE_WIDTH)
			continue;
		/* Nothing in the rest of an empty chunk, nor of an empty chunk of chunks. */
		if (!atomic_load(&root[fd >> (2 * TABLE_BITS)]))
			fd |= (1 << (2 * TABLE_BITS)) - 1;
		else if (!entry)
			fd |= TABLE_WIDTH - 1;
	}
	return -1;
}

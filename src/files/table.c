/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/table.h"

#include <sys/mman.h>

table_entry *_Atomic table_chunks[TABLE_CHUNKS];

static table_entry *chunk_new(size_t number)
{
	size_t bytes = TABLE_CHUNK * sizeof(table_entry);
	table_entry *seen = NULL;
	table_entry *chunk = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

	if (chunk == MAP_FAILED)
		return NULL;
	if (atomic_compare_exchange_strong(&table_chunks[number], &seen, chunk))
		return chunk;
	munmap(chunk, bytes);
	return seen;
}

bool table_exchange(int fd, struct description *description, struct description **was)
{
	table_entry *chunk;

	*was = NULL;
	if ((unsigned int)fd >= (unsigned int)TABLE_CHUNK * TABLE_CHUNKS)
		return description == NULL;
	chunk = atomic_load(&table_chunks[fd / TABLE_CHUNK]);
	if (!chunk) {
		if (!description)
			return true;
		chunk = chunk_new((size_t)fd / TABLE_CHUNK);
		if (!chunk)
			return false;
	}
	*was = atomic_exchange(&chunk[fd % TABLE_CHUNK], description);
	return true;
}

int table_next(int from, int to)
{
	for (long fd = from < 0 ? 0 : from; fd <= to; fd++) {
		table_entry *chunk;

		if (fd >= (long)TABLE_CHUNK * TABLE_CHUNKS)
			return -1;
		chunk = atomic_load(&table_chunks[fd / TABLE_CHUNK]);
		if (!chunk)
			fd |= TABLE_CHUNK - 1;
		else if (atomic_load(&chunk[fd % TABLE_CHUNK]))
			return (int)fd;
	}
	return -1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/description.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK 256
#define CHUNKS 4096

static struct section pool_section;
/* The inodes are apart and dense: looking for one among ten thousand is a walk over 80 KiB. */
struct chunk {
	_Atomic ino_t inodes[CHUNK]; /* 0: free, or not published */
	struct description descriptions[CHUNK];
};

static struct chunk *_Atomic chunks[CHUNKS];
static _Atomic size_t high_water; /* every index in use is below */
static _Atomic size_t in_use;
static size_t lowest_free; /* no index below is free */

static struct chunk *chunk_of(size_t index)
{
	return atomic_load_explicit(&chunks[index / CHUNK], memory_order_acquire);
}

static struct description *at(size_t index)
{
	struct chunk *chunk = chunk_of(index);

	return chunk ? &chunk->descriptions[index % CHUNK] : NULL;
}

static bool chunk_new(size_t number)
{
	struct chunk *chunk = mmap(NULL, sizeof(*chunk), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED)
		return false;
	for (size_t i = 0; i < CHUNK; i++) {
		chunk->descriptions[i].index = number * CHUNK + i;
		atomic_store(&chunk->descriptions[i].slot, &slot_none);
	}
	atomic_store(&chunks[number], chunk);
	return true;
}

/* slot and index stay as they are: a thread that came too late may be looking. */
static void clear(struct description *description)
{
	memset((char *)description + DESCRIPTION_KEPT, 0,
	       sizeof(*description) - DESCRIPTION_KEPT);
}

struct description *description_new(void)
{
	struct section_hold hold;
	struct description *found = NULL;
	size_t index;

	section_enter(&pool_section, &hold);
	for (index = lowest_free; index < (size_t)CHUNK * CHUNKS; index++) {
		struct description *candidate;

		if (!at(index) && !chunk_new(index / CHUNK))
			break;
		candidate = at(index);
		if (candidate && !candidate->used) {
			found = candidate;
			clear(found);
			found->used = true;
			atomic_store(&found->fds, 1);
			lowest_free = index + 1;
			if (index >= atomic_load(&high_water))
				atomic_store(&high_water, index + 1);
			atomic_fetch_add(&in_use, 1);
			break;
		}
	}
	section_leave(&pool_section, &hold);
	return found;
}

void description_publish(struct description *description)
{
	atomic_store(&chunk_of(description->index)->inodes[description->index % CHUNK],
		     description->ino);
}

void description_free(struct description *description)
{
	struct section_hold hold;
	size_t index = description->index;

	section_enter(&pool_section, &hold);
	atomic_store(&chunk_of(index)->inodes[index % CHUNK], 0);
	atomic_store(&description->slot, &slot_none);
	atomic_store(&description->fds, 0);
	description->used = false;
	if (index < lowest_free)
		lowest_free = index;
	atomic_fetch_sub(&in_use, 1);
	section_leave(&pool_section, &hold);
}

bool description_at(size_t index, struct description **description)
{
	if (index >= atomic_load(&high_water))
		return false;
	*description = at(index);
	if (*description && atomic_load(&(*description)->fds) <= 0)
		*description = NULL;
	return true;
}

bool descriptions_exist(void)
{
	return atomic_load_explicit(&in_use, memory_order_relaxed) > 0;
}

struct description *description_find(dev_t dev, ino_t ino)
{
	size_t count = atomic_load(&high_water);

	for (size_t i = 0; i < count; i++) {
		struct chunk *chunk = chunk_of(i);

		if (atomic_load_explicit(&chunk->inodes[i % CHUNK], memory_order_acquire) == ino &&
		    chunk->descriptions[i % CHUNK].dev == dev)
			return &chunk->descriptions[i % CHUNK];
	}
	return NULL;
}

void descriptions_reset_lock(void)
{
	pool_section = (struct section){0};
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/description.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK 256
#define CHUNKS 4096

static struct section pool_section;
static struct description *_Atomic chunks[CHUNKS];
static _Atomic size_t high_water; /* every index in use is below */
static _Atomic size_t in_use;
static size_t lowest_free; /* no index below is free */

/* Kept apart and dense, so that looking for one among ten thousand is a walk over 80 KiB. */
static _Atomic ino_t inodes[(size_t)CHUNK * CHUNKS];

static struct description *at(size_t index)
{
	struct description *chunk = atomic_load_explicit(&chunks[index / CHUNK],
							 memory_order_acquire);

	return chunk ? &chunk[index % CHUNK] : NULL;
}

static struct description *chunk_new(size_t number)
{
	void *chunk = mmap(NULL, CHUNK * sizeof(struct description), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED)
		return NULL;
	atomic_store(&chunks[number], chunk);
	return chunk;
}

struct description *description_new(void)
{
	struct section_hold hold;
	struct description *found = NULL;
	size_t index;

	section_enter(&pool_section, &hold);
	for (index = lowest_free; index < (size_t)CHUNK * CHUNKS; index++) {
		if (!at(index) && !chunk_new(index / CHUNK))
			break;
		if (!at(index)->used) {
			found = at(index);
			memset((void *)found, 0, sizeof(*found));
			found->index = index;
			found->used = true;
			atomic_store(&found->slot, &slot_none);
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
	atomic_store(&inodes[description->index], description->ino);
}

void description_free(struct description *description)
{
	struct section_hold hold;
	size_t index = description->index;

	section_enter(&pool_section, &hold);
	atomic_store(&inodes[index], 0);
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
		struct description *description;

		if (atomic_load_explicit(&inodes[i], memory_order_acquire) != ino)
			continue;
		description = at(i);
		if (description->dev == dev)
			return description;
	}
	return NULL;
}

void descriptions_reset_lock(void)
{
	pool_section = (struct section){0};
}

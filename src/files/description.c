/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/description.h"

#include "base/layout.h"
#include "claim/claim.h"
#include "files/table.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK 256
#define CHUNKS 4096

static struct section pool_section;
#define NO_BUCKET UINT32_MAX

/* The inodes are apart and dense: looking for all of a file's among ten thousand is a walk over 80 KiB. */
struct chunk {
	_Atomic ino_t inodes[CHUNK]; /* 0: free, or not published */
	/*
	 * A description is in the list of its bucket from when it is published until it goes back to the
	 * pool: 1 + the index of the next one there (0: none), and the bucket, or NO_BUCKET.
	 */
	_Atomic uint64_t links[CHUNK];
	struct description descriptions[CHUNK];
};

_Atomic uint32_t *_Atomic description_buckets;

static uint64_t link_to(uint32_t next, uint32_t bucket)
{
	return (uint64_t)bucket << 32 | next;
}

static uint32_t next_in(uint64_t link)
{
	return (uint32_t)link;
}

static uint32_t bucket_in(uint64_t link)
{
	return (uint32_t)(link >> 32);
}
FAR static struct chunk *_Atomic chunks[CHUNKS];
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

static void *zeroed(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool chunk_new(size_t number)
{
	struct chunk *chunk;

	if (!description_buckets)
		description_buckets = zeroed(sizeof(uint32_t) * DESCRIPTION_BUCKETS);
	chunk = description_buckets ? zeroed(sizeof(*chunk)) : NULL;
	if (!chunk)
		return false;
	for (size_t i = 0; i < CHUNK; i++) {
		chunk->descriptions[i].index = number * CHUNK + i;
		atomic_store(&chunk->links[i], link_to(0, NO_BUCKET));
		atomic_store(&chunk->descriptions[i].slot, &slot_none);
	}
	atomic_store(&chunks[number], chunk);
	return true;
}

/* What comes before stays as it is: a thread that came too late may be looking. */
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
		if (!candidate->used) {
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

static _Atomic uint64_t *link_of(size_t index)
{
	return &chunk_of(index)->links[index % CHUNK];
}

void description_publish(struct description *description)
{
	size_t index = description->index;
	uint32_t bucket = description_bucket(description->ino);
	_Atomic uint32_t *first = &description_buckets[bucket];
	uint32_t next = atomic_load(first);

	atomic_store(&chunk_of(index)->inodes[index % CHUNK], description->ino);
	do
		atomic_store(link_of(index), link_to(next, bucket));
	while (!atomic_compare_exchange_weak(first, &next, (uint32_t)index + 1));
}

/*
 * Under the pool's lock. Others may publish meanwhile, which changes the head of the list alone. Who
 * stands on the description in a walk finds that it is in another bucket, or none, and begins anew.
 */
static void leave_bucket(const struct description *description)
{
	_Atomic uint64_t *own = link_of(description->index);
	uint64_t link = atomic_load(own), before;
	uint32_t me = (uint32_t)description->index + 1, seen = me;

	if (bucket_in(link) == NO_BUCKET)
		return;
	if (!atomic_compare_exchange_strong(&description_buckets[bucket_in(link)], &seen,
					    next_in(link))) {
		while (next_in(before = atomic_load(link_of(seen - 1))) != me)
			seen = next_in(before);
		atomic_store(link_of(seen - 1), link);
	}
	atomic_store(own, link_to(0, NO_BUCKET));
}

static void back_to_pool(struct description *description)
{
	struct claim_slot *slot = atomic_exchange(&description->slot, &slot_none);
	struct section_hold hold;

	if (slot != &slot_none)
		claim_slot_free(slot);
	section_enter(&pool_section, &hold);
	leave_bucket(description);
	description->used = false;
	if (description->index < lowest_free)
		lowest_free = description->index;
	section_leave(&pool_section, &hold);
}

/*
 * Who frees makes it unfindable first and looks for holders then; who holds counts itself first and
 * looks whether it can still be found then. So one of the two sees the other.
 */
void description_free(struct description *description)
{
	size_t index = description->index;

	atomic_fetch_add(&description->lives, 1);
	atomic_store(&chunk_of(index)->inodes[index % CHUNK], 0);
	atomic_store(&description->fds, 0);
	atomic_fetch_sub(&in_use, 1);
	atomic_store(&description->released, true);
	if (atomic_load(&description->holders) == 0 &&
	    atomic_exchange(&description->released, false))
		back_to_pool(description);
}

bool description_hold(struct description *description, int fd)
{
	count_add(&description->holders, 1);
	if (table_get(fd) == description)
		return true;
	description_let_go(description);
	return false;
}

bool description_hold_in(struct description *description, uint32_t lives)
{
	count_add(&description->holders, 1);
	if (atomic_load(&description->lives) == lives)
		return true;
	description_let_go(description);
	return false;
}

struct description *description_of(int fd)
{
	struct description *description;

	while ((description = table_get(fd)))
		if (description_hold(description, fd))
			break;
	return description;
}

void description_let_go(struct description *description)
{
	if (count_add(&description->holders, (uint32_t)-1) == 1 &&
	    atomic_load(&description->released) &&
	    atomic_exchange(&description->released, false))
		back_to_pool(description);
}

void description_options(struct description *description, struct rule_options *options)
{
	const struct description_options *from = &description->options;
	uint32_t version;

	do {
		version = atomic_load(&from->version);
		options->mode = (enum rule_mode)atomic_load(&from->mode);
		options->exclusive = (enum rule_exclusive)atomic_load(&from->exclusive);
		options->prealloc_size = atomic_load(&from->prealloc_size);
		options->prealloc_align = atomic_load(&from->prealloc_align);
		options->idle = atomic_load(&from->idle);
		options->min_free = atomic_load(&from->min_free);
	} while ((version & 1) || version != atomic_load(&from->version));
}

void description_set_options(struct description *description, const struct rule_options *options)
{
	struct description_options *to = &description->options;

	atomic_fetch_add(&to->version, 1);
	atomic_store(&to->mode, options->mode);
	atomic_store(&to->exclusive, options->exclusive);
	atomic_store(&to->prealloc_size, options->prealloc_size);
	atomic_store(&to->prealloc_align, options->prealloc_align);
	atomic_store(&to->idle, options->idle);
	atomic_store(&to->min_free, options->min_free);
	atomic_fetch_add(&to->version, 1);
}

struct description *description_next(size_t *index)
{
	size_t count = atomic_load(&high_water);

	while (*index < count) {
		struct description *found = at((*index)++);

		if (atomic_load(&found->fds) <= 0)
			continue;
		count_add(&found->holders, 1);
		if (atomic_load(&found->fds) > 0)
			return found;
		description_let_go(found);
	}
	return NULL;
}

bool descriptions_exist(void)
{
	return atomic_load_explicit(&in_use, memory_order_relaxed) > 0;
}

static struct description *hold_of(struct chunk *chunk, size_t i, dev_t dev, ino_t ino)
{
	struct description *found = &chunk->descriptions[i];

	count_add(&found->holders, 1);
	if (atomic_load(&chunk->inodes[i]) == ino && found->dev == dev)
		return found;
	description_let_go(found);
	return NULL;
}

/* From *index on, held; *index is then the one behind it. NULL: there is no more. */
static struct description *next_of(size_t *index, dev_t dev, ino_t ino)
{
	size_t count = atomic_load(&high_water);

	while (*index < count) {
		size_t i = (*index)++;
		struct chunk *chunk = chunk_of(i);
		struct description *found;

		if (atomic_load_explicit(&chunk->inodes[i % CHUNK], memory_order_acquire) != ino)
			continue;
		found = hold_of(chunk, i % CHUNK, dev, ino);
		if (found)
			return found;
	}
	return NULL;
}

struct description *description_find(dev_t dev, ino_t ino)
{
	uint32_t bucket = description_bucket(ino);
	_Atomic uint32_t *buckets = atomic_load(&description_buckets);
	uint32_t next = buckets ? atomic_load(&buckets[bucket]) : 0;

	while (next) {
		size_t index = next - 1;
		struct chunk *chunk = chunk_of(index);
		uint64_t link;

		if (atomic_load(&chunk->inodes[index % CHUNK]) == ino) {
			struct description *found = hold_of(chunk, index % CHUNK, dev, ino);

			if (found)
				return found;
		}
		link = atomic_load(&chunk->links[index % CHUNK]);
		next = bucket_in(link) == bucket ? next_in(link) : atomic_load(&buckets[bucket]);
	}
	return NULL;
}

static void note_keep_end(struct description *description, int64_t end, bool apart)
{
	if (atomic_load(&description->program_keep_end) < end)
		atomic_store(&description->program_keep_end, end);
	if (apart)
		atomic_fetch_or(&description->reasons, KEEP_APART);
}

void descriptions_note_keep_end(dev_t dev, ino_t ino, int64_t end, bool apart)
{
	struct description *found;
	size_t index = 0;

	while ((found = next_of(&index, dev, ino))) {
		note_keep_end(found, end, apart);
		description_let_go(found);
	}
}

void description_inherit_keep_end(struct description *description)
{
	struct description *other;
	size_t index = 0;

	while ((other = next_of(&index, description->dev, description->ino))) {
		if (other != description)
			note_keep_end(description, atomic_load(&other->program_keep_end),
				      atomic_load(&other->reasons) & KEEP_APART);
		description_let_go(other);
	}
}

void descriptions_forget_keep_end(dev_t dev, ino_t ino)
{
	struct description *found;
	size_t index = 0;

	while ((found = next_of(&index, dev, ino))) {
		atomic_store(&found->program_keep_end, 0);
		atomic_fetch_and(&found->reasons, ~(uint32_t)KEEP_APART);
		description_let_go(found);
	}
}

void descriptions_reset_lock(void)
{
	pool_section = (struct section){0};
}

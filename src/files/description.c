/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/description.h"

#include "base/layout.h"
#include "base/memory.h"
#include "claim/claim.h"
#include "files/table.h"

#include <stdio.h>
#include <string.h>

#define CHUNK 256
#define CHUNKS 4096

/* The inodes are apart and dense: what looks for a file's touches nothing else of the others. */
struct chunk {
	_Atomic ino_t inodes[CHUNK]; /* 0: free, or not published */
	_Atomic uint64_t links[CHUNK];
	struct description descriptions[CHUNK];
};

/*
 * A description is in the list of its bucket from when it is published until it goes back to the
 * pool, and then in the pool's. The lists have no lock: an open or a close in a signal handler waits
 * for nobody, nor are signals held back for it. They are Harris's ("A Pragmatic Implementation of
 * Non-Blocking Linked-Lists", 2001), with a count of changes in each link, since descriptions are
 * used again:
 *
 *	bits 0-23: 1 + the index of the next description; 0: none
 *	bits 24-39: the bucket, or NO_BUCKET. Not in a list's top
 *	bit 40: LEAVING: it is free. Nothing is put behind it any more
 *	bits 41-63: how often the link has changed
 */
#define NEXT_BITS 24
#define BUCKET_BITS 16
#define NO_BUCKET ((UINT32_C(1) << BUCKET_BITS) - 1)
#define LEAVING (UINT64_C(1) << (NEXT_BITS + BUCKET_BITS))

_Atomic uint64_t *_Atomic description_buckets;
static _Atomic uint64_t pool;

static uint32_t next_in(uint64_t link)
{
	return link & DESCRIPTION_NEXT;
}

static uint32_t bucket_in(uint64_t link)
{
	return link >> NEXT_BITS & NO_BUCKET;
}

static uint64_t changed(uint64_t link, uint32_t next)
{
	return (link & ~(uint64_t)DESCRIPTION_NEXT) + 2 * LEAVING + next;
}

static uint64_t moved(uint64_t link, uint32_t bucket, uint32_t next)
{
	return (link & ~(2 * LEAVING - 1)) + 2 * LEAVING + ((uint64_t)bucket << NEXT_BITS) + next;
}

FAR static struct chunk *_Atomic chunks[CHUNKS];
static _Atomic size_t high_water; /* every index that was ever in use is below */
static _Atomic size_t in_use;

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
	size_t buckets = sizeof(uint64_t) * DESCRIPTION_BUCKETS;
	struct chunk *chunk;

	if (!atomic_load(&description_buckets) &&
	    !memory_place((void *_Atomic *)&description_buckets, memory_new(buckets), buckets))
		return false;
	chunk = memory_new(sizeof(*chunk));
	for (size_t i = 0; chunk && i < CHUNK; i++) {
		chunk->descriptions[i].index = number * CHUNK + i;
		atomic_store(&chunk->links[i], moved(0, NO_BUCKET, 0));
		atomic_store(&chunk->descriptions[i].slot, &slot_none);
	}
	return memory_place((void *_Atomic *)&chunks[number], chunk, sizeof(*chunk));
}

static _Atomic uint64_t *link_of(size_t index)
{
	return &chunk_of(index)->links[index % CHUNK];
}

static void push(_Atomic uint64_t *top, uint32_t bucket, size_t index)
{
	_Atomic uint64_t *own = link_of(index);
	uint64_t seen = atomic_load(top);

	do
		atomic_store(own, moved(atomic_load(own), bucket, next_in(seen)));
	while (!atomic_compare_exchange_weak(top, &seen, changed(seen, (uint32_t)index + 1)));
}

static struct description *from_pool(void)
{
	uint64_t seen = atomic_load(&pool);

	while (next_in(seen)) {
		size_t index = next_in(seen) - 1;
		uint32_t next = next_in(atomic_load(link_of(index)));

		if (atomic_compare_exchange_weak(&pool, &seen, changed(seen, next)))
			return at(index);
	}
	return NULL;
}

static struct description *never_used(void)
{
	size_t index = atomic_load(&high_water);

	do
		if (index >= (size_t)CHUNK * CHUNKS || (!at(index) && !chunk_new(index / CHUNK)))
			return NULL;
	while (!atomic_compare_exchange_weak(&high_water, &index, index + 1));
	return at(index);
}

/* What comes before stays as it is: a thread that came too late may be looking. */
static void clear(struct description *description)
{
	memset((char *)description + DESCRIPTION_KEPT, 0,
	       sizeof(*description) - DESCRIPTION_KEPT);
}

struct description *description_new(void)
{
	struct description *found = from_pool();

	if (!found)
		found = never_used();
	if (!found)
		return NULL;
	clear(found);
	atomic_store(&found->fds, 1);
	atomic_fetch_add(&in_use, 1);
	return found;
}

void description_publish(struct description *description)
{
	size_t index = description->index;
	uint32_t bucket = description_bucket(description->ino);

	atomic_store(&chunk_of(index)->inodes[index % CHUNK], description->ino);
	push(&description_buckets[bucket], bucket, index);
}

/* Puts those that are leaving into the pool: each is taken out of the list by one thread. */
static void clear_bucket(uint32_t bucket)
{
	_Atomic uint64_t *top = &description_buckets[bucket], *before = top;
	uint64_t seen = atomic_load(before);

	while (next_in(seen)) {
		size_t index = next_in(seen) - 1;
		uint64_t link = atomic_load(link_of(index));

		/* Else it may be out of the list, and be on its way back into it. */
		if (atomic_load(before) != seen) {
			before = top;
			seen = atomic_load(before);
		} else if (!(link & LEAVING)) {
			before = link_of(index);
			seen = link;
		} else if (atomic_compare_exchange_strong(before, &seen, changed(seen, next_in(link)))) {
			/* It was leaving, so its link has not changed since. */
			seen = changed(seen, next_in(link));
			push(&pool, NO_BUCKET, index);
		} else {
			before = top;
			seen = atomic_load(before);
		}
	}
}

static void back_to_pool(struct description *description)
{
	struct claim_slot *slot = atomic_exchange(&description->slot, &slot_none);
	size_t index = description->index;
	uint32_t bucket = bucket_in(atomic_load(link_of(index)));

	if (slot != &slot_none)
		claim_slot_free(slot);
	if (bucket == NO_BUCKET) {
		push(&pool, NO_BUCKET, index);
		return;
	}
	atomic_fetch_or(link_of(index), LEAVING);
	clear_bucket(bucket);
}

/*
 * Who comes late, having seen no holder of an earlier file's, may find it released by a later one: so
 * the holders are counted once more, behind the exchange.
 */
void description_let_go_last(struct description *description)
{
	while (atomic_load(&description->holders) == 0 &&
	       atomic_exchange(&description->released, false)) {
		if (atomic_load(&description->holders) == 0) {
			back_to_pool(description);
			return;
		}
		atomic_store(&description->released, true);
	}
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
	description_let_go_last(description);
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

AT_START bool descriptions_exist(void)
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

/* A walk over the descriptions of an inode. One that has been there may come again. */
struct walk {
	uint32_t bucket;
	uint32_t next;
};

static void walk_begin(struct walk *walk, ino_t ino)
{
	_Atomic uint64_t *buckets = atomic_load(&description_buckets);

	walk->bucket = description_bucket(ino);
	walk->next = buckets ? next_in(atomic_load(&buckets[walk->bucket])) : 0;
}

/* Held. NULL: there is no more. */
static struct description *walk_on(struct walk *walk, dev_t dev, ino_t ino)
{
	while (walk->next) {
		size_t index = walk->next - 1;
		struct chunk *chunk = chunk_of(index);
		struct description *found = NULL;
		uint64_t link;

		if (atomic_load(&chunk->inodes[index % CHUNK]) == ino)
			found = hold_of(chunk, index % CHUNK, dev, ino);
		/* In another bucket, or none: it has been away, and the walk begins anew. */
		link = atomic_load(&chunk->links[index % CHUNK]);
		if (bucket_in(link) == walk->bucket)
			walk->next = next_in(link);
		else
			walk_begin(walk, ino);
		if (found)
			return found;
	}
	return NULL;
}

struct description *description_find(dev_t dev, ino_t ino)
{
	struct walk walk;

	walk_begin(&walk, ino);
	return walk_on(&walk, dev, ino);
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
	struct walk walk;

	walk_begin(&walk, ino);
	while ((found = walk_on(&walk, dev, ino))) {
		note_keep_end(found, end, apart);
		description_let_go(found);
	}
}

void description_inherit_keep_end(struct description *description)
{
	struct description *other;
	struct walk walk;

	walk_begin(&walk, description->ino);
	while ((other = walk_on(&walk, description->dev, description->ino))) {
		if (other != description)
			note_keep_end(description, atomic_load(&other->program_keep_end),
				      atomic_load(&other->reasons) & KEEP_APART);
		description_let_go(other);
	}
}

void descriptions_forget_keep_end(dev_t dev, ino_t ino)
{
	struct description *found;
	struct walk walk;

	walk_begin(&walk, ino);
	while ((found = walk_on(&walk, dev, ino))) {
		atomic_store(&found->program_keep_end, 0);
		atomic_fetch_and(&found->reasons, ~(uint32_t)KEEP_APART);
		description_let_go(found);
	}
}

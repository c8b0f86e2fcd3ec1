/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libc/loaded.h"

#include "base/layout.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char *path;

static void find_path_by_address(void)
{
	Dl_info info;

	path = dladdr((void *)find_path_by_address, &info) ? info.dli_fname : NULL;
}

const char *loaded_path(void)
{
	return path;
}

#ifdef __GLIBC__
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>

#define ADDRESS_BITS (sizeof(ElfW(Addr)) * CHAR_BIT)

/* The symbol is there for programs linked long ago, against this version by name (glibc, elf.h). */
#define VERSION_HIDDEN 0x8000

/* A name's type sits in the same bits whatever the size of an address. */
#define SYMBOL_TYPE(info) ELF32_ST_TYPE(info)

/* A loaded object's table of symbols. DT_GNU_HASH: GNU ld's manual and glibc, elf/dl-lookup.c. */
struct symbols {
	ElfW(Addr) base;
	const ElfW(Sym) *list;
	const char *names;
	const ElfW(Half) *versions;	/* NULL: it has none */
	const uint32_t *buckets;
	const uint32_t *chains;		/* of the first symbol that is hashed on */
	const ElfW(Addr) *bloom;
	uint32_t bucket_count;
	uint32_t bloom_mask;
	uint32_t bloom_shift;
	uint32_t first_hashed;
};

struct wanted {
	const char *name;
	uint32_t hash;
};

static ElfW(Addr) distance(ElfW(Addr) a, ElfW(Addr) b)
{
	return a > b ? a - b : b - a;
}

/*
 * glibc has added the base to the entries already, but not where they can't be written to: RISC-V,
 * the vDSO. All of an object lies together, and the base may be "negative": linked to a high address,
 * loaded to a lower one.
 */
AT_START static const void *address_of(const struct link_map *map, const ElfW(Dyn) *entry)
{
	ElfW(Addr) address = entry->d_un.d_ptr, moved = address + map->l_addr;
	ElfW(Addr) here = (ElfW(Addr))map->l_ld;

	return (const void *)(distance(moved, here) < distance(address, here) ? moved : address);
}

AT_START static void find_hash(struct symbols *symbols, const uint32_t *table)
{
	symbols->bucket_count = table[0];
	symbols->first_hashed = table[1];
	symbols->bloom_mask = table[2] - 1;
	symbols->bloom_shift = table[3];
	symbols->bloom = (const ElfW(Addr) *)(table + 4);
	symbols->buckets = (const uint32_t *)(symbols->bloom + table[2]);
	symbols->chains = symbols->buckets + symbols->bucket_count;
}

AT_START static bool find_symbols(struct symbols *symbols, const struct link_map *map)
{
	*symbols = (struct symbols){ .base = map->l_addr };
	for (const ElfW(Dyn) *entry = map->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
		switch (entry->d_tag) {
		case DT_SYMTAB:
			symbols->list = address_of(map, entry);
			break;
		case DT_STRTAB:
			symbols->names = address_of(map, entry);
			break;
		case DT_VERSYM:
			symbols->versions = address_of(map, entry);
			break;
		case DT_GNU_HASH:
			find_hash(symbols, address_of(map, entry));
			break;
		default:
			break;
		}
	}
	return symbols->list && symbols->names && symbols->bucket_count > 0;
}

AT_START static bool may_have(const struct symbols *symbols, uint32_t hash)
{
	ElfW(Addr) word = symbols->bloom[hash / ADDRESS_BITS & symbols->bloom_mask];

	return word >> hash % ADDRESS_BITS & word >> (hash >> symbols->bloom_shift) % ADDRESS_BITS &
	       1;
}

/* What dlsym without a version finds: the definition that a program linked today gets. */
AT_START static bool matches(const struct symbols *symbols, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &symbols->list[index];

	return symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 &&
	       strcmp(symbols->names + symbol->st_name, name) == 0 &&
	       !(symbols->versions && symbols->versions[index] & VERSION_HIDDEN);
}

AT_START static const ElfW(Sym) *find(const struct symbols *symbols, const struct wanted *wanted)
{
	uint32_t index = symbols->buckets[wanted->hash % symbols->bucket_count];
	const uint32_t *chain;

	if (index < symbols->first_hashed)
		return NULL;
	chain = &symbols->chains[index - symbols->first_hashed];
	for (;; index++, chain++) {
		/* The lowest bit says whether the chain ends here. */
		if ((*chain | 1) == (wanted->hash | 1) && matches(symbols, index, wanted->name))
			return &symbols->list[index];
		if (*chain & 1)
			return NULL;
	}
}

AT_START static const ElfW(Sym) *find_in(struct symbols *symbols, const struct link_map *map,
				const struct wanted *wanted)
{
	if (!find_symbols(symbols, map) || !may_have(symbols, wanted->hash))
		return NULL;
	return find(symbols, wanted);
}

AT_START static struct wanted hash_name(const char *name)
{
	struct wanted wanted = { .name = name, .hash = 5381 };

	for (; *name; name++)
		wanted.hash = wanted.hash * 33 + (unsigned char)*name;
	return wanted;
}

/*
 * NULL: a thread is loading something right now, or there is more than one namespace: we may stand in
 * another one (dlmopen), or what is called is up to an auditor (rtld-audit(7), LD_AUDIT).
 */
AT_START static const struct link_map *find_ourselves(void)
{
	const struct link_map *map = _r_debug.r_version == 1 && _r_debug.r_state == RT_CONSISTENT
					     ? _r_debug.r_map : NULL;

	while (map && map->l_ld != _DYNAMIC)
		map = map->l_next;
	return map;
}

/* From the object behind us to libc. NULL: not known. */
static const struct link_map *first, *last;

/*
 * What is loaded at the start stands in the list in the order that symbols are searched in: the
 * program, what was preloaded, and their libraries, those that are nearer first. What is loaded
 * later, and may go again, stands behind libc.
 */
AT_START static bool find_libc(void)
{
	/* Nobody wraps it. */
	const struct wanted libc = hash_name(START_STRING("gnu_get_libc_version"));
	/* Before glibc 2.35 the version doesn't tell of an auditor. */
	const struct link_map *ourselves = getenv(START_STRING("LD_AUDIT")) ? NULL : find_ourselves();
	struct symbols symbols;

	for (const struct link_map *map = ourselves; map; map = map->l_next) {
		/* It may define what we look for, and has but the old DT_HASH. */
		if (!find_symbols(&symbols, map))
			return false;
		if (may_have(&symbols, libc.hash) && find(&symbols, &libc)) {
			last = map;
			first = ourselves->l_next;
			path = ourselves->l_name;
			return true;
		}
	}
	return false;
}

AT_START bool loaded_start(void)
{
	bool found = find_libc();

	if (!found)
		find_path_by_address();
	return found;
}

AT_START void *loaded_next_symbol(const char *name)
{
	const struct wanted wanted = hash_name(name);

	for (const struct link_map *map = first; map; map = map == last ? NULL : map->l_next) {
		struct symbols symbols;
		const ElfW(Sym) *symbol = find_in(&symbols, map, &wanted);

		if (!symbol)
			continue;
		if (SYMBOL_TYPE(symbol->st_info) != STT_FUNC &&
		    SYMBOL_TYPE(symbol->st_info) != STT_NOTYPE)
			return NULL;
		return (void *)(symbols.base + symbol->st_value);
	}
	return NULL;
}

#else
bool loaded_start(void)
{
	find_path_by_address();
	return false;
}

void *loaded_next_symbol(const char *name)
{
	(void)name;
	return NULL;
}
#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/memory.h"

#include "base/sys.h"

#include <stdatomic.h>
#include <sys/mman.h>

void *memory_new(size_t bytes)
{
	void *memory = sys.mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void *memory_place(void *_Atomic *place, void *fresh, size_t bytes)
{
	void *seen = NULL;

	if (!fresh)
		return atomic_load(place);
	if (atomic_compare_exchange_strong(place, &seen, fresh))
		return fresh;
	munmap(fresh, bytes);
	return seen;
}

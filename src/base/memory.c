/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/memory.h"

#include "base/sys.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* The smallest there is: in a larger one it is asked more than once. */
#define PAGE 4096

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

/*
 * rt_sigprocmask(2) copies the new set before it looks at what is to be done with it, and does nothing where
 * that is none of the three (kernel/signal.c). Whoever uses libc may call it, whatever filters there are.
 */
static bool page_is_readable(uintptr_t page)
{
	const long nothing = -1;

	/* Not its first word: that of the first page of all is NULL, which means no set. */
	return sys.syscall(SYS_rt_sigprocmask, nothing, page * PAGE + sizeof(uint64_t), NULL, sizeof(uint64_t)) == 0 ||
	       errno != EFAULT;
}

bool memory_is_readable(const void *bytes, size_t count)
{
	uintptr_t first = (uintptr_t)bytes, last = first + count - 1;
	int saved_errno = errno;
	bool readable = count == 0 || last >= first;

	for (uintptr_t page = first / PAGE; readable && count > 0 && page <= last / PAGE; page++)
		readable = page_is_readable(page);
	errno = saved_errno;
	return readable;
}

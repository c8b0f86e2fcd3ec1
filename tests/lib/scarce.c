/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A library to preload behind libpreallocate.so, which has no memory and no threads for it:
 *
 *	SCARCE_CALL	malloc, calloc, realloc, mmap, or pthread_create
 *	SCARCE_FROM	the first of these calls to fail, from 1
 *	SCARCE_COUNT	how many of them fail
 *	SCARCE_WHOM	who is refused: calls made by the object with this in its name
 *	SCARCE_LOG	a file that a byte is appended to for each call that failed
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static _Atomic long calls;
static __thread bool inside;

static void log_failure(void)
{
	const char *name = getenv("SCARCE_LOG");
	long fd = name ? syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CREAT, 0666) : -1;

	if (fd >= 0) {
		syscall(SYS_write, fd, "x", 1);
		syscall(SYS_close, fd);
	}
}

static long number(const char *name)
{
	const char *value = getenv(name);

	return value ? atol(value) : 0;
}

static bool fails(const char *call, const void *caller)
{
	const char *wanted = getenv("SCARCE_CALL");
	const char *whom = getenv("SCARCE_WHOM");
	bool failing = false;
	Dl_info info;

	/* dladdr and the loader allocate, too. */
	if (inside || !wanted || !whom || strcmp(wanted, call) != 0)
		return false;
	inside = true;
	if (dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, whom)) {
		long nth = atomic_fetch_add(&calls, 1) + 1, from = number("SCARCE_FROM");

		failing = nth >= from && nth - from < number("SCARCE_COUNT");
	}
	if (failing)
		log_failure();
	inside = false;
	return failing;
}

#define FAILS(call) fails(call, __builtin_return_address(0))

/* libc's own, by the names that it has for them: dlsym would allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

EXPORT void *malloc(size_t size)
{
	return FAILS("malloc") ? no_memory() : __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	return FAILS("calloc") ? no_memory() : __libc_calloc(count, size);
}

EXPORT void *realloc(void *memory, size_t size)
{
	return FAILS("realloc") ? no_memory() : __libc_realloc(memory, size);
}

static void *map(void *address, size_t size, int protection, int flags, int fd, off_t offset,
		 const void *caller)
{
	if (fails("mmap", caller)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	/* By libc's function, as allocators do: a library in front of us has that one, too. */
	return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	return map(address, size, protection, flags, fd, offset, __builtin_return_address(0));
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	return map(address, size, protection, flags, fd, offset, __builtin_return_address(0));
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *), void *argument)
{
	int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (FAILS("pthread_create"))
		return EAGAIN;
	*(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
	return next(thread, attributes, run, argument);
}

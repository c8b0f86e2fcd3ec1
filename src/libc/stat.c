/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stat(2) family and statx(2): st_size is where the program's data ends. On 64-bit systems
 * struct stat64 is struct stat, so each pair of names is one function.
 */
#include "libc/transfer.h"

#include <sys/sysmacros.h>

_Static_assert(sizeof(struct stat) == sizeof(struct stat64) && sizeof(off_t) == 8,
	       "only where off_t has 64 bits");

/* One call of the family, to be made again when the file changed under it. */
struct query {
	int (*call)(struct query *query);
	int version, dirfd, flags;
	unsigned int mask;
	const char *path;
	struct stat *st;
	struct statx *stx;
};

static int make(void *argument)
{
	struct query *query = argument;

	return query->call(query);
}

static dev_t stat_dev(void *argument)
{
	return ((struct query *)argument)->st->st_dev;
}

static ino_t stat_ino(void *argument)
{
	return ((struct query *)argument)->st->st_ino;
}

static dev_t statx_dev(void *argument)
{
	const struct statx *stx = ((struct query *)argument)->stx;

	return makedev(stx->stx_dev_major, stx->stx_dev_minor);
}

static ino_t statx_ino(void *argument)
{
	return ((struct query *)argument)->stx->stx_ino;
}

static int answer(struct query *query)
{
	int result = make(query);
	int64_t size = -1;

	if (result != 0 || !description_may_be_found(query->st->st_ino) || thread_state.vforked ||
	    !S_ISREG(query->st->st_mode))
		return result;
	result = files_stat_path(make, query, stat_dev, stat_ino, &size, result);
	if (result == 0 && size >= 0)
		query->st->st_size = size;
	return result;
}

static int call_stat(struct query *q)
{
	return REAL(stat)(q->path, q->st);
}

static int call_lstat(struct query *q)
{
	return REAL(lstat)(q->path, q->st);
}

static int call_fstat(struct query *q)
{
	return REAL(fstat)(q->dirfd, q->st);
}

static int call_fstatat(struct query *q)
{
	return REAL(fstatat)(q->dirfd, q->path, q->st, q->flags);
}

static int call_statx(struct query *q)
{
	return REAL(statx)(q->dirfd, q->path, q->flags, q->mask, q->stx);
}

static int call_xstat(struct query *q)
{
	return REAL(__xstat)(q->version, q->path, q->st);
}

static int call_lxstat(struct query *q)
{
	return REAL(__lxstat)(q->version, q->path, q->st);
}

static int call_fxstat(struct query *q)
{
	return REAL(__fxstat)(q->version, q->dirfd, q->st);
}

static int call_fxstatat(struct query *q)
{
	return REAL(__fxstatat)(q->version, q->dirfd, q->path, q->st, q->flags);
}

EXPORT int stat(const char *path, struct stat *st)
{
	return answer(&(struct query){.call = call_stat, .path = path, .st = st});
}

EXPORT int lstat(const char *path, struct stat *st)
{
	return answer(&(struct query){.call = call_lstat, .path = path, .st = st});
}

__attribute__((noinline)) static int fstat_found(int fd, struct stat *st)
{
	return answer(&(struct query){.call = call_fstat, .dirfd = fd, .st = st});
}

__attribute__((noinline)) static int fstat_managed(int fd, struct stat *st,
						   struct description *description)
{
	struct glance glance;
	struct asked asked;
	int64_t data_end;
	int result;

	if (thread_state.vforked)
		return real_calls.fstat(fd, st);
	glance_at(&glance, description);
	asked.fd = fd;
	asked.buffer = st;
	asked.description = description;
	GLANCE_IN_MEMORY(glance);
	result = real_calls.fstat(fd, st);
	if (result != 0)
		return result;
	st = (struct stat *)asked.buffer;
	description = asked.description;
	data_end = atomic_load(&glance.slot->positions.data_end);
	/* Not its inode: closed behind our back, and the number used anew. */
	if (!glance_holds(&glance, description, asked.fd) || st->st_ino != description->ino ||
	    st->st_dev != description->dev)
		return fstat_found(asked.fd, st);
	if (data_end >= 0)
		st->st_size = data_end;
	return 0;
}

EXPORT int fstat(int fd, struct stat *st)
{
	struct description *description = table_get(fd);
	struct asked asked;
	int result;

	if (__builtin_expect(description != NULL, 0))
		return fstat_managed(fd, st, description);
	asked.fd = fd;
	asked.buffer = st;
	result = real_calls.fstat(fd, st);
	if (result != 0)
		return result;
	/* It may be a managed file all the same: O_PATH. */
	st = (struct stat *)asked.buffer;
	if (__builtin_expect(description_may_be_found(st->st_ino), 0))
		return fstat_found(asked.fd, st);
	return 0;
}

EXPORT int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return answer(&(struct query){.call = call_fstatat, .dirfd = dirfd, .path = path, .st = st,
				      .flags = flags});
}

EXPORT int __xstat(int version, const char *path, struct stat *st)
{
	return answer(&(struct query){.call = call_xstat, .version = version, .path = path,
				      .st = st});
}

EXPORT int __lxstat(int version, const char *path, struct stat *st)
{
	return answer(&(struct query){.call = call_lxstat, .version = version, .path = path,
				      .st = st});
}

EXPORT int __fxstat(int version, int fd, struct stat *st)
{
	return answer(&(struct query){.call = call_fxstat, .version = version, .dirfd = fd,
				      .st = st});
}

EXPORT int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags)
{
	return answer(&(struct query){.call = call_fxstatat, .version = version, .dirfd = dirfd,
				      .path = path, .st = st, .flags = flags});
}

#define STAT64(name, of) \
	extern __typeof__(name) name __attribute__((alias(#of), visibility("default")))

STAT64(stat64, stat);
STAT64(lstat64, lstat);
STAT64(fstat64, fstat);
STAT64(fstatat64, fstatat);
STAT64(__xstat64, __xstat);
STAT64(__lxstat64, __lxstat);
STAT64(__fxstat64, __fxstat);
STAT64(__fxstatat64, __fxstatat);

EXPORT int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *stx)
{
	struct query query = {.call = call_statx, .dirfd = dirfd, .path = path, .flags = flags,
			      .mask = mask, .stx = stx};
	int result = make(&query);
	int64_t size = -1;

	if (result != 0 || !description_may_be_found(stx->stx_ino) || thread_state.vforked ||
	    !(stx->stx_mask & STATX_SIZE))
		return result;
	result = files_stat_path(make, &query, statx_dev, statx_ino, &size, result);
	if (result == 0 && size >= 0)
		stx->stx_size = (uint64_t)size;
	return result;
}

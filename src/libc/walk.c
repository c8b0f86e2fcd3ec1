/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ftw(3), nftw(3), fts(3): libc makes the stat inside. What this process extends is settled for the
 * time of the walk, or of each step of it, so that the sizes which it reports are true.
 */
#include "libc/export.h"

#define WALKING(call) \
	({ \
		__typeof__(call) result_; \
		int errno_; \
		bool begun_ = begin_walk(); \
		result_ = (call); \
		errno_ = errno; \
		if (begun_) \
			share_unbar(); \
		errno = errno_; \
		result_; \
	})

static bool begin_walk(void)
{
	int saved_errno = errno;

	if (thread_state.vforked || !descriptions_exist())
		return false;
	share_begin();
	errno = saved_errno;
	return true;
}

EXPORT int ftw(const char *path, __ftw_func_t visit, int descriptors)
{
	return WALKING(REAL(ftw)(path, visit, descriptors));
}

EXPORT int nftw(const char *path, __nftw_func_t visit, int descriptors, int flags)
{
	return WALKING(REAL(nftw)(path, visit, descriptors, flags));
}

EXPORT FTS *fts_open(char *const *paths, int options,
		     int (*compare)(const FTSENT **, const FTSENT **))
{
	return WALKING(REAL(fts_open)(paths, options, compare));
}

EXPORT FTSENT *fts_read(FTS *walk)
{
	return WALKING(REAL(fts_read)(walk));
}

EXPORT FTSENT *fts_children(FTS *walk, int options)
{
	return WALKING(REAL(fts_children)(walk, options));
}

_Static_assert(sizeof(FTSENT) == sizeof(FTSENT64), "one function for both names");
extern __typeof__(ftw64) ftw64 __attribute__((alias("ftw"), visibility("default")));
extern __typeof__(nftw64) nftw64 __attribute__((alias("nftw"), visibility("default")));
extern __typeof__(fts64_open) fts64_open __attribute__((alias("fts_open"), visibility("default")));
extern __typeof__(fts64_read) fts64_read __attribute__((alias("fts_read"), visibility("default")));
extern __typeof__(fts64_children) fts64_children
	__attribute__((alias("fts_children"), visibility("default")));

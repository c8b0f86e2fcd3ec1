/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ftruncate(2) and truncate(2): on a settled file. truncate by path challenges the lease, as
 * anybody's would, and waits for the guardian's answer inside the kernel.
 */
#include "libc/export.h"

EXPORT int ftruncate(int fd, off_t length)
{
	struct plain plain;
	int64_t size_before;
	int result, saved_errno;

	if (!managed(fd))
		return REAL(ftruncate)(fd, length);
	plain_begin(&plain, fd, 0);
	/* Where the file grows, what is added must be a hole. */
	plain_give_back(&plain);
	size_before = plain_size(&plain);
	result = REAL(ftruncate)(fd, length);
	saved_errno = errno;
	if (result == 0)
		plain_truncated(&plain, size_before, length);
	plain_end(&plain);
	errno = saved_errno;
	return result;
}

ALIAS(ftruncate64, ftruncate);

EXPORT int truncate(const char *path, off_t length)
{
	struct patience patience = {0};
	struct plain plain;
	int64_t size_before;
	int result, saved_errno;

	if (thread_state.vforked)
		return REAL(truncate)(path, length);
	plain_begin_path(&plain, AT_FDCWD, path, 0);
	plain_give_back(&plain);
	size_before = plain_size(&plain);
	do
		result = REAL(truncate)(path, length);
	while (result < 0 && files_had_to_wait(AT_FDCWD, path, &patience));
	saved_errno = errno;
	if (result == 0)
		plain_truncated(&plain, size_before, length);
	plain_end(&plain);
	errno = saved_errno;
	return result;
}

ALIAS(truncate64, truncate);

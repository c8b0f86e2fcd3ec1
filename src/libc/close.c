/* SPDX-License-Identifier: GPL-2.0-or-later */
/* close(2), close_range(2), closefrom(3). Descriptors of ours aren't there to be closed. */
#include "libc/export.h"

#include "claim/claim.h"

#include <limits.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

EXPORT int close(int fd)
{
	if (!thread_state.vforked && claim_owns(fd)) {
		errno = EBADF;
		return -1;
	}
	if (managed(fd))
		files_closing(fd);
	else if (fd > 2 && descriptions_exist() && !thread_state.vforked)
		share_descriptors_gone((unsigned int)fd, (unsigned int)fd);
	return REAL(close)(fd);
}

ALIAS(__close, close);

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	int ours = claim_owns(claim_socket()) ? claim_socket() : -1;

	/* Fails, and closes nothing. */
	if ((unsigned int)flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return REAL(close_range)(first, last, flags);
	if (!thread_state.vforked && !((unsigned int)flags & CLOSE_RANGE_CLOEXEC) && first <= last) {
		files_closing_range(first, last);
		share_descriptors_gone(first, last);
	}
	if (ours < 0 || thread_state.vforked || (unsigned int)ours < first ||
	    (unsigned int)ours > last)
		return REAL(close_range)(first, last, flags);
	if ((unsigned int)ours > first &&
	    REAL(close_range)(first, (unsigned int)ours - 1, flags) < 0)
		return -1;
	if ((unsigned int)ours == last)
		return 0;
	return REAL(close_range)((unsigned int)ours + 1, last, flags);
}

EXPORT void closefrom(int lowest)
{
	unsigned int first = lowest < 0 ? 0 : (unsigned int)lowest;

	/* closefrom(3) falls back on /proc where the kernel has no close_range (before 5.9). */
	if (claim_socket() < (int)first || thread_state.vforked ||
	    close_range(first, UINT_MAX, 0) < 0) {
		if (!thread_state.vforked)
			files_closing_range(first, UINT_MAX);
		REAL(closefrom)(lowest);
	}
}

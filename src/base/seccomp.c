/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/seccomp.h"

#include "base/sys.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

bool seccomp_is_in_force(void)
{
	enum { UNKNOWN, NONE, IN_FORCE };
	static atomic_int known;
	int saved_errno = errno;

	/* EINVAL: a kernel without seccomp. Who refuses to tell is one. */
	if (atomic_load(&known) == UNKNOWN) {
		long mode = sys.syscall(SYS_prctl, PR_GET_SECCOMP, 0L, 0L, 0L, 0L);

		atomic_store(&known, mode == 0 || (mode < 0 && errno == EINVAL) ? NONE : IN_FORCE);
	}
	errno = saved_errno;
	return atomic_load(&known) == IN_FORCE;
}

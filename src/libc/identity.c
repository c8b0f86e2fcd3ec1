/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls by which the program becomes somebody else: another user, another root directory, other namespaces or
 * capabilities. A guardian has the identity of the program that it serves, as long as it serves it: so what is
 * extended is settled before, and the guardian sent away; another one starts with the new identity.
 */
#include "libc/identity.h"

#include "claim/claim.h"
#include "libc/export.h"

void identity_begin(void)
{
	if (thread_state.vforked)
		return;
	share_begin();
	claim_leave();
}

void identity_end(void)
{
	int saved_errno = errno;

	if (!thread_state.vforked)
		share_unbar();
	errno = saved_errno;
}

/* The call, with errno as it leaves it. */
#define CHANGING(call) \
	({ \
		__typeof__(call) result_; \
		identity_begin(); \
		result_ = (call); \
		identity_end(); \
		result_; \
	})

#define CHANGES(name, parameters, arguments) \
	EXPORT int name parameters \
	{ \
		return CHANGING(REAL(name) arguments); \
	}

CHANGES(setuid, (uid_t uid), (uid))
CHANGES(seteuid, (uid_t uid), (uid))
CHANGES(setreuid, (uid_t ruid, uid_t euid), (ruid, euid))
CHANGES(setresuid, (uid_t ruid, uid_t euid, uid_t suid), (ruid, euid, suid))
CHANGES(setgid, (gid_t gid), (gid))
CHANGES(setegid, (gid_t gid), (gid))
CHANGES(setregid, (gid_t rgid, gid_t egid), (rgid, egid))
CHANGES(setresgid, (gid_t rgid, gid_t egid, gid_t sgid), (rgid, egid, sgid))
CHANGES(setfsuid, (uid_t uid), (uid))
CHANGES(setfsgid, (gid_t gid), (gid))
CHANGES(setgroups, (size_t count, const gid_t *groups), (count, groups))
CHANGES(initgroups, (const char *user, gid_t group), (user, group))
CHANGES(capset, (struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data), (header, data))
CHANGES(chroot, (const char *path), (path))
CHANGES(unshare, (int flags), (flags))
CHANGES(setns, (int fd, int kind), (fd, kind))

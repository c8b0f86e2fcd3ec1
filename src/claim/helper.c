/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/helper.h"

#include "base/capability.h"
#include "base/layout.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <linux/stat.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct root {
	uint64_t mount, inode;
	uint32_t major, minor;
	bool known;
};

static struct root root_at_start;

/*
 * The mount's id tells a chroot(2) from none, and this mount namespace from any other: a copy's mounts have
 * ids of their own (Linux 5.8; before that zero).
 */
AT_START static struct root root_now(void)
{
	struct root root = {.known = false};
	struct statx st;

	if (sys.syscall(SYS_statx, AT_FDCWD, START_STRING("/"), 0, STATX_INO | STATX_MNT_ID, &st) == 0)
		root = (struct root){st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0, st.stx_ino,
				     st.stx_dev_major, st.stx_dev_minor, true};
	return root;
}

AT_START void helper_start(void)
{
	root_at_start = root_now();
}

static bool root_is_as_at_start(void)
{
	struct root now = root_now();

	return now.known && root_at_start.known && now.mount == root_at_start.mount &&
	       now.inode == root_at_start.inode && now.major == root_at_start.major &&
	       now.minor == root_at_start.minor;
}

/* setfsuid(2): of an id that can't be, it changes nothing, and returns the present one. */
bool helper_identity(uid_t *uid, gid_t *gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;
	bool one;

	one = sys.syscall(SYS_getresuid, &ruid, &euid, &suid) == 0 &&
	      sys.syscall(SYS_getresgid, &rgid, &egid, &sgid) == 0 && ruid == euid && euid == suid &&
	      rgid == egid && egid == sgid && (uid_t)sys.syscall(SYS_setfsuid, -1L) == euid &&
	      (gid_t)sys.syscall(SYS_setfsgid, -1L) == egid;
	if (one) {
		*uid = euid;
		*gid = egid;
	}
	return one;
}

bool helper_program_is_dumpable(void)
{
	return sys.syscall(SYS_prctl, PR_GET_DUMPABLE, 0L, 0L, 0L, 0L) == 1;
}

#define PROGRAM "preallocate-guardian"

void helper_find(const char *library, char *path, size_t size)
{
	static const char *const places[] = {"../" PROGRAM, NULL, "../libexec/" PROGRAM, "../../libexec/" PROGRAM};
	const char *slash = library ? strrchr(library, '/') : NULL;
	/* A build tree's library lies in .libs. */
	bool built = slash && slash - library >= 6 && memcmp(slash - 6, "/.libs", 6) == 0;
	bool runs = false, exists = false;
	/* Not on the stack, which may be a signal handler's. One at a time: in the session's section. */
	FAR static char place[4096];

	snprintf(path, size, "%s", LIBEXECDIR "/" PROGRAM);
	for (size_t i = built ? 0 : 1; !runs && i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] && !library)
			continue;
		if (!places[i])
			strcpy(place, LIBEXECDIR "/" PROGRAM);
		else if ((size_t)snprintf(place, sizeof(place), "%.*s%s", (int)(slash + 1 - library),
					  library, places[i]) >= sizeof(place))
			continue;
		runs = access(place, X_OK) == 0;
		if (runs || (!exists && access(place, F_OK) == 0)) {
			exists = true;
			snprintf(path, size, "%s", place);
		}
	}
}

static bool is_trustworthy(const struct stat *st, const char *library)
{
	struct stat owner;

	if (!S_ISREG(st->st_mode) || (st->st_mode & (S_IWGRP | S_IWOTH)))
		return false;
	return st->st_uid == 0 || (library && sys.fstatat(AT_FDCWD, library, &owner, 0) == 0 &&
				   st->st_uid == owner.st_uid);
}

/*
 * A program whose file it can't read can't be traced from its execve(2) on. The kernel asks that with the
 * capabilities from before it (would_dump), and so do we: access(2) wouldn't.
 */
static bool can_be_read(int fd)
{
	return sys.syscall(SYS_faccessat2, fd, "", R_OK, AT_EACCESS | AT_EMPTY_PATH) == 0 || errno != EACCES;
}

/* execve(2) gives them to root alone; who has fewer than a program may not trace it (ptrace(2)). */
static bool would_have_our_capabilities(uid_t uid)
{
	struct capabilities ours;

	return capabilities_get(&ours) == 0 &&
	       (ours.permitted == 0 ||
		(uid == 0 && (sys.syscall(SYS_prctl, PR_GET_SECUREBITS, 0L, 0L, 0L, 0L) & SECBIT_NOROOT) == 0));
}

/* Who can't be traced by others of its user mustn't have a helper that can. */
static bool would_be_exposed(int fd, uid_t uid)
{
	return !(helper_program_is_dumpable() && would_have_our_capabilities(uid)) && can_be_read(fd);
}

int helper_open(const char *path, const char *library, const char **why)
{
	struct stat st;
	uid_t uid;
	gid_t gid;
	int fd;

	*why = NULL;
	if (!root_is_as_at_start()) {
		*why = "the root directory or the mount namespace isn't that of the program's start";
		return -EPERM;
	}
	if (!helper_identity(&uid, &gid)) {
		*why = "the real, effective and saved user or group differ";
		return -EPERM;
	}
	fd = sys.openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (sys.fstat(fd, &st) < 0 || !is_trustworthy(&st, library))
		*why = "it isn't a regular file of root's or of the library's owner that nobody else can write";
	else if (would_be_exposed(fd, uid))
		*why = "the program can't be traced, and it could be: its file may have mode 0711 at most";
	else if (!root_is_as_at_start()) /* another thread has left it meanwhile, by the instruction */
		*why = "the root directory has changed";
	if (!*why)
		return fd;
	sys.close(fd);
	return -EPERM;
}

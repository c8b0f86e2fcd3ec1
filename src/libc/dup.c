/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dup(2) and its kin, and fcntl(2), which is one of them. */
#include "libc/export.h"

#include "base/memory.h"
#include "base/sys.h"
#include "claim/claim.h"

#include <sys/syscall.h>

/* A vfork child hands a description to the program that it will become. */
static bool leave_to_vfork_child(int from)
{
	struct description *description = table_get(from);

	if (!thread_state.vforked)
		return false;
	if (description)
		atomic_fetch_or(&description->reasons, KEEP_SHARED);
	return true;
}

EXPORT int dup(int from)
{
	int to = REAL(dup)(from);

	if (to >= 0 && !leave_to_vfork_child(from))
		files_duplicated(from, to);
	return to;
}

/* A bad `from` would leave `to` open. */
static void make_room(int from, int to)
{
	if (from == to || !descriptions_exist() || REAL(fcntl)(from, F_GETFD) < 0)
		return;
	if (claim_owns(to))
		claim_move_socket(to);
	share_descriptors_gone((unsigned int)to, (unsigned int)to);
	files_closing(to);
}

EXPORT int dup2(int from, int to)
{
	int result;

	if (leave_to_vfork_child(from))
		return REAL(dup2)(from, to);
	make_room(from, to);
	result = REAL(dup2)(from, to);
	if (result >= 0)
		files_duplicated(from, to);
	return result;
}

ALIAS(__dup2, dup2);

EXPORT int dup3(int from, int to, int flags)
{
	int result;

	if (leave_to_vfork_child(from))
		return REAL(dup3)(from, to, flags);
	if ((flags & ~O_CLOEXEC) == 0)
		make_room(from, to);
	result = REAL(dup3)(from, to, flags);
	if (result >= 0)
		files_duplicated(from, to);
	return result;
}

/* O_APPEND is cleared while the file is extended. */
static int set_flags(int fd, long flags)
{
	struct plain plain;
	int result, saved_errno;

	plain_begin(&plain, fd, flags & O_ASYNC ? KEEP_OWN : 0);
	result = REAL(fcntl)(fd, F_SETFL, flags);
	saved_errno = errno;
	if (result == 0 && plain.description) {
		atomic_store(&plain.description->append, flags & O_APPEND);
		atomic_store(&plain.description->direct, flags & O_DIRECT);
	}
	plain_end(&plain);
	errno = saved_errno;
	return result;
}

/*
 * While the file is extended O_APPEND is cleared, and its lease shows as O_ASYNC, by which the
 * kernel would tell its holder. Where the program sets O_ASYNC itself, nothing is extended.
 */
static int get_flags(struct description *description, int fd)
{
	int flags = files_flags(description, fd);

	if (flags < 0)
		return flags;
	return atomic_load(&description->reasons) & KEEP_OWN ? flags : flags & ~O_ASYNC;
}

static int managed_fcntl(struct description *description, int fd, int command, void *argument)
{
	const struct flock *lock = argument;
	struct plain plain;
	short whence;

	switch (command) {
	case F_GETFL:
		return get_flags(description, fd);
	case F_SETFL:
		return set_flags(fd, (long)argument);
	case F_SETLEASE:
	case F_SETOWN:
	case F_SETOWN_EX:
	case F_SETSIG:
	case F_NOTIFY:
		return PLAIN(int, REAL(fcntl)(fd, command, argument), fd, KEEP_OWN);
	case F_GETLEASE:
	case F_GETOWN:
	case F_GETOWN_EX:
	case F_GETSIG:
		return PLAIN(int, REAL(fcntl)(fd, command, argument), fd, 0);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		/* Counted from the end of file: settled first, and not held back while it waits. */
		if (memory_read(&whence, &lock->l_whence, sizeof(whence)) && whence == SEEK_END) {
			plain_begin(&plain, fd, 0);
			plain_end(&plain);
		}
		return REAL(fcntl)(fd, command, argument);
	default:
		return REAL(fcntl)(fd, command, argument);
	}
}

static int any_fcntl(int fd, int command, void *argument)
{
	struct description *description = managed(fd);
	int result;

	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
		result = REAL(fcntl)(fd, command, argument);
		if (result >= 0 && !leave_to_vfork_child(fd))
			files_duplicated(fd, result);
		return result;
	}
	if (command == F_SETFD && thread_state.vforked)
		leave_to_vfork_child(fd);
	if (!description)
		return REAL(fcntl)(fd, command, argument);
	return managed_fcntl(description, fd, command, argument);
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return any_fcntl(fd, command, argument);
}

EXPORT int fcntl64(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return any_fcntl(fd, command, argument);
}

ALIAS(__fcntl, fcntl);

/* The descriptor may be one of our own: a copy that the table doesn't know. */
EXPORT int pidfd_getfd(int pidfd, int target, unsigned int flags)
{
	int fd = (int)REAL(syscall)(SYS_pidfd_getfd, pidfd, target, flags);
	struct description *description = NULL;
	struct stat st;
	int saved_errno = errno;

	if (fd >= 0 && !thread_state.vforked && descriptions_exist() && sys.fstat(fd, &st) == 0)
		description = description_find(st.st_dev, st.st_ino);
	if (description)
		share_description(description);
	errno = saved_errno;
	return fd;
}

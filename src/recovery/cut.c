/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/cut.h"

#include "base/clock.h"
#include "base/sys.h"

#include <errno.h>
#include <stdlib.h>

#define BREAK_TIME "/proc/sys/fs/lease-break-time"

/* In seconds. 0, or less: the kernel waits for ever (__break_lease of Linux 6.18). */
#define SHORTEST_BREAK_TIME NS_PER_S

/* As it is now; who lowers it while a file is being settled has been told (libpreallocate(7)). */
static int64_t lease_break_time(void)
{
	char text[16];
	int fd = sys.openat(AT_FDCWD, BREAK_TIME, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	long seconds;

	if (fd < 0)
		return SHORTEST_BREAK_TIME;
	got = sys.pread(fd, text, sizeof(text) - 1, 0);
	sys.close(fd);
	if (got <= 0)
		return SHORTEST_BREAK_TIME;
	text[got] = '\0';
	seconds = strtol(text, NULL, 10);
	return seconds > 0 ? seconds * NS_PER_S : INT64_MAX;
}

bool certainty_is_whole(struct certainty *certainty, int fd)
{
	int64_t now = clock_now();

	if (certainty->vouched)
		return true;
	/* Of a lease that is being broken, or was, it tells what is to become of it (target_leasetype). */
	if (sys.fcntl(fd, F_GETLEASE) != F_WRLCK)
		return false;
	certainty->seen_at = now;
	return true;
}

/*
 * By CLOCK_MONOTONIC, which stands still while the machine is suspended, as the kernel's own count (jiffies)
 * does.
 */
bool certainty_holds(struct certainty *certainty, int fd)
{
	int64_t age;

	if (certainty_is_whole(certainty, fd))
		return true;
	age = clock_now() - certainty->seen_at;
	if (certainty->seen_at <= 0 || age < 0)
		return false;
	return age < SHORTEST_BREAK_TIME / 2 || age < lease_break_time() / 2;
}

/*
 * What holds up a change of the file, a frozen filesystem (fsfreeze) or a journal that stands, is waited for here,
 * where nothing hangs on it. Of a name that isn't there it changes nothing.
 */
static void wait_until_changeable(int fd)
{
	sys.fremovexattr(fd, "user.preallocate.thawed");
}

int cut(struct certainty *certainty, int fd, int64_t length)
{
	wait_until_changeable(fd);
	do {
		if (!certainty_holds(certainty, fd))
			return -ESTALE;
		if (sys.ftruncate(fd, length) == 0)
			return 0;
	} while (errno == EINTR);
	return -errno;
}

int grow(struct certainty *certainty, int fd, int64_t offset, int64_t bytes)
{
	do {
		if (!certainty_is_whole(certainty, fd))
			return -EAGAIN;
		/* Mode 0: can't wipe a byte that someone we don't see has just put there. */
		if (sys.fallocate(fd, 0, offset, bytes) == 0)
			return 0;
	} while (errno == EINTR);
	return -errno;
}

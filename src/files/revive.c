/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that was left extended, its program and its guardian gone at once: recovered when it is opened
 * again, for reading, too. A guardian that lives has settled it for that opening, and the mark is gone.
 */
#include "files/files.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* Another process may be recovering it, too. What fails otherwise may have failed only once. */
#define TRIES 12
#define TRIES_OF_FAILURE 3
#define PAUSE_NS INT64_C(2500000) /* at least, after the first try */

static void tell(const char *name, const struct recovery *recovery)
{
	switch (recovery->outcome) {
	case RECOVER_CUT:
		log_warn("%s: was left extended by a crash; recovered, %lld bytes instead of %lld%s",
			 name, (long long)recovery->size, (long long)recovery->size_before,
			 recovery->source == RECOVER_BY_BLOCK
				 ? " (up to the end of a block: zeroes there may be no data)"
				 : "");
		break;
	case RECOVER_CORRUPT:
	case RECOVER_CHANGED:
		log_warn("%s: its mark of an earlier crash doesn't fit any more, and was removed; "
			 "nothing was cut", name);
		break;
	case RECOVER_UNMARKED:
	case RECOVER_WHOLE:
	case RECOVER_COPY:
		break;
	}
}

static bool has_mark(int fd)
{
	ssize_t size = -1;

	for (int i = 0; size < 0 && i < TRIES_OF_FAILURE; i++) {
		size = sys.fgetxattr(fd, MARK_NAME, NULL, 0);
		if (size < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
			break;
	}
	return size > 0;
}

/* Another description of the same file. For who holds a lease on it we don't wait here: EWOULDBLOCK. */
static int open_again(int fd, int flags)
{
	char link[64];
	int again = -1;

	snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", fd);
	for (int i = 0; again < 0 && i < TRIES_OF_FAILURE; i++)
		again = sys.openat(AT_FDCWD, link, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return again;
}

/* What stands for the file without being in anybody's way, if it can be opened for recovery at all. */
static int find_place(int fd)
{
	int again = open_again(fd, O_RDWR);

	if (again < 0 && errno != EWOULDBLOCK)
		return -1;
	if (again >= 0)
		sys.close(again);
	return open_again(fd, O_PATH);
}

/* Closed behind each try: two processes that both have it open would keep each other from it. */
static int try_to_recover(int place, bool handlers_wait, struct recovery *recovery)
{
	const struct recover_options options = {.handlers_wait = handlers_wait};
	int again = open_again(place, O_RDWR), ret;

	if (again < 0)
		return -errno;
	ret = claim_recover(again, &options, recovery);
	sys.close(again);
	return ret;
}

/* And not at the same pace; longer each time. The clock wouldn't do: both have the same. */
static void pause_for_a_moment(int tries)
{
	int64_t least = PAUSE_NS * (tries + 1);
	uint32_t chance = thread_id() * UINT32_C(2654435761);

	if (sys.getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance += (uint32_t)tries;
	clock_sleep(least + chance % least);
}

int files_revive_begin(int fd, int flags, const char *name)
{
	int saved_errno = errno, place = -1;
	bool is_new = (flags & O_CREAT) && (flags & O_EXCL);
	int cancel = cancel_disable();

	if (!(flags & O_PATH) && !is_new && files_may_match(name) && has_mark(fd) && files_matches(fd, name)) {
		/* Emptied by this very opening. */
		if (flags & O_TRUNC)
			mark_remove(fd);
		else if ((place = find_place(fd)) < 0)
			log_info("%s: was left extended, and can't be recovered: %s", name,
				 strerrordesc_np(errno));
	}
	cancel_restore(cancel);
	errno = saved_errno;
	return place;
}

void files_revive_end(int place, const char *name)
{
	int saved_errno = errno, ret = -EAGAIN;
	int cancel = cancel_disable();
	struct recovery recovery;

	/* A signal is handled at once, the second one when the file is recovered: timers tick. */
	for (int i = 0; ret < 0 && ret != RECOVER_BEYOND && i < (ret == -EAGAIN ? TRIES : TRIES_OF_FAILURE); i++) {
		ret = try_to_recover(place, i > 0, &recovery);
		if (ret == -EAGAIN)
			pause_for_a_moment(i);
	}
	if (ret == 0)
		tell(name, &recovery);
	else if (ret == RECOVER_BEYOND)
		log_warn("%s: was left extended by a crash, and takes long to look through; recover it with "
			 "preallocate recover PATH", name);
	else
		log_info("%s: was left extended, and can't be recovered now: %s", name,
			 strerrordesc_np(-ret));
	sys.close(place);
	cancel_restore(cancel);
	errno = saved_errno;
}

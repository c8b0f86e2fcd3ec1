/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors, their flags and locks, names and modes. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void run_open(struct side *side, const struct operation *op, struct outcome *outcome)
{
	const char *name = side->name[op->name];

	switch (op->word) {
	case 0:
		DO(outcome, open(name, op->flags, 0644));
		break;
	case 1:
		DO(outcome, open64(name, op->flags, 0644));
		break;
	case 2:
		DO(outcome, openat(AT_FDCWD, name, op->flags, 0644));
		break;
	default:
		DO(outcome, creat(name, 0640));
	}
	/* One that the library doesn't manage may be the last to be closed. */
	if ((op->flags & O_ACCMODE) == O_RDONLY)
		machine.quiet = false;
	slot_set(side, op->other, outcome);
}

static void run_close(struct side *side, const struct operation *op, struct outcome *outcome)
{
	DO(outcome, close(slot_fd(side, op)));
	side->fd[op->slot] = -1;
}

static void run_dup(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);
	int to = other_fd(side, op);

	switch (op->word) {
	case 0:
		DO(outcome, dup(fd));
		break;
	case 1:
		DO(outcome, fcntl(fd, F_DUPFD, 20));
		break;
	case 2:
		DO(outcome, fcntl(fd, F_DUPFD_CLOEXEC, 3));
		break;
	case 3:
		DO(outcome, to >= 0 ? dup2(fd, to) : dup(fd));
		break;
	case 4:
		DO(outcome, to >= 0 ? dup3(fd, to, O_CLOEXEC) : dup(fd));
		break;
	default:
		DO(outcome, dup3(fd, fd, 0));
	}
	slot_set(side, op->other, outcome);
}

static void run_set_flags(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);

	DO(outcome, fcntl(fd, F_SETFL, op->flags));
	outcome->more[0] = fcntl(fd, F_GETFL);
}

static void run_flock(struct side *side, const struct operation *op, struct outcome *outcome)
{
	static const int how[] = {LOCK_EX | LOCK_NB, LOCK_SH | LOCK_NB, LOCK_UN};

	DO(outcome, flock(slot_fd(side, op), how[op->word]));
}

static void run_lock(struct side *side, const struct operation *op, struct outcome *outcome)
{
	static const int commands[] = {F_SETLK, F_SETLK, F_GETLK, F_OFD_SETLK, F_OFD_SETLK,
				       F_SETLK};
	static const short types[] = {F_WRLCK, F_UNLCK, F_WRLCK, F_RDLCK, F_UNLCK, F_WRLCK};
	struct flock lock = {.l_type = types[op->word],
			     .l_whence = op->word == 5 ? SEEK_END : SEEK_SET,
			     .l_start = op->word == 5 ? 0 : op->at_was, .l_len = 10};

	DO(outcome, fcntl(slot_fd(side, op), commands[op->word], &lock));
	outcome->more[0] = lock.l_type;
	outcome->more[1] = lock.l_start;
}

static void run_rename(struct side *side, const struct operation *op, struct outcome *outcome)
{
	DO(outcome, rename(side->name[op->name], side->name[(op->name + 1) % NAMES]));
}

static void run_link(struct side *side, const struct operation *op, struct outcome *outcome)
{
	DO(outcome, link(side->name[op->name], side->name[(op->name + 1) % NAMES]));
}

static void run_unlink(struct side *side, const struct operation *op, struct outcome *outcome)
{
	DO(outcome, unlink(side->name[op->name]));
}

static void run_mode(struct side *side, const struct operation *op, struct outcome *outcome)
{
	static const mode_t modes[] = {0600, 0640, 04755, 06777, 0644};
	mode_t mode = modes[(unsigned int)op->flags % 5];

	if (op->word == 0)
		DO(outcome, fchmod(slot_fd(side, op), mode));
	else
		DO(outcome, chmod(side->name[op->name], mode));
}

/* So long ago that every change shows, whatever the granularity of the clock. */
static const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

static void run_times(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);

	switch (op->word) {
	case 0:
		DO(outcome, futimens(fd, long_ago));
		break;
	case 1:
		DO(outcome, utimensat(AT_FDCWD, side->name[op->name], long_ago, 0));
		break;
	default:
		DO(outcome, futimens(fd, NULL));
	}
}

static const struct call calls[] = {
	{"%g = open%w(%n, %F)", WORDS("", "64", "at"), .weight = 12, .kind = SECOND,
	 .traits = FRESH | NO_DESCRIPTOR, .run = run_open},
	{"close(%f)", .weight = 12, .kind = RARE, .traits = ENDS, .run = run_close},
	{"%g = %w",
	 WORDS("dup(%f)", "fcntl(%f, F_DUPFD, 20)", "fcntl(%f, F_DUPFD_CLOEXEC, 3)",
	       "dup2(%f, %g)", "dup3(%f, %g, O_CLOEXEC)", "dup3(%f, %f, 0)"),
	 .weight = 20, .traits = FRESH, .run = run_dup},
	{"fcntl(%f, F_SETFL, %F)", .weight = 6, .kind = RARE, .run = run_set_flags},
	{"flock(%f, %w)", WORDS("LOCK_EX", "LOCK_SH", "LOCK_UN"), .weight = 6, .run = run_flock},
	{"fcntl(%f, %w) /* %a */",
	 WORDS("F_SETLK, F_WRLCK", "F_SETLK, F_UNLCK", "F_GETLK", "F_OFD_SETLK, F_RDLCK",
	       "F_OFD_SETLK, F_UNLCK", "F_SETLK, SEEK_END"),
	 .weight = 6, .traits = AT, .run = run_lock},
	{"rename(%n, %N)", .weight = 3, .kind = RARE, .traits = NO_DESCRIPTOR, .run = run_rename},
	{"link(%n, %N)", .weight = 2, .kind = RARE, .traits = NO_DESCRIPTOR, .run = run_link},
	{"unlink(%n)", .weight = 1, .kind = RARE, .traits = NO_DESCRIPTOR, .run = run_unlink},
	{"%w /* mode %F */", WORDS("fchmod(%f)", "chmod(%n)"), .weight = 4, .kind = RARE,
	 .run = run_mode},
	{"%w", WORDS("futimens(%f, 2001)", "utimensat(%n, 2001)", "futimens(%f, NULL)"),
	 .weight = 10, .kind = RARE, .run = run_times},
};

FAMILY(open_family, calls);

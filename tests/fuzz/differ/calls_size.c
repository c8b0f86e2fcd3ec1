/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Positions and sizes: seek, stat, truncate, fallocate. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void run_seek(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);

	/* Counted from the end or from the offset: so that it lands where at_was says. */
	switch (op->word) {
	case 0:
		DO(outcome, lseek(fd, op->at_was, SEEK_SET));
		break;
	case 1:
		DO(outcome, lseek64(fd, op->at.delta, SEEK_CUR));
		break;
	case 2:
		DO(outcome, lseek64(fd, op->at.base == ABSOLUTE ? 0 : op->at.delta, SEEK_END));
		break;
	case 3:
		DO(outcome, lseek(fd, 0, SEEK_END));
		break;
	default:
		DO(outcome, lseek(fd, op->at_was, 9));
	}
}

static void run_seek_sparse(struct side *side, const struct operation *op, struct outcome *outcome)
{
	DO(outcome, lseek(slot_fd(side, op), op->at_was, op->word == 0 ? SEEK_DATA : SEEK_HOLE));
}

static void run_stat(struct side *side, const struct operation *op, struct outcome *outcome)
{
	const char *name = side->name[op->name];
	int fd = slot_fd(side, op);
	struct stat st;

	switch (op->word) {
	case 0:
		DO(outcome, fstat(fd, &st));
		break;
	case 1:
		DO(outcome, stat(name, &st));
		break;
	case 2:
		DO(outcome, lstat(name, &st));
		break;
	case 3:
		DO(outcome, fstatat(AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW));
		break;
	case 4:
		DO(outcome, fstatat(fd, "", &st, AT_EMPTY_PATH));
		break;
	default:
		DO(outcome, fstat(fd, (struct stat *)(machine.data + BUFFER)));
		return;
	}
	stat_into(outcome, &st);
}

static void run_statx(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);
	struct statx st;

	switch (op->word) {
	case 0:
		DO(outcome, statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st));
		break;
	case 1:
		DO(outcome, statx(AT_FDCWD, side->name[op->name], 0, STATX_SIZE, &st));
		break;
	default:
		DO(outcome, statx(fd, "", AT_EMPTY_PATH, STATX_MODE, &st));
	}
	if (outcome->result < 0)
		return;
	outcome->more[0] = st.stx_mask;
	outcome->more[1] = st.stx_mask & STATX_SIZE ? (int64_t)st.stx_size : -1;
	outcome->more[2] = st.stx_mode;
	outcome->more[3] = st.stx_nlink;
	outcome->more[4] = (int64_t)st.stx_attributes;
	outcome->more[5] = st.stx_blksize;
}

static void run_ftruncate(struct side *side, const struct operation *op, struct outcome *outcome)
{
	if (op->word == 0)
		DO(outcome, ftruncate(slot_fd(side, op), op->at_was));
	else
		DO(outcome, ftruncate64(slot_fd(side, op), op->at_was));
}

static void run_truncate(struct side *side, const struct operation *op, struct outcome *outcome)
{
	DO(outcome, truncate(side->name[op->name], op->at_was));
}

static void run_fallocate(struct side *side, const struct operation *op, struct outcome *outcome)
{
	static const int modes[] = {0,
				    FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_COLLAPSE_RANGE,
				    FALLOC_FL_INSERT_RANGE,
				    FALLOC_FL_PUNCH_HOLE};

	int fd = slot_fd(side, op);

	if ((modes[op->word] & FALLOC_FL_KEEP_SIZE) && op->at_was > raw_size(fd))
		machine.apart = true;
	DO(outcome, fallocate(fd, modes[op->word], op->at_was, op->length_was));
	/*
	 * On btrfs a punched hole moves mtime if there were blocks: not in a hole that was made inside of
	 * what is allocated ahead, or past the end of a file that is open twice. Not compared.
	 */
	if (op->word == 2 && outcome->result == 0)
		futimens(fd, NULL);
}

static void run_posix_fallocate(struct side *side, const struct operation *op,
				struct outcome *outcome)
{
	DO(outcome, posix_fallocate(slot_fd(side, op), op->at_was, op->length_was));
}

/* syscall(2) used for one of these. */
static void run_syscall(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);
	struct stat st;

	switch (op->word) {
	case 0:
		DO(outcome, syscall(SYS_lseek, fd, 0, SEEK_END));
		break;
	case 1:
		DO(outcome, syscall(SYS_ftruncate, fd, op->at_was));
		break;
	case 2:
		DO(outcome, syscall(SYS_pwrite64, fd, machine.data, 100, op->at_was));
		break;
	case 3:
		DO(outcome, syscall(SYS_write, fd, machine.data, 100));
		break;
	default:
		DO(outcome, syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH));
		stat_into(outcome, &st);
	}
}

static const struct call calls[] = {
	{"lseek%w /* %a */",
	 WORDS("(%f, SEEK_SET)", "(%f, SEEK_CUR)", "64(%f, SEEK_END)", "(%f, 0, SEEK_END)",
	       "(%f, 9)"),
	 .weight = 80, .traits = AT, .run = run_seek},
	{"lseek(%f, %a, %w)", WORDS("SEEK_DATA", "SEEK_HOLE"), .weight = 16,
	 .traits = AT | SPARSE_ANSWER, .run = run_seek_sparse},
	{"%w",
	 WORDS("fstat(%f)", "stat(%n)", "lstat(%n)", "fstatat(AT_FDCWD, %n)",
	       "fstatat(%f, AT_EMPTY_PATH)", "fstat(%f, bad)"),
	 .weight = 60, .run = run_stat},
	{"%w",
	 WORDS("statx(%f, STATX_BASIC_STATS)", "statx(%n, STATX_SIZE)", "statx(%f, STATX_MODE)"),
	 .weight = 20, .run = run_statx},
	{"%w(%f, %a)", WORDS("ftruncate", "ftruncate64"), .weight = 16,
	 .kind = RARE, .traits = AT, .run = run_ftruncate},
	{"truncate(%n, %a)", .weight = 3, .kind = RARE, .traits = AT, .run = run_truncate},
	{"fallocate(%f, %w, %a, %l)",
	 WORDS("0", "KEEP_SIZE", "PUNCH_HOLE|KEEP_SIZE", "ZERO_RANGE", "ZERO_RANGE|KEEP_SIZE",
	       "COLLAPSE_RANGE", "INSERT_RANGE", "PUNCH_HOLE"),
	 .weight = 20, .kind = RARE, .traits = AT | LENGTH, .run = run_fallocate},
	{"posix_fallocate(%f, %a, %l)", .weight = 5, .kind = RARE, .traits = AT | LENGTH,
	 .run = run_posix_fallocate},
	{"syscall(%w) /* %a */",
	 WORDS("SYS_lseek, %f, 0, SEEK_END", "SYS_ftruncate, %f", "SYS_pwrite64, %f, 100",
	       "SYS_write, %f, 100", "SYS_newfstatat, %f, AT_EMPTY_PATH"),
	 .weight = 30, .kind = DOOR, .traits = AT, .run = run_syscall},
};

FAMILY(size_family, calls);

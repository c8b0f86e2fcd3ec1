/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must be the same. Not compared, and why:
 *
 *	ctime		settling moves it, and can't put it back (libpreallocate(7))
 *	st_blocks	shows what is allocated ahead; bounded when the file is closed
 *	mtime, atime	clocks of two files: compared is whether they moved since the last look
 *	SEEK_DATA, SEEK_HOLE	what the page cache holds of unwritten extents counts as data or not,
 *			also for a plain file: the answers must be true, not the same
 *	fd numbers	two files can't have the same ones
 */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_AGO 1000000000

static bool all_zero(const char *bytes, int64_t count)
{
	return count <= 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, (size_t)count - 1));
}

/* Is there nothing but zeroes in the plain file from there on? Unknown where it can't be read: yes. */
static bool is_empty(const struct operation *op, int64_t from, int64_t to)
{
	struct side *side = &machine.side[PLAIN];
	int64_t got;

	if (to - from > BUFFER)
		to = from + BUFFER;
	if (to <= from)
		return true;
	got = raw.pread(side->fd[op->slot], side->back, (size_t)(to - from), from);
	/* Reading moves atime. */
	raw.pread(machine.side[MANAGED].fd[op->slot], machine.side[MANAGED].back, 1, from);
	return got < 0 || all_zero(side->back, got);
}

static bool sparse_is_true(const struct operation *op, const struct outcome *outcome)
{
	int64_t size = raw_size(machine.side[PLAIN].fd[op->slot]);
	int64_t at = op->at_was;
	int64_t sector_end, to = outcome->result;
	bool data = op->word == 0;

	if (to < 0)
		return outcome->error == ENXIO &&
		       (at < 0 || at >= size || (data && is_empty(op, at, size)));
	if (to < at)
		return false;
	if (data)
		return to < size && is_empty(op, at, to);
	/* A hole may be as small as a sector. */
	sector_end = (to & ~INT64_C(511)) + 512;
	return to <= size && (to == size || is_empty(op, to, sector_end < size ? sector_end : size));
}

static bool compare_sparse(const struct operation *op, const struct outcome outcomes[SIDES])
{
	for (int i = 0; i < SIDES; i++)
		if (!sparse_is_true(op, &outcomes[i]) && machine.side[i].fd[op->slot] >= 0 &&
		    outcomes[PLAIN].error != EBADF && outcomes[PLAIN].error != EINVAL)
			return differ("untrue answer %lld, error %d, for the %s file of %lld bytes",
				      (long long)outcomes[i].result, outcomes[i].error,
				      i == PLAIN ? "plain" : "managed",
				      (long long)raw_size(machine.side[PLAIN].fd[op->slot]));
	for (int i = 0; i < SIDES; i++)
		lseek(machine.side[i].fd[op->slot], 0, SEEK_SET);
	return true;
}

bool compare(const struct operation *op, const struct outcome outcomes[SIDES])
{
	const struct outcome *a = &outcomes[PLAIN], *b = &outcomes[MANAGED];
	const char *bytes[SIDES] = {machine.side[PLAIN].back, machine.side[MANAGED].back};

	if (machine.side[PLAIN].signals != machine.side[MANAGED].signals)
		return differ("SIGXFSZ: %d and %d times", machine.side[PLAIN].signals,
			      machine.side[MANAGED].signals);
	if ((call_of(op)->traits & SPARSE_ANSWER) &&
	    (a->result != b->result || a->error != b->error))
		return compare_sparse(op, outcomes);
	if (a->result != b->result || a->error != b->error)
		return differ("result %lld, errno %d (%s) and %lld, errno %d (%s)",
			      (long long)a->result, a->error, strerrorname_np(a->error),
			      (long long)b->result, b->error, strerrorname_np(b->error));
	for (int i = 0; i < MORE; i++)
		if (a->more[i] != b->more[i])
			return differ("result no. %d: %#llx and %#llx", i + 1,
				      (unsigned long long)a->more[i],
				      (unsigned long long)b->more[i]);
	if (a->bytes != b->bytes)
		return differ("%zu bytes to be compared, and %zu", a->bytes, b->bytes);
	for (size_t i = 0; a->bytes && memcmp(bytes[0], bytes[1], a->bytes) && i < a->bytes; i++)
		if (bytes[PLAIN][i] != bytes[MANAGED][i])
			return differ("byte %zu of %zu: %#x and %#x", i, a->bytes,
				      (unsigned char)bytes[PLAIN][i],
				      (unsigned char)bytes[MANAGED][i]);
	return true;
}

static int64_t nanoseconds(struct timespec time)
{
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* A new file may have the number of one that is gone, and the very mtime: only a change has its own. */
static bool was_looked_at(int side, int fd, const struct stat *st)
{
	return st->st_ino == machine.side[side].inode &&
	       raw_generation(fd) == machine.side[side].generation;
}

static bool compare_times(const int fds[SIDES], const struct stat st[SIDES])
{
	bool moved[SIDES], same_file = true;

	for (int i = 0; i < SIDES; i++) {
		same_file &= was_looked_at(i, fds[i], &st[i]);
		moved[i] = nanoseconds(st[i].st_mtim) != machine.side[i].modified;
		machine.side[i].modified = nanoseconds(st[i].st_mtim);
		machine.side[i].inode = st[i].st_ino;
		machine.side[i].generation = raw_generation(fds[i]);
	}
	if (machine.fine_times && same_file && moved[PLAIN] != moved[MANAGED])
		return differ("mtime since the last look: %s and %s",
			      moved[PLAIN] ? "moved" : "the same",
			      moved[MANAGED] ? "moved" : "the same");
	if ((st[PLAIN].st_mtim.tv_sec == LONG_AGO) != (st[MANAGED].st_mtim.tv_sec == LONG_AGO))
		return differ("mtime: %lld and %lld", (long long)st[PLAIN].st_mtim.tv_sec,
			      (long long)st[MANAGED].st_mtim.tv_sec);
	if (!machine.direct &&
	    (st[PLAIN].st_atim.tv_sec == LONG_AGO) != (st[MANAGED].st_atim.tv_sec == LONG_AGO))
		return differ("atime: %lld and %lld", (long long)st[PLAIN].st_atim.tv_sec,
			      (long long)st[MANAGED].st_atim.tv_sec);
	return true;
}

static bool compare_stat(const int fds[SIDES])
{
	struct outcome outcomes[SIDES] = {0};
	struct operation none = {0};
	struct stat st[SIDES];

	for (int i = 0; i < SIDES; i++) {
		DO(&outcomes[i], fstat(fds[i], &st[i]));
		stat_into(&outcomes[i], &st[i]);
	}
	if (outcomes[PLAIN].result == 0 && outcomes[MANAGED].result == 0 &&
	    st[PLAIN].st_size != st[MANAGED].st_size)
		return differ("size %lld and %lld", (long long)st[PLAIN].st_size,
			      (long long)st[MANAGED].st_size);
	return compare(&none, outcomes) && (outcomes[PLAIN].result < 0 || compare_times(fds, st));
}

/* The beginning, and the end if the file is longer. */
static bool compare_bytes(const int fds[SIDES],
			  int64_t (*read_at)(int fd, void *back, size_t bytes, int64_t at))
{
	int64_t size = raw_size(fds[PLAIN]);
	int64_t from[] = {0, (size - BUFFER + 4096) & ~INT64_C(4095)};

	/* See align() in machine.c. */
	if (machine.faulted && (fcntl(fds[PLAIN], F_GETFL) & O_DIRECT))
		return true;
	for (int part = 0; part < (size > BUFFER ? 2 : 1); part++) {
		struct outcome outcomes[SIDES] = {0};
		struct operation none = {0};
		/* Not past the end with O_DIRECT, see align() in machine.c. */
		bool direct = machine.direct || (fcntl(fds[PLAIN], F_GETFL) & O_DIRECT);
		size_t bytes = size - from[part] < BUFFER && direct
				       ? (size_t)(size - from[part] + 4095) & ~(size_t)4095
				       : BUFFER;

		for (int i = 0; i < SIDES; i++) {
			DO(&outcomes[i], read_at(fds[i], machine.side[i].back, bytes, from[part]));
			if (outcomes[i].result > 0)
				outcomes[i].bytes = (size_t)outcomes[i].result;
		}
		if (!compare(&none, outcomes)) {
			size_t told = strlen(machine.shared->difference);

			snprintf(machine.shared->difference + told,
				 sizeof(machine.shared->difference) - told,
				 ", reading all from %lld", (long long)from[part]);
			return false;
		}
	}
	return true;
}

static int64_t pread_of_libc(int fd, void *back, size_t bytes, int64_t at)
{
	return pread(fd, back, bytes, at);
}

bool compare_state(const struct operation *op)
{
	int fds[SIDES] = {machine.side[PLAIN].fd[op->slot], machine.side[MANAGED].fd[op->slot]};

	if ((fds[PLAIN] < 0) != (fds[MANAGED] < 0))
		return differ("one of them is open");
	if (fds[PLAIN] < 0)
		return true;
	if (op->checks & CHECK_OFFSET) {
		off_t at[SIDES] = {lseek(fds[PLAIN], 0, SEEK_CUR), lseek(fds[MANAGED], 0, SEEK_CUR)};

		if (at[PLAIN] != at[MANAGED])
			return differ("offset %lld and %lld", (long long)at[PLAIN],
				      (long long)at[MANAGED]);
	}
	if (op->checks & CHECK_FLAGS) {
		int flags[SIDES] = {fcntl(fds[PLAIN], F_GETFL), fcntl(fds[MANAGED], F_GETFL)};

		if (flags[PLAIN] != flags[MANAGED])
			return differ("F_GETFL %#o and %#o", (unsigned int)flags[PLAIN],
				      (unsigned int)flags[MANAGED]);
	}
	if ((op->checks & CHECK_STAT) && !compare_stat(fds))
		return false;
	return !(op->checks & CHECK_BYTES) || compare_bytes(fds, pread_of_libc);
}

/*
 * Of what was closed a moment ago, with nobody else there: what was allocated ahead is given back,
 * but for a piece. A hole that was made inside of it stays filled.
 */
static bool compare_space(const struct stat st[SIDES])
{
	int64_t plain = st[PLAIN].st_blocks * 512, managed = st[MANAGED].st_blocks * 512;
	int64_t most = plain > st[PLAIN].st_size ? plain : st[PLAIN].st_size;

	/* Blocks of the program's own, which could not be put back: then ours stay, libpreallocate(7). */
	if ((machine.limited || machine.apart) && plain > st[PLAIN].st_size)
		return true;
	if (machine.quiet && managed - most > (1 << 20) + 65536)
		return differ("closed: %lld bytes are allocated, %lld for the plain file",
			      (long long)managed, (long long)plain);
	return true;
}

/* Past the library, as any other process sees it. */
bool compare_end(bool looked)
{
	for (int name = 0; name < NAMES; name++) {
		struct stat st[SIDES];
		int fds[SIDES];
		bool same = true;

		for (int i = 0; i < SIDES; i++)
			fds[i] = raw.open(machine.side[i].name[name], O_RDONLY);
		for (int i = 0; i < SIDES; i++)
			if (fds[i] >= 0)
				raw.fstat(fds[i], &st[i]);
		if ((fds[PLAIN] < 0) != (fds[MANAGED] < 0))
			same = differ("name %d: exists only once", name);
		if (same && fds[PLAIN] >= 0) {
			if (st[PLAIN].st_size != st[MANAGED].st_size ||
			    st[PLAIN].st_mode != st[MANAGED].st_mode ||
			    st[PLAIN].st_nlink != st[MANAGED].st_nlink)
				same = differ("closed: size %lld and %lld, mode %#o and %#o",
					      (long long)st[PLAIN].st_size,
					      (long long)st[MANAGED].st_size, st[PLAIN].st_mode,
					      st[MANAGED].st_mode);
			/* Closing it changes nothing. */
			for (int i = 0; i < SIDES; i++)
				if (same && looked && was_looked_at(i, fds[i], &st[i]) &&
				    nanoseconds(st[i].st_mtim) != machine.side[i].modified)
					same = differ("closed: mtime of the %s file moved",
						      i == PLAIN ? "plain" : "managed");
			same = same && compare_bytes(fds, raw.pread) && compare_space(st);
		}
		for (int i = 0; i < SIDES; i++)
			if (fds[i] >= 0)
				raw.close(fds[i]);
		if (!same)
			return false;
	}
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs one operation on both files, the plain one first. */
#include "differ.h"
#include "preallocate.h"

#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct machine machine;
static volatile sig_atomic_t side_now;

bool differ(const char *format, ...)
{
	struct shared *shared = machine.shared;
	va_list arguments;

	if (shared->differs)
		return false;
	shared->differs = true;
	va_start(arguments, format);
	vsnprintf(shared->difference, sizeof(shared->difference), format, arguments);
	va_end(arguments);
	return false;
}

static void over_limit(int number)
{
	(void)number;
	machine.side[side_now].signals++;
}

static char *buffer_with_bad_end(void)
{
	char *map = mmap(NULL, BUFFER + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (map == MAP_FAILED || mprotect(map + BUFFER, 4096, PROT_NONE) < 0)
		err(99, "mmap");
	return map;
}

/* Multigrain timestamps (Linux 6.13): a change after a look has a time of its own. */
static bool times_are_fine(int fd)
{
	struct stat st;
	int64_t last = 0;

	for (int i = 0; i < 100; i++) {
		int64_t now;

		if (pwrite(fd, "t", 1, 0) != 1 || fstat(fd, &st) < 0)
			err(99, "times");
		now = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
		if (now == last)
			return false;
		last = now;
	}
	return true;
}

static int source_file(void)
{
	char name[] = "source.XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0 || unlink(name) < 0)
		err(99, "%s", name);
	machine.fine_times = times_are_fine(fd);
	if (pwrite(fd, machine.data, BUFFER, 0) != BUFFER)
		err(99, "%s", name);
	return fd;
}

void machine_start(int outside, struct shared *shared)
{
	struct sigaction action = {.sa_handler = over_limit, .sa_flags = SA_RESTART};
	uint64_t state = 1;

	raw_start();
	machine.shared = shared;
	machine.outside = outside;
	machine.limit = INT64_MAX;
	machine.data = buffer_with_bad_end();
	for (size_t i = 0; i < BUFFER / 2; i += sizeof(uint64_t)) {
		uint64_t bits = random_next(&state);

		memcpy(machine.data + i, &bits, sizeof(bits));
	}
	machine.source = source_file();
	if (pipe2(machine.pipe, O_CLOEXEC) < 0)
		err(99, "pipe");
	for (int i = 0; i < SIDES; i++)
		machine.side[i].back = buffer_with_bad_end();
	sigaction(SIGXFSZ, &action, NULL);
}

void machine_begin(const char *prefix, uint64_t number)
{
	for (int i = 0; i < SIDES; i++) {
		struct side *side = &machine.side[i];

		for (int k = 0; k < SLOTS; k++)
			side->fd[k] = -1;
		for (int k = 0; k < NAMES; k++) {
			int length = snprintf(side->name[k], NAME_LENGTH, "%s%llu-%d.", prefix,
					      (unsigned long long)number, k);

			snprintf(side->name[k] + length, (size_t)(NAME_LENGTH - length),
				 i == PLAIN ? "plain" : "d%u", machine.shared->rule);
		}
		side->signals = 0;
		side->modified = 0;
	}
	machine.quiet = true;
	machine.limited = false;
	machine.apart = false;
	machine.direct = false;
	machine.faulted = false;
}

int machine_open_slot(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (machine.side[PLAIN].fd[i] >= 0)
			return i;
	return -1;
}

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t resolve(const struct operation *op, const struct value *value)
{
	int slot = machine.side[PLAIN].fd[op->slot] >= 0 ? op->slot : machine_open_slot();
	int plain = slot < 0 ? -1 : machine.side[PLAIN].fd[slot];

	switch (value->base) {
	case DATA_END:
		return add(raw_size(plain), value->delta);
	case FILE_END:
		return add(raw_size(slot < 0 ? -1 : machine.side[MANAGED].fd[slot]), value->delta);
	case POSITION:
		return add(plain < 0 ? 0 : raw.lseek(plain, 0, SEEK_CUR), value->delta);
	case LIMIT:
		return machine.limit == INT64_MAX ? value->delta
						  : add(machine.limit, value->delta);
	default:
		return value->delta;
	}
}

static const struct value position = {.base = POSITION}, end = {.base = DATA_END};

/* Also a pwrite does, with O_APPEND. */
static bool appends(const struct operation *op, unsigned int traits)
{
	const struct call *call = call_of(op);
	const char *word = call->words ? call->words[op->word] : "";
	int fd = machine.side[PLAIN].fd[op->slot];

	if ((traits & READS) || ((traits & AT) && !(traits & DATA)))
		return false;
	if (!strcmp(word, "RWF_APPEND"))
		return true;
	return strcmp(word, "RWF_NOAPPEND") && fd >= 0 && (fcntl(fd, F_GETFL) & O_APPEND);
}

static int64_t start_of(const struct operation *op, unsigned int traits)
{
	if (appends(op, traits))
		return resolve(op, &end);
	return traits & AT ? op->at_was : resolve(op, &position);
}

static bool is_direct(const struct operation *op)
{
	int fd = machine.side[PLAIN].fd[op->slot];

	return fd >= 0 && (fcntl(fd, F_GETFL) & O_DIRECT);
}

/*
 * Direct I/O is aligned, to good memory. Else filesystems have an error, or take another way, by the
 * layout of the very blocks (ext4), or by the offset that an append doesn't use (XFS).
 */
static void align(struct operation *op, unsigned int traits)
{
	machine.direct = true;
	op->flags = 1;
	op->buffer = op->buffer == ZEROES ? ZEROES : GOOD;
	op->at_was &= ~INT64_C(4095);
	op->length_was = (op->length_was + 4095) & ~INT64_C(4095);
	op->from &= ~4095U;
	if (((start_of(op, traits) | start_of(op, 0) | resolve(op, &position)) & 4095) != 0)
		op->length_was = 0;
	/*
	 * Cut off at a limit that isn't aligned: EINVAL for the extent in which the limit lies, after
	 * the extents before it have been written, on ext4 and XFS. So it depends on the layout.
	 */
	if (!(traits & READS) && (machine.limit & 4095) && machine.limit != INT64_MAX &&
	    start_of(op, traits) + op->length_was > machine.limit)
		op->length_was = start_of(op, traits) < machine.limit
					 ? (machine.limit - start_of(op, traits)) & ~INT64_C(4095)
					 : op->length_was;
	/*
	 * EIO where blocks past the end of file wait for their allocation: XFS allocates ahead in
	 * that way, and on ext4 an append that faults leaves one behind, which may come to lie
	 * inside of the file.
	 */
	if ((traits & READS) && (machine.faulted || op->at_was + op->length_was > resolve(op, &end) ||
				 resolve(op, &position) + op->length_was > resolve(op, &end)))
		op->length_was = 0;
}

static void resolve_all(struct operation *op, unsigned int traits)
{
	op->at_was = resolve(op, &op->at);
	op->length_was = resolve(op, &op->length);
	if (op->upto)
		op->length_was -= start_of(op, traits) < op->length_was ? start_of(op, traits)
									 : op->length_was;
	if ((traits & DATA) && op->length_was < 0)
		op->length_was = 0;
	if (op->length_was > BUFFER / 2)
		op->length_was = BUFFER / 2;
	if ((traits & (DATA | COPIES)) && is_direct(op))
		align(op, traits);
	/*
	 * A write that faults part of the way may or may not have changed bytes that it doesn't count,
	 * as they happened to be in the page cache: only where an end of file cuts them off.
	 */
	if ((traits & DATA) && !(traits & READS) && op->buffer == HALF_BAD &&
	    (start_of(op, traits) < resolve(op, &end)))
		op->buffer = BAD;
	if ((traits & DATA) && !(traits & READS) && op->buffer >= BAD)
		machine.faulted = true;
}

static void count_extended(const struct operation *op)
{
	int plain = machine.side[PLAIN].fd[op->slot], managed = machine.side[MANAGED].fd[op->slot];

	machine.shared->statistics.operations++;
	if (plain >= 0 && managed >= 0 && raw_size(managed) > raw_size(plain))
		machine.shared->statistics.extended++;
}

bool machine_run(struct operation *op)
{
	const struct call *call = call_of(op);
	struct outcome outcomes[SIDES];

	resolve_all(op, call->traits);
	count_extended(op);
	memset(outcomes, 0, sizeof(outcomes));
	if (call->traits & ONCE) {
		call->run(NULL, op, &outcomes[0]);
		return !machine.shared->differs;
	}
	for (side_now = 0; side_now < SIDES; side_now++)
		call->run(&machine.side[side_now], op, &outcomes[side_now]);
	return compare(op, outcomes) && compare_state(op);
}

static void limit_lift(void)
{
	struct rlimit limit;

	if (machine.limit == INT64_MAX || getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	machine.limit = INT64_MAX;
}

/* What the library itself says: did it do anything to the file? */
static void count_kept(int fd)
{
	static int (*get)(int fd, struct preallocate_statistics *statistics);
	static bool looked;
	struct preallocate_statistics statistics = {.size = sizeof(statistics)};

	if (!looked)
		*(void **)&get = dlsym(RTLD_DEFAULT, "preallocate_get_statistics");
	looked = true;
	if (!get || get(fd, &statistics) < 0)
		return;
	machine.shared->statistics.settles += statistics.settles;
	if (statistics.keep_extensions > 0)
		machine.shared->statistics.kept_sequences++;
}

bool machine_end(void)
{
	struct operation last = {.checks = CHECK_STAT | CHECK_OFFSET | CHECK_FLAGS | CHECK_BYTES};
	bool same = !machine.shared->differs;
	int slot = machine_open_slot();

	limit_lift();
	machine.shared->current = machine.shared->count;
	if (same && slot >= 0) {
		last.slot = (uint8_t)slot;
		same = compare_state(&last);
	}
	if (slot >= 0)
		count_kept(machine.side[MANAGED].fd[slot]);
	for (int i = 0; i < SLOTS; i++) {
		int results[SIDES] = {0, 0};

		if (machine.side[PLAIN].fd[i] >= 0)
			for (int side = 0; side < SIDES; side++)
				results[side] = close(machine.side[side].fd[i]);
		if (same && results[PLAIN] != results[MANAGED])
			same = differ("close: %d and %d", results[PLAIN], results[MANAGED]);
	}
	same = same && compare_end(slot >= 0);
	for (int side = 0; side < SIDES; side++)
		for (int i = 0; i < NAMES; i++)
			unlink(machine.side[side].name[i]);
	machine.shared->statistics.sequences++;
	return same;
}

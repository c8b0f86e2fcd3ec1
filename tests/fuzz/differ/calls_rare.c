/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doors that go round us: copies in the kernel, mappings, streams; syncs and limits. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <unistd.h>

static void run_sync(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);

	switch (op->word) {
	case 0:
		DO(outcome, fdatasync(fd));
		break;
	case 1:
		DO(outcome, fsync(fd));
		break;
	case 2:
		DO(outcome, sync_file_range(fd, op->at_was, 4096, SYNC_FILE_RANGE_WRITE));
		break;
	default:
		DO(outcome, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	}
}

static void run_copy(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);
	off64_t from = op->from, at = op->at_was;
	size_t length = (size_t)op->length_was;

	switch (op->word) {
	case 0:
		DO(outcome, sendfile(fd, machine.source, &from, length));
		break;
	case 1:
		DO(outcome, copy_file_range(machine.source, &from, fd, &at, length, 0));
		break;
	default:
		DO(outcome, copy_file_range(machine.source, &from, fd, NULL, length, 0));
	}
	outcome->more[0] = from;
	outcome->more[1] = at;
}

static void run_copy_within(struct side *side, const struct operation *op,
			    struct outcome *outcome)
{
	int fd = slot_fd(side, op);
	off64_t from = 0, at = op->at_was;

	DO(outcome, copy_file_range(fd, &from, fd, &at, (size_t)op->length_was, 0));
	outcome->more[0] = from;
	outcome->more[1] = at;
}

/* A page at most. */
static size_t pipe_length(const struct operation *op)
{
	return op->length_was < 4096 ? (size_t)op->length_was : 4096;
}

static void run_splice_in(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);
	off64_t at = op->at_was;
	size_t length = pipe_length(op);
	char left[4096];

	if (write(machine.pipe[1], machine.data + op->from, length) != (ssize_t)length)
		outcome->more[1] = 1;
	DO(outcome, splice(machine.pipe[0], NULL, fd, op->word == 0 ? NULL : &at, length,
			   SPLICE_F_NONBLOCK));
	/* What it didn't take. */
	if (outcome->result < (int64_t)length)
		outcome->more[0] = read(machine.pipe[0], left, sizeof(left));
}

static void run_splice_out(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = slot_fd(side, op);
	off64_t at = op->at_was;

	DO(outcome, splice(fd, op->word == 0 ? NULL : &at, machine.pipe[1], NULL, pipe_length(op),
			   SPLICE_F_NONBLOCK));
	if (outcome->result > 0) {
		outcome->bytes = (size_t)read(machine.pipe[0], side->back, 4096);
		outcome->more[0] = (int64_t)outcome->bytes;
	}
}

/*
 * Stores stay below the end of file. What is stored past it, in the last page, comes to light or is
 * cleared, as the page happens to have been written back before the file grows: not to be compared.
 */
static void run_map(struct side *side, const struct operation *op, struct outcome *outcome)
{
	static const int protections[] = {PROT_READ | PROT_WRITE, PROT_READ,
					  PROT_READ | PROT_WRITE};
	int64_t size = raw_size(machine.side[PLAIN].fd[op->slot]);
	int64_t at = (op->at_was < 0 ? 0 : op->at_was) & ~INT64_C(4095);
	char *map;

	if (at >= size)
		at = size > 0 ? (size - 1) & ~INT64_C(4095) : 0;
	map = mmap(NULL, 4096, protections[op->word], op->word == 2 ? MAP_PRIVATE : MAP_SHARED,
		   slot_fd(side, op), at);
	DO(outcome, map == MAP_FAILED ? -1 : 0);
	if (map == MAP_FAILED)
		return;
	if (at < size) {
		size_t there = size - at < 4096 ? (size_t)(size - at) : 4096;

		if (op->word == 0)
			memcpy(map, machine.data + op->from, (there + 1) / 2);
		memcpy(side->back, map, there);
		outcome->bytes = there;
	}
	munmap(map, 4096);
}

static void run_stream(struct side *side, const struct operation *op, struct outcome *outcome)
{
	int fd = op->word == 0 ? dup(slot_fd(side, op)) : -1;
	FILE *stream;

	if (op->word == 0)
		stream = fdopen(fd, "r+");
	else
		stream = fopen(side->name[op->name], op->word == 1 ? "a" : "r+");
	DO(outcome, stream ? 0 : -1);
	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	outcome->more[0] = fseeko(stream, 0, SEEK_END);
	outcome->more[1] = ftello(stream);
	outcome->more[2] = fprintf(stream, "%u: and on\n", op->from);
	outcome->more[3] = (int64_t)fwrite(machine.data, 1, op->from % 5000, stream);
	outcome->more[4] = ftello(stream);
	DO(outcome, fclose(stream));
}

/* Once for both files: the limit is the process's. */
static void run_limit(struct side *side, const struct operation *op, struct outcome *outcome)
{
	struct rlimit limit;

	(void)side;
	getrlimit(RLIMIT_FSIZE, &limit);
	machine.limit = op->word == 1 || op->at_was < 0 ? INT64_MAX : op->at_was;
	machine.limited = true;
	limit.rlim_cur = machine.limit == INT64_MAX ? limit.rlim_max : (rlim_t)machine.limit;
	DO(outcome, setrlimit(RLIMIT_FSIZE, &limit));
}

/* The longest pause of a file that was challenged is a minute. */
static void run_wait(struct side *side, const struct operation *op, struct outcome *outcome)
{
	(void)side;
	(void)op;
	clock_advance(INT64_C(61000000000));
	DO(outcome, 0);
}

static const struct call calls[] = {
	{"%w /* %a */", WORDS("fdatasync(%f)", "fsync(%f)", "sync_file_range(%f)",
			      "posix_fadvise(%f, DONTNEED)"),
	 .weight = 2, .traits = AT, .run = run_sync},
	{"%w /* from %o, to %a, %l */",
	 WORDS("sendfile(%f, source)", "copy_file_range(source, %f, at)",
	       "copy_file_range(source, %f)"),
	 .weight = 6, .kind = RARE, .traits = AT | LENGTH | COPIES, .run = run_copy},
	{"copy_file_range(%f, %f) /* to %a, %l */", .weight = 2, .kind = RARE,
	 .traits = AT | LENGTH | COPIES | READS, .run = run_copy_within},
	{"splice(%w) /* %a, %l */", WORDS("pipe, %f", "pipe, %f, at"), .weight = 3, .kind = RARE,
	 .traits = AT | LENGTH | COPIES, .run = run_splice_in},
	{"splice(%w) /* %a, %l */", WORDS("%f, pipe", "%f, at, pipe"), .weight = 3, .kind = RARE,
	 .traits = AT | LENGTH | COPIES | READS, .run = run_splice_out},
	{"mmap(%f, %w) /* %a */",
	 WORDS("MAP_SHARED, store", "MAP_SHARED, read", "MAP_PRIVATE"), .weight = 10,
	 .kind = LASTING, .traits = AT, .run = run_map},
	{"fprintf(%w) /* %o */",
	 WORDS("fdopen(dup(%f), \"r+\")", "fopen(%n, \"a\")", "fopen(%n, \"r+\")"), .weight = 10,
	 .kind = LASTING, .run = run_stream},
	{"setrlimit(RLIMIT_FSIZE, %w) /* %a */", WORDS("%a", "RLIM_INFINITY"), .weight = 20,
	 .kind = LIMITED, .traits = AT | ONCE | NO_DESCRIPTOR, .run = run_limit},
	{"/* a minute passes */", .weight = 2, .traits = ONCE | NO_DESCRIPTOR, .run = run_wait},
};

FAMILY(rare_family, calls);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process under the library:
 *
 *	differ --worker OUTSIDE MEMORY replay
 *	differ --worker OUTSIDE MEMORY SEED OPERATIONS SEQUENCES SECONDS DOORS
 */
#include "differ.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static bool run_one(struct generator *generator, uint32_t planned)
{
	struct shared *shared = machine.shared;
	bool same = true;

	shared->count = 0;
	for (shared->current = 0; same && shared->current < planned; shared->current++) {
		if (shared->current == shared->count)
			generate(generator, &shared->operations[shared->count++]);
		/* What the child of a fork will do is made up in advance. */
		if (call_of(&shared->operations[shared->current])->kind == CHILD)
			for (int i = shared->operations[shared->current].flags;
			     i > 0 && shared->count < planned; i--)
				generate(generator, &shared->operations[shared->count++]);
		same = machine_run(&shared->operations[shared->current]);
		if (!same)
			break;
	}
	return same;
}

static bool replay(void)
{
	struct shared *shared = machine.shared;
	bool same = true;

	for (shared->current = 0; same && shared->current < shared->count; shared->current++) {
		same = machine_run(&shared->operations[shared->current]);
		if (!same)
			break;
	}
	return same;
}

static bool finish(bool same)
{
	uint32_t current = machine.shared->current;

	same = machine_end() && same;
	if (!same && current < machine.shared->count)
		machine.shared->current = current;
	return same;
}

static bool is_replayed_same(const char *prefix)
{
	machine_begin(prefix, 0);
	return finish(replay());
}

static bool are_all_same(const char *prefix, char **argv)
{
	uint64_t seed = strtoull(argv[0], NULL, 0), operations = strtoull(argv[1], NULL, 0);
	uint64_t sequences = strtoull(argv[2], NULL, 0);
	time_t end = time(NULL) + atoi(argv[3]);
	struct shared *shared = machine.shared;
	struct generator generator = {.kinds = argv[4][0] == '1' ? 1U << DOOR : 0};

	for (uint64_t i = 0; i < sequences && shared->statistics.operations < operations &&
			     time(NULL) < end; i++) {
		uint32_t planned;

		/* Sequence 0 of the seed that is reported is the one that differed. */
		shared->seed = seed + i;
		generator_begin(&generator, shared->seed, &shared->rule, &planned);
		machine_begin(prefix, i);
		if (!finish(run_one(&generator, planned)))
			return false;
	}
	return true;
}

int worker(int outside, int memory, char **argv)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
				     memory, 0);
	char prefix[32];

	if (shared == MAP_FAILED)
		err(99, "mmap");
	close(memory);
	snprintf(prefix, sizeof(prefix), "s%d-", (int)getpid());
	machine_start(outside, shared);
	if (!strcmp(argv[0], "replay"))
		return is_replayed_same(prefix) ? 0 : 1;
	return are_all_same(prefix, argv) ? 0 : 1;
}

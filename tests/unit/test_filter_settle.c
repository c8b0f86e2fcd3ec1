/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The positions after a write, and giving the preallocation back: filter_wrote, filter_settle. */
#include "test_filter_fake.h"

#include <pthread.h>

static void a_write_moves_data_end_and_never_back(void **state)
{
	struct filter_positions positions;

	(void)state;
	atomic_init(&positions.data_end, 100);
	atomic_init(&positions.file_end, 1000);
	filter_wrote(&positions, 99);
	assert_positions(&positions, 100, 1000);
	filter_wrote(&positions, 100);
	assert_positions(&positions, 100, 1000);
	filter_wrote(&positions, 101);
	assert_positions(&positions, 101, 1000);
	filter_wrote(&positions, 1000);
	assert_positions(&positions, 1000, 1000);
	filter_wrote(&positions, 1001);
	assert_positions(&positions, 1001, 1001);
	filter_wrote(&positions, INT64_MAX);
	assert_positions(&positions, INT64_MAX, INT64_MAX);
}

static void what_is_unknown_stays_unknown(void **state)
{
	struct filter_positions positions;

	(void)state;
	filter_disengage(&positions);
	filter_wrote(&positions, 5);
	assert_positions(&positions, FILTER_UNKNOWN, FILTER_UNKNOWN);
}

#define WRITERS 3
#define WRITES 20000

struct race {
	struct filter_positions positions;
	_Atomic int next, running;
};

static void *write_on(void *argument)
{
	struct race *race = argument;
	int first = atomic_fetch_add(&race->next, 1);

	for (int i = 0; i < WRITES; i++)
		filter_wrote(&race->positions, (int64_t)i * WRITERS + first);
	atomic_fetch_sub(&race->running, 1);
	return NULL;
}

static void file_end_is_never_seen_below_data_end(void **state)
{
	struct race race = {.running = WRITERS};
	pthread_t threads[WRITERS];
	int64_t seen = 0;

	(void)state;
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_on, &race), 0);
	while (atomic_load(&race.running) > 0) {
		int64_t data_end = atomic_load(&race.positions.data_end);

		assert_true(atomic_load(&race.positions.file_end) >= data_end);
		assert_true(data_end >= seen);
		seen = data_end;
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_positions(&race.positions, WRITES * WRITERS - 1, WRITES * WRITERS - 1);
}

static void settling_an_ordinary_file_does_nothing(void **state)
{
	struct filter_positions positions;
	struct fake fake;
	int64_t covered = 42;

	(void)state;
	filter_disengage(&positions);
	fake_init(&fake, 100);
	assert_int_equal(filter_settle(&positions, &fake_ops, &fake, &covered), 0);
	assert_int_equal(covered, 0);
	for (int op = 0; op < OPS; op++)
		assert_int_equal(fake.calls[op], 0);
	assert_positions(&positions, FILTER_UNKNOWN, FILTER_UNKNOWN);
}

static const struct {
	const char *what;
	int64_t data_end, file_end, size, unseen_end;
	int64_t settled, covered;
	int looks, cuts;
} settles[] = {
	{"the preallocation goes", 100, 4096, 4096, 0, 100, 0, 1, 1},
	{"an empty file is empty again", 0, 4096, 4096, 0, 0, 0, 1, 1},
	{"one byte of preallocation", 100, 101, 101, 0, 100, 0, 1, 1},
	{"nothing to cut", 100, 100, 100, 0, 100, 0, 0, 0},
	{"no position near the end overflows", INT64_MAX - 1, INT64_MAX, INT64_MAX, 0,
	 INT64_MAX - 1, 0, 1, 1},
	{"cut below data_end by somebody else", 100, 4096, 50, 0, 50, 0, 0, 0},
	{"cut to nothing by somebody else", 100, 4096, 0, 0, 0, 0, 0, 0},
	{"cut at data_end by somebody else", 100, 4096, 100, 0, 100, 0, 0, 0},
	{"cut inside the preallocation", 100, 4096, 200, 0, 100, 0, 1, 1},
	{"a byte right behind the data", 100, 4096, 4096, 101, 101, 1, 1, 1},
	{"a byte in the middle", 100, 4096, 4096, 2000, 2000, 1900, 1, 1},
	{"the last byte but one", 100, 4096, 4096, 4095, 4095, 3995, 1, 1},
	{"the last byte", 100, 4096, 4096, 4096, 4096, 3996, 1, 0},
	{"appended past file_end", 100, 4096, 5000, 5000, 5000, 4900, 1, 0},
	{"appended, and grown after it", 100, 4096, 9000, 5000, 5000, 4900, 1, 1},
	{"grown past file_end, all zeroes", 100, 4096, 9000, 0, 100, 0, 1, 1},
};

static void the_size_becomes_what_was_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(settles) / sizeof(settles[0]); i++) {
		struct filter_positions positions;
		struct fake fake;
		int64_t covered = -1;

		print_message("# %s\n", settles[i].what);
		fake_extended(&fake, &positions, settles[i].data_end, settles[i].file_end);
		fake.size = settles[i].size;
		fake.unseen_end = settles[i].unseen_end;
		assert_int_equal(filter_settle(&positions, &fake_ops, &fake, &covered), 0);
		assert_int_equal(fake.size, settles[i].settled);
		assert_positions(&positions, settles[i].settled, settles[i].settled);
		assert_int_equal(covered, settles[i].covered);
		assert_int_equal(fake.calls[OP_TAIL], settles[i].looks);
		assert_int_equal(fake.calls[OP_TRUNCATE], settles[i].cuts);
		assert_int_equal(fake.calls[OP_ALLOCATE], 0);

		/* A second time finds nothing to do. */
		assert_int_equal(filter_settle(&positions, &fake_ops, &fake, &covered), 0);
		assert_int_equal(covered, 0);
		assert_int_equal(fake.calls[OP_TRUNCATE], settles[i].cuts);
	}
}

static void an_error_cuts_nothing(void **state)
{
	static const int errors[] = {-EIO, -EINTR, -EPERM, -EBADF, -EINVAL};
	static const enum op ops[] = {OP_GETLENGTH, OP_TAIL, OP_TRUNCATE};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		for (size_t j = 0; j < sizeof(ops) / sizeof(ops[0]); j++) {
			struct filter_positions positions;
			struct fake fake;
			int64_t covered = -1;

			fake_extended(&fake, &positions, 100, 4096);
			fake.error[ops[j]] = errors[i];
			assert_int_equal(filter_settle(&positions, &fake_ops, &fake, &covered),
					 errors[i]);
			assert_int_equal(covered, 0);
			assert_int_equal(fake.size, 4096);
			assert_positions(&positions, 100, 4096);

			/* Once it is over, everything works. */
			fake.error[ops[j]] = 0;
			assert_int_equal(filter_settle(&positions, &fake_ops, &fake, &covered), 0);
			assert_int_equal(fake.size, 100);
		}
	}
}

static void a_failed_cut_still_covers_the_unseen(void **state)
{
	struct filter_positions positions;
	struct fake fake;
	int64_t covered;

	(void)state;
	fake_extended(&fake, &positions, 100, 4096);
	fake.size = 9000;
	fake.unseen_end = 5000;
	fake.error[OP_TRUNCATE] = -EIO;
	assert_int_equal(filter_settle(&positions, &fake_ops, &fake, &covered), -EIO);
	assert_int_equal(covered, 4900);
	assert_int_equal(fake.size, 9000);
	assert_positions(&positions, 5000, 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_moves_data_end_and_never_back),
		cmocka_unit_test(what_is_unknown_stays_unknown),
		cmocka_unit_test(file_end_is_never_seen_below_data_end),
		cmocka_unit_test(settling_an_ordinary_file_does_nothing),
		cmocka_unit_test(the_size_becomes_what_was_written),
		cmocka_unit_test(an_error_cuts_nothing),
		cmocka_unit_test(a_failed_cut_still_covers_the_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

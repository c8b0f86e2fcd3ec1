/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fd -> description. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "files/table.h"

#define LIMIT TABLE_END /* 2^30 */

static struct description descriptions[4];

static struct description *put(int fd, struct description *description)
{
	struct description *was = &descriptions[3]; /* to be overwritten */

	assert_true(table_exchange(fd, description, &was));
	return was;
}

static int empty_table(void **state)
{
	struct description *was;

	(void)state;
	for (int fd; (fd = table_next(0, INT_MAX)) >= 0;)
		assert_true(table_exchange(fd, NULL, &was));
	return 0;
}

static long resident_pages(void)
{
	long all, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%ld %ld", &all, &resident), 2);
	fclose(statm);
	return resident;
}

static void any_descriptor_may_be_in_it(void **state)
{
	static const int fds[] = {0,	   1,		2,	  TABLE_WIDTH - 1, TABLE_WIDTH,
				  1000000, 1048575,	1048576,  LIMIT - TABLE_WIDTH, LIMIT - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		assert_null(table_get(fds[i]));
		assert_null(put(fds[i], &descriptions[0]));
		assert_ptr_equal(table_get(fds[i]), &descriptions[0]);
		assert_ptr_equal(put(fds[i], &descriptions[1]), &descriptions[0]);
		assert_ptr_equal(table_get(fds[i]), &descriptions[1]);
		/* Its neighbours aren't. */
		assert_null(table_get(fds[i] + 1 == INT_MAX ? 0 : fds[i] + 1));
		assert_ptr_equal(put(fds[i], NULL), &descriptions[1]);
		assert_null(table_get(fds[i]));
		assert_null(put(fds[i], NULL));
	}
}

static void what_is_no_descriptor_is_not_in_it(void **state)
{
	static const int fds[] = {-1, -2, -100, INT_MIN, LIMIT, LIMIT + 1, INT_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		struct description *was = &descriptions[3];

		assert_null(table_get(fds[i]));
		assert_false(table_exchange(fds[i], &descriptions[0], &was));
		assert_null(was);
		assert_null(table_get(fds[i]));
		/* Taking out what can't be in it is nothing to complain of: close(-1). */
		assert_true(table_exchange(fds[i], NULL, &was));
		assert_null(was);
	}
}

static void the_next_one_is_found(void **state)
{
	static const int fds[] = {3, 4, 9, TABLE_WIDTH - 1, TABLE_WIDTH, 5 * TABLE_WIDTH + 7,
				  1000000, LIMIT - 1};
	const size_t count = sizeof(fds) / sizeof(fds[0]);
	int from = 0;

	(void)state;
	assert_int_equal(table_next(0, INT_MAX), -1);
	for (size_t i = 0; i < count; i++)
		put(fds[i], &descriptions[i % 2]);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(table_next(from, INT_MAX), fds[i]);
		assert_int_equal(table_next(fds[i], fds[i]), fds[i]);
		/* Not below `from`, not above `to`. */
		assert_int_equal(table_next(from, fds[i] - 1), -1);
		from = fds[i] + 1;
	}
	assert_int_equal(table_next(from, INT_MAX), -1);
	assert_int_equal(table_next(INT_MAX, INT_MAX), -1);
	assert_int_equal(table_next(INT_MIN, INT_MAX), 3);
	assert_int_equal(table_next(-5, 2), -1);
	assert_int_equal(table_next(10, 9), -1);
	assert_int_equal(table_next(0, -1), -1);
}

static void looking_takes_no_memory(void **state)
{
	long before;

	(void)state;
	empty_table(NULL);
	before = resident_pages();
	for (int fd = 0; fd < LIMIT - 100000; fd += 99991)
		assert_null(table_get(fd));
	for (int fd = 0; fd < LIMIT - 100000; fd += 99991)
		put(fd, NULL);
	assert_int_equal(table_next(0, INT_MAX), -1);
	/* Page tables and sanitizers aside. */
	assert_true(resident_pages() - before < 4096);
}

/* No memory for a chunk: the descriptor stays unmanaged, and nothing else changes. */
static void without_memory_nothing_changes(void **state)
{
	struct description *was = &descriptions[3];
	struct rlimit before, none;
	bool done;

	(void)state;
	put(5, &descriptions[0]);
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	done = table_exchange(77 * TABLE_WIDTH, &descriptions[1], &was);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_false(done);
	assert_null(was);
	assert_null(table_get(77 * TABLE_WIDTH));
	assert_ptr_equal(table_get(5), &descriptions[0]);
	assert_null(put(77 * TABLE_WIDTH, &descriptions[1]));
	assert_ptr_equal(table_get(77 * TABLE_WIDTH), &descriptions[1]);
}

#define THREADS 2
#define CHUNKS 8000

static _Atomic int arrived;

/* All threads need the same new chunk at the same time. */
static void *fill(void *argument)
{
	int me = (int)(intptr_t)argument;

	for (int i = 0; i < CHUNKS; i++) {
		struct description *was;
		int fd = (1000 + i) * TABLE_WIDTH + me;

		/* Spinning: who is woken one after the other doesn't meet. */
		atomic_fetch_add(&arrived, 1);
		for (int spins = 0; atomic_load(&arrived) < (i + 1) * THREADS; spins++)
			if (spins > 10000)
				sched_yield();
		if (!table_exchange(fd, &descriptions[me], &was) || was ||
		    table_get(fd) != &descriptions[me])
			return "lost";
	}
	return NULL;
}

static void threads_share_a_new_chunk(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fill, (void *)(intptr_t)i), 0);
	for (int i = 0; i < THREADS; i++) {
		void *lost;

		pthread_join(threads[i], &lost);
		assert_null(lost);
	}
	for (int i = 0; i < CHUNKS; i++)
		for (int me = 0; me < THREADS; me++)
			assert_ptr_equal(table_get((1000 + i) * TABLE_WIDTH + me),
					 &descriptions[me]);
}

#define test(function) cmocka_unit_test_setup(function, empty_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(any_descriptor_may_be_in_it),
		test(what_is_no_descriptor_is_not_in_it),
		test(the_next_one_is_found),
		test(looking_takes_no_memory),
		test(without_memory_nothing_changes),
		test(threads_share_a_new_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

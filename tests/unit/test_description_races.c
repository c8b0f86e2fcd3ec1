/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's lists, whose threads give the processor away between any two steps: what takes a machine
 * days comes about in seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static __thread unsigned int chance; /* 0: this thread doesn't */

static void give_way(void)
{
	if (!chance || rand_r(&chance) % 8)
		return;
	if (rand_r(&chance) % 4)
		sched_yield();
	else
		usleep(1);
}

#undef atomic_load
#define atomic_load(place) (give_way(), atomic_load_explicit(place, memory_order_seq_cst))
#undef atomic_exchange
#define atomic_exchange(place, new) \
	(give_way(), atomic_exchange_explicit(place, new, memory_order_seq_cst))
#undef atomic_compare_exchange_strong
#define atomic_compare_exchange_strong(place, seen, new) \
	(give_way(), atomic_compare_exchange_strong_explicit(place, seen, new, memory_order_seq_cst, \
							     memory_order_seq_cst))
#undef atomic_compare_exchange_weak
#define atomic_compare_exchange_weak(place, seen, new) \
	(give_way(), atomic_compare_exchange_weak_explicit(place, seen, new, memory_order_seq_cst, \
							   memory_order_seq_cst))

#include "files/description.c"

#define THREADS 6
#define EACH 3
#define PLACES 4096
#define SECONDS 3

static _Atomic bool stop;
static _Atomic int owners[PLACES];
static _Atomic unsigned int given[PLACES]; /* how often */
static _Atomic unsigned int wrong, lost, taken, steps;

/* All of one inode: the shortest lists, and the most often used anew. */
static void *open_and_close(void *argument)
{
	struct description *open[EACH] = {NULL};

	chance = 12345 + (unsigned int)(uintptr_t)argument;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct description **one = &open[rand_r(&chance) % EACH], *other;

		steps++;
		if (!*one) {
			*one = description_new();
			if (!*one || (*one)->index >= PLACES || owners[(*one)->index]++ != 0) {
				wrong++;
				break;
			}
			given[(*one)->index]++;
			(*one)->dev = 9;
			(*one)->ino = 300;
			description_publish(*one);
			continue;
		}
		other = description_find(9, 300);
		if (other) {
			unsigned int before = given[other->index];

			give_way();
			if (given[other->index] != before)
				taken++;
			description_let_go(other);
		} else {
			lost++;
		}
		owners[(*one)->index]--;
		description_free(*one);
		*one = NULL;
	}
	for (int i = 0; i < EACH; i++) {
		if (!open[i])
			continue;
		owners[open[i]->index]--;
		description_free(open[i]);
	}
	return NULL;
}

static void each_has_one_owner(void **state)
{
	pthread_t threads[THREADS];
	unsigned int before = 0, waited = 0;

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, (void *)i), 0);
	/* No progress: a list leads back into itself, or into the pool. */
	for (int i = 0; i < SECONDS || (steps == before && waited < 20); i++) {
		waited = steps == before ? waited + 1 : 0;
		before = steps;
		sleep(1);
	}
	assert_int_not_equal(steps, before);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(lost, 0);
	/* What is held is given to nobody. */
	assert_int_equal(taken, 0);
	assert_false(descriptions_exist());
	assert_false(description_may_be_found(300));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_one_owner),
	};

	return cmocka_run_group_tests_name("the pool's races", tests, NULL, NULL);
}

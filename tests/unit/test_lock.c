/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock that knows its owner. Threads of this test give themselves owner ids of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"

#define LONG_TIME (30 * NS_PER_S) /* nothing here is to last so long */

static void one_owner_at_a_time(void **state)
{
	owner_lock lock = 0;

	(void)state;
	assert_int_equal(owner_of(&lock), 0);
	assert_true(owner_trylock(&lock, 7));
	assert_int_equal(owner_of(&lock), 7);
	assert_false(owner_trylock(&lock, 8));
	assert_false(owner_trylock(&lock, 7));
	assert_int_equal(owner_of(&lock), 7);
	assert_false(owner_unlock(&lock, 8));
	assert_int_equal(owner_of(&lock), 7);
	assert_true(owner_unlock(&lock, 7));
	assert_int_equal(atomic_load(&lock), 0);
	assert_false(owner_unlock(&lock, 7));
	assert_true(owner_trylock(&lock, OWNER_MASK));
	assert_int_equal(owner_of(&lock), OWNER_MASK);
	assert_true(owner_unlock(&lock, OWNER_MASK));
}

static void waiting_ends_in_time(void **state)
{
	owner_lock lock = 0;
	int64_t start = clock_now();

	(void)state;
	owner_wait(&lock, LONG_TIME);
	assert_true(clock_now() - start < LONG_TIME / 2);

	assert_true(owner_trylock(&lock, 7));
	for (int i = 0; i < 2; i++) {
		start = clock_now();
		owner_wait(&lock, 20 * NS_PER_MS);
		assert_true(clock_now() - start >= 15 * NS_PER_MS);
		/* Who waited can be seen, also by the second one. */
		assert_int_equal(atomic_load(&lock), 7 | OWNER_WAITERS);
	}
	assert_true(owner_unlock(&lock, 7));
	assert_int_equal(atomic_load(&lock), 0);
}

struct waiter {
	owner_lock lock;
	uint32_t id;
	bool woken;
};

static void *lock_and_unlock(void *argument)
{
	struct waiter *waiter = argument;
	int64_t start = clock_now();

	while (!owner_trylock(&waiter->lock, waiter->id))
		owner_wait(&waiter->lock, LONG_TIME);
	waiter->woken = clock_now() - start < LONG_TIME / 2;
	owner_unlock(&waiter->lock, waiter->id);
	return NULL;
}

static void until_waited_for(owner_lock *lock)
{
	while (!(atomic_load(lock) & OWNER_WAITERS))
		sched_yield();
}

static void unlocking_wakes_the_waiter(void **state)
{
	struct waiter waiter = {.lock = 5, .id = 6};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, lock_and_unlock, &waiter), 0);
	until_waited_for(&waiter.lock);
	assert_true(owner_unlock(&waiter.lock, 5));
	pthread_join(thread, NULL);
	assert_true(waiter.woken);
}

static void a_lock_is_taken_over_from_its_owner_only(void **state)
{
	owner_lock lock = 0;

	(void)state;
	assert_false(owner_take_over(&lock, 5, 9, false));
	assert_true(owner_trylock(&lock, 5));
	assert_false(owner_take_over(&lock, 6, 9, false));
	assert_int_equal(owner_of(&lock), 5);
	assert_true(owner_take_over(&lock, 5, 9, false));
	assert_int_equal(owner_of(&lock), 9);
	/* The one it was taken from learns of it. */
	assert_false(owner_unlock(&lock, 5));
	assert_int_equal(owner_of(&lock), 9);
	assert_true(owner_unlock(&lock, 9));
}

static void only_the_suspended_owner_is_robbed(void **state)
{
	owner_lock lock = 0;

	(void)state;
	assert_true(owner_trylock(&lock, 5));
	assert_false(owner_take_over(&lock, 5, 9, true));
	owner_suspend(&lock, 6); /* not theirs */
	assert_false(owner_take_over(&lock, 5, 9, true));
	owner_suspend(&lock, 5);
	assert_int_equal(owner_of(&lock), 5);
	assert_true(owner_take_over(&lock, 5, 9, true));
	assert_int_equal(atomic_load(&lock), 9);
	assert_false(owner_resume(&lock, 5));
	assert_true(owner_unlock(&lock, 9));

	assert_true(owner_trylock(&lock, 5));
	owner_suspend(&lock, 5);
	assert_true(owner_resume(&lock, 5));
	assert_false(owner_take_over(&lock, 5, 9, true));
	assert_true(owner_unlock(&lock, 5));
	assert_int_equal(atomic_load(&lock), 0);
}

static void a_robbed_lock_keeps_its_waiters(void **state)
{
	struct waiter waiter = {.lock = 5, .id = 6};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, lock_and_unlock, &waiter), 0);
	until_waited_for(&waiter.lock);
	owner_suspend(&waiter.lock, 5);
	assert_true(owner_take_over(&waiter.lock, 5, 9, true));
	assert_int_equal(atomic_load(&waiter.lock), 9 | OWNER_WAITERS);
	assert_true(owner_unlock(&waiter.lock, 9));
	pthread_join(thread, NULL);
	assert_true(waiter.woken);
}

static void all_that_a_thread_holds_is_suspended(void **state)
{
	owner_lock first = 0, second = 0;
	struct owner_hold outer, inner;
	uint32_t me = thread_id();

	(void)state;
	assert_true(owner_trylock(&first, me));
	owner_hold(&outer, &first);
	assert_true(owner_trylock(&second, me));
	owner_hold(&inner, &second);

	owner_suspend_all();
	assert_int_equal(atomic_load(&first), me | OWNER_SUSPENDED);
	assert_int_equal(atomic_load(&second), me | OWNER_SUSPENDED);
	owner_suspend_all(); /* nested: nothing more */
	owner_resume_all();
	assert_int_equal(atomic_load(&first), me | OWNER_SUSPENDED);
	owner_resume_all();
	assert_int_equal(atomic_load(&first), me);
	assert_int_equal(atomic_load(&second), me);

	owner_release(&inner);
	assert_true(owner_unlock(&second, me));
	owner_suspend_all();
	assert_int_equal(atomic_load(&first), me | OWNER_SUSPENDED);
	assert_int_equal(atomic_load(&second), 0);
	owner_resume_all();
	owner_release(&outer);
	assert_true(owner_unlock(&first, me));
	assert_null(thread_state.held);
}

struct robber {
	owner_lock *lock;
	uint32_t from;
	_Atomic bool taken, done;
};

static void *rob(void *argument)
{
	struct robber *robber = argument;

	while (!owner_take_over(robber->lock, robber->from, 9, true))
		sched_yield();
	atomic_store(&robber->taken, true);
	usleep(30000);
	atomic_store(&robber->done, true);
	owner_unlock(robber->lock, 9);
	return NULL;
}

static void resuming_waits_for_the_robber(void **state)
{
	owner_lock lock = 0;
	struct owner_hold hold;
	struct robber robber = {.lock = &lock, .from = thread_id()};
	pthread_t thread;

	(void)state;
	assert_true(owner_trylock(&lock, thread_id()));
	owner_hold(&hold, &lock);
	assert_int_equal(pthread_create(&thread, NULL, rob, &robber), 0);
	owner_suspend_all();
	while (!atomic_load(&robber.taken))
		sched_yield();
	owner_resume_all();
	assert_true(atomic_load(&robber.done));
	assert_int_equal(owner_of(&lock), 0);
	owner_release(&hold);
	assert_false(owner_unlock(&lock, thread_id()));
	pthread_join(thread, NULL);
}

#define THREADS 4
#define ROUNDS 10000

static struct {
	owner_lock lock;
	_Atomic uint32_t next;
	long count; /* plain: the lock alone keeps it right */
} shared;

static void *count_up(void *argument)
{
	uint32_t me = 100 + atomic_fetch_add(&shared.next, 1);

	(void)argument;
	for (int i = 0; i < ROUNDS; i++) {
		while (!owner_trylock(&shared.lock, me))
			owner_wait(&shared.lock, LONG_TIME);
		shared.count++;
		if (!owner_unlock(&shared.lock, me))
			return "lost";
	}
	return NULL;
}

static void threads_exclude_each_other(void **state)
{
	pthread_t threads[THREADS];
	int64_t start = clock_now();

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *lost;

		pthread_join(threads[i], &lost);
		assert_null(lost);
	}
	assert_int_equal(shared.count, THREADS * ROUNDS);
	assert_int_equal(atomic_load(&shared.lock), 0);
	assert_true(clock_now() - start < LONG_TIME); /* no wake-up was missed */
}

/* A robber and an owner that suspends itself: each change is made by who holds the lock. */
static void *suspend_again_and_again(void *argument)
{
	struct owner_hold hold;
	uint32_t me = thread_id();
	long *own = argument;

	for (int i = 0; i < ROUNDS; i++) {
		while (!owner_trylock(&shared.lock, me))
			owner_wait(&shared.lock, LONG_TIME);
		owner_hold(&hold, &shared.lock);
		shared.count++;
		++*own;
		owner_suspend_all();
		sched_yield();
		owner_resume_all();
		owner_release(&hold);
		owner_unlock(&shared.lock, me);
	}
	return NULL;
}

static void a_robbed_owner_stays_out_of_the_way(void **state)
{
	long counts[2] = {0, 0}, robbed = 0;
	pthread_t threads[2];

	(void)state;
	shared.count = 0;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, suspend_again_and_again,
						&counts[i]), 0);
	for (int i = 0; i < 200000; i++) {
		uint32_t owner = owner_of(&shared.lock);

		if (owner && owner_take_over(&shared.lock, owner, OWNER_MASK, true)) {
			shared.count++;
			robbed++;
			assert_true(owner_unlock(&shared.lock, OWNER_MASK));
		}
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counts[0] + counts[1], 2 * ROUNDS);
	assert_int_equal(shared.count, 2 * ROUNDS + robbed);
	assert_int_equal(atomic_load(&shared.lock), 0);
}

static void processes_wake_each_other(void **state)
{
	owner_lock *lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
				0);
	int64_t start = clock_now();
	pid_t child;
	int status;

	(void)state;
	assert_ptr_not_equal(lock, MAP_FAILED);
	assert_true(owner_trylock(lock, 5));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		while (!owner_trylock(lock, 6))
			owner_wait(lock, LONG_TIME);
		_exit(owner_unlock(lock, 6) ? 0 : 1);
	}
	until_waited_for(lock);
	assert_true(owner_unlock(lock, 5));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(clock_now() - start < LONG_TIME / 2);
	munmap(lock, 4096);
}

static void *tell_id(void *argument)
{
	uint32_t *id = argument;

	*id = thread_id();
	return NULL;
}

static void a_thread_knows_its_id(void **state)
{
	uint32_t other = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(thread_id(), (uint32_t)syscall(SYS_gettid));
	assert_int_equal(thread_id(), (uint32_t)syscall(SYS_gettid));
	assert_int_equal(pthread_create(&thread, NULL, tell_id, &other), 0);
	pthread_join(thread, NULL);
	assert_int_not_equal(other, 0);
	assert_int_not_equal(other, thread_id());

	thread_state.suspended = 3;
	thread_state.in_gate = &other;
	thread_reset();
	assert_int_equal(thread_state.id, 0);
	assert_int_equal(thread_state.suspended, 0);
	assert_null(thread_state.in_gate);
	assert_int_equal(thread_id(), (uint32_t)syscall(SYS_gettid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_owner_at_a_time),
		cmocka_unit_test(waiting_ends_in_time),
		cmocka_unit_test(unlocking_wakes_the_waiter),
		cmocka_unit_test(a_lock_is_taken_over_from_its_owner_only),
		cmocka_unit_test(only_the_suspended_owner_is_robbed),
		cmocka_unit_test(a_robbed_lock_keeps_its_waiters),
		cmocka_unit_test(all_that_a_thread_holds_is_suspended),
		cmocka_unit_test(resuming_waits_for_the_robber),
		cmocka_unit_test(threads_exclude_each_other),
		cmocka_unit_test(a_robbed_owner_stays_out_of_the_way),
		cmocka_unit_test(processes_wake_each_other),
		cmocka_unit_test(a_thread_knows_its_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

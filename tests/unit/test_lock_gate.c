/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate around plain operations, and short sections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"

#define LONG_TIME (30 * NS_PER_S) /* nothing here is to last so long */
#define SHORT_TIME (20 * NS_PER_MS)

static void a_free_gate_closes_and_opens(void **state)
{
	struct gate gate = {0};
	struct gate_pass pass;

	(void)state;
	assert_true(gate_close(&gate, SHORT_TIME));
	/* Not a second time. */
	assert_false(gate_close(&gate, SHORT_TIME));
	gate_open(&gate);
	gate_enter(&gate, &pass);
	gate_leave(&gate, &pass);
	assert_int_equal(atomic_load(&gate.word), 0);
	assert_null(thread_state.in_gate);
}

static void a_nested_call_goes_straight_through(void **state)
{
	struct gate gate = {0};
	struct gate_pass outer, inner;
	int64_t start = clock_now();

	(void)state;
	gate_enter(&gate, &outer);
	assert_false(outer.inside_already);
	assert_ptr_equal(thread_state.in_gate, &gate);
	gate_enter(&gate, &inner);
	assert_true(inner.inside_already);
	assert_int_equal(atomic_load(&gate.word), 1);
	gate_leave(&gate, &inner);
	assert_int_equal(atomic_load(&gate.word), 1);
	assert_ptr_equal(thread_state.in_gate, &gate);
	/* Inside, it can't be closed: nobody would ever leave. */
	assert_false(gate_close(&gate, LONG_TIME));
	assert_true(clock_now() - start < LONG_TIME / 2);
	assert_int_equal(atomic_load(&gate.word), 1);
	gate_leave(&gate, &outer);
	assert_null(thread_state.in_gate);
	assert_int_equal(atomic_load(&gate.word), 0);
}

static void gates_nest_in_each_other(void **state)
{
	struct gate first = {0}, second = {0};
	struct gate_pass outer, inner;

	(void)state;
	gate_enter(&first, &outer);
	gate_enter(&second, &inner);
	assert_false(inner.inside_already);
	assert_ptr_equal(thread_state.in_gate, &second);
	gate_leave(&second, &inner);
	assert_ptr_equal(thread_state.in_gate, &first);
	/* Another one may be closed from inside. */
	assert_true(gate_close(&second, SHORT_TIME));
	/* And who has closed it passes. */
	assert_ptr_equal(thread_state.in_gate, &second);
	gate_enter(&second, &inner);
	assert_true(inner.inside_already);
	gate_leave(&second, &inner);
	gate_open(&second);
	assert_ptr_equal(thread_state.in_gate, &first);
	gate_leave(&first, &outer);
	assert_null(thread_state.in_gate);
}

struct guest {
	struct gate gate;
	_Atomic bool inside, leave, left;
};

static void *visit(void *argument)
{
	struct guest *guest = argument;
	struct gate_pass pass;

	gate_enter(&guest->gate, &pass);
	atomic_store(&guest->inside, true);
	while (!atomic_load(&guest->leave))
		usleep(1000);
	usleep(20000);
	atomic_store(&guest->left, true);
	gate_leave(&guest->gate, &pass);
	return NULL;
}

static void closing_waits_for_everybody_inside(void **state)
{
	struct guest guest = {.leave = true};
	pthread_t thread;
	int64_t start = clock_now();

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, visit, &guest), 0);
	while (!atomic_load(&guest.inside))
		sched_yield();
	assert_true(gate_close(&guest.gate, LONG_TIME));
	assert_true(atomic_load(&guest.left));
	assert_true(clock_now() - start < LONG_TIME / 2);
	gate_open(&guest.gate);
	pthread_join(thread, NULL);
}

static void closing_gives_up_in_time(void **state)
{
	struct guest guest = {.leave = false};
	struct gate_pass pass;
	pthread_t thread;
	int64_t start;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, visit, &guest), 0);
	while (!atomic_load(&guest.inside))
		sched_yield();
	start = clock_now();
	assert_false(gate_close(&guest.gate, SHORT_TIME));
	assert_true(clock_now() - start >= SHORT_TIME);
	/* Nothing was taken: others still come and go. */
	gate_enter(&guest.gate, &pass);
	gate_leave(&guest.gate, &pass);
	atomic_store(&guest.leave, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&guest.gate.word), 0);
	assert_true(gate_close(&guest.gate, SHORT_TIME));
	gate_open(&guest.gate);
}

static void a_closed_gate_keeps_others_out(void **state)
{
	struct guest guest = {.leave = true};
	pthread_t thread;

	(void)state;
	assert_true(gate_close(&guest.gate, SHORT_TIME));
	assert_int_equal(pthread_create(&thread, NULL, visit, &guest), 0);
	usleep(20000);
	assert_false(atomic_load(&guest.inside));
	gate_open(&guest.gate);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&guest.left));
}

#define THREADS 3
#define ROUNDS 3000

static struct {
	struct gate gate;
	long plain[THREADS]; /* each thread's own, inside the gate; all of them's, closed */
	_Atomic int next, running;
} house;

static void *come_and_go(void *argument)
{
	int me = atomic_fetch_add(&house.next, 1);

	(void)argument;
	for (int i = 0; i < ROUNDS; i++) {
		struct gate_pass pass;

		gate_enter(&house.gate, &pass);
		house.plain[me]++;
		gate_leave(&house.gate, &pass);
	}
	atomic_fetch_sub(&house.running, 1);
	return NULL;
}

static void nobody_is_inside_a_closed_gate(void **state)
{
	pthread_t threads[THREADS];
	long closed = 0, sum = 0;

	(void)state;
	atomic_store(&house.running, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	while (atomic_load(&house.running) > 0) {
		if (!gate_close(&house.gate, NS_PER_MS))
			continue;
		for (int i = 0; i < THREADS; i++)
			house.plain[i]++;
		closed++;
		gate_open(&house.gate);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += house.plain[i];
	}
	assert_int_equal(sum, THREADS * (ROUNDS + closed));
	assert_int_equal(atomic_load(&house.gate.word), 0);
}

/* ---- Sections ---- */

static struct section section;
static long section_count;
static _Atomic bool in_section;

static void *count_in_section(void *argument)
{
	struct section_hold hold;

	(void)argument;
	for (int i = 0; i < ROUNDS; i++) {
		section_enter(&section, &hold);
		if (atomic_exchange(&in_section, true))
			abort();
		section_count++;
		if (i % 64 == 0)
			sched_yield();
		atomic_store(&in_section, false);
		section_leave(&section, &hold);
	}
	return NULL;
}

static void one_thread_in_a_section(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_in_section, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(section_count, THREADS * ROUNDS);
	assert_int_equal(atomic_load(&section.word), 0);
}

static volatile sig_atomic_t handled;

static void handle(int number)
{
	(void)number;
	handled = 1;
}

static void signals_wait_outside(void **state)
{
	struct sigaction action = {.sa_handler = handle}, before;
	struct section_hold hold;
	sigset_t mask, after;

	(void)state;
	sigaction(SIGUSR1, &action, &before);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	section_enter(&section, &hold);
	pthread_kill(pthread_self(), SIGUSR1);
	assert_int_equal(handled, 0);
	section_leave(&section, &hold);
	assert_int_equal(handled, 1);
	/* The program's own mask is back. */
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_true(sigismember(&after, SIGUSR2));
	assert_false(sigismember(&after, SIGUSR1));
	sigemptyset(&mask);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGUSR1, &before, NULL);
}

static _Atomic bool came_through;

static void *cancelled_inside(void *argument)
{
	/* Not on the stack: AddressSanitizer's red zones there would outlive the unwinding. */
	static struct section_hold hold;

	(void)argument;
	section_enter(&section, &hold);
	pthread_cancel(pthread_self());
	pthread_testcancel();
	atomic_store(&came_through, true);
	section_leave(&section, &hold);
	pthread_testcancel();
	return "not cancelled";
}

static void cancellation_waits_outside(void **state)
{
	struct section_hold hold;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, cancelled_inside, NULL), 0);
	pthread_join(thread, &result);
	assert_true(atomic_load(&came_through));
	assert_ptr_equal(result, PTHREAD_CANCELED);
	section_enter(&section, &hold);
	section_leave(&section, &hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_free_gate_closes_and_opens),
		cmocka_unit_test(a_nested_call_goes_straight_through),
		cmocka_unit_test(gates_nest_in_each_other),
		cmocka_unit_test(closing_waits_for_everybody_inside),
		cmocka_unit_test(closing_gives_up_in_time),
		cmocka_unit_test(a_closed_gate_keeps_others_out),
		cmocka_unit_test(nobody_is_inside_a_closed_gate),
		cmocka_unit_test(one_thread_in_a_section),
		cmocka_unit_test(signals_wait_outside),
		cmocka_unit_test(cancellation_waits_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

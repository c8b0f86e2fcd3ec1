/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool of managed descriptions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "files/description.h"
#include "files/table.h"
#include "../lib/paced.h"

#define MANY 1000 /* more than a chunk of the pool holds */

static struct description *all[MANY];

static struct description *new_file(dev_t dev, ino_t ino)
{
	struct description *description = description_new();

	assert_non_null(description);
	description->dev = dev;
	description->ino = ino;
	description_publish(description);
	return description;
}

/* Without holding it. */
static struct description *found(dev_t dev, ino_t ino)
{
	struct description *description = description_find(dev, ino);

	if (description)
		description_let_go(description);
	return description;
}

static void a_new_one_is_blank(void **state)
{
	struct description *description;

	(void)state;
	assert_false(descriptions_exist());
	description = description_new();
	assert_non_null(description);
	assert_true(descriptions_exist());
	assert_int_equal(atomic_load(&description->fds), 1);
	assert_ptr_equal(atomic_load(&description->slot), &slot_none);
	assert_false(slot_is_extended(atomic_load(&description->slot)));
	assert_int_equal(description->dev, 0);
	assert_int_equal(atomic_load(&description->reasons), 0);

	strcpy(description->path, "used");
	description->dev = 1;
	atomic_store(&description->reasons, KEEP_MAPPED);
	atomic_store(&description->kept, true);
	atomic_store(&description->appends, 7);
	description_free(description);
	assert_false(descriptions_exist());

	/* The same one again, with nothing left of what it was. */
	assert_ptr_equal(description_new(), description);
	assert_string_equal(description->path, "");
	assert_int_equal(description->dev, 0);
	assert_int_equal(atomic_load(&description->reasons), 0);
	assert_false(atomic_load(&description->kept));
	assert_int_equal(atomic_load(&description->appends), 0);
	assert_int_equal(atomic_load(&description->fds), 1);
	description_free(description);
}

static void a_file_is_found_while_it_is_open(void **state)
{
	struct description *first = new_file(1, 100);
	struct description *second = new_file(1, 101);
	struct description *elsewhere = new_file(2, 100);

	(void)state;
	assert_ptr_equal(found(1, 100), first);
	assert_ptr_equal(found(1, 101), second);
	assert_ptr_equal(found(2, 100), elsewhere);
	assert_null(found(2, 101));
	assert_null(found(1, 102));
	description_free(first);
	assert_null(found(1, 100));
	assert_ptr_equal(found(2, 100), elsewhere);
	description_free(second);
	description_free(elsewhere);
	assert_null(found(2, 100));
}

static void an_unpublished_one_is_not_found(void **state)
{
	struct description *description = description_new();

	(void)state;
	description->dev = 1;
	description->ino = 100;
	assert_null(found(1, 100));
	description_publish(description);
	assert_ptr_equal(found(1, 100), description);
	description_free(description);

	/* What had its place before isn't found in its stead. */
	description = description_new();
	assert_null(found(1, 100));
	description_free(description);
}

static void many_are_in_use_at_once(void **state)
{
	static struct description *at[MANY];
	struct description *description;
	size_t seen = 0, after = 300;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		all[i] = new_file(3, 1000 + i);
	for (size_t i = 0; i < MANY; i++) {
		assert_ptr_equal(found(3, 1000 + i), all[i]);
		assert_null(at[all[i]->index]);
		assert_true(all[i]->index < MANY);
		at[all[i]->index] = all[i];
	}
	for (size_t i = 0; (description = description_next(&i)); description_let_go(description)) {
		assert_int_equal(i, seen + 1);
		assert_ptr_equal(description, at[seen++]);
	}
	assert_int_equal(seen, MANY);
	memcpy(all, at, sizeof(all));

	/* A free place first: the pool stays small. */
	description_free(all[700]);
	description_free(all[300]);
	description_free(all[500]);
	assert_ptr_equal(description_next(&after), all[301]);
	description_let_go(all[301]);
	for (size_t i = 300; i <= 700; i += 200) {
		struct description *again = new_file(3, 2000 + i);

		assert_true(again->index == 300 || again->index == 500 || again->index == 700);
		all[again->index] = again;
	}
	after = MANY;
	assert_null(description_next(&after));

	for (size_t i = 0; i < MANY; i++)
		description_free(all[i]);
	assert_false(descriptions_exist());
	for (size_t i = 0; i < MANY; i++)
		assert_null(found(3, 1000 + i));
}

static void one_that_is_being_closed_is_passed_over(void **state)
{
	struct description *description = new_file(1, 100);
	size_t index = description->index;

	(void)state;
	atomic_store(&description->fds, 0);
	assert_null(description_next(&index));
	description_free(description);
}

/* A thread uses a descriptor that another one closes. */
static void one_that_is_held_is_given_to_nobody(void **state)
{
	struct description *description = new_file(1, 100), *was, *other;

	(void)state;
	assert_true(table_exchange(5, description, &was));
	assert_true(description_hold(description, 5));
	assert_true(description_hold(description, 5));
	assert_true(table_exchange(5, NULL, &was));
	description_free(description);
	assert_false(description_hold(description, 5));
	for (int holders = 2; holders > 0; holders--) {
		other = description_new();
		assert_ptr_not_equal(other, description);
		description_free(other);
		description_let_go(description);
	}
	assert_ptr_equal(description_new(), description);
	assert_int_equal(atomic_load(&description->holders), 0);
	description_free(description);
}

/* What is said of the one that is walked past must not be said of another file. */
static void one_that_is_walked_past_keeps_its_place(void **state)
{
	struct description *description = new_file(1, 100), *next, *other;
	size_t index = description->index;

	(void)state;
	assert_ptr_equal(description_next(&index), description);
	description_free(description);
	next = new_file(1, 101);
	assert_ptr_not_equal(next, description);
	description_let_go(description);
	other = new_file(1, 102);
	assert_ptr_equal(other, description);
	description_free(other);
	description_free(next);
}

static void a_bucket_gives_back_what_is_free(void **state)
{
	struct description *description;
	size_t end = 0;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		all[i] = new_file(4, 100 + i * DESCRIPTION_BUCKETS);
	for (size_t i = 0; i < 100; i++) {
		end = all[i]->index > end ? all[i]->index : end;
		assert_ptr_equal(found(4, 100 + i * DESCRIPTION_BUCKETS), all[i]);
	}
	for (size_t i = 0; i < 99; i++)
		description_free(all[i]);
	for (size_t i = 0; i < 99; i++)
		assert_null(found(4, 100 + i * DESCRIPTION_BUCKETS));
	assert_ptr_equal(found(4, 100 + 99 * DESCRIPTION_BUCKETS), all[99]);
	/* However many come and go, each while the next is there already. */
	for (size_t i = 0; i < 1000; i++) {
		description = new_file(4, 100 + i % 99 * DESCRIPTION_BUCKETS);
		assert_true(description->index <= end);
		description_free(all[99]);
		all[99] = description;
	}
	description_free(all[99]);
	assert_false(description_may_be_found(100));
	for (size_t i = 0; i < 100; i++) {
		all[i] = new_file(4, 200 + i);
		assert_true(all[i]->index <= end);
	}
	for (size_t i = 0; i < 100; i++)
		description_free(all[i]);
}

#define CHURNERS 4
static _Atomic unsigned int wrong;

/* All in one bucket: pushed, popped and walked over at once. */
static void *churn(void *argument)
{
	uintptr_t me = (uintptr_t)argument;
	struct description *held[8] = {NULL};

	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int k = i * 7 % 8;
		ino_t ino = 300 + (me * 8 + k) * DESCRIPTION_BUCKETS;

		if (held[k]) {
			if (found(5, ino) != held[k])
				wrong++;
			description_free(held[k]);
			if (found(5, ino))
				wrong++;
			held[k] = NULL;
		} else {
			held[k] = description_new();
			if (held[k]->dev != 0)
				wrong++;
			held[k]->dev = 5;
			held[k]->ino = ino;
			description_publish(held[k]);
			if (found(5, ino) != held[k])
				wrong++;
		}
	}
	for (unsigned int k = 0; k < 8; k++)
		if (held[k])
			description_free(held[k]);
	return NULL;
}

static void threads_share_a_bucket(void **state)
{
	pthread_t threads[CHURNERS];

	(void)state;
	for (uintptr_t i = 0; i < CHURNERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < CHURNERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	assert_false(descriptions_exist());
	assert_false(description_may_be_found(300));
}

static void without_memory_there_is_none(void **state)
{
	struct rlimit before, none;
	struct description *description;
	size_t count = 0;

	(void)state;
	/* Every place that there is memory for. */
	count = (MANY + 255) / 256 * 256;
	for (size_t i = 0; i < count; i++) {
		assert_true(i < MANY * 2);
		description = description_new();
		assert_true(description->index < count);
	}
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	description = description_new();
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_null(description);
	/* And later there is one. */
	description = description_new();
	assert_non_null(description);
	assert_int_equal(description->index, count);
	for (size_t i = 0; (description = description_next(&i)); description_let_go(description))
		description_free(description);
	assert_false(descriptions_exist());
}

#define THREADS 4
#define ROUNDS 5000

#define PLACES 2048

static _Atomic int owners[PLACES];
static _Atomic bool stop;

static void *open_and_close(void *argument)
{
	ino_t ino = 5000 + (ino_t)(intptr_t)argument;

	for (int i = 0; i < ROUNDS; i++) {
		struct description *description = description_new();
		const char *error = NULL;

		if (!description || description->index >= PLACES)
			return "no place";
		if (atomic_exchange(&owners[description->index], 1))
			return "two owners";
		description->dev = 9;
		description->ino = ino;
		description_publish(description);
		if (found(9, ino) != description)
			error = "not found";
		atomic_store(&owners[description->index], 0);
		description_free(description);
		if (error)
			return (void *)error;
	}
	return NULL;
}

static void threads_get_one_each(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close,
						(void *)(intptr_t)i), 0);
	for (int i = 0; i < THREADS; i++) {
		void *error;

		pthread_join(threads[i], &error);
		if (error)
			fail_msg("%s", (const char *)error);
	}
	assert_false(descriptions_exist());
}

static void *look_for_them(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop)) {
		for (ino_t ino = 7000; ino < 7000 + 200; ino++) {
			struct description *description = description_find(9, ino);

			/* What is found is whole, and stays so while it is held. */
			if (!description)
				continue;
			if (description->ino != ino || !description->readable)
				return "half of it";
			description_let_go(description);
		}
	}
	return NULL;
}

static void what_is_found_is_whole(void **state)
{
	pthread_t thread;
	void *error;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, look_for_them, NULL), 0);
	for (ino_t i = 0; i < 200; i++) {
		all[i] = description_new();
		all[i]->dev = 9;
		all[i]->ino = 7000 + i;
		all[i]->readable = true;
		description_publish(all[i]);
		usleep(50);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &error);
	for (size_t i = 0; i < 200; i++)
		description_free(all[i]);
	if (error)
		fail_msg("%s", (const char *)error);
}

static struct description *changing;

static void *change_options(void *argument)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;

	(void)argument;
	/* The other half, late. */
	usleep(20000);
	atomic_store(&changing->options.prealloc_align, 2048);
	atomic_fetch_add(&changing->options.version, 1);
	for (int i = 1; !atomic_load(&stop); i++) {
		options.prealloc_size = options.prealloc_align = 512 * (int64_t)i;
		description_set_options(changing, &options);
	}
	return NULL;
}

/* Never half of what is being changed. */
static void options_are_read_as_a_whole(void **state)
{
	struct rule_options options;
	pthread_t thread;

	(void)state;
	changing = new_file(1, 1);
	atomic_store(&stop, false);
	atomic_store(&changing->options.version, 1);
	atomic_store(&changing->options.prealloc_size, 2048);
	assert_int_equal(pthread_create(&thread, NULL, change_options, NULL), 0);
	for (int i = 0; i < 200000; i++) {
		description_options(changing, &options);
		assert_int_equal(options.prealloc_size, options.prealloc_align);
		assert_true(options.prealloc_size >= 512);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	atomic_store(&stop, false);
	description_free(changing);
}

/* What the program has allocated behind the end is known to every description of the file. */
static void a_file_has_one_keep_end(void **state)
{
	struct description *first = new_file(1, 100), *second = new_file(1, 100);
	struct description *elsewhere = new_file(2, 100);

	(void)state;
	descriptions_note_keep_end(1, 100, 5000, false);
	descriptions_note_keep_end(1, 100, 4000, true);
	assert_int_equal(atomic_load(&first->program_keep_end), 5000);
	assert_int_equal(atomic_load(&second->program_keep_end), 5000);
	assert_int_equal(atomic_load(&second->reasons), KEEP_APART);
	assert_int_equal(atomic_load(&elsewhere->program_keep_end), 0);
	assert_int_equal(atomic_load(&elsewhere->reasons), 0);
	descriptions_forget_keep_end(2, 100);
	assert_int_equal(atomic_load(&first->program_keep_end), 5000);
	descriptions_forget_keep_end(1, 100);
	assert_int_equal(atomic_load(&first->program_keep_end), 0);
	assert_int_equal(atomic_load(&second->reasons), 0);
	description_free(first);
	description_free(second);
	description_free(elsewhere);
}

static _Atomic unsigned int interruptions;

/* Nobody else has it. */
static struct description *new_owned(dev_t dev, ino_t ino)
{
	struct description *description = description_new();

	if (!description || description->index >= PLACES ||
	    atomic_exchange(&owners[description->index], 1)) {
		wrong++;
		return NULL;
	}
	description->dev = dev;
	description->ino = ino;
	description_publish(description);
	if (found(dev, ino) != description)
		wrong++;
	return description;
}

static void free_owned(struct description *description)
{
	if (!description)
		return;
	atomic_store(&owners[description->index], 0);
	description_free(description);
}

/* The first of the pool comes back to its place, but the second doesn't. */
static void open_in_handler(int signal)
{
	static struct description *kept;
	struct description *first, *second;
	ino_t ino = 100 + (ino_t)(interruptions++ % 3) * DESCRIPTION_BUCKETS;

	(void)signal;
	paced_handled();
	first = new_owned(6, ino);
	second = new_owned(8, ino);
	free_owned(kept);
	free_owned(first);
	kept = second;
	if (atomic_load(&stop)) {
		free_owned(kept);
		kept = NULL;
	}
}

/* Whatever is interrupted, nobody waits for it. */
static void a_signal_handler_opens_and_closes(void **state)
{
	(void)state;
	wrong = 0;
	memset(owners, 0, sizeof(owners));
	atomic_store(&stop, false);
	signal(SIGALRM, open_in_handler);
	for (size_t i = 0; i < 5000000 && interruptions < 20000; i++) {
		ino_t ino = 100 + (i % 5) * DESCRIPTION_BUCKETS;
		struct description *description;

		paced_set(40);
		description = new_owned(7, ino);
		free_owned(description);
		if (found(7, ino))
			wrong++;
	}
	paced_end();
	atomic_store(&stop, true);
	raise(SIGALRM);
	signal(SIGALRM, SIG_DFL);
	assert_int_equal(wrong, 0);
	assert_true(interruptions > 100);
	assert_false(descriptions_exist());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_one_is_blank),
		cmocka_unit_test(a_file_is_found_while_it_is_open),
		cmocka_unit_test(an_unpublished_one_is_not_found),
		cmocka_unit_test(many_are_in_use_at_once),
		cmocka_unit_test(one_that_is_being_closed_is_passed_over),
		cmocka_unit_test(one_that_is_held_is_given_to_nobody),
		cmocka_unit_test(one_that_is_walked_past_keeps_its_place),
		cmocka_unit_test(a_bucket_gives_back_what_is_free),
		cmocka_unit_test(threads_share_a_bucket),
		cmocka_unit_test(without_memory_there_is_none),
		cmocka_unit_test(threads_get_one_each),
		cmocka_unit_test(what_is_found_is_whole),
		cmocka_unit_test(options_are_read_as_a_whole),
		cmocka_unit_test(a_file_has_one_keep_end),
		cmocka_unit_test(a_signal_handler_opens_and_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

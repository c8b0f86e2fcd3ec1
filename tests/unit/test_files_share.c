/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptions that a child may hold: real children, which tell by the shared flags whether they passed on
 * what they have. And what another thread finds changed when it gets the lock that it waited for.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/thread.h"
#include "files/engage.h"
#include "test_engage_twin.h"

/* --- children --- */

static void passes_nothing_on(int fd)
{
	share_begin();
	share_end(false, SHARE_ALL, 0);
	assert_non_null(table_get(fd));
}

static void forks(int fd)
{
	(void)fd;
	share_begin();
	share_end(true, SHARE_ALL, 0);
}

static void spawns(int fd)
{
	fcntl(fd, F_SETFD, 0);
	share_begin();
	share_end(true, SHARE_INHERITED, 0);
}

static void spawns_without_it(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	share_begin();
	share_end(true, SHARE_INHERITED, 0);
}

static void executes(int fd)
{
	fcntl(fd, F_SETFD, 0);
	share_before_exec();
}

static void executes_without_it(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	share_before_exec();
}

static void sends(int fd)
{
	share_description(table_get(fd));
}

/* As src/libc's fork does it. The child ends when it can't read from the pipe any more. */
static pid_t fork_with(int fd, void (*does)(int fd), const int pipe_ends[2])
{
	struct description *description;
	pid_t pid;
	char byte;

	share_begin();
	share_prepare_watch();
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		share_end(true, SHARE_ALL, pid);
		return pid;
	}
	description = table_get(fd);
	if (!description)
		exit(4);
	/* As if another thread had been about to extend it. */
	atomic_fetch_add(&description->resizes, 1);
	share_in_child();
	share_unbar();
	if (atomic_load(&description->resizes) & 1)
		exit(5);
	/* What the parent holds isn't this process's any more. */
	if (!(atomic_load(&table_get(fd)->reasons) & KEEP_SHARED) || claim_is_barred())
		exit(2);
	does(fd);
	close(pipe_ends[1]);
	exit(read(pipe_ends[0], &byte, 1) == 0 ? 0 : 3);
}

static void await(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void only_who_passed_nothing_on_leaves_it_exclusive(void **state)
{
	static const struct {
		void (*does)(int fd);
		bool passes_on;
	} children[] = {
		{passes_nothing_on, false}, {forks, true},	   {spawns, true},
		{spawns_without_it, false}, {executes, true}, {executes_without_it, false},
		{sends, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
		struct twin t, later;
		int ends[2];
		pid_t pid;

		twin_open(&t, "a.log", O_RDWR);
		twin_write(&t, 100, -1);
		assert_true(twin_is_extended(&t));
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		pid = fork_with(t.fd, children[i].does, ends);
		close(ends[0]);
		assert_false(twin_is_extended(&t));
		twin_write(&t, 100, -1);
		assert_false(twin_is_extended(&t));
		assert_false(description_is_exclusive(table_get(t.fd)));
		/* What is opened while the child lives is nobody else's. */
		memset(&later, 0, sizeof(later));
		later.plain = t.plain;
		snprintf(later.path, sizeof(later.path), "%s/later.log", twin_directory);
		later.fd = open(later.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		share_opening();
		files_opened(later.fd, O_RDWR | O_CLOEXEC, later.path);
		assert_true(description_is_exclusive(table_get(later.fd)));
		close(ends[1]);
		await(pid);
		assert_int_equal(description_is_exclusive(table_get(t.fd)), !children[i].passes_on);
		assert_true(description_is_exclusive(table_get(later.fd)));
		twin_write(&t, 100, -1);
		assert_int_equal(twin_is_extended(&t), !children[i].passes_on);
		files_closing(later.fd);
		close(later.fd);
		twin_close(&t);
	}
}

static pid_t pid_of_last;

static pid_t child_until(int fd, int ends[2])
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_of_last = fork_with(fd, passes_nothing_on, ends);
	close(ends[0]);
	return pid_of_last;
}

/* The program closes what we watch the child by: whether it still has the file can't be told any more. */
static void a_watch_that_was_closed_is_over(void **state)
{
	struct twin t, later;
	int ends[2];

	(void)state;
	twin_open(&t, "a.log", O_RDWR);
	twin_write(&t, 100, -1);
	child_until(t.fd, ends);
	share_descriptors_gone(0, 2);
	assert_false(twin_reasons(&t) & KEEP_SHARED);
	share_descriptors_gone(UINT32_MAX - 1, UINT32_MAX);
	assert_false(twin_reasons(&t) & KEEP_SHARED);
	memset(&later, 0, sizeof(later));
	snprintf(later.path, sizeof(later.path), "%s/later.log", twin_directory);
	later.fd = open(later.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	share_opening();
	files_opened(later.fd, O_RDWR | O_CLOEXEC, later.path);
	share_descriptors_gone(3, UINT32_MAX);
	assert_true(twin_reasons(&t) & KEEP_SHARED);
	assert_false(atomic_load(&table_get(later.fd)->reasons) & KEEP_SHARED);
	close(ends[1]);
	await(pid_of_last);
	assert_false(description_is_exclusive(table_get(t.fd)));
	files_closing(later.fd);
	close(later.fd);
	twin_close(&t);
}

/* More children than can be watched. */
static void who_cannot_be_watched_has_it_for_good(void **state)
{
	struct twin t;

	(void)state;
	twin_open(&t, "a.log", O_RDWR);
	twin_write(&t, 100, -1);
	share_begin();
	for (int i = 0; i < 70; i++)
		share_prepare_watch();
	share_end(true, SHARE_ALL, getpid());
	assert_true(twin_reasons(&t) & KEEP_SHARED);
	twin_close(&t);
}

static void whatever_was_handed_over_while_it_was_opened(void **state)
{
	static const struct {
		enum share_kind kind;
		int flags;
		bool shared;
	} rows[] = {{SHARE_ALL, O_CLOEXEC, true},
		    {SHARE_ALL, 0, true},
		    {SHARE_INHERITED, O_CLOEXEC, false},
		    {SHARE_INHERITED, 0, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[4096];
		int fd;

		snprintf(path, sizeof(path), "%s/handed.log", twin_directory);
		share_opening();
		fd = open(path, O_RDWR | O_CREAT | rows[i].flags, 0600);
		share_begin();
		share_end(true, rows[i].kind, 0);
		files_opened(fd, O_RDWR | rows[i].flags, path);
		assert_int_equal(!!(atomic_load(&table_get(fd)->reasons) & KEEP_SHARED),
				 rows[i].shared);
		files_closing(fd);
		close(fd);
	}
}

/* --- whoever has waited for a lock --- */

static struct {
	struct claim_slot slot;
	struct description *description;
	int fd;
	ssize_t (*verb)(void);
	ssize_t result;
} waiter;

static char text[16];

static ssize_t do_read(const struct transfer *t)
{
	return readv(t->fd, t->iov, t->count);
}

static ssize_t do_write(const struct transfer *t)
{
	return writev(t->fd, t->iov, t->count);
}

static ssize_t reads(void)
{
	struct iovec iov = {text, sizeof(text)};
	struct transfer t = {.fd = waiter.fd, .iov = &iov, .count = 1, .bytes = sizeof(text),
			     .call = do_read};

	return files_read(waiter.description, &t);
}

static ssize_t writes(void)
{
	struct iovec iov = {text, sizeof(text)};
	struct transfer t = {.fd = waiter.fd, .iov = &iov, .count = 1, .bytes = sizeof(text),
			     .call = do_write};

	return files_write(waiter.description, &t);
}

static ssize_t seeks(void)
{
	return files_lseek(waiter.description, waiter.fd, 0, SEEK_END);
}

static ssize_t allocates(void)
{
	return files_fallocate(waiter.description, waiter.fd, 0, 0, 100, fallocate);
}

static void *wait_for_it(void *argument)
{
	(void)argument;
	waiter.result = waiter.verb();
	return NULL;
}

/* While another thread has the lock, the file is settled, or the descriptor becomes another file's. */
static void found_changed(ssize_t (*verb)(void), bool replaced, ssize_t wanted)
{
	struct description *was;
	uint32_t me = thread_id();
	pthread_t thread;
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/waited-for", twin_directory);
	unlink(path);
	waiter.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(waiter.fd, "0123456789", 10), 10);
	assert_int_equal(ftruncate(waiter.fd, 4096), 0);
	assert_int_equal(lseek(waiter.fd, 0, SEEK_SET), 0);
	assert_int_equal(fstat(waiter.fd, &st), 0);
	waiter.description = description_new();
	waiter.description->dev = st.st_dev;
	waiter.description->ino = st.st_ino;
	waiter.description->readable = true;
	atomic_store(&waiter.description->reasons, KEEP_OWN | KEEP_OFF);
	memset((void *)&waiter.slot, 0, sizeof(waiter.slot));
	filter_disengage(&waiter.slot.positions);
	atomic_store(&waiter.slot.positions.file_end, 4096);
	atomic_store(&waiter.slot.positions.data_end, 10);
	atomic_store(&waiter.slot.data_end_check, ~INT64_C(10));
	atomic_store(&waiter.description->slot, &waiter.slot);
	description_publish(waiter.description);
	assert_true(table_exchange(waiter.fd, waiter.description, &was));
	assert_true(owner_trylock(&waiter.slot.lock, me));
	waiter.verb = verb;
	assert_int_equal(pthread_create(&thread, NULL, wait_for_it, NULL), 0);
	while (!(atomic_load(&waiter.slot.lock) & OWNER_WAITERS))
		usleep(100);
	if (replaced) {
		assert_true(table_exchange(waiter.fd, NULL, &was));
	} else {
		assert_int_equal(ftruncate(waiter.fd, 10), 0);
		filter_disengage(&waiter.slot.positions);
	}
	assert_true(owner_unlock(&waiter.slot.lock, me));
	pthread_join(thread, NULL);
	assert_int_equal(waiter.result, wanted);
	assert_int_equal(owner_of(&waiter.slot.lock), 0);
	table_exchange(waiter.fd, NULL, &was);
	filter_disengage(&waiter.slot.positions);
	description_free(waiter.description);
	close(waiter.fd);
}

static void whoever_waited_looks_again(void **state)
{
	(void)state;
	found_changed(reads, false, 10);
	found_changed(reads, true, sizeof(text));
	found_changed(writes, false, sizeof(text));
	found_changed(writes, true, sizeof(text));
	found_changed(seeks, false, 10);
	found_changed(seeks, true, 4096);
	found_changed(allocates, false, 0);
	found_changed(allocates, true, 0);
}

static void *make_stable(void *argument)
{
	(void)argument;
	usleep(20000);
	atomic_fetch_add(&waiter.slot.sequence, 1);
	return NULL;
}

/* A handler above the thread that settles: it can't wait for its own lock. */
static void nobody_waits_for_himself(void **state)
{
	uint32_t me = thread_id();
	pthread_t thread;

	(void)state;
	memset((void *)&waiter.slot, 0, sizeof(waiter.slot));
	atomic_store(&waiter.slot.sequence, 1);
	assert_true(owner_trylock(&waiter.slot.lock, me));
	assert_int_equal(pthread_create(&thread, NULL, make_stable, NULL), 0);
	assert_int_equal(slot_wait_stable(&waiter.slot), 2);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&waiter.slot.lock), me);
}

/* Last: it holds for every file from then on. */
static void what_holds_for_all(void **state)
{
	struct twin first, second, third;

	(void)state;
	twin_open(&first, "a.log", O_RDWR);
	twin_open(&second, "b.keep", O_RDWR);
	twin_write(&second, 100, -1);
	assert_true(atomic_load(&table_get(second.fd)->kept));
	files_closing(first.fd);
	close(first.fd);
	close(first.plain);
	files_keep_all(KEEP_ASYNC);
	assert_true(twin_reasons(&second) & KEEP_ASYNC);
	assert_false(atomic_load(&table_get(second.fd)->kept));
	twin_open(&third, "c.log", O_RDWR);
	assert_true(twin_reasons(&third) & KEEP_ASYNC);
	files_closing(third.fd);
	close(third.fd);
	close(third.plain);
	files_closing(second.fd);
	close(second.fd);
	close(second.plain);
	files_leave();
	twin_open(&third, "c.log", O_RDWR);
	assert_null(table_get(third.fd));
	twin_close(&third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_passed_nothing_on_leaves_it_exclusive),
		cmocka_unit_test(a_watch_that_was_closed_is_over),
		cmocka_unit_test(whatever_was_handed_over_while_it_was_opened),
		cmocka_unit_test(whoever_waited_looks_again),
		cmocka_unit_test(nobody_waits_for_himself),
		cmocka_unit_test(who_cannot_be_watched_has_it_for_good),
		cmocka_unit_test(what_holds_for_all),
	};

	return cmocka_run_group_tests(tests, twin_set_up, twin_tear_down);
}

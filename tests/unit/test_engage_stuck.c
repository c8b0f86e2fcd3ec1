/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose lock is taken away: that of a thread that sleeps elsewhere than on the file. And how much may
 * be allocated where a cut frees nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "files/engage.h"
#include "files/space.h"
#include "test_engage_twin.h"

static struct claim_slot slot;
static int go[2]; /* a pipe, on which the owner sleeps */
static _Atomic uint32_t owner;
static _Atomic bool spins, stop;

static void *sleep_or_spin(void *argument)
{
	char byte;

	(void)argument;
	atomic_store(&owner, (uint32_t)syscall(SYS_gettid));
	while (spins && !stop)
		;
	return (void *)(intptr_t)read(go[0], &byte, 1);
}

static bool is_freed(void)
{
	atomic_store(&slot.reason, SETTLED_NOT);
	errno = ENOTTY;
	slot_free_from_handler(&slot);
	assert_int_equal(errno, ENOTTY);
	return atomic_load(&slot.reason) == SETTLED_CHALLENGED;
}

static long failing_number;
static bool empty;
static const char *said; /* by /proc, instead */
static long failing_syscall(long number, ...)
{
	va_list list;
	long a[4];

	va_start(list, number);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == failing_number && said) {
		memcpy((void *)(intptr_t)a[1], said, strlen(said));
		return (long)strlen(said);
	}
	if (number == failing_number) {
		errno = EACCES;
		return empty ? 0 : -1;
	}
	return syscall(number, a[0], a[1], a[2], a[3]);
}

static void start(pthread_t *thread)
{
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	atomic_store(&owner, 0);
	stop = false;
	assert_int_equal(pthread_create(thread, NULL, sleep_or_spin, NULL), 0);
	while (!atomic_load(&owner))
		usleep(100);
	usleep(20000);
	memset((void *)&slot, 0, sizeof(slot));
	assert_true(owner_trylock(&slot.lock, atomic_load(&owner)));
}

static void end(pthread_t thread)
{
	stop = true;
	assert_int_equal(write(go[1], "x", 1), 1);
	pthread_join(thread, NULL);
	close(go[0]);
	close(go[1]);
}

static void only_who_sleeps_elsewhere_loses_the_lock(void **state)
{
	static struct description on_the_file;
	struct description *was;
	pthread_t thread;

	(void)state;
	assert_false(is_freed()); /* nobody has it */
	assert_true(owner_trylock(&slot.lock, GUARDIAN_OWNER));
	assert_false(is_freed());

	spins = true;
	start(&thread);
	assert_false(is_freed());
	end(thread);

	spins = false;
	start(&thread);
	while (!is_freed()) /* not before it sleeps */
		usleep(1000);
	assert_int_equal(owner_of(&slot.lock), atomic_load(&owner));

	/* Where /proc tells nothing. */
	sys.syscall = failing_syscall;
	failing_number = SYS_openat;
	assert_false(is_freed());
	failing_number = SYS_read;
	assert_false(is_freed());
	empty = true;
	assert_false(is_freed());
	/* Or that it is in none, or in one on a descriptor that nobody can have. */
	said = "-1 0x7ffc0 0x7f";
	assert_false(is_freed());
	said = "running";
	assert_false(is_freed());
	said = "0 0xffffffffff 0x0";
	assert_true(is_freed());
	said = NULL;
	sys.syscall = syscall;
	/* Somebody else has suspended it, and waits for the guardian already. */
	assert_true(owner_suspend(&slot.lock, atomic_load(&owner)));
	assert_false(is_freed());
	assert_true(owner_resume(&slot.lock, atomic_load(&owner)));
	assert_true(is_freed());

	/* What it sleeps on is the file itself, as far as we know; then another. */
	atomic_store(&on_the_file.slot, &slot);
	assert_true(table_exchange(go[0], &on_the_file, &was));
	assert_false(is_freed());
	atomic_store(&on_the_file.slot, &slot_none);
	assert_true(is_freed());
	assert_true(table_exchange(go[0], NULL, &was));
	end(thread);
	/* It is gone. */
	assert_false(is_freed());
}

static void only_so_much_as_was_earned(void **state)
{
	static struct description description;
	static struct claim_slot its;
	const int64_t align = 1 << 20;
	struct statfs fs = {.f_type = EXT4_SUPER_MAGIC};

	(void)state;
	atomic_store(&description.slot, &its);
	atomic_store(&description.options.prealloc_align, align);
	space_look(&description, -1, &fs);
	assert_int_equal(space_piece(&description), align);
	fs.f_type = BTRFS_SUPER_MAGIC;
	space_look(&description, -1, &fs);
	assert_int_equal(space_piece(&description), 0);
	atomic_store(&description.bytes_earned, SPACE_SMALLEST_PIECE - 1);
	assert_int_equal(space_piece(&description), 0);
	atomic_store(&description.bytes_appended, SPACE_SMALLEST_PIECE + 2);
	assert_int_equal(space_piece(&description), 2 * SPACE_SMALLEST_PIECE);
	atomic_store(&its.bytes_cut, 2);
	assert_int_equal(space_piece(&description), SPACE_SMALLEST_PIECE);
	atomic_store(&description.bytes_earned, (uint64_t)align * 3);
	assert_int_equal(space_piece(&description), align);
	atomic_store(&description.keep_bytes_lost, (uint64_t)align * 4);
	assert_int_equal(space_piece(&description), 0);
	/* A smaller align is the smallest piece itself. */
	atomic_store(&description.keep_bytes_lost, 0);
	atomic_store(&description.options.prealloc_align, 512);
	assert_int_equal(space_piece(&description), 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_sleeps_elsewhere_loses_the_lock),
		cmocka_unit_test(only_so_much_as_was_earned),
	};

	return cmocka_run_group_tests(tests, twin_set_up, twin_tear_down);
}

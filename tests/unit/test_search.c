/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search for the last byte that isn't zero, on real files: what it finds, what it costs, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "recovery/search.h"

#define PAGE INT64_C(4096)
#define APART (INT64_C(1) << 20)
#define PIECES 300 /* more than are listed at once */
#define SIZE (INT64_C(1) << 40)

static const char *directories[] = {"/var/tmp", "/dev/shm"};
static const char *directory;

/* With pages of zeroes that are written, far from each other. */
static int a_file(int pieces)
{
	static const char zeroes[4096];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/preallocate-search.XXXXXX", directory);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	for (int i = 0; i < pieces; i++)
		assert_int_equal(pwrite(fd, zeroes, sizeof(zeroes), (1 + i) * APART), PAGE);
	assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
	return fd;
}

static void put(int fd, int64_t at)
{
	assert_int_equal(pwrite(fd, "x", 1, at), 1);
}

static void assert_found(int fd, int64_t from, int64_t used, int64_t block_end)
{
	struct search search = {.fd = fd, .left = -1};
	int64_t found_used, found_end;

	assert_int_equal(search_last(&search, from, SIZE, &found_used, &found_end), 0);
	assert_int_equal(found_used, used);
	/* tmpfs has large folios. */
	assert_true(found_end == block_end || (directory == directories[1] && found_end >= block_end));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 7);
}

static void the_last_byte_is_found(void)
{
	int64_t last = PIECES * APART + PAGE;
	int fd = a_file(PIECES);

	assert_found(fd, 0, 0, last);
	assert_found(fd, last, last, last);
	put(fd, 0);
	assert_found(fd, 0, 1, last);
	assert_found(fd, 1, 1, last);
	put(fd, 17 * APART + 100);
	put(fd, 9 * APART + 100);
	assert_found(fd, 0, 17 * APART + 101, last);
	assert_found(fd, 17 * APART + 100, 17 * APART + 101, last);
	assert_found(fd, 17 * APART + 101, 17 * APART + 101, last);
	put(fd, SIZE - 1);
	assert_found(fd, 0, SIZE, SIZE);
	close(fd);
}

static void nothing_is_found_in_nothing(void)
{
	int fd = a_file(0);

	assert_found(fd, 0, 0, 0);
	assert_found(fd, 5, 5, 5);
	assert_found(fd, SIZE, SIZE, SIZE);
	assert_found(fd, SIZE + 1, SIZE + 1, SIZE + 1);
	close(fd);
}

static void it_costs_no_more_than_it_is_given(void)
{
	struct search search = {.left = INT64_C(1) << 20};
	int64_t used, block_end;

	search.fd = a_file(PIECES);
	assert_int_equal(search_last(&search, 0, SIZE, &used, &block_end), RECOVER_BEYOND);
	assert_true(search.spent <= (INT64_C(2) << 20));
	assert_int_equal(lseek(search.fd, 0, SEEK_CUR), 7);
	close(search.fd);
	/* A terabyte of nothing is cheap. */
	search = (struct search){.fd = a_file(1), .left = INT64_C(1) << 20};
	assert_int_equal(search_last(&search, 0, SIZE, &used, &block_end), 0);
	close(search.fd);
}

static bool after_ten(void *context, int64_t spent)
{
	int *times = context;

	assert_true(spent > 0);
	return ++*times == 10;
}

static void it_gives_way(void)
{
	int64_t used, block_end;
	int times = 0;
	struct search search = {.left = -1, .gives_way = after_ten, .context = &times};

	search.fd = a_file(PIECES);
	assert_int_equal(search_last(&search, 0, SIZE, &used, &block_end), -EINTR);
	assert_int_equal(times, 10);
	assert_int_equal(search_last(&search, 0, SIZE, &used, &block_end), 0);
	close(search.fd);
}

static void (*const checks[])(void) = {the_last_byte_is_found, nothing_is_found_in_nothing,
					it_costs_no_more_than_it_is_given, it_gives_way};

static void in_each_directory(void **state)
{
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		directory = directories[i];
		checks[(intptr_t)*state]();
	}
}

#define TEST(check, number) {#check, in_each_directory, NULL, NULL, (void *)(intptr_t)(number)}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_byte_is_found, 0),
		TEST(nothing_is_found_in_nothing, 1),
		TEST(it_costs_no_more_than_it_is_given, 2),
		TEST(it_gives_way, 3),
	};

	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}

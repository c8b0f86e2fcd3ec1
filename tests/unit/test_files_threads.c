/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * src/files with a real guardian and eight threads: appends, overwrites, reads at the end, sizes,
 * truncations and settles of one file, and opening and closing of others. Meant for
 * ThreadSanitizer as much as for itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "files/files.h"

/* ThreadSanitizer takes a clone that shares memory for a fork, and fails at the child's. */
#if defined(__SANITIZE_THREAD__)
#define FORK_FOR_CLONE 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FORK_FOR_CLONE 1
#endif
#endif

#ifdef FORK_FOR_CLONE
#include <sys/syscall.h>

static int fork_for_clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	int pid = (int)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);

	(void)stack;
	(void)flags;
	if (pid == 0)
		syscall(SYS_exit_group, run(argument));
	return pid;
}
#endif

#define RECORD 97
#define SECONDS 2

static char directory[] = "/var/tmp/preallocate-unit.XXXXXX";
static struct rules *rules;
static int shared_fd;
static _Atomic bool stop;
static _Atomic long appended[4];
static _Atomic int wrong;

static ssize_t call_write(const struct transfer *t)
{
	return write(t->fd, t->iov->iov_base, t->iov->iov_len);
}

static ssize_t call_pwrite(const struct transfer *t)
{
	return pwrite(t->fd, t->iov->iov_base, t->iov->iov_len, t->offset);
}

static ssize_t call_pread(const struct transfer *t)
{
	return pread(t->fd, t->iov->iov_base, t->iov->iov_len, t->offset);
}

static ssize_t put(int fd, char *record, size_t bytes, int64_t offset)
{
	struct iovec iov = {record, bytes};
	struct transfer t = {.fd = fd, .at_offset = offset >= 0, .offset = offset, .iov = &iov,
			     .count = 1, .bytes = bytes,
			     .call = offset >= 0 ? call_pwrite : call_write};

	return files_write(table_get(fd), &t);
}

static int call_fstat(void *argument)
{
	return fstat(shared_fd, argument);
}

static int64_t size_of(void)
{
	struct stat st;
	int64_t size = INT64_MIN; /* stays so while the file isn't extended */

	if (files_stat_fd(table_get(shared_fd), call_fstat, &st, &size) < 0)
		return -1;
	return size == INT64_MIN ? st.st_size : size;
}

static int open_managed(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
	if (fd >= 0)
		files_opened(fd, O_RDWR | O_CREAT | O_APPEND, path);
	return fd;
}

static void *append(void *argument)
{
	long me = (long)argument;
	char record[RECORD];

	memset(record, 'a' + (int)me, sizeof(record));
	while (!stop) {
		if (put(shared_fd, record, sizeof(record), -1) != RECORD)
			wrong++;
		appended[me]++;
	}
	return NULL;
}

static void *look(void *argument)
{
	char buffer[4 * RECORD];
	int64_t last = 0;

	(void)argument;
	while (!stop) {
		int64_t size = size_of();
		struct iovec iov = {buffer, sizeof(buffer)};
		struct transfer t = {.fd = shared_fd, .at_offset = true,
				     .offset = size > 2 * RECORD ? size - 2 * RECORD : 0,
				     .iov = &iov, .count = 1, .bytes = sizeof(buffer),
				     .call = call_pread};
		ssize_t got = files_read(table_get(shared_fd), &t);

		/* Not whole records: i_size moves page by page within a write that crosses one. */
		if (size < last || got < 0 || memchr(buffer, 0, (size_t)got))
			wrong++;
		last = size;
	}
	return NULL;
}

static void *disturb(void *argument)
{
	(void)argument;
	while (!stop) {
		struct plain plain;

		plain_begin(&plain, shared_fd, 0);
		if (lseek(shared_fd, 0, SEEK_END) > size_of())
			wrong++;
		plain_end(&plain);
		usleep(500);
	}
	return NULL;
}

static void *open_and_close(void *argument)
{
	char name[32];

	(void)argument;
	for (int i = 0; !stop; i++) {
		struct stat st;
		int fd;

		snprintf(name, sizeof(name), "other%d.log", i % 7);
		fd = open_managed(name);
		for (int k = 0; k < 10; k++)
			if (put(fd, name, 6, -1) != 6)
				wrong++;
		files_closing(fd);
		/* Nobody else has it open: closed, it is an ordinary file. */
		if (fstat(fd, &st) < 0 || st.st_size % 60)
			wrong++;
		close(fd);
	}
	return NULL;
}

static void eight_threads_on_one_file(void **state)
{
	void *(*const work[])(void *) = {append, append, append, append,
					 look,	 look,	 disturb, open_and_close};
	pthread_t threads[8];
	struct stat st;
	long records = 0;

	(void)state;
	shared_fd = open_managed("shared.log");
	assert_non_null(table_get(shared_fd));
	for (long i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work[i], (void *)i), 0);
	sleep(SECONDS);
	stop = true;
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	assert_true(atomic_load(&table_get(shared_fd)->slot) != &slot_none);

	files_closing(shared_fd);
	for (int i = 0; i < 4; i++)
		records += appended[i];
	assert_int_equal(fstat(shared_fd, &st), 0);
	assert_int_equal(st.st_size, records * RECORD);
	for (int64_t at = 0; at < st.st_size; at += RECORD) {
		char record[RECORD];

		assert_int_equal(pread(shared_fd, record, RECORD, at), RECORD);
		assert_in_range(record[0], 'a', 'd');
		assert_int_equal(record[0], record[RECORD - 1]);
		appended[record[0] - 'a']--;
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(appended[i], 0);
	close(shared_fd);
}

static int set_up(void **state)
{
	static const char text[] = "*.log prealloc-size=64k prealloc-align=4k";
	struct rules_error error;
	char guardian[4096];
	const char *build = getenv("PREALLOCATE_BUILDDIR");

	(void)state;
	snprintf(guardian, sizeof(guardian), "%s/preallocate-guardian", build ? build : ".");
	if (!mkdtemp(directory) || rules_parse(&rules, text, sizeof(text) - 1, "test", &error) < 0)
		return -1;
#ifdef FORK_FOR_CLONE
	sys.clone = fork_for_clone;
#endif
	files_init(rules, guardian);
	return 0;
}

static int tear_down(void **state)
{
	char command[256];

	(void)state;
	files_exit();
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(eight_threads_on_one_file)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * src/files with a real guardian and eight threads on the same files: O_APPEND, write(2) and pwrite
 * at the end, overwrites, reads, seeks, sizes, ftruncate both ways, dup, close, reopen, neighbours
 * that open what is extended, and a ninth thread that settles files and changes their options.
 * Every record and every size is known. Meant for ThreadSanitizer as much as for itself.
 *
 * PREALLOCATE_TEST_SECONDS: how long (2). PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "files/files.h"
#include "test_fork_for_clone.h"
#include "test_glanced.h"

#define THREADS 8
#define RECORD 97
#define SLOTS 40 /* of a thread */
#define SLOTS_END ((int64_t)SLOTS * THREADS * RECORD)

static char directory[4096];
static struct rules *rules;
static int log_fd;	/* O_APPEND: all append */
static int text_fd;	/* all append by write(2), at the offset that they share */
static int slots_fd;	/* each overwrites its own slots; behind them, one at a time, the tail */
static int reopened_fd; /* O_APPEND: one replaces the description, others append */
static _Atomic bool stop;
static _Atomic int wrong;
static _Atomic bool tail_taken;
static int64_t tail_end = SLOTS_END; /* whoever has taken the tail */
static bool was_extended[3];

struct worker {
	unsigned id;
	unsigned int seed;
	unsigned logged, texted, appended_again, rounds; /* records in log, text and reopened */
	unsigned generation[SLOTS];
	int64_t log_size, text_size;
};

static struct worker workers[THREADS];

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition) && wrong++ < 10)                                                  \
			fprintf(stderr, "# line %d: not %s (errno %d)\n", __LINE__, #condition,    \
				errno);                                                            \
	} while (0)

/* --- what src/libc makes of each call --- */

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

static ssize_t transfer_at(int fd, void *buffer, size_t bytes, int64_t offset,
			   ssize_t (*call)(const struct transfer *),
			   ssize_t (*verb)(struct description *, struct transfer *))
{
	struct description *description = table_get(fd);
	struct iovec iov = {buffer, bytes};
	struct transfer t = {.fd = fd, .at_offset = offset >= 0, .offset = offset, .iov = &iov,
			     .count = 1, .bytes = bytes, .call = call};

	return description ? verb(description, &t) : call(&t);
}

/* offset < 0: write(2) */
static ssize_t put(int fd, void *record, size_t bytes, int64_t offset)
{
	return transfer_at(fd, record, bytes, offset, offset >= 0 ? call_pwrite : call_write,
			   glanced_write);
}

static ssize_t get(int fd, void *buffer, size_t bytes, int64_t offset)
{
	return transfer_at(fd, buffer, bytes, offset, call_pread, glanced_read);
}

struct stat_call {
	int fd;
	struct stat st;
};

static int call_fstat(void *argument)
{
	struct stat_call *call = argument;

	return fstat(call->fd, &call->st);
}

static dev_t stat_dev(void *argument)
{
	return ((struct stat_call *)argument)->st.st_dev;
}

static ino_t stat_ino(void *argument)
{
	return ((struct stat_call *)argument)->st.st_ino;
}

static int64_t size_of(int fd)
{
	struct stat_call call = {.fd = fd};
	int64_t size = INT64_MIN; /* stays so while the file isn't extended */
	struct description *description = table_get(fd);
	int result;

	if (!description || !glanced_stat(description, fd, call_fstat, &call, &size, &result))
		result = files_stat_path(call_fstat, &call, stat_dev, stat_ino, &size,
					 call_fstat(&call));
	return result < 0 ? result : size == INT64_MIN ? call.st.st_size : size;
}

static int truncate_to(int fd, int64_t length)
{
	struct plain plain;
	int result;

	plain_begin(&plain, fd, 0);
	plain_give_back(&plain);
	result = ftruncate(fd, length);
	plain_end(&plain);
	return result;
}

static int open_file(const char *name, int flags)
{
	char path[5000];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, flags, 0600);
	if (fd >= 0)
		files_opened(fd, flags, path);
	return fd;
}

static int dup_file(int from)
{
	int to = dup(from);

	if (to >= 0)
		files_duplicated(from, to);
	return to;
}

static void close_file(int fd)
{
	files_closing(fd);
	close(fd);
}

/* --- records --- */

static void make_record(char *record, unsigned id, unsigned number)
{
	memset(record, 'a' + (int)id, RECORD);
	snprintf(record + 1, 10, "%08x", number);
	record[9] = ' ';
}

static bool is_record(const char *record, unsigned id, unsigned number)
{
	char expected[RECORD];

	make_record(expected, id, number);
	return memcmp(record, expected, RECORD) == 0;
}

/* --- what the threads do, one of it at a time --- */

static void append_to_log(struct worker *me)
{
	char record[RECORD];
	bool by_dup = me->rounds % 8 == 0;
	int fd = by_dup ? dup_file(log_fd) : log_fd;

	make_record(record, me->id, me->logged++);
	/* Linux appends by pwrite, too, where O_APPEND is set. */
	EXPECT(put(fd, record, RECORD, me->rounds % 3 == 0 ? 0 : -1) == RECORD);
	if (by_dup)
		close_file(fd);
}

static void append_to_text(struct worker *me)
{
	char record[RECORD];

	make_record(record, me->id, me->texted++);
	EXPECT(put(text_fd, record, RECORD, -1) == RECORD);
}

static void append_while_reopened(struct worker *me)
{
	char record[RECORD];

	make_record(record, me->id, me->appended_again++);
	EXPECT(put(reopened_fd, record, RECORD, -1) == RECORD);
}

static void look_at_sizes(struct worker *me)
{
	char buffer[4 * RECORD];
	int64_t size = size_of(log_fd);
	ssize_t got = get(log_fd, buffer, sizeof(buffer), size > 2 * RECORD ? size - 2 * RECORD : 0);

	EXPECT(size >= me->log_size);
	/* Not whole records: i_size moves page by page within a write that crosses one. */
	EXPECT(got >= 0 && !memchr(buffer, 0, (size_t)got));
	me->log_size = size;
	EXPECT(size_of(slots_fd) >= SLOTS_END);

	/* The offset stands at the end, so that neither of these moves it. */
	size = files_lseek(table_get(text_fd), text_fd, 0, me->rounds % 2 ? SEEK_END : SEEK_CUR);
	EXPECT(size >= me->text_size);
	me->text_size = size;
}

static void use_slots(struct worker *me)
{
	unsigned slot = (unsigned)rand_r(&me->seed) % SLOTS;
	int64_t at = ((int64_t)slot * THREADS + me->id) * RECORD;
	char record[RECORD];

	EXPECT(get(slots_fd, record, RECORD, at) == RECORD);
	EXPECT(is_record(record, me->id, me->generation[slot]));
	make_record(record, me->id, ++me->generation[slot]);
	EXPECT(put(slots_fd, record, RECORD, at) == RECORD);
}

static void change_tail(struct worker *me)
{
	char record[RECORD], back[3 * RECORD] = "";
	int64_t was;

	if (atomic_exchange(&tail_taken, true))
		return;
	was = tail_end;
	switch (rand_r(&me->seed) % 8) {
	case 0: /* a hole grows, and nothing of what was cut comes back */
		tail_end += rand_r(&me->seed) % (int)sizeof(back) + 1;
		EXPECT(truncate_to(slots_fd, tail_end) == 0);
		EXPECT(get(slots_fd, back, sizeof(back), was) == tail_end - was);
		for (int64_t i = 0; i < tail_end - was; i++)
			EXPECT(back[i] == 0);
		break;
	case 1:
		tail_end -= rand_r(&me->seed) % (tail_end - SLOTS_END + 1);
		EXPECT(truncate_to(slots_fd, tail_end) == 0);
		EXPECT(get(slots_fd, back, 1, tail_end) == 0);
		break;
	default:
		make_record(record, me->id, me->rounds);
		EXPECT(put(slots_fd, record, RECORD, tail_end) == RECORD);
		tail_end += RECORD;
		EXPECT(get(slots_fd, back, sizeof(back), was) == RECORD);
		EXPECT(memcmp(record, back, RECORD) == 0);
	}
	EXPECT(size_of(slots_fd) == tail_end);
	EXPECT(files_lseek(table_get(slots_fd), slots_fd, 0, SEEK_END) == tail_end);
	atomic_store(&tail_taken, false);
}

static void open_and_close(struct worker *me)
{
	char name[32], record[RECORD] = "its own";
	struct stat st;
	int fd, second;

	snprintf(name, sizeof(name), "own%u.log", me->id);
	fd = open_file(name, O_RDWR | O_CREAT | O_TRUNC);
	second = dup_file(fd);
	for (int i = 0; i < 10; i++)
		EXPECT(put(i % 2 ? fd : second, record, RECORD, -1) == RECORD);
	EXPECT(size_of(second) == 10 * RECORD);
	EXPECT(truncate_to(fd, 7 * RECORD) == 0);
	close_file(fd);
	EXPECT(put(second, record, RECORD, 7 * RECORD) == RECORD);
	files_closing(second);
	/* Nobody else has it open: closed, it is an ordinary file. */
	EXPECT(fstat(second, &st) == 0 && st.st_size == 8 * RECORD);
	close(second);
}

/* dup2(2) over a descriptor that others are using, as at the rotation of a log. */
static void reopen(void)
{
	int fd = open_file("reopened.log", O_RDWR | O_APPEND);

	files_closing(reopened_fd);
	EXPECT(dup2(fd, reopened_fd) == reopened_fd);
	files_duplicated(fd, reopened_fd);
	close_file(fd);
}

/* As another process would: the open waits until the guardian has settled the file. */
static void open_as_neighbour(struct worker *me)
{
	struct stat st;
	int fd = open_file("log.log", O_RDONLY);

	EXPECT(fstat(fd, &st) == 0 && st.st_size >= me->log_size);
	close_file(fd);
}

static void *work(void *argument)
{
	struct worker *me = argument;

	for (; !stop; me->rounds++) {
		switch (rand_r(&me->seed) % 8) {
		case 0:
		case 1:
			append_to_log(me);
			break;
		case 2:
			append_to_text(me);
			break;
		case 3:
			look_at_sizes(me);
			break;
		case 4:
			use_slots(me);
			break;
		case 5:
			change_tail(me);
			break;
		case 6:
			append_while_reopened(me);
			if (me->id == 0)
				reopen();
			break;
		default:
			if (me->rounds % 8 == 0)
				open_and_close(me);
			else if (me->rounds % 101 == 0)
				open_as_neighbour(me);
		}
	}
	return NULL;
}

/* The ninth thread: what was settled by a neighbour is extended again without waiting for long. */
static void disturb(unsigned int round)
{
	static const struct rule_options sets[] = {
		{.prealloc_size = 65536, .prealloc_align = 4096, .idle = NS_PER_S, .min_free = 5},
		{.prealloc_size = 8192, .prealloc_align = 8192, .idle = NS_PER_MS, .min_free = 1},
		{.prealloc_size = 0, .prealloc_align = 512, .idle = NS_PER_S, .min_free = 5},
		{.mode = RULE_MODE_KEEP, .prealloc_size = 16384, .prealloc_align = 4096,
		 .idle = NS_PER_S, .min_free = 5},
	};
	const int fds[] = {log_fd, text_fd, slots_fd};
	int fd = fds[round % 3];
	struct plain plain;

	for (int i = 0; i < 3; i++) {
		struct description *shared = table_get(fds[i]);

		if (!shared)
			continue;
		if (slot_is_extended(atomic_load(&shared->slot)))
			was_extended[i] = true;
		atomic_store(&shared->back_off, 0);
		atomic_store(&shared->retry_at, 0);
	}
	if (round % 2) {
		plain_begin(&plain, fd, 0);
		if (fd == log_fd)
			EXPECT(lseek(fd, 0, SEEK_END) <= size_of(fd));
		plain_end(&plain);
	} else {
		int ret = files_set_options(fd, &sets[round / 2 % 4]);

		EXPECT(ret == 0 || ret == -EBUSY);
	}
}

/* Every record once, and each thread's in their order. */
static void check_records(int fd, unsigned (*count)(const struct worker *))
{
	unsigned next[THREADS] = {0};
	int64_t records = 0;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	for (int i = 0; i < THREADS; i++)
		records += count(&workers[i]);
	assert_int_equal(st.st_size, records * RECORD);
	for (int64_t at = 0; at < st.st_size; at += RECORD) {
		char record[RECORD];
		unsigned id;

		assert_int_equal(pread(fd, record, RECORD, at), RECORD);
		assert_in_range(record[0], 'a', 'a' + THREADS - 1);
		id = (unsigned)(record[0] - 'a');
		assert_true(is_record(record, id, next[id]++));
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(next[i], count(&workers[i]));
}

static unsigned count_logged(const struct worker *worker)
{
	return worker->logged;
}

static unsigned count_texted(const struct worker *worker)
{
	return worker->texted;
}

static unsigned count_appended_again(const struct worker *worker)
{
	return worker->appended_again;
}

static void check_slots(void)
{
	struct stat st;

	assert_int_equal(fstat(slots_fd, &st), 0);
	assert_int_equal(st.st_size, tail_end);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		for (unsigned id = 0; id < THREADS; id++) {
			char record[RECORD];

			assert_int_equal(pread(slots_fd, record, RECORD,
					       ((int64_t)slot * THREADS + id) * RECORD),
					 RECORD);
			assert_true(is_record(record, id, workers[id].generation[slot]));
		}
	}
}

static void fill_slots(void)
{
	for (int64_t at = 0; at < SLOTS_END; at += RECORD) {
		char record[RECORD];

		make_record(record, (unsigned)(at / RECORD % THREADS), 0);
		assert_int_equal(put(slots_fd, record, RECORD, at), RECORD);
	}
}

static void eight_threads_on_the_same_files(void **state)
{
	const char *seconds = getenv("PREALLOCATE_TEST_SECONDS");
	int64_t until = clock_now() + (seconds ? atoll(seconds) : 2) * NS_PER_S;
	const struct timespec moment = {.tv_nsec = 2 * NS_PER_MS};
	pthread_t threads[THREADS];

	(void)state;
	log_fd = open_file("log.log", O_RDWR | O_CREAT | O_APPEND);
	text_fd = open_file("text.log", O_RDWR | O_CREAT);
	slots_fd = open_file("slots.log", O_RDWR | O_CREAT);
	reopened_fd = open_file("reopened.log", O_RDWR | O_CREAT | O_APPEND);
	assert_non_null(table_get(slots_fd));
	fill_slots();
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].id = i;
		workers[i].seed = i + (unsigned int)until;
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned int round = 0; clock_now() < until; round++) {
		disturb(round);
		nanosleep(&moment, NULL);
	}
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	for (int i = 0; i < 3; i++)
		assert_true(was_extended[i]);

	files_closing_range(0, UINT32_MAX);
	check_records(log_fd, count_logged);
	check_records(text_fd, count_texted);
	check_records(reopened_fd, count_appended_again);
	check_slots();
	close(log_fd);
	close(text_fd);
	close(slots_fd);
	close(reopened_fd);
}

static const char *find_guardian(char *path, size_t size)
{
	const char *build = getenv("PREALLOCATE_BUILDDIR");

	snprintf(path, size, "%s/preallocate-guardian", build ? build : ".");
	return path;
}

static int set_up(void **state)
{
	static const char text[] = "*.log mode=zero prealloc-size=64k prealloc-align=4k";
	struct rules_error error;
	const char *where = getenv("PREALLOCATE_TEST_DIRECTORY");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/preallocate-unit.XXXXXX",
		 where ? where : "/var/tmp");
	if (!mkdtemp(directory) || rules_parse(&rules, text, sizeof(text) - 1, "test", &error) < 0)
		return -1;
	guardians_start_here();
	files_init(rules, find_guardian);
	return 0;
}

static int tear_down(void **state)
{
	char command[5000];

	(void)state;
	files_exit();
	rules_free(rules);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(eight_threads_on_the_same_files)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line that is written about each managed file when it is closed, and options changed while open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "files/report.h"
#include "test_engage_twin.h"

static char destination[4096];
static char text[65536];

static const char *written_to(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	assert_true(fd >= 0);
	got = read(fd, text, sizeof(text) - 1);
	assert_true(got >= 0);
	text[got] = '\0';
	close(fd);
	unlink(path);
	return text;
}

static void report_to(const char *name)
{
	snprintf(destination, sizeof(destination), "%s/%s", twin_directory, name);
	report_init(destination);
}

static void live(const char *name)
{
	struct twin t;

	twin_open(&t, name, O_RDWR);
	twin_write(&t, 100, -1);
	twin_write(&t, 100, -1);
	twin_write(&t, 100000, -1);
	twin_close(&t);
}

static void assert_has(const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("no %s in: %s", wanted, text);
}

static void a_line_of_text(void **state)
{
	char start[64];

	(void)state;
	report_to("report");
	live("a.log");
	live("a.keep");
	written_to(destination);
	snprintf(start, sizeof(start), "preallocate[%d]: ", (int)getpid());
	assert_memory_equal(text, start, strlen(start));
	assert_has("/a.log: mode zero, 3 appends of 100200 bytes, 2 extensions of ");
	assert_has("settled 1 times, challenged 0 times, fallback: none\n");
	assert_has("/a.keep: mode keep, 0 appends of 0 bytes, 0 extensions of 0 bytes in 0 ns, keep ");
	assert_has("fallback: rule\n");
}

static void an_object_of_json(void **state)
{
	char start[64];

	(void)state;
	report_to("report.json");
	live("a\"b\\c\td.log");
	written_to(destination);
	snprintf(start, sizeof(start), "{\"pid\":%d,\"path\":\"", (int)getpid());
	assert_memory_equal(text, start, strlen(start));
	assert_has("/a\\\"b\\\\c\\u0009d.log\",\"mode\":\"zero\",\"appends\":3,\"appended_bytes\":100200,"
		   "\"extensions\":2,");
	assert_has("\"settles\":1,\"challenges\":0,\"fallback\":\"\"}\n");
	assert_int_equal(text[strlen(text) - 1], '\n');
}

/* Every reason by its name, and no more than fits. */
static void all_reasons_have_names(void **state)
{
	struct twin t;

	(void)state;
	report_to("report.json");
	twin_open(&t, "a.log", O_RDWR);
	atomic_store(&table_get(t.fd)->reasons, (uint32_t)-1 & ~(uint32_t)KEEP_CLOSED);
	twin_write(&t, 100, -1);
	twin_close(&t);
	written_to(destination);
	assert_has("\"mode\":\"none\"");
	assert_has("\"fallback\":\"rule,mapped,stream,async,own-lease,shared,no-lease,challenged,off,"
		   "gap,also-open,no-space,no-guardian,no-gain-here\"");
}

static void a_long_name_is_cut_at_its_start(void **state)
{
	char deep[300];
	struct twin t;

	(void)state;
	report_to("report");
	snprintf(deep, sizeof(deep), "%0250d.log", 7);
	twin_open(&t, deep, O_RDWR);
	twin_write(&t, 100, -1);
	twin_close(&t);
	written_to(destination);
	assert_has("]: ...");
	assert_has("0000007.log: mode zero");
}

static void to_stderr(void **state)
{
	char path[4096];
	int saved = dup(STDERR_FILENO), fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/stderr", twin_directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	report_init("stderr");
	live("a.log");
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFD), 0); /* still open */
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	written_to(path);
	assert_has("/a.log: mode zero, ");
}

static void one_that_cannot_be_written_is_no_harm(void **state)
{
	static char endless[5000];

	(void)state;
	report_to("no/such/directory/report");
	errno = ENOTTY;
	live("a.log");
	assert_int_equal(access(destination, F_OK), -1);

	/* A name that is no name: the earlier one holds. */
	report_to("report");
	memset(endless, 'x', sizeof(endless) - 1);
	report_init(endless);
	report_init(NULL);
	live("a.log");
	written_to(destination);
	assert_has("/a.log: mode zero, ");
}

/* --- options of an open file --- */

static void set(struct twin *t, const char *name, const char *value, int wanted)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;
	struct rules_error error;

	options.mode = RULE_MODE_ZERO;
	options.prealloc_size = 65536;
	options.prealloc_align = 4096;
	assert_int_equal(rule_options_set(&options, name, value, &error), 0);
	errno = ENOTTY;
	assert_int_equal(files_set_options(t->fd, &options), wanted);
	assert_int_equal(errno, ENOTTY);
}

static int64_t blocks_of(const struct twin *t)
{
	struct stat st;

	assert_int_equal(fstat(t->fd, &st), 0);
	return (int64_t)st.st_blocks * 512;
}

static void options_hold_from_now_on(void **state)
{
	struct twin t;

	(void)state;
	twin_open(&t, "a.log", O_RDWR);
	twin_write(&t, 100, -1);
	assert_true(twin_is_extended(&t));
	set(&t, "mode", "keep", 0);
	assert_false(twin_is_extended(&t));
	twin_write(&t, 100, -1);
	assert_false(twin_is_extended(&t));
	assert_int_equal(twin_reasons(&t), KEEP_RULE);
	assert_true(blocks_of(&t) >= 65536);
	set(&t, "mode", "off", 0);
	assert_int_equal(twin_reasons(&t), KEEP_OFF);
	assert_true(blocks_of(&t) < 65536);
	twin_write(&t, 100, -1);
	assert_true(blocks_of(&t) < 65536);
	set(&t, "mode", "zero", 0);
	twin_write(&t, 100, -1);
	assert_true(twin_is_extended(&t));
	assert_int_equal(twin_reasons(&t), 0);
	twin_close(&t);
	set(&t, "mode", "zero", -EBADF);
}

static _Atomic bool inside, leave;

static ssize_t slow_write(const struct transfer *t)
{
	inside = true;
	while (!leave)
		usleep(1000);
	return write(t->fd, t->iov->iov_base, t->iov->iov_len);
}

static void *write_slowly(void *argument)
{
	struct twin *t = argument;
	char data[10] = "123456789";
	struct iovec iov = {data, sizeof(data)};
	struct transfer transfer = {.fd = t->fd, .iov = &iov, .count = 1, .bytes = sizeof(data),
				    .call = slow_write};

	return (void *)(intptr_t)files_write(table_get(t->fd), &transfer);
}

/* A write that doesn't come to its end: the old options hold. */
static void a_write_under_way_keeps_the_options(void **state)
{
	pthread_t thread;
	void *written;
	struct twin t;

	(void)state;
	twin_open(&t, "a.keep", O_RDWR);
	assert_int_equal(pthread_create(&thread, NULL, write_slowly, &t), 0);
	while (!inside)
		usleep(1000);
	set(&t, "mode", "off", -EBUSY);
	assert_int_equal(twin_reasons(&t), KEEP_RULE);
	leave = true;
	pthread_join(thread, &written);
	assert_int_equal((intptr_t)written, 10);
	assert_int_equal(write(t.plain, "123456789", 10), 10);
	set(&t, "mode", "off", 0);
	twin_write(&t, 100, -1);
	twin_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_hold_from_now_on),
		cmocka_unit_test(a_write_under_way_keeps_the_options),
		cmocka_unit_test(a_line_of_text),
		cmocka_unit_test(an_object_of_json),
		cmocka_unit_test(all_reasons_have_names),
		cmocka_unit_test(a_long_name_is_cut_at_its_start),
		cmocka_unit_test(to_stderr),
		cmocka_unit_test(one_that_cannot_be_written_is_no_harm),
	};

	return cmocka_run_group_tests(tests, twin_set_up, twin_tear_down);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * src/files where it seldom comes: descriptors that stand for something else by now, filesystems of
 * another kind, limits, and what another thread or the guardian does in the middle.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/futex.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/thread.h"
#include "claim/lease.h"
#include "files/engage.h"
#include "test_engage_twin.h"

#define XFS_MAGIC 0x58465342

/* --- what may be pretended --- */

static long pretended_filesystem; /* f_type; 0: the real one */
int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs)
{
	int result = __real_fstatfs(fd, fs);

	if (pretended_filesystem)
		fs->f_type = pretended_filesystem;
	return result;
}

static char *guardian;
static struct sys real;

/* What happens before, and after, the real call of the next write or read. */
static void (*before)(int fd), (*after)(int fd);

static void happens(void (**event)(int fd), int fd)
{
	void (*now)(int fd) = *event;
	int saved_errno = errno;

	*event = NULL;
	if (now)
		now(fd);
	errno = saved_errno;
}

static ssize_t real_write(const struct transfer *t)
{
	ssize_t result;

	happens(&before, t->fd);
	result = pwritev2(t->fd, t->iov, t->count, t->at_offset ? t->offset : -1, t->flags);
	happens(&after, t->fd);
	return result;
}

static ssize_t real_read(const struct transfer *t)
{
	ssize_t result;

	happens(&before, t->fd);
	result = preadv2(t->fd, t->iov, t->count, t->at_offset ? t->offset : -1, t->flags);
	happens(&after, t->fd);
	return result;
}

static char data[100000];

static struct transfer transfer(int fd, struct iovec *iov, size_t bytes, int64_t offset,
				ssize_t (*call)(const struct transfer *))
{
	*iov = (struct iovec){data, bytes};
	return (struct transfer){.fd = fd, .at_offset = offset >= 0, .offset = offset, .iov = iov,
				 .count = 1, .bytes = bytes, .call = call};
}

static ssize_t put(struct description *description, int fd, size_t bytes, int64_t offset)
{
	struct iovec iov;
	struct transfer t = transfer(fd, &iov, bytes, offset, real_write);

	return files_write(description, &t);
}

static ssize_t get(struct description *description, int fd, size_t bytes, int64_t offset)
{
	struct iovec iov;
	struct transfer t = transfer(fd, &iov, bytes, offset, real_read);

	return files_read(description, &t);
}

static struct stat stat_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st;
}

static struct description *extended(struct twin *t, int flags)
{
	twin_open(t, "a.log", flags);
	twin_write(t, 100, -1);
	twin_write(t, 94, -1);
	assert_true(twin_is_extended(t));
	return table_get(t->fd);
}

static int open_new(const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", twin_directory, name);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

/* A descriptor of the program's own was put in the place of t's, by a bare system call. */
static void replace(struct twin *t, int by)
{
	assert_int_equal(syscall(SYS_dup3, by, t->fd, O_CLOEXEC), t->fd);
	close(by);
}

static void abandon(struct twin *t)
{
	files_closing(t->fd);
	close(t->fd);
	close(t->plain);
}

/* --- descriptors --- */

static void a_stale_description_is_passed_by(void **state)
{
	struct description *stale;
	int other = open_new("other");
	struct twin t;
	char byte;

	(void)state;
	stale = extended(&t, O_RDWR);
	memset(data, 'x', 10);
	assert_false(description_hold(stale, other));
	assert_int_equal(put(stale, other, 10, -1), 10);
	assert_int_equal(files_lseek(stale, other, -4, SEEK_END), 6);
	assert_int_equal(get(stale, other, 10, -1), 4);
	assert_int_equal(pread(other, &byte, 1, 9), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(files_fallocate(stale, other, FALLOC_FL_KEEP_SIZE, 0, 8192, fallocate), 0);
	assert_int_equal(files_fallocate(stale, other, 0, 0, 5000, fallocate), 0);
	assert_int_equal(stat_of(other).st_size, 5000);
	assert_int_equal(atomic_load(&stale->program_keep_end), 0);
	assert_true(twin_is_extended(&t));
	twin_size(&t);
	twin_close(&t);
	close(other);
}

static void another_file_behind_the_number_is_left_alone(void **state)
{
	int other;
	struct twin t;

	(void)state;
	/* An ordinary one, then at the end, elsewhere, and only asked. */
	for (int what = 0; what < 6; what++) {
		struct description *description = extended(&t, O_RDWR | (what == 5 ? O_APPEND : 0));

		if (what == 0)
			description_settle(description);
		other = open_new("other");
		assert_int_equal(ftruncate(other, 7000), 0);
		replace(&t, other);
		switch (what) {
		case 0:
			assert_int_equal(put(description, t.fd, 10, 6995), 10);
			assert_null(table_get(t.fd));
			assert_int_equal(stat_of(t.fd).st_size, 7005);
			break;
		case 1:
			assert_int_equal(put(description, t.fd, 10, 6995), 10);
			assert_int_equal(stat_of(t.fd).st_size, 7005);
			break;
		case 2:
			assert_int_equal(files_lseek(description, t.fd, 0, SEEK_END), 7000);
			assert_null(table_get(t.fd));
			break;
		case 3:
			assert_int_equal(get(description, t.fd, 500, 100), 500);
			break;
		case 4:
			assert_int_equal(files_available(description, t.fd, 6543), 6543);
			break;
		default:
			assert_false(files_flags(description, t.fd) & O_APPEND);
		}
		files_forget(t.fd);
		assert_int_equal(stat_of(t.fd).st_size, what < 2 ? 7005 : 7000);
		abandon(&t);
	}
}

static void what_has_no_offset_behind_the_number(void **state)
{
	struct description *description;
	int ends[2];
	struct twin t;
	char text[8];

	(void)state;
	description = extended(&t, O_RDWR);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	replace(&t, dup(ends[0]));
	assert_int_equal(write(ends[1], "through", 7), 7);
	assert_int_equal(get(description, t.fd, 4, -1), 4);
	assert_memory_equal(data, "thro", 4);
	assert_int_equal(files_available(description, t.fd, 3), 3);
	replace(&t, ends[1]);
	memcpy(data, "too", 3);
	assert_int_equal(put(description, t.fd, 3, -1), 3);
	description_settle(description);
	assert_int_equal(put(description, t.fd, 3, -1), 3);
	assert_int_equal(read(ends[0], text, 8), 8);
	assert_memory_equal(text, "ughtooto", 8);
	close(ends[0]);
	files_forget(t.fd);
	abandon(&t);
}

/* The kernel was asked in one moment, and we look in another. */
static void settled_or_extended_since_it_was_asked(void **state)
{
	struct description *description;
	struct twin t;
	int asked;

	(void)state;
	description = extended(&t, O_RDWR);
	assert_int_equal(files_lseek(description, t.fd, 50, SEEK_SET), 50);
	assert_int_equal(ioctl(t.fd, FIONREAD, &asked), 0);
	assert_true(asked > 144);
	assert_int_equal(files_available(description, t.fd, asked), 144);
	description_settle(description);
	errno = ERANGE;
	assert_int_equal(files_available(description, t.fd, asked), 144);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(ioctl(t.fd, FIONREAD, &asked), 0);
	assert_int_equal(asked, 144);
	assert_int_equal(files_lseek(description, t.fd, 0, SEEK_END), 194);
	assert_int_equal(put(description, t.fd, 10, -1), 10);
	assert_true(twin_is_extended(&t));
	assert_int_equal(files_available(description, t.fd, asked), 0);
	abandon(&t);
}

static dev_t moved_device;

static int elsewhere_fstat(int fd, struct stat *st)
{
	int result = real.fstat(fd, st);

	st->st_dev += moved_device;
	return result;
}

static int failing_fstat(int fd, struct stat *st)
{
	(void)fd;
	(void)st;
	errno = EPERM;
	return -1;
}

/* The same inode number on another filesystem is another file. */
static void a_file_is_its_device_too(void **state)
{
	struct description *description, *found;
	struct plain plain;
	struct twin t;

	(void)state;
	description = extended(&t, O_RDWR);
	assert_true(engage_is_behind(description, t.fd));
	sys.fstat = elsewhere_fstat;
	moved_device = 1;
	assert_false(engage_is_behind(description, t.fd));
	/* Who may not ask is believed. */
	sys.fstat = failing_fstat;
	assert_true(engage_is_behind(description, t.fd));
	plain_begin(&plain, t.fd, 0);
	assert_int_equal(plain_size(&plain), -1);
	plain_end(&plain);
	sys.fstat = real.fstat;
	atomic_store(&description->program_keep_end, 5);
	descriptions_forget_keep_end(description->dev + 1, description->ino);
	assert_int_equal(atomic_load(&description->program_keep_end), 5);
	atomic_store(&description->program_keep_end, 0);
	found = description_find(description->dev + 1, description->ino);
	assert_null(found);
	twin_close(&t);
}

static void ranges_of_descriptors_end(void **state)
{
	struct description *description;
	struct twin t;

	(void)state;
	description = extended(&t, O_RDWR);
	files_closing_range(INT32_MAX, UINT32_MAX);
	files_closing_range(0, (unsigned int)t.fd - 1);
	files_settle_lost(description, t.fd); /* it isn't */
	share_unbar();			      /* nor is it barred */
	assert_true(twin_is_extended(&t));
	assert_false(claim_is_barred());
	twin_close(&t);
}

/* An alias that we have no room to remember: as if another process had it. */
static void a_duplicate_without_room_is_a_stranger(void **state)
{
	struct rlimit was, none;
	struct twin t;

	(void)state;
	extended(&t, O_RDWR);
	assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	files_duplicated(t.fd, 5000000);
	assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
	assert_true(twin_reasons(&t) & KEEP_SHARED);
	assert_false(twin_is_extended(&t));
	twin_write(&t, 100, -1);
	assert_false(twin_is_extended(&t));
	atomic_store(&table_get(t.fd)->fds, 1);
	twin_close(&t);
}

/* --- opening --- */

static bool is_managed(const char *name, int flags)
{
	char path[4096];
	bool managed;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", twin_directory, name);
	fd = open(path, (flags & ~O_TMPFILE) | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	assert_true(fd >= 0);
	share_opening();
	files_opened(fd, flags, path);
	managed = table_get(fd) != NULL;
	files_closing(fd);
	close(fd);
	return managed;
}

static int resolves;
static size_t resolved_length;
ssize_t __real_readlink(const char *path, char *buffer, size_t size);
ssize_t __wrap_readlink(const char *path, char *buffer, size_t size);
ssize_t __wrap_readlink(const char *path, char *buffer, size_t size)
{
	ssize_t length = __real_readlink(path, buffer, size);

	resolves++;
	if (!resolved_length)
		return length;
	errno = EACCES;
	return resolved_length == 1 ? -1 : (ssize_t)size;
}

static void rules_with_a_slash_go_by_the_real_path(void **state)
{
	struct rules *rules = NULL;
	struct rules_error error;
	char text[2048], path[4096];

	(void)state;
	snprintf(text, sizeof(text), "%s/deep/*.log mode=zero prealloc-size=64k prealloc-align=4k", twin_directory);
	assert_int_equal(rules_parse(&rules, text, strlen(text), "test", &error), 0);
	snprintf(path, sizeof(path), "%s/deep", twin_directory);
	assert_int_equal(mkdir(path, 0700), 0);
	files_init(rules, find_guardian);
	resolves = 0;
	assert_false(is_managed("deep/a.txt", O_RDWR));
	assert_int_equal(resolves, 0);
	assert_true(is_managed("deep/a.log", O_RDWR));
	assert_true(is_managed("deep/../deep/a.log", O_RDWR));
	assert_false(is_managed("a.log", O_RDWR));
	assert_int_equal(resolves, 3);
	/* Where it can't be asked, or is too long, none of these rules matches. */
	for (resolved_length = 1; resolved_length < 3; resolved_length++)
		assert_false(is_managed("deep/a.log", O_RDWR));
	resolved_length = 0;
	files_init(twin_rules, find_guardian);
	rules_free(rules);
}

static void what_is_no_file_to_append_to(void **state)
{
	char path[4096];
	int fd;

	(void)state;
	assert_true(is_managed("b.log", O_RDWR));
	assert_true(is_managed("b.log", O_WRONLY));
	assert_false(is_managed("b.log", O_RDONLY));
	assert_false(is_managed("b.log", O_RDWR | O_PATH));
	assert_false(is_managed("b.log", O_RDWR | O_TMPFILE));
	snprintf(path, sizeof(path), "%s/fifo.log", twin_directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(is_managed("fifo.log", O_RDWR));
	fd = open_new("b.log");
	files_opened(fd, O_RDWR, NULL);
	assert_null(table_get(fd));
	sys.fstat = failing_fstat;
	files_opened(fd, O_RDWR, "b.log");
	assert_null(table_get(fd));
	sys.fstat = real.fstat;
	close(fd);
}

/* --- filesystems --- */

static void on_a_filesystem_that_we_do_not_know(void **state)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;
	struct twin t;

	(void)state;
	options.mode = RULE_MODE_ZERO;
	options.prealloc_size = 65536;
	options.prealloc_align = 4096;
	options.min_free = 0;
	pretended_filesystem = 0x1234;
	twin_open(&t, "a.log", O_RDWR);
	twin_write(&t, 100, -1);
	assert_int_equal(twin_reasons(&t), KEEP_UNSUPPORTED);
	assert_false(twin_is_extended(&t));
	/* Nobody can give back what is allocated there: one piece only, and it stays. */
	assert_in_range(stat_of(t.fd).st_blocks, 8, 16);
	keep_give_back(table_get(t.fd), t.fd);
	assert_true(atomic_load(&table_get(t.fd)->kept));
	/* Unless the user vouches for it. */
	options.exclusive = RULE_EXCLUSIVE_ASSUME;
	assert_int_equal(files_set_options(t.fd, &options), 0);
	twin_write(&t, 100, -1);
	assert_true(twin_is_extended(&t));
	pretended_filesystem = 0;
	twin_close(&t);
}

static void where_a_cut_frees_nothing_it_is_to_be_earned(void **state)
{
	struct description *description;
	struct twin t;

	(void)state;
	pretended_filesystem = BTRFS_SUPER_MAGIC;
	twin_open(&t, "a.log", O_RDWR);
	description = table_get(t.fd);
	atomic_store(&description->bytes_earned, 0);
	twin_write(&t, 100, -1);
	assert_false(twin_is_extended(&t));
	assert_int_equal(twin_reasons(&t), 0);
	twin_write(&t, 8192, -1);
	assert_false(twin_is_extended(&t));
	twin_write(&t, 100, -1);
	assert_true(twin_is_extended(&t));
	twin_close(&t);

	twin_open(&t, "a.keep", O_RDWR);
	description = table_get(t.fd);
	atomic_store(&description->bytes_earned, 0);
	twin_write(&t, 100, -1);
	assert_false(atomic_load(&description->kept));
	twin_write(&t, 30000, -1);
	assert_false(atomic_load(&description->kept));
	twin_write(&t, 70000, -1);
	assert_true(atomic_load(&description->kept));
	assert_true(atomic_load(&description->keep_bytes) < 80000); /* no step ahead */
	pretended_filesystem = 0;
	twin_close(&t);
}

/* XFS leaves at close what it has allocated by itself, once fallocate(2) was called. */
static void what_xfs_would_leave_is_taken_along(void **state)
{
	struct twin t;
	struct stat st;

	(void)state;
	for (int blocks = 0; blocks < 2; blocks++) {
		extended(&t, O_RDWR);
		description_settle(table_get(t.fd));
		if (blocks)
			assert_int_equal(fallocate(t.fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
		pretended_filesystem = XFS_MAGIC;
		files_closing(t.fd);
		pretended_filesystem = 0;
		st = stat_of(t.fd);
		assert_int_equal(st.st_size, 194);
		assert_in_range(st.st_blocks, 0, 16);
		close(t.fd);
		close(t.plain);
	}
}

static void the_last_percents_are_left_in_mode_keep(void **state)
{
	struct description *description;
	struct twin t;

	(void)state;
	twin_open(&t, "a.keep", O_RDWR);
	description = table_get(t.fd);
	atomic_store(&description->options.min_free, 100);
	twin_write(&t, 100, -1);
	assert_false(atomic_load(&description->kept));
	atomic_store(&description->options.min_free, 0);
	atomic_store(&description->keep_retry_at, 0);
	atomic_store(&description->keep_left, 0);
	twin_write(&t, 100, -1);
	assert_true(atomic_load(&description->kept));
	twin_close(&t);
}

/* --- giving back --- */

static bool sigio_is_pending(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGIO);
}

/* Ours is taken out of the queue again, but not the program's. */
static void a_signal_of_the_programs_own_stays(void **state)
{
	const struct timespec now = {0};
	sigset_t sigio, saved;
	struct twin t;

	(void)state;
	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	pthread_sigmask(SIG_BLOCK, &sigio, &saved);
	for (int theirs = 0; theirs < 2; theirs++) {
		twin_open(&t, "a.keep", O_RDWR);
		twin_write(&t, 100, -1);
		assert_true(atomic_load(&table_get(t.fd)->kept));
		if (theirs)
			raise(SIGIO);
		keep_give_back(table_get(t.fd), t.fd);
		assert_false(atomic_load(&table_get(t.fd)->kept));
		assert_int_equal(sigio_is_pending(), theirs);
		twin_close(&t);
	}
	assert_int_equal(sigtimedwait(&sigio, NULL, &now), SIGIO);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

static void give_back(int fd)
{
	keep_give_back(table_get(fd), fd);
	assert_true(atomic_load(&table_get(fd)->kept));
}

/* What is used or can't be put back isn't given back. */
static void not_everything_is_given_back(void **state)
{
	struct description *description;
	struct rlimit was, small;
	struct twin t;

	(void)state;
	/* In the middle of a write. */
	twin_open(&t, "a.keep", O_RDWR);
	description = table_get(t.fd);
	twin_write(&t, 100, -1);
	before = give_back;
	assert_int_equal(put(description, t.fd, 10, 100), 10);
	assert_null(before);
	/* The lease is the guardian's. */
	twin_close(&(struct twin){.fd = t.fd, .plain = t.plain, .path = "/dev/null", .plain_path = "/dev/null"});
	description = extended(&t, O_RDWR);
	atomic_store(&description->kept, true);
	keep_give_back(description, t.fd);
	assert_true(twin_is_extended(&t));
	atomic_store(&description->kept, false);
	/* The program's own, which a limit wouldn't let us put back. */
	twin_fallocate(&t, FALLOC_FL_KEEP_SIZE, 194, 200000);
	description_settle(description);
	atomic_store(&description->kept, true);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	keep_give_back(description, t.fd);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(atomic_load(&description->kept));
	assert_true(stat_of(t.fd).st_blocks * 512 > 190000);
	/* The kernel may be writing, past every lock. */
	atomic_fetch_or(&description->reasons, KEEP_ASYNC);
	keep_give_back(description, t.fd);
	assert_true(atomic_load(&description->kept));
	atomic_fetch_and(&description->reasons, ~(uint32_t)KEEP_ASYNC);
	keep_give_back(description, t.fd);
	assert_false(atomic_load(&description->kept));
	twin_close(&t);
}

static void *nothing(void *argument)
{
	return argument;
}

/* A stream of a program with threads may be written to by libc at any time. */
static void a_stream_is_counted_in_its_own_calls(void **state)
{
	struct description *description;
	pthread_t thread;
	struct twin t;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, nothing, NULL), 0);
	twin_open(&t, "a.log", O_RDWR);
	description = table_get(t.fd);
	keep_count(t.fd, 100); /* no stream */
	assert_false(atomic_load(&description->kept));
	keep_count(-1, 100);
	atomic_fetch_or(&description->reasons, KEEP_STREAM);
	keep_count(t.fd, 100);
	assert_true(atomic_load(&description->kept));
	keep_give_back(description, t.fd);
	assert_true(atomic_load(&description->kept));
	pthread_join(thread, NULL);
	twin_close(&t);
	assert_int_equal(stat_of(open(t.path, O_RDONLY | O_CLOEXEC)).st_blocks, 0);
}

/* --- sizes and places --- */

static int stats_left;

static int changing_stat(void *argument)
{
	struct twin_stat *call = argument;

	if (stats_left-- > 0)
		return fstat(call->fd, &call->st);
	if (stats_left < -1)
		call->st.st_ino++;
	errno = EIO;
	return stats_left < -1 ? 0 : -1;
}

static void a_name_may_lead_elsewhere_meanwhile(void **state)
{
	struct twin_stat call;
	int64_t size = -5;
	struct twin t;

	(void)state;
	extended(&t, O_RDWR);
	call.fd = t.fd;
	assert_int_equal(files_stat_path(changing_stat, &call, twin_dev, twin_ino, &size, -1), -1);
	assert_int_equal(size, -5);
	/* Then it can't be asked any more, and then it is another file. */
	stats_left = 1;
	assert_int_equal(files_stat_path(changing_stat, &call, twin_dev, twin_ino, &size,
					 changing_stat(&call)), -1);
	assert_int_equal(size, -5);
	fstat(t.fd, &call.st);
	stats_left = -1;
	assert_int_equal(files_stat_path(changing_stat, &call, twin_dev, twin_ino, &size, 0), 0);
	assert_int_equal(size, -5);
	fstat(t.fd, &call.st);
	call.st.st_dev++;
	stats_left = 1;
	assert_int_equal(files_stat_path(changing_stat, &call, twin_dev, twin_ino, &size, 0), 0);
	assert_int_equal(size, -5);
	twin_close(&t);
}

static void reads_far_past_the_end(void **state)
{
	struct description *description;
	struct iovec iov[3] = {{data, 0}, {data, 10}, {data, 10}};
	struct transfer t3 = {.iov = iov, .count = 3, .bytes = 20, .call = real_read};
	struct iovec one;
	struct transfer flagged;
	struct twin t;

	(void)state;
	description = extended(&t, O_RDWR);
	twin_read(&t, 10, INT64_C(1) << 42);
	twin_read(&t, 10, INT64_MAX - 5);
	twin_read(&t, 10, 194);
	twin_seek(&t, 0, SEEK_END);
	t3.fd = t.fd;
	assert_int_equal(files_read(description, &t3), 0);
	flagged = transfer(t.fd, &one, 10, -1, real_read);
	flagged.flags = RWF_HIPRI;
	assert_int_equal(files_read(description, &flagged), 0);
	assert_true(twin_is_extended(&t));
	twin_close(&t);
}

static int no_space(int fd, int mode, off_t offset, off_t bytes)
{
	(void)fd;
	(void)mode;
	(void)offset;
	(void)bytes;
	errno = ENOSPC;
	return -1;
}

static void allocations_that_fail(void **state)
{
	static const int keep = FALLOC_FL_KEEP_SIZE, punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct description *description;
	struct rlimit was, small;
	struct twin t;

	(void)state;
	description = extended(&t, O_RDWR);
	twin_fallocate(&t, punch, INT64_MAX - 10, 100);
	twin_fallocate(&t, punch, -1, 100);
	twin_fallocate(&t, 0, INT64_MAX - 10, 100);
	twin_fallocate(&t, keep, -1, 100);
	twin_fallocate(&t, keep, 194, 0);
	twin_write(&t, 100, -1);
	assert_true(twin_is_extended(&t));
	assert_int_equal(files_fallocate(description, t.fd, 0, 294, 1000, no_space), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(files_fallocate(description, t.fd, keep, 294, 1000, no_space), -1);
	twin_size(&t);
	assert_int_equal(atomic_load(&description->program_keep_end), 0);
	assert_true(twin_is_extended(&t));

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	twin_fallocate(&t, 0, 294, 2000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_DFL);
	twin_close(&t);
}

/* --- the guardian --- */

static void kill_guardian(void)
{
	struct claim_shared *shared = atomic_load(&session.shared);
	pid_t pid = (pid_t)(atomic_load(&shared->guardian) & FUTEX_TID_MASK);

	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (shared_guardian_lives(shared))
		usleep(100);
}

static void kill_and_look(int fd)
{
	(void)fd;
	kill_guardian();
	files_check_guardian();
}

/* In a signal handler, above the append that holds the lock. */
static void a_guardian_dies_inside_an_append(void **state)
{
	struct twin t;

	(void)state;
	for (int flags = 0; flags < 4; flags++) {
		extended(&t, O_RDWR | (flags & 1 ? O_APPEND : 0));
		memset(data, 'k', 50);
		*(flags & 2 ? &before : &after) = kill_and_look;
		assert_int_equal(put(table_get(t.fd), t.fd, 50, -1), 50);
		assert_int_equal(write(t.plain, data, 50), 50);
		assert_false(twin_is_extended(&t));
		twin_guardian(guardian);
		twin_due(&t);
		twin_write(&t, 100, -1);
		assert_true(twin_is_extended(&t)); /* nobody's lock is thought to be robbed */
		twin_close(&t);
	}
}

static void closed_and_lost_at_once(void **state)
{
	struct description *description;
	struct twin t;

	(void)state;
	description = extended(&t, O_RDWR);
	kill_guardian();
	close(t.fd);
	files_forget(t.fd);
	assert_false(slot_is_extended(atomic_load(&description->slot)));
	close(t.plain);
	twin_guardian(guardian);
}

static int full_sends;

static ssize_t full_sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (full_sends-- > 0) {
		errno = ENOBUFS;
		return -1;
	}
	return sendmsg(fd, message, flags);
}

static void a_question_is_asked_until_it_is_heard(void **state)
{
	struct twin t;

	(void)state;
	extended(&t, O_RDWR);
	sys.sendmsg = full_sendmsg;
	full_sends = 3;
	twin_close(&t); /* compares the contents */
	assert_true(full_sends < 0);
	extended(&t, O_RDWR | O_APPEND);
	full_sends = 3;
	assert_int_equal(files_set_options(t.fd, &RULE_OPTIONS_DEFAULT), 0);
	assert_true(full_sends < 0);
	assert_false(twin_is_extended(&t));
	sys.sendmsg = real.sendmsg;
	twin_close(&t);
}

/* --- what speaks against extending --- */

static void only_what_is_due_is_extended(void **state)
{
	struct description *description;
	struct claim_slot *slot;
	struct transfer due;
	struct iovec iov;
	struct twin t;

	(void)state;
	description = extended(&t, O_RDWR);
	slot = atomic_load(&description->slot);
	/* Extended it is already. */
	due = transfer(t.fd, &iov, 100, 194, real_write);
	assert_true(engage_take(description, &due));
	/* A thread whose lock was taken is still to come. */
	atomic_store(&slot->robbed, 1);
	twin_write(&t, 200000, -1);
	assert_false(twin_is_extended(&t));
	assert_int_equal(twin_reasons(&t), 0);
	atomic_store(&slot->robbed, 0);
	twin_write(&t, 100, -1);
	assert_true(twin_is_extended(&t));
	description_settle(description);
	/* Until a pause is over. */
	atomic_store(&description->retry_at, INT64_MAX);
	twin_write(&t, 100, -1);
	assert_false(twin_is_extended(&t));
	atomic_store(&description->retry_at, 1);
	twin_write(&t, 100, -1);
	assert_true(twin_is_extended(&t));
	description_settle(description);
	/* What has come up since it was due. */
	due = transfer(t.fd, &iov, 100, stat_of(t.fd).st_size, real_write);
	assert_true(engage_is_due(description, &due));
	atomic_fetch_or(&description->reasons, KEEP_MAPPED);
	assert_false(engage_take(description, &due));
	atomic_fetch_and(&description->reasons, ~(uint32_t)KEEP_MAPPED);
	claim_bar();
	assert_false(engage_take(description, &due));
	claim_unbar();
	due.fd = t.plain;
	assert_false(engage_take(description, &due));
	due.fd = t.fd;
	sys.fstat = failing_fstat;
	assert_false(engage_take(description, &due));
	sys.fstat = real.fstat;
	assert_true(engage_take(description, &due));
	twin_size(&t);
	twin_close(&t);
}

static void write_once_more(int fd)
{
	assert_int_equal(put(table_get(fd), fd, 10, -1), 10);
	assert_false(slot_is_extended(atomic_load(&table_get(fd)->slot)));
}

static void not_in_the_middle_of_a_write(void **state)
{
	struct twin t;

	(void)state;
	extended(&t, O_RDWR | O_APPEND);
	description_settle(table_get(t.fd));
	atomic_store(&table_get(t.fd)->retry_at, INT64_MAX);
	memset(data, 'n', 100);
	before = write_once_more;
	assert_int_equal(put(table_get(t.fd), t.fd, 100, -1), 100);
	assert_int_equal(write(t.plain, data, 10), 10);
	assert_int_equal(write(t.plain, data, 100), 100);
	twin_size(&t);
	twin_close(&t);
}

static void what_nobody_saw_is_told_once(void **state)
{
	char path[4096], text[4096] = "";
	const char *line;
	struct twin t;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/log", twin_directory);
	for (int quiet = 0; quiet < 2; quiet++) {
		unlink(path);
		assert_int_equal(log_init(quiet ? "error" : "debug", path), 0);
		extended(&t, O_RDWR);
		assert_int_equal(pwrite(t.fd, "unseen", 6, 5000), 6);
		assert_int_equal(pwrite(t.plain, "unseen", 6, 5000), 6);
		description_settle(table_get(t.fd));
		twin_write(&t, 10, 194);
		twin_write(&t, 10, twin_size(&t));
		kill_guardian();
		files_check_guardian();
		twin_guardian("/nowhere");
		twin_write(&t, 10, twin_size(&t));
		twin_close(&t);
		twin_guardian(guardian);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (quiet) {
			assert_int_equal(fd, -1);
			continue;
		}
		assert_true(fd >= 0);
		assert_true(read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
		line = strstr(text, "4812 bytes past the end were written by somebody");
		assert_non_null(line);
		assert_null(strstr(line + 10, "bytes past the end"));
		assert_non_null(strstr(text, "a.log: managed as descriptor"));
		assert_non_null(strstr(text, "the guardian has ended"));
		assert_non_null(strstr(text, "a.log: works in mode keep: "));
	}
	assert_int_equal(log_init("warn", path), 0);
}

static int set_up(void **state)
{
	int ret = twin_set_up(state);

	guardian = *state;
	real = sys;
	return ret;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stale_description_is_passed_by),
		cmocka_unit_test(another_file_behind_the_number_is_left_alone),
		cmocka_unit_test(what_has_no_offset_behind_the_number),
		cmocka_unit_test(settled_or_extended_since_it_was_asked),
		cmocka_unit_test(a_file_is_its_device_too),
		cmocka_unit_test(ranges_of_descriptors_end),
		cmocka_unit_test(a_duplicate_without_room_is_a_stranger),
		cmocka_unit_test(rules_with_a_slash_go_by_the_real_path),
		cmocka_unit_test(what_is_no_file_to_append_to),
		cmocka_unit_test(on_a_filesystem_that_we_do_not_know),
		cmocka_unit_test(where_a_cut_frees_nothing_it_is_to_be_earned),
		cmocka_unit_test(what_xfs_would_leave_is_taken_along),
		cmocka_unit_test(the_last_percents_are_left_in_mode_keep),
		cmocka_unit_test(a_signal_of_the_programs_own_stays),
		cmocka_unit_test(not_everything_is_given_back),
		cmocka_unit_test(a_stream_is_counted_in_its_own_calls),
		cmocka_unit_test(a_name_may_lead_elsewhere_meanwhile),
		cmocka_unit_test(reads_far_past_the_end),
		cmocka_unit_test(allocations_that_fail),
		cmocka_unit_test(a_guardian_dies_inside_an_append),
		cmocka_unit_test(closed_and_lost_at_once),
		cmocka_unit_test(a_question_is_asked_until_it_is_heard),
		cmocka_unit_test(only_what_is_due_is_extended),
		cmocka_unit_test(not_in_the_middle_of_a_write),
		cmocka_unit_test(what_nobody_saw_is_told_once),
	};

	return cmocka_run_group_tests(tests, set_up, twin_tear_down);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a full btrfs says of a write into space that was allocated ahead: EAGAIN. The program is told what
 * an ordinary file tells it.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "files/reclaim.h"
#include "test_engage_twin.h"

static struct {
	long type;
	bool full;
} filesystem; /* pretended; type 0: as it is */

int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs)
{
	int result = __real_fstatfs(fd, fs);

	if (filesystem.type)
		fs->f_type = filesystem.type;
	if (filesystem.full)
		fs->f_bavail = 1;
	return result;
}

static int flushes;
static unsigned int flush_flags;
int __wrap_sync_file_range(int fd, off_t from, off_t bytes, unsigned int flags);
int __wrap_sync_file_range(int fd, off_t from, off_t bytes, unsigned int flags)
{
	assert_true(fd >= 0);
	assert_int_equal(from, 0);
	assert_int_equal(bytes, 0);
	flush_flags = flags;
	flushes++;
	errno = EIO;
	return -1;
}

/* What the program's call says: errors first, 0 after the last one. */
static struct {
	const int *errors;
	int calls, flushes_before; /* the last call */
	bool extended;		   /* at the last call */
} script;

static ssize_t scripted_write(const struct transfer *t)
{
	int error = *script.errors;
	struct stat st;

	script.calls++;
	script.flushes_before = flushes;
	assert_int_equal(fstat(t->fd, &st), 0);
	script.extended = st.st_size > 1000;
	if (error == 0)
		return twin_call_write(t);
	script.errors++;
	errno = error;
	return -1;
}

static struct twin twin;

/* A file with 200 bytes. */
static void begin(const int *errors, long type, bool full)
{
	twin_open(&twin, "a.log", O_RDWR | O_APPEND);
	twin_write(&twin, 100, -1);
	twin_write(&twin, 100, -1);
	assert_true(twin_is_extended(&twin));
	memset(&script, 0, sizeof(script));
	script.errors = errors;
	flushes = 0;
	filesystem.type = type;
	filesystem.full = full;
}

static ssize_t append(int flags)
{
	char bytes[] = "0123456789";
	struct iovec iov = {bytes, 10};
	struct transfer t = {.fd = twin.fd, .iov = &iov, .count = 1, .flags = flags, .bytes = 10,
			     .call = scripted_write};

	errno = EXDEV;
	return files_write(table_get(twin.fd), &t);
}

static void end(int64_t size)
{
	struct stat st;

	memset(&filesystem, 0, sizeof(filesystem));
	files_closing(twin.fd);
	assert_int_equal(fstat(twin.fd, &st), 0);
	assert_int_equal(st.st_size, size);
	close(twin.fd);
	close(twin.plain);
}

static void it_is_tried_again_with_nothing_ahead(void **state)
{
	static const int errors[] = {EAGAIN, 0};
	static const long types[] = {BTRFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC};

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(errors, types[i], true);
		assert_int_equal(append(0), 10);
		assert_int_equal(errno, EXDEV);
		assert_int_equal(script.calls, 2);
		assert_false(script.extended);
		assert_int_equal(script.flushes_before, 1);
		/* With more, it would take errors away that the program's own sync is to hear of. */
		assert_int_equal(flush_flags, SYNC_FILE_RANGE_WRITE);
		end(210);
	}
}

static void the_ordinary_files_error_is_told(void **state)
{
	static const int lacking[][4] = {{EAGAIN, EDQUOT, EDQUOT, EDQUOT},
					 {EAGAIN, ENOSPC, ENOSPC, ENOSPC},
					 {EAGAIN, EIO, 0, 0},
					 {ENOSPC, EAGAIN, EFBIG, 0}};
	static const int told[] = {EDQUOT, ENOSPC, EIO, EFBIG};

	(void)state;
	for (int i = 0; i < 4; i++) {
		begin((const int[]){lacking[i][0], lacking[i][1], lacking[i][2], lacking[i][3],
				    lacking[i][3], lacking[i][3], 0}, BTRFS_SUPER_MAGIC, true);
		assert_int_equal(append(0), -1);
		assert_int_equal(errno, told[i]);
		end(200);
	}
}

/* A snapshot is being made, say. */
static void who_is_never_told_hears_of_space(void **state)
{
	static const int errors[] = {EAGAIN, EAGAIN, EAGAIN, EAGAIN, EAGAIN, 0};

	(void)state;
	for (int full = 0; full < 2; full++) {
		begin(errors, BTRFS_SUPER_MAGIC, full);
		assert_int_equal(append(0), -1);
		assert_int_equal(errno, full ? ENOSPC : EDQUOT);
		assert_int_equal(script.calls, 1 + RECLAIM_TRIES);
		assert_int_equal(script.flushes_before, RECLAIM_TRIES);
		end(200);
	}
}

static void who_would_not_wait_is_told_so(void **state)
{
	static const int errors[] = {EAGAIN, 0};

	(void)state;
	begin(errors, BTRFS_SUPER_MAGIC, true);
	assert_int_equal(append(RWF_NOWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(script.calls, 1);
	assert_int_equal(flushes, 0);
	end(200);
}

static void elsewhere_it_means_what_it_says(void **state)
{
	static const int errors[] = {EAGAIN, 0};

	(void)state;
	begin(errors, FUSE_SUPER_MAGIC, true);
	assert_int_equal(append(0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(script.calls, 1);
	end(200);
}

/* The filesystem isn't full: what the tests beside this one have allocated ahead stays theirs. */
__attribute__((no_sanitize_address)) /* six are read, however many there are */
static long without_neighbours(long number, ...)
{
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (size_t i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_openat && strcmp((const char *)arguments[1], "/proc/locks") == 0) {
		errno = ENOENT;
		return -1;
	}
	return syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
		       arguments[5]);
}

static int set_up(void **state)
{
	int ret = twin_set_up(state);

	sys.syscall = without_neighbours;
	return ret;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_tried_again_with_nothing_ahead),
		cmocka_unit_test(the_ordinary_files_error_is_told),
		cmocka_unit_test(who_is_never_told_hears_of_space),
		cmocka_unit_test(who_would_not_wait_is_told_so),
		cmocka_unit_test(elsewhere_it_means_what_it_says),
	};

	return cmocka_run_group_tests(tests, set_up, twin_tear_down);
}

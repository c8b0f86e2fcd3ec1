/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a lease that is challenged is still ours; and: at each call that an extension, a settle and a
 * recovery make, we are held up until the lease is gone, and a neighbour appends. None of its bytes is cut,
 * and none overwritten. In PREALLOCATE_TEST_DIRECTORIES (one), TMPDIR or /var/tmp, and in /dev/shm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "claim/seal.h"
#include "claim/settle.h"
#include "recovery/recover.h"
#include "test_failing.h"

#define MIB INT64_C(1048576)
#define START 5000 /* the data end here */
#define THEIRS "a line that a neighbour wrote"

static char directory[PATH_MAX / 2];

static bool fails(const char *name)
{
	(void)name;
	return false;
}

/* The lease, and who waits for it. */
static int lease;		 /* what F_GETLEASE tells */
static bool neighbour_stays;	 /* and so we don't get another one */
static char break_time[16];	 /* what the kernel is set to */
static int looks_at_break_time;

static struct {
	int at; /* at this call it happens, 0: the first; -1: at none */
	int calls;
	bool over;
	struct certainty *certainty;
	int fd;
	int64_t theirs; /* where the neighbour's bytes are */
} stall;

static int lease_fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (command == F_GETLEASE)
		return lease;
	if (command != F_SETLEASE)
		return real.fcntl(fd, command, argument);
	if (argument == F_WRLCK && neighbour_stays) {
		errno = EAGAIN;
		return -1;
	}
	lease = (int)argument;
	return 0;
}

static int lease_openat(int dirfd, const char *path, int flags, ...)
{
	char name[] = "/tmp/preallocate-break.XXXXXX";
	int fd;

	if (strcmp(path, "/proc/sys/fs/lease-break-time") != 0)
		return real.openat(dirfd, path, flags);
	looks_at_break_time++;
	if (!*break_time) {
		errno = ENOENT;
		return -1;
	}
	fd = mkstemp(name);
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, break_time, strlen(break_time)), strlen(break_time));
	return fd;
}

static void come_to(void)
{
	struct stat st;

	if (stall.calls++ != stall.at)
		return;
	stall.over = true;
	/* A minute later. */
	stall.certainty->seen_at -= 60 * NS_PER_S;
	lease = F_UNLCK;
	assert_int_equal(real.fstat(stall.fd, &st), 0);
	stall.theirs = st.st_size;
	assert_int_equal(pwrite(stall.fd, THEIRS, strlen(THEIRS), st.st_size), strlen(THEIRS));
}

/* Each call, held up before it is made; only in ftruncate itself nothing helps any more. */
#define HELD_UP(type, name, parameters, ...) \
	static type held_up_##name parameters \
	{ \
		come_to(); \
		return real.name(__VA_ARGS__); \
	}

HELD_UP(int, fstat, (int fd, struct stat *st), fd, st)
HELD_UP(off_t, lseek, (int fd, off_t offset, int whence), fd, offset, whence)
HELD_UP(ssize_t, pread, (int fd, void *buffer, size_t bytes, off_t offset), fd, buffer, bytes, offset)
HELD_UP(void *, mmap, (void *address, size_t bytes, int protection, int flags, int fd, off_t offset), address, bytes,
	protection, flags, fd, offset)
HELD_UP(int, futimens, (int fd, const struct timespec times[2]), fd, times)
HELD_UP(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t size), fd, name, value, size)
HELD_UP(int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags), fd, name, value, size,
	flags)
HELD_UP(int, fremovexattr, (int fd, const char *name), fd, name)

/* Between the look and a write or an allocation there is no more than between it and a cut: held up behind it. */
static int held_up_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	int result = real.fallocate(fd, mode, offset, bytes), error = errno;

	come_to();
	errno = error;
	return result;
}

static ssize_t held_up_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	ssize_t result = real.pwritev(fd, iov, count, offset);
	int error = errno;

	come_to();
	errno = error;
	return result;
}

static int held_up_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	come_to();
	return real.ioctl(fd, request, argument);
}

static void hold_up(int at, struct certainty *certainty, int fd)
{
	memset(&stall, 0, sizeof(stall));
	stall.at = at;
	stall.certainty = certainty;
	stall.fd = fd;
	lease = F_WRLCK;
	strcpy(break_time, "45\n");
	sys.fcntl = lease_fcntl;
	sys.openat = lease_openat;
	sys.fstat = held_up_fstat;
	sys.lseek = held_up_lseek;
	sys.pread = held_up_pread;
	sys.mmap = held_up_mmap;
	sys.futimens = held_up_futimens;
	sys.fgetxattr = held_up_fgetxattr;
	sys.fsetxattr = held_up_fsetxattr;
	sys.fremovexattr = held_up_fremovexattr;
	sys.fallocate = held_up_fallocate;
	sys.pwritev = held_up_pwritev;
	sys.ioctl = held_up_ioctl;
}

struct file {
	char path[PATH_MAX];
	int second; /* the neighbour's description */
	struct claim_slot slot;
	struct claimed claimed;
};

static void file_new(struct file *file, bool writes, int signal)
{
	char bytes[START];

	memset((void *)file, 0, sizeof(*file));
	snprintf(file->path, sizeof(file->path), "%s/preallocate-cut.XXXXXX", directory);
	file->second = mkstemp(file->path);
	assert_true(file->second >= 0);
	memset(bytes, 'd', START);
	assert_int_equal(pwrite(file->second, bytes, START, 0), START);
	filter_disengage(&file->slot.positions);
	file->claimed = (struct claimed){
		.fd = open(file->path, O_RDWR | O_CLOEXEC),
		.certainty = {.seen_at = clock_now()},
		.signal = signal,
		.readable = true,
		.writes = writes,
		.options = {2 * MIB, 65536},
		.slot = &file->slot,
	};
	assert_true(file->claimed.fd >= 0);
	filter_disengage(&file->claimed.positions);
	assert_int_equal(seal_begin(&file->claimed, 0), 0);
}

static void file_delete(struct file *file)
{
	close(file->claimed.fd);
	close(file->second);
	unlink(file->path);
}

static void nothing_is_lost(const struct file *file)
{
	char bytes[START];

	assert_int_equal(pread(file->second, bytes, START, 0), START);
	for (int i = 0; i < START; i++)
		assert_int_equal(bytes[i], 'd');
	if (!stall.over)
		return;
	assert_int_equal(pread(file->second, bytes, strlen(THEIRS), stall.theirs), strlen(THEIRS));
	assert_memory_equal(bytes, THEIRS, strlen(THEIRS));
}

/* Extended, extended further, recorded, and settled. False: it has come to its end before the stall. */
static bool live_until(int call, bool writes, int signal)
{
	struct file file;
	struct stat st;

	file_new(&file, writes, signal);
	hold_up(call, &file.claimed.certainty, file.second);
	if (claimed_extend(&file.claimed, START, START + 10, INT64_MAX) == 0 &&
	    claimed_extend(&file.claimed, START, 3 * MIB, INT64_MAX) == 0)
		claimed_record(&file.claimed, false, INT64_MAX);
	if (claimed_is_extended(&file.claimed))
		claimed_settle(&file.claimed, SETTLED_ASKED);
	sys = real;
	nothing_is_lost(&file);
	assert_int_equal(fstat(file.second, &st), 0);
	if (!stall.over)
		assert_int_equal(st.st_size, START);
	file_delete(&file);
	return stall.over;
}

static void held_up_anywhere_nothing_is_lost(void **state)
{
	(void)state;
	for (int way = 0; way < 6; way++) {
		int call = 0;

		neighbour_stays = way < 4;
		while (live_until(call, way & 1, way & 2 ? SIGIO : 0))
			call++;
		assert_true(call > 20);
	}
}

static bool recover_until(int call, int way)
{
	struct recover_options options = {.strip_zeros = true};
	struct certainty certainty = {.seen_at = clock_now()};
	struct recovery recovery;
	struct file file;

	file_new(&file, way & 1, 0);
	hold_up(-1, &file.claimed.certainty, file.second);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	if (way & 2)
		assert_int_equal(claimed_record(&file.claimed, false, INT64_MAX), 0);
	options.certainty = &certainty;
	hold_up(call, &certainty, file.second);
	recover_file(file.claimed.fd, &options, &recovery);
	sys = real;
	nothing_is_lost(&file);
	file_delete(&file);
	return stall.over;
}

static void nor_by_recovery(void **state)
{
	struct statfs fs;

	(void)state;
	/* tmpfs has no marks before Linux 6.6. */
	if (statfs(directory, &fs) == 0 && fs.f_type == 0x01021994)
		return;
	neighbour_stays = true;
	for (int way = 0; way < 4; way++) {
		int call = 0;

		while (recover_until(call, way))
			call++;
		assert_true(call > 5);
	}
}

static void as_long_as_it_may_have_been_challenged(void **state)
{
	static const struct {
		const char *setting;
		int64_t age; /* ms */
		bool holds;
		int looks;
	} rows[] = {
		{"45\n", 0, true, 0},	  {"1\n", 400, true, 0},   {"45\n", 600, true, 1},
		{"45\n", 22000, true, 1}, {"45\n", 23000, false, 1}, {"1\n", 600, false, 1},
		{"2\n", 900, true, 1},	  {"2\n", 1100, false, 1}, {"0\n", 100000, true, 1},
		{"-1\n", 100000, true, 1}, {"", 600, false, 1},	   {"", 400, true, 0},
		{"2147483647\n", 100000000, true, 1},
	};
	struct file file;

	(void)state;
	file_new(&file, false, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct certainty certainty = {.seen_at = clock_now() - rows[i].age * NS_PER_MS};
		int64_t seen_at = certainty.seen_at;
		struct stat st;

		if (seen_at <= 0)
			continue;
		hold_up(-1, &certainty, file.second);
		strcpy(break_time, rows[i].setting);
		lease = F_UNLCK;
		looks_at_break_time = 0;
		assert_int_equal(certainty_holds(&certainty, file.claimed.fd), rows[i].holds);
		assert_int_equal(looks_at_break_time, rows[i].looks);
		assert_int_equal(certainty.seen_at, seen_at);
		assert_int_equal(grow(&certainty, file.claimed.fd, START, 100), -EAGAIN);
		assert_int_equal(cut(&certainty, file.claimed.fd, START), rows[i].holds ? 0 : -ESTALE);
		/* As to whom nobody waits. */
		lease = F_WRLCK;
		assert_int_equal(grow(&certainty, file.claimed.fd, START, 100), 0);
		assert_true(certainty.seen_at > seen_at);
		assert_int_equal(cut(&certainty, file.claimed.fd, START), 0);
		assert_int_equal(fstat(file.second, &st), 0);
		assert_int_equal(st.st_size, START);
	}
	/* Never seen, or in a memory that was scribbled over. */
	lease = F_UNLCK;
	assert_false(certainty_holds(&(struct certainty){.seen_at = 0}, file.claimed.fd));
	assert_false(certainty_holds(&(struct certainty){.seen_at = -5}, file.claimed.fd));
	assert_false(certainty_holds(&(struct certainty){.seen_at = INT64_MAX}, file.claimed.fd));
	assert_true(certainty_holds(&(struct certainty){.vouched = true}, file.claimed.fd));
	sys = real;
	file_delete(&file);
}

static int enter_directory(void **state)
{
	const char *wanted = getenv("PREALLOCATE_TEST_DIRECTORIES");
	const char *tmp = wanted ? wanted : getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%s", *state ? (const char *)*state : tmp ? tmp : "/var/tmp");
	return 0;
}

static int restore_sys(void **state)
{
	(void)state;
	sys = real;
	return 0;
}

#define IN(where, function) {#function " in " #where, function, enter_directory, restore_sys, where}
#define ALL_IN(where) \
	IN(where, held_up_anywhere_nothing_is_lost), IN(where, nor_by_recovery), \
	IN(where, as_long_as_it_may_have_been_challenged)

int main(void)
{
	static char memory[] = "/dev/shm";
	const struct CMUnitTest tests[] = {ALL_IN(NULL), ALL_IN(memory)};

	real = sys;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

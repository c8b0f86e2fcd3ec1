/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * src/files with a real guardian, while every call that we make by ourselves fails once: those of the
 * table `sys`, and those of starting a guardian and asking it (by the linker's --wrap). The program
 * must not be able to tell. The same while the guardian is killed, or a neighbour opens the file, in
 * the moment of each such call.
 *
 * What can't fail on a file that is open isn't made to: lseek(2), and giving up a lease.
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp). PREALLOCATE_TEST_ROUNDS: with how many errors each (1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "test_engage_twin.h"
#include "test_failing.h"

enum event { FAILS, GUARDIAN_DIES, CHALLENGED };
static struct {
	enum event event;
	int call, error;
	int calls;
	const char *path;
} fault;

static void guardian_dies(void)
{
	struct claim_shared *shared = atomic_load(&session.shared);
	pid_t pid = shared ? (pid_t)(atomic_load(&shared->guardian) & FUTEX_TID_MASK) : 0;

	if (pid > 1 && kill(pid, SIGKILL) == 0)
		while (shared_guardian_lives(shared))
			usleep(100);
}

/* A neighbour that doesn't wait for the guardian's answer. */
static void challenge(void)
{
	int fd = open(fault.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

static bool fails(const char *name)
{
	if (!twin_armed || fault.calls++ != fault.call)
		return false;
	twin_failed = name;
	if (fault.event != FAILS) {
		twin_armed = false;
		if (fault.event == GUARDIAN_DIES)
			guardian_dies();
		else
			challenge();
		twin_armed = true;
		return false;
	}
	errno = fault.error;
	return true;
}

static int failing_close(int fd)
{
	int result = real.close(fd); /* it is closed, whatever it says */

	return fails("close") ? -1 : result;
}

static int failing_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return fails("fstatat") ? -1 : real.fstatat(dirfd, path, st, flags);
}

/* On an open file it can't fail; but meanwhile others do something. */
static off_t disturbed_lseek(int fd, off_t offset, int whence)
{
	if (fault.event != FAILS)
		fails("lseek");
	return real.lseek(fd, offset, whence);
}

static int failing_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	return fails("fallocate") ? -1 : real.fallocate(fd, mode, offset, bytes);
}

static int failing_clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	return fails("clone") ? -1 : real.clone(run, stack, flags, argument);
}

static ssize_t failing_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return fails("sendmsg") ? -1 : real.sendmsg(fd, message, flags);
}

/* --- what isn't in the table --- */

#define WRAP(type, name, parameters, arguments, failure)                                           \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails(#name) ? failure : __real_##name arguments;                           \
	}

WRAP(int, memfd_create, (const char *name, unsigned int flags), (name, flags), -1)
WRAP(int, socketpair, (int domain, int type, int protocol, int pair[2]),
     (domain, type, protocol, pair), -1)
WRAP(void *, mmap, (void *at, size_t bytes, int protection, int flags, int fd, off_t offset),
     (at, bytes, protection, flags, fd, offset), MAP_FAILED)
WRAP(int, poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout), -1)
WRAP(ssize_t, recv, (int fd, void *buffer, size_t bytes, int flags), (fd, buffer, bytes, flags), -1)
WRAP(int, fstatfs, (int fd, struct statfs *fs), (fd, fs), -1)
WRAP(int, getrlimit, (__rlimit_resource_t what, struct rlimit *limit), (what, limit), -1)
WRAP(ssize_t, readlink, (const char *path, char *buffer, size_t size), (path, buffer, size), -1)

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Waiting for a lock and leaving a process can't fail. */
static bool may_fail(long number)
{
	return number != SYS_futex && number != SYS_exit_group && number != SYS_gettid &&
	       number != SYS_rt_sigprocmask;
}

__attribute__((no_sanitize_address)) /* six are read, however many there are */
long __wrap_syscall(long number, ...)
{
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (may_fail(number) && fails("syscall"))
		return -1;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- a program's life --- */

static void change_options(struct twin *t, const char *mode)
{
	struct rule_options options = {.prealloc_size = 65536, .prealloc_align = 4096,
				       .idle = INT64_C(3600000000000)};
	struct rules_error error;
	int ret;

	assert_int_equal(rule_options_set(&options, "mode", mode, &error), 0);
	if (!table_get(t->fd))
		return;
	ARMED(ret, files_set_options(t->fd, &options));
	assert_int_equal(ret, 0);
}

static void fork_meanwhile(void)
{
	pid_t pid;

	twin_armed = true;
	share_begin();
	share_prepare_watch();
	twin_armed = false;
	pid = fork();
	if (pid == 0)
		_exit(0);
	twin_armed = true;
	share_end(pid > 0, SHARE_ALL, pid);
	twin_armed = false;
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void exec_that_fails(void)
{
	twin_armed = true;
	share_before_exec();
	share_end(false, SHARE_INHERITED, 0);
	twin_armed = false;
}

static void append_and_look(struct twin *t)
{
	twin_due(t);
	twin_write(t, 97, -1);
	twin_write(t, 97, -1);
	twin_size(t);
	twin_seek(t, 0, SEEK_CUR);
}

static void live_through(const char *name, int flags)
{
	struct twin t;
	int64_t size;

	fault.path = t.path;
	twin_open(&t, name, flags);
	append_and_look(&t);
	twin_flags(&t);
	twin_write(&t, 50, 10);
	size = twin_size(&t);
	twin_write(&t, 5000, size);
	twin_read(&t, 200, size);
	twin_read(&t, 10, size + 10000);
	twin_seek(&t, -100, SEEK_END);
	twin_available(&t);
	twin_read(&t, 60, -1);
	twin_read(&t, 60, -1);
	twin_write(&t, 90000, -1);
	append_and_look(&t);
	size = twin_size(&t);
	twin_fallocate(&t, FALLOC_FL_KEEP_SIZE, size, 8192);
	twin_fallocate(&t, 0, size, 4096);
	twin_fallocate(&t, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 1 << 20);
	append_and_look(&t);
	twin_seek(&t, 0, SEEK_DATA);
	twin_seek(&t, twin_size(&t) - 1, SEEK_HOLE);
	twin_seek(&t, twin_size(&t), SEEK_DATA);
	twin_seek(&t, 0, SEEK_END);
	append_and_look(&t);
	twin_truncate(&t, twin_size(&t) - 100, false);
	append_and_look(&t);
	twin_truncate(&t, twin_size(&t) + 3000, true);
	append_and_look(&t);
	twin_write(&t, 10, twin_size(&t) + 20000);
	append_and_look(&t);
	twin_dup(&t);
	fork_meanwhile();
	append_and_look(&t);
	exec_that_fails();
	append_and_look(&t);
	change_options(&t, "keep");
	append_and_look(&t);
	change_options(&t, "zero");
	append_and_look(&t);
	twin_armed = true;
	files_give_back_all();
	twin_armed = false;
	append_and_look(&t);
	twin_armed = true;
	if (table_get(t.fd))
		share_description(table_get(t.fd));
	twin_armed = false;
	append_and_look(&t);
	twin_flags(&t);
	twin_close(&t);
}

static void whatever_fails_the_program_cannot_tell(void **state)
{
	static const int errors[] = {EIO, EINTR, ENOMEM, EPERM, EAGAIN, EOPNOTSUPP};
	static const struct {
		const char *name;
		int flags;
	} lives[] = {{"a.log", O_RDWR}, {"a.log", O_RDWR | O_APPEND}, {"a.log", O_WRONLY | O_APPEND},
		     {"a.keep", O_RDWR}};
	const char *rounds = getenv("PREALLOCATE_TEST_ROUNDS");

	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		for (int round = 0; round < (rounds ? atoi(rounds) : 1); round++) {
			int call = -1;

			do {
				twin_guardian(*state);
				memset(&fault, 0, sizeof(fault));
				twin_failed = "none";
				fault.call = ++call;
				fault.error = errors[(size_t)(call + 3 * round + round / 2) % 6];
				live_through(lives[i].name, lives[i].flags);
			} while (strcmp(twin_failed, "none") != 0);
			print_message("# %s, flags %#o: %d calls\n", lives[i].name,
				      (unsigned int)lives[i].flags, call);
			assert_true(call > 30);
		}
	}
}

static void whoever_dies_or_looks_in_the_program_cannot_tell(void **state)
{
	for (int event = GUARDIAN_DIES; event <= CHALLENGED; event++) {
		int call = -1;

		do {
			twin_guardian(*state);
			memset(&fault, 0, sizeof(fault));
			twin_failed = "none";
			fault.event = (enum event)event;
			fault.call = ++call;
			live_through("a.log", O_RDWR | (call % 2 ? O_APPEND : 0));
		} while (strcmp(twin_failed, "none") != 0);
		assert_true(call > 30);
	}
}

static int set_up(void **state)
{
	int ret = twin_set_up(state);

	real = sys;
	sys.close = failing_close;
	sys.fcntl = failing_fcntl;
	sys.fstat = failing_fstat;
	sys.fstatat = failing_fstatat;
	sys.lseek = disturbed_lseek;
	sys.ftruncate = failing_ftruncate;
	sys.fallocate = failing_fallocate;
	sys.futimens = failing_futimens;
	sys.clone = failing_clone;
	sys.sendmsg = failing_sendmsg;
	return ret;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_fails_the_program_cannot_tell),
		cmocka_unit_test(whoever_dies_or_looks_in_the_program_cannot_tell),
	};

	return cmocka_run_group_tests(tests, set_up, twin_tear_down);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guardians that aren't there, say no, say nonsense, stop, or die at the worst moment: the program
 * can't tell, and not a byte is lost. This program itself is started as such a guardian, by a name
 * that says what is wrong with it.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "claim/spawn.h"
#include "files/engage.h"
#include "test_engage_twin.h"

/* --- the guardian's side --- */

static struct claim_shared *shared;

static void answer(int result)
{
	struct claim_answer message = {.result = result};

	send(GUARDIAN_SOCKET, &message, sizeof(message), MSG_NOSIGNAL);
}

/* The kernel sets it in the robust futex of the real one. */
static void die(void)
{
	atomic_fetch_or(&shared->guardian, FUTEX_OWNER_DIED);
	kill(getpid(), SIGKILL);
}

static int receive(void *to, size_t bytes)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {to, bytes};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(GUARDIAN_SOCKET, &message, 0) != (ssize_t)bytes)
		return -2;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
		if (header->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static int64_t grow(int fd, int64_t by)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || ftruncate(fd, st.st_size + by) < 0)
		_exit(1);
	return st.st_size;
}

static void let_go(struct claim_slot *slot, int fd)
{
	close(fd);
	atomic_store(&slot->held, 0);
}

static void take(const char *name, struct claim_slot *slot, int fd)
{
	int error;

	atomic_store(&slot->certain_at, clock_now());

	if (sscanf(name, "refuses-%d", &error) == 1) {
		answer(-error);
	} else if (strcmp(name, "holds-on") == 0) {
		atomic_store(&slot->held, 1);
		answer(-EAGAIN);
	} else if (strcmp(name, "stops") == 0) {
		raise(SIGSTOP); /* whoever waits for us lets us go on */
		answer(-EAGAIN);
	} else if (strcmp(name, "lingers") == 0) {
		close(GUARDIAN_SOCKET);
		for (;;)
			pause();
	} else if (strcmp(name, "dies-in-take") == 0) {
		atomic_fetch_add(&slot->sequence, 1);
		atomic_store(&slot->size_before, grow(fd, 1000000));
		die();
	} else { /* dies-in-extend, extends-not */
		int64_t size = grow(fd, 65536);

		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_APPEND);
		atomic_fetch_add(&slot->sequence, 1);
		atomic_store(&slot->positions.file_end, size + 65536);
		atomic_store(&slot->positions.data_end, size);
		atomic_store(&slot->data_end_check, ~size);
		atomic_fetch_add(&slot->sequence, 1);
		answer(0);
	}
}

static void greet(int result)
{
	struct claim_welcome message = {.version = CLAIM_VERSION, .result = result};

	send(GUARDIAN_SOCKET, &message, sizeof(message), MSG_NOSIGNAL);
}

/* False: it won't be served. */
static bool welcome(const char *name)
{
	struct claim_hello hello;
	int fd = receive(&hello, sizeof(hello));

	if (strcmp(name, "says-little") == 0)
		send(GUARDIAN_SOCKET, "", 1, MSG_NOSIGNAL);
	if (strcmp(name, "says-much") == 0) {
		struct claim_welcome much[2] = {{CLAIM_VERSION, 0}, {CLAIM_VERSION, 0}};

		send(GUARDIAN_SOCKET, much, sizeof(much), MSG_NOSIGNAL);
	}
	if (strcmp(name, "is-newer") == 0) {
		struct claim_welcome newer = {CLAIM_VERSION + 1, 0};

		send(GUARDIAN_SOCKET, &newer, sizeof(newer), MSG_NOSIGNAL);
	}
	if (strcmp(name, "says-no") == 0) {
		greet(-EPROTO);
		return true;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		return false;
	atomic_store(&shared->guardian, (uint32_t)getpid());
	greet(0);
	return true;
}

static int be_guardian(const char *name)
{
	struct claim_request request;
	int fd, taken = -1;

	if (strcmp(name, "exits") == 0)
		return 0;
	if (!welcome(name))
		return 1;
	while ((fd = receive(&request, sizeof(request))) != -2) {
		switch (request.verb) {
		case CLAIM_TAKE:
			taken = fd;
			take(name, &shared->slots[request.slot], fd);
			break;
		case CLAIM_EXTEND:
			atomic_fetch_add(&shared->slots[request.slot].sequence, 1);
			grow(taken, 1000000);
			die();
			break;
		case CLAIM_SETTLE:
			if (strcmp(name, "holds-on") == 0)
				let_go(&shared->slots[request.slot], taken);
			answer(0);
			break;
		default:
			answer(0);
		}
	}
	return 0;
}

/* --- the program's --- */

static char *guardian; /* the real one */
static char bad[4096];

static void start_as(const char *name)
{
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(length > 0);
	self[length] = '\0';
	unlink(bad);
	snprintf(bad, sizeof(bad), "%s/guardian-%s", twin_directory, name);
	unlink(bad);
	assert_int_equal(symlink(self, bad), 0);
	twin_guardian(bad);
}

static void append_some(struct twin *t)
{
	for (int i = 0; i < 5; i++) {
		twin_write(t, 40000, -1);
		twin_size(t);
		twin_flags(t);
		twin_seek(t, 0, SEEK_CUR);
	}
	twin_read(t, 300, 100);
	twin_read(t, 300, twin_size(t) - 100);
}

static void append_under(int flags, uint32_t reason)
{
	struct twin t;

	twin_open(&t, "a.log", flags);
	append_some(&t);
	assert_int_equal(twin_reasons(&t) & ~(uint32_t)(KEEP_FAILED | KEEP_UNGUARDED),
			 reason & ~(uint32_t)(KEEP_FAILED | KEEP_UNGUARDED));
	if (reason)
		assert_true(twin_reasons(&t) & reason);
	twin_close(&t);
}

static void no_guardian_is_no_harm(void **state)
{
	static const char *const names[] = {"exits", "says-no", "says-little", "says-much",
					    "is-newer", "stops", "lingers",
					    "dies-in-take", "dies-in-extend"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		start_as(names[i]);
		append_under(O_RDWR | O_APPEND, strcmp(names[i], "stops") ? 0 : KEEP_REFUSED);
		start_as(names[i]);
		append_under(O_RDWR, strcmp(names[i], "stops") ? 0 : KEEP_REFUSED);
	}
}

static void a_refusal_has_its_reason(void **state)
{
	static const struct {
		int error;
		uint32_t reason;
	} rows[] = {{EAGAIN, KEEP_REFUSED},	{EACCES, KEEP_UNSUPPORTED}, {EPERM, KEEP_UNSUPPORTED},
		    {EINVAL, KEEP_UNSUPPORTED}, {EOPNOTSUPP, KEEP_UNSUPPORTED},
		    {ENOSPC, KEEP_FAILED},	{EFBIG, KEEP_FAILED},	    {ESTALE, 0},
		    {EBUSY, 0}};
	char name[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(name, sizeof(name), "refuses-%d", rows[i].error);
		start_as(name);
		append_under(O_RDWR, rows[i].reason);
	}
}

/* The pause after a refusal doubles, and is forgotten after a long peace. */
/* A file settled a moment ago, by a challenge: the guardian has not closed its copy yet. */
static void a_closed_file_is_held_by_nobody(void **state)
{
	struct twin t;
	int fd;

	(void)state;
	start_as("holds-on");
	twin_open(&t, "a.log", O_RDWR);
	twin_write(&t, 97, -1);
	assert_int_equal(atomic_load(&atomic_load(&table_get(t.fd)->slot)->held), 1);
	assert_int_equal(flock(t.fd, LOCK_EX), 0);
	twin_close(&t);
	fd = open(t.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

static void pauses_grow_and_end(void **state)
{
	struct description *description;
	int64_t pause = 1000000000;
	struct twin t;

	(void)state;
	start_as("refuses-11");
	twin_open(&t, "a.log", O_RDWR);
	description = table_get(t.fd);
	for (int i = 0; i < 9; i++) {
		atomic_store(&description->retry_at, i ? 1 : 0);
		if (i)
			engage_pause(description, KEEP_REFUSED);
	}
	/* Long ago, by the clock: each time the shortest. */
	assert_int_equal(atomic_load(&description->back_off), pause);
	for (int i = 0; i < 9; i++) {
		engage_pause(description, KEEP_REFUSED);
		pause = pause * 2 > INT64_C(60000000000) ? INT64_C(60000000000) : pause * 2;
		assert_int_equal(atomic_load(&description->back_off), pause);
	}
	append_some(&t);
	twin_close(&t);
}

static pid_t program;
static int starts;
static struct sys real;
static int counting_clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	starts += getpid() == program; /* the other of the two is made by the first */
	return real.clone(run, stack, flags, argument);
}

/* One that can't be started, or ends at once, is tried three times in a process's life. */
static void three_failures_are_enough(void **state)
{
	struct twin t;

	(void)state;
	program = getpid();
	real = sys;
	for (int exits = 0; exits < 2; exits++) {
		if (exits)
			start_as("exits");
		else
			twin_guardian("/nowhere/guardian");
		starts = 0;
		sys.clone = counting_clone;
		twin_open(&t, "a.log", O_RDWR);
		for (int i = 0; i < 6; i++) {
			twin_due(&t);
			append_some(&t);
			assert_true(twin_reasons(&t) & KEEP_UNGUARDED);
			assert_int_equal(claim_socket(), -1);
		}
		twin_close(&t);
		sys.clone = real.clone;
		assert_int_equal(starts, exits ? 3 : 0);
	}
	twin_guardian("");
	append_under(O_RDWR, KEEP_UNGUARDED);
}

static void limit(__rlimit_resource_t what, rlim_t value, struct rlimit *was)
{
	struct rlimit now;

	assert_int_equal(getrlimit(what, was), 0);
	now = *was;
	now.rlim_cur = value;
	assert_int_equal(setrlimit(what, &now), 0);
}

static void limits_keep_it_from_starting(void **state)
{
	struct rlimit was;
	int first;

	(void)state;
	twin_guardian(guardian);
	/* The memory that both map is a file, too. */
	limit(RLIMIT_FSIZE, 300000, &was);
	append_under(O_RDWR, KEEP_UNGUARDED);
	assert_int_equal(claim_socket(), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);

	twin_guardian(guardian);
	limit(RLIMIT_NOFILE, 64, &was);
	append_under(O_RDWR, 0);
	assert_in_range(claim_socket(), 3, 63);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);

	twin_guardian(guardian);
	first = dup(0);
	limit(RLIMIT_NOFILE, (rlim_t)first + 4, &was); /* the twins, and nothing for us */
	append_under(O_RDWR, KEEP_UNGUARDED);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	close(first);
}

static bool would_show_in_child(bool (*prepare)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

		status = !prepare() ? 2 : spawn_would_show();
		/* LeakSanitizer's helper at exit waits for a parent, and would have none in there. */
		setns(namespace, CLONE_NEWPID);
		exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		print_message("# skipped: may not be tried here\n");
	return WEXITSTATUS(status) != 0;
}

static bool nothing(void)
{
	return true;
}

static bool become_subreaper(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

static bool have_children_elsewhere(void)
{
	return unshare(CLONE_NEWPID) == 0;
}

/* Where wait(2) would find the guardian, none is started. */
static void a_guardian_that_would_show_is_not_started(void **state)
{
	(void)state;
	assert_false(would_show_in_child(nothing));
	assert_true(would_show_in_child(become_subreaper));
	assert_true(would_show_in_child(have_children_elsewhere));

	twin_guardian(guardian);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	append_under(O_RDWR, KEEP_UNGUARDED);
	assert_int_equal(claim_socket(), -1);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* --- the real one --- */

static void extended(struct twin *t, int flags)
{
	twin_guardian(guardian);
	twin_open(t, "a.log", flags);
	twin_write(t, 97, -1);
	twin_write(t, 97, -1);
	assert_true(twin_is_extended(t));
}

static void kill_guardian(void)
{
	pid_t pid = (pid_t)(atomic_load(&atomic_load(&session.shared)->guardian) & FUTEX_TID_MASK);

	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (shared_guardian_lives(atomic_load(&session.shared)))
		usleep(100);
}

static void first_after_the_death(struct twin *t, int what)
{
	struct rule_options options = RULE_OPTIONS_DEFAULT;

	switch (what) {
	case 0:
		twin_write(t, 97, -1);
		break;
	case 1:
		twin_write(t, 97, 0);
		break;
	case 2:
		twin_write(t, 200000, -1);
		break;
	case 3:
		twin_size(t);
		break;
	case 4:
		twin_seek(t, 0, SEEK_END);
		break;
	case 5:
		twin_read(t, 1000, 10);
		break;
	case 6:
		twin_truncate(t, 50, false);
		break;
	case 7:
		twin_truncate(t, 5000, true);
		break;
	case 8:
		twin_flags(t);
		break;
	case 9:
		twin_dup(t);
		break;
	case 10:
		twin_fallocate(t, 0, 194, 100000);
		break;
	case 11:
		assert_int_equal(files_set_options(t->fd, &options), 0);
		break;
	case 12:
		assert_true(files_give_back_all());
		break;
	case 13:
		share_begin();
		share_end(true, SHARE_INHERITED, 0);
		break;
	case 14:
		share_description(table_get(t->fd));
		break;
	case 15:
		files_check_guardian();
		assert_false(twin_is_extended(t));
		break;
	default: /* twin_close is it */
		break;
	}
}

static void a_killed_guardian_is_made_good_for(void **state)
{
	struct twin t;

	(void)state;
	for (int what = 0; what <= 16; what++) {
		for (int i = 0; i < 2; i++) {
			extended(&t, O_RDWR | (i ? O_APPEND : 0));
			kill_guardian();
			first_after_the_death(&t, what);
			if (what < 16)
				append_some(&t);
			twin_close(&t);
		}
	}
}

/* Its number is forgotten first: no descriptor leads to the file that is to be settled. */
static void a_file_closed_behind_our_back_is_let_go_of(void **state)
{
	struct twin t;
	char *bytes;

	(void)state;
	extended(&t, O_RDWR);
	assert_int_equal(close(t.fd), 0);
	files_forget(t.fd);
	assert_null(table_get(t.fd));
	assert_int_equal(twin_contents(t.path, &bytes), 194);
	free(bytes);
	close(t.plain);
}

static void the_socket_makes_room(void **state)
{
	struct twin t;
	int socket;

	(void)state;
	extended(&t, O_RDWR);
	socket = claim_socket();
	assert_true(claim_owns(socket));
	assert_false(claim_owns(-1));
	assert_false(claim_owns(t.fd));
	claim_move_socket(t.fd); /* isn't ours */
	assert_int_equal(claim_socket(), socket);
	claim_move_socket(socket);
	assert_true(claim_socket() != socket && claim_owns(claim_socket()));
	assert_int_equal(fcntl(socket, F_GETFD), -1);
	append_some(&t);
	assert_true(twin_is_extended(&t));
	twin_close(&t);
}

static int no_descriptor_left(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (command == F_DUPFD_CLOEXEC) {
		errno = EMFILE;
		return -1;
	}
	return fcntl(fd, command, argument);
}

static void a_socket_without_room_is_given_up(void **state)
{
	struct twin t;

	(void)state;
	extended(&t, O_RDWR | O_APPEND);
	sys.fcntl = no_descriptor_left;
	claim_move_socket(claim_socket());
	sys.fcntl = fcntl;
	assert_int_equal(claim_socket(), -1);
	assert_false(twin_is_extended(&t));
	append_some(&t);
	twin_close(&t);
}

/* A program that closes every number, and has ours for something of its own. */
static void a_socket_that_was_taken_is_left_alone(void **state)
{
	struct twin t;
	int socket, theirs;

	(void)state;
	extended(&t, O_RDWR);
	socket = claim_socket();
	theirs = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(dup2(theirs, socket), socket);
	close(theirs);
	assert_false(claim_owns(socket));
	append_some(&t);
	twin_truncate(&t, 100, false);
	append_some(&t);
	twin_close(&t);
	assert_int_equal(write(socket, "x", 1), 1);
	close(socket);
}

static void all_slots_may_be_in_use(void **state)
{
	struct twin first, second;

	(void)state;
	extended(&first, O_RDWR);
	memset(session.used, 0xff, sizeof(session.used));
	twin_open(&second, "b.log", O_RDWR);
	append_some(&second);
	assert_true(twin_reasons(&second) & KEEP_FAILED);
	assert_false(twin_is_extended(&second));
	twin_close(&second);
	close(first.plain);
	files_closing(first.fd);
	close(first.fd);
}

static void what_is_barred_is_not_extended(void **state)
{
	struct twin t;

	(void)state;
	extended(&t, O_RDWR);
	claim_bar();
	assert_false(twin_is_extended(&t));
	twin_write(&t, 97, -1);
	assert_false(twin_is_extended(&t));
	claim_unbar();
	claim_unbar(); /* not below none */
	twin_write(&t, 97, -1);
	assert_true(twin_is_extended(&t));
	twin_close(&t);
}

static void a_neighbour_is_left_in_peace_for_a_while(void **state)
{
	struct twin t;
	int fd;

	(void)state;
	extended(&t, O_RDWR);
	fd = open(t.path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	assert_false(twin_is_extended(&t));
	twin_write(&t, 97, -1);
	assert_false(twin_is_extended(&t));
	assert_true(twin_reasons(&t) & KEEP_CHALLENGED);
	/* Nor is anything allocated in small pieces meanwhile. */
	assert_int_equal(atomic_load(&table_get(t.fd)->keep_extensions), 0);
	twin_due(&t);
	twin_write(&t, 97, -1);
	assert_true(twin_is_extended(&t));
	assert_false(twin_reasons(&t) & KEEP_CHALLENGED);
	twin_close(&t);
}

/* Its lock was taken from a thread that may still be about to write. */
static void what_was_robbed_is_not_extended(void **state)
{
	struct claim_slot *slot;
	struct twin t;

	(void)state;
	extended(&t, O_RDWR);
	slot = atomic_load(&table_get(t.fd)->slot);
	twin_truncate(&t, 100, false);
	atomic_store(&slot->robbed, 2);
	twin_seek(&t, 0, SEEK_END);
	twin_write(&t, 97, -1);
	assert_false(twin_is_extended(&t));
	atomic_store(&slot->robbed, 0);
	twin_write(&t, 97, -1);
	assert_true(twin_is_extended(&t));
	twin_close(&t);
}

static int set_up(void **state)
{
	int ret = twin_set_up(state);

	guardian = *state;
	return ret;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_guardian_is_no_harm),
		cmocka_unit_test(a_refusal_has_its_reason),
		cmocka_unit_test(a_closed_file_is_held_by_nobody),
		cmocka_unit_test(pauses_grow_and_end),
		cmocka_unit_test(three_failures_are_enough),
		cmocka_unit_test(limits_keep_it_from_starting),
		cmocka_unit_test(a_guardian_that_would_show_is_not_started),
		cmocka_unit_test(a_killed_guardian_is_made_good_for),
		cmocka_unit_test(a_file_closed_behind_our_back_is_let_go_of),
		cmocka_unit_test(the_socket_makes_room),
		cmocka_unit_test(a_socket_without_room_is_given_up),
		cmocka_unit_test(a_socket_that_was_taken_is_left_alone),
		cmocka_unit_test(all_slots_may_be_in_use),
		cmocka_unit_test(what_is_barred_is_not_extended),
		cmocka_unit_test(a_neighbour_is_left_in_peace_for_a_while),
		cmocka_unit_test(what_was_robbed_is_not_extended),
	};
	const char *name = strrchr(argv[0], '/');

	if (argc == 1 && name && strncmp(name, "/guardian-", 10) == 0)
		return be_guardian(name + 10);
	return cmocka_run_group_tests(tests, set_up, twin_tear_down);
}

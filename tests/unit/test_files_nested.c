/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A signal handler in the middle of a call: every call of src/files is interrupted, wherever it makes
 * a call of its own with signals let through, by every other one on the same file. All that can be
 * seen (what both return, the size, the offset, every byte) must be as on a plain file, where the
 * handler has run just before the interrupted call, or just after.
 *
 * PREALLOCATE_TEST_DIRECTORY: where (/var/tmp).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "base/thread.h"
#include "files/engage.h"
#include "test_engage_twin.h"
#include "test_glanced.h"

#define BEGUN 194 /* bytes in the file when it all begins */

enum kind {
	WRITE, WRITE_TO_END, WRITE_THEN_SEEK, READ, SEEK, SIZE, FLAGS, ALLOCATE, TRUNCATE,
	DUP, SETTLE, SHARE, GIVE_BACK, JUMP,
};

struct call {
	const char *name;
	enum kind kind;
	int64_t offset;	  /* WRITE and READ: -1: at the position */
	int64_t bytes;	  /* ALLOCATE, TRUNCATE: the length */
	int mode;	  /* whence, or the mode of ALLOCATE */
	off_t from;	  /* where the position is set before, when this call is the outer one */
};

static const struct call outer_calls[] = {
	{"write", WRITE, -1, 50, 0, BEGUN},
	{"write-inside", WRITE, -1, 50, 0, 20},
	{"write-across", WRITE, -1, 100, 0, BEGUN - 50},
	{"write-much", WRITE, -1, 100000, 0, BEGUN},
	{"write-behind-gap", WRITE, -1, 50, 0, BEGUN + 500},
	{"write-behind-hole", WRITE, -1, 50, 0, BEGUN + 50000},
	{"pwrite-end", WRITE, BEGUN, 50, 0, 30},
	{"pwrite-inside", WRITE, 20, 50, 0, 30},
	{"pwrite-across", WRITE, BEGUN - 50, 100, 0, 30},
	{"pwrite-behind-gap", WRITE, BEGUN + 500, 50, 0, 30},
	{"pwrite-much", WRITE, 100, 100000, 0, BEGUN},
	{"write-to-end", WRITE_TO_END, -1, 50, 0, 30},
	{"pwrite-to-end", WRITE_TO_END, 10, 50, 0, 30},
	{"read", READ, -1, 100, 0, BEGUN - 50},
	{"read-at-end", READ, -1, 100, 0, BEGUN},
	{"pread", READ, BEGUN - 50, 100, 0, 30},
	{"seek-end", SEEK, -10, 0, SEEK_END, 30},
	{"seek-data", SEEK, 10, 0, SEEK_DATA, 30},
	{"seek-hole", SEEK, 10, 0, SEEK_HOLE, 30},
	{"seek-data-past", SEEK, 5000, 0, SEEK_DATA, 30},
	{"size", SIZE, 0, 0, 0, 30},
	{"flags", FLAGS, 0, 0, 0, 30},
	{"allocate", ALLOCATE, BEGUN, 4096, 0, 30},
	{"allocate-much", ALLOCATE, BEGUN, 200000, 0, 30},
};

static const struct call nested_calls[] = {
	{"write", WRITE, -1, 9, 0, 0},
	{"write-much", WRITE, -1, 90000, 0, 0},
	{"pwrite-end", WRITE, BEGUN, 9, 0, 0},
	{"pwrite-inside", WRITE, 5, 9, 0, 0},
	{"write-to-end", WRITE_TO_END, -1, 9, 0, 0},
	{"write-then-seek", WRITE_THEN_SEEK, -1, 9, SEEK_END, 0},
	{"pwrite-then-seek", WRITE_THEN_SEEK, BEGUN, 9, SEEK_END, 0},
	{"read", READ, -1, 70, 0, 0},
	{"pread", READ, BEGUN - 20, 70, 0, 0},
	{"seek-set", SEEK, 40, 0, SEEK_SET, 0},
	{"seek-cur", SEEK, 0, 0, SEEK_CUR, 0},
	{"seek-end", SEEK, -3, 0, SEEK_END, 0},
	{"seek-hole", SEEK, 0, 0, SEEK_HOLE, 0},
	{"size", SIZE, 0, 0, 0, 0},
	{"flags", FLAGS, 0, 0, 0, 0},
	{"allocate", ALLOCATE, BEGUN, 3000, 0, 0},
	{"allocate-much", ALLOCATE, BEGUN, 300000, 0, 0},
	{"truncate", TRUNCATE, 0, 60, 0, 0},
	{"truncate-grow", TRUNCATE, 0, 7000, 0, 0},
	{"dup", DUP, 0, 0, 0, 0},
	{"settle", SETTLE, 0, 0, 0, 0},
	{"share", SHARE, 0, 0, 0, 0},
	{"give-back", GIVE_BACK, 0, 0, 0, 0},
};

/* As it is when the outer call comes. */
enum state { EXTENDED, DUE, PAUSED, STATES };
static const char *const state_names[] = {"extended", "due", "paused"};

struct outcome {
	int64_t outer, nested; /* what they returned, or -errno */
	int64_t size, offset;
	off_t length;
	char *bytes;
};

/* --- one call, on a managed file as src/libc makes it --- */

static struct {
	const struct call *call; /* the nested one; NULL: it has been made */
	int moment;		 /* made at this one, */
	int again;		 /* and at this one, if it is later */
	int moments;
	int fd;
	int64_t result;
	jmp_buf environment; /* where JUMP leads */
} handler = {.again = -1};

static void interrupted_here(void);

static ssize_t real_write(const struct transfer *t)
{
	ssize_t result;

	interrupted_here();
	result = pwritev2(t->fd, t->iov, t->count, t->at_offset ? t->offset : -1,
			  t->to_end ? RWF_APPEND : 0);
	interrupted_here();
	return result;
}

static ssize_t real_read(const struct transfer *t)
{
	ssize_t result;

	interrupted_here();
	result = preadv2(t->fd, t->iov, t->count, t->at_offset ? t->offset : -1, 0);
	interrupted_here();
	return result;
}

static int real_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	int result;

	interrupted_here();
	result = fallocate(fd, mode, offset, bytes);
	interrupted_here();
	return result;
}

static int real_fstat(void *argument)
{
	int result;

	interrupted_here();
	result = twin_call_stat(argument);
	interrupted_here();
	return result;
}

static char data[400000];

static int64_t transfer(const struct call *c, int fd)
{
	struct iovec iov[2] = {{data + c->bytes % 7, (size_t)c->bytes / 3}, {NULL, 0}};
	struct transfer t = {.fd = fd, .at_offset = c->offset >= 0, .to_end = c->kind == WRITE_TO_END,
			     .offset = c->offset, .iov = iov, .count = 2, .bytes = (size_t)c->bytes,
			     .call = c->kind == READ ? real_read : real_write};
	char buffer[128]; /* not allocated: a jump would lose it */
	ssize_t result;

	if (c->kind == READ)
		iov[0].iov_base = buffer;
	iov[1].iov_base = (char *)iov[0].iov_base + iov[0].iov_len;
	iov[1].iov_len = (size_t)c->bytes - iov[0].iov_len;
	if (!table_get(fd))
		result = t.call(&t);
	else
		result = c->kind == READ ? glanced_read(table_get(fd), &t)
					 : glanced_write(table_get(fd), &t);
	/* What was read counts, too. */
	if (c->kind == READ && result > 0)
		for (ssize_t i = 0, n = result; i < n; i++)
			result = (result * 31 + buffer[i]) & INT32_MAX;
	return result;
}

static int64_t size_of(int fd)
{
	struct twin_stat call = {.fd = fd};
	int64_t size = INT64_MIN;
	struct description *description = table_get(fd);
	int result;

	if (!description)
		result = real_fstat(&call);
	else if (!glanced_stat(description, fd, real_fstat, &call, &size, &result))
		result = files_stat_path(real_fstat, &call, twin_dev, twin_ino, &size,
					 real_fstat(&call));
	return result < 0 ? result : size == INT64_MIN ? call.st.st_size : size;
}

static int64_t truncate_to(int fd, off_t length)
{
	struct plain plain;
	int64_t before, result;

	plain_begin(&plain, fd, 0);
	plain_give_back(&plain);
	before = plain_size(&plain);
	result = ftruncate(fd, length);
	plain_truncated(&plain, before, length);
	plain_end(&plain);
	return result;
}

static int64_t dup_and_close(int fd)
{
	int to = dup(fd);

	files_duplicated(fd, to);
	files_closing(to);
	return close(to);
}

static int64_t make(const struct call *c, int fd)
{
	struct description *description = table_get(fd);
	int64_t result = 0;

	errno = 0;
	switch (c->kind) {
	case WRITE:
	case WRITE_TO_END:
	case READ:
		result = transfer(c, fd);
		break;
	case WRITE_THEN_SEEK:
		result = transfer(c, fd);
		if (result >= 0)
			result = make(&(struct call){"seek", SEEK, 0, 0, c->mode, 0}, fd);
		break;
	case SEEK:
		result = description ? files_lseek(description, fd, c->offset, c->mode)
				     : sys.lseek(fd, c->offset, c->mode);
		break;
	case SIZE:
		result = size_of(fd);
		break;
	case FLAGS:
		result = (description ? files_flags(description, fd) : fcntl(fd, F_GETFL)) & ~O_ASYNC;
		break;
	case ALLOCATE:
		result = description ? files_fallocate(description, fd, c->mode, c->offset, c->bytes,
						       real_fallocate)
				     : real_fallocate(fd, c->mode, c->offset, c->bytes);
		break;
	case TRUNCATE:
		result = truncate_to(fd, c->bytes);
		break;
	case DUP:
		result = dup_and_close(fd);
		break;
	case SETTLE:
		if (description)
			description_settle(description);
		break;
	case SHARE:
		share_begin();
		share_end(false, SHARE_ALL, 0);
		break;
	case GIVE_BACK:
		files_give_back_all();
		break;
	case JUMP:
		break;
	}
	return result < 0 ? -errno : result;
}

/* --- the moments --- */

static void interrupted_here(void)
{
	const struct call *call = handler.call;
	int saved_errno = errno, now;
	sigset_t blocked;

	if (!call)
		return;
	/* A handler runs only where signals are let through. */
	if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) != 0 || sigismember(&blocked, SIGALRM))
		return;
	now = handler.moments++;
	if (now != handler.moment && now != handler.again)
		return;
	handler.call = NULL;
	if (call->kind == JUMP) {
		files_before_jump();
		longjmp(handler.environment, 1);
	}
	handler.result = make(call, handler.fd);
	if (handler.again > now)
		handler.call = call;
	errno = saved_errno;
}

static struct sys real;

static off_t interrupted_lseek(int fd, off_t offset, int whence)
{
	off_t result;

	interrupted_here();
	result = real.lseek(fd, offset, whence);
	interrupted_here();
	return result;
}

static int interrupted_fstat(int fd, struct stat *st)
{
	int result;

	interrupted_here();
	result = real.fstat(fd, st);
	interrupted_here();
	return result;
}

static int interrupted_fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;
	int result;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	interrupted_here();
	result = real.fcntl(fd, command, argument);
	interrupted_here();
	return result;
}

/* --- a file, the call and its interruption --- */

static void begin(int fd, enum state state, const struct call *outer)
{
	static const struct call first = {"first", WRITE, -1, 97, 0, 0};
	struct description *description = table_get(fd);

	assert_int_equal(make(&first, fd), 97);
	if (description && state == PAUSED)
		engage_pause(description, KEEP_REFUSED);
	if (description && state != EXTENDED)
		description_settle(description);
	assert_int_equal(make(&(struct call){"second", WRITE, -1, BEGUN - 97, 0, 0}, fd), BEGUN - 97);
	/* What can't be read is extended only where FIEMAP can tell what was written. */
	if (description && state == EXTENDED && description->readable)
		assert_true(slot_is_extended(atomic_load(&description->slot)));
	if (description && state == DUE)
		description_settle(description);
	if (outer->from)
		assert_int_equal(make(&(struct call){"from", SEEK, outer->from, 0, SEEK_SET, 0}, fd),
				 outer->from);
}

static void end(int fd, const char *path, struct outcome *o)
{
	handler.call = NULL;
	o->size = size_of(fd);
	o->offset = make(&(struct call){"tell", SEEK, 0, 0, SEEK_CUR, 0}, fd);
	files_closing(fd);
	close(fd);
	o->length = twin_contents(path, &o->bytes);
}

static char path[4096];

static int open_new(int flags, bool managed)
{
	int fd;

	snprintf(path, sizeof(path), "%s/%s", twin_directory, managed ? "a.log" : "plain");
	unlink(path);
	fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	if (managed) {
		share_opening();
		files_opened(fd, flags | O_CLOEXEC, path);
		assert_non_null(table_get(fd));
	}
	return fd;
}

/* False: the outer call has no such moment. */
static bool managed(int flags, enum state state, const struct call *outer,
		    const struct call *nested, int moment, struct outcome *o)
{
	int fd = open_new(flags, true);
	bool made;

	begin(fd, state, outer);
	handler.fd = fd;
	handler.moment = moment;
	handler.moments = 0;
	handler.result = 0;
	handler.call = nested;
	o->outer = make(outer, fd);
	made = !handler.call;
	o->nested = handler.result;
	end(fd, path, o);
	return made;
}

static void plain(int flags, const struct call *outer, const struct call *nested, bool first,
		  struct outcome *o)
{
	int fd = open_new(flags, false);

	handler.call = NULL;
	begin(fd, EXTENDED, outer);
	if (first)
		o->nested = make(nested, fd);
	o->outer = make(outer, fd);
	if (!first)
		o->nested = make(nested, fd);
	end(fd, path, o);
}

/*
 * What a reader gets while the file changes under it is torn on any filesystem; but not what is written.
 * And a seek to data finds what the filesystem takes for data.
 */
static bool is_seen_torn(int flags, const struct call *outer, const struct call *nested)
{
	if (outer->kind == READ)
		return nested->kind == WRITE || nested->kind == WRITE_TO_END || nested->kind == SEEK;
	/* The offset is where an append will go a moment before it is made. */
	if ((flags & O_APPEND) && outer->kind <= WRITE_TO_END && nested->kind == SEEK &&
	    nested->mode == SEEK_CUR)
		return true;
	if (nested->kind == READ)
		return outer->kind == WRITE || outer->kind == WRITE_TO_END;
	return outer->kind == SEEK && outer->mode != SEEK_END && nested->kind == ALLOCATE;
}

/* However torn: the next write leaves no gap. */
static bool same(const struct outcome *a, const struct outcome *b, bool torn)
{
	return ((torn && a->offset <= a->size) || (a->outer == b->outer && a->nested == b->nested && a->offset == b->offset)) &&
	       a->size == b->size && a->length == b->length &&
	       memcmp(a->bytes, b->bytes, (size_t)a->length) == 0;
}

static void tell(const char *who, const struct outcome *o)
{
	print_message("# %s: %lld, the handler's %lld, size %lld, offset %lld, length %lld\n", who,
		      (long long)o->outer, (long long)o->nested, (long long)o->size,
		      (long long)o->offset, (long long)o->length);
}

/* At every moment of the outer call. How many there were. */
static int interrupt(int flags, enum state state, const struct call *outer,
		     const struct call *nested, int *wrong)
{
	struct outcome first, last, ours;
	bool torn = is_seen_torn(flags, outer, nested);
	int moment = 0;
	bool made;

	plain(flags, outer, nested, true, &first);
	plain(flags, outer, nested, false, &last);
	do {
		made = managed(flags, state, outer, nested, moment, &ours);
		if (made && !same(&ours, &first, torn) && !same(&ours, &last, torn)) {
			if ((*wrong)++ < 20) {
				print_message("# %s file, flags %#o: %s, interrupted by %s at %d\n",
					      state_names[state], (unsigned int)flags, outer->name,
					      nested->name, moment);
				tell("ours", &ours);
				tell("handler first", &first);
				tell("handler last", &last);
			}
		}
		free(ours.bytes);
		moment++;
	} while (made);
	free(first.bytes);
	free(last.bytes);
	return moment - 1;
}

static int interrupt_all(int flags, enum state state, int *wrong)
{
	int moments = 0;

	for (size_t o = 0; o < sizeof(outer_calls) / sizeof(outer_calls[0]); o++)
		for (size_t n = 0; n < sizeof(nested_calls) / sizeof(nested_calls[0]); n++)
			moments += interrupt(flags, state, &outer_calls[o], &nested_calls[n], wrong);
	return moments;
}

static void a_handler_runs_before_or_after(void **state)
{
	static const int flags[] = {O_RDWR, O_RDWR | O_APPEND, O_WRONLY, O_WRONLY | O_APPEND};
	int wrong = 0, moments = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)('a' + i % 23);
	for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
		for (int s = EXTENDED; s < ((flags[f] & O_ACCMODE) == O_RDWR ? STATES : DUE); s++)
			moments += interrupt_all(flags[f], s, &wrong);
	print_message("# %d interruptions\n", moments);
	assert_true(moments > 1000);
	assert_int_equal(wrong, 0);
}

/* In an append, at every two of its moments. How many pairs there were. */
static int interrupt_twice(enum state state, const struct call *outer, const struct call *nested,
			   int *wrong)
{
	int64_t expected = BEGUN + outer->bytes + 2 * nested->bytes;
	int pairs = 0;
	bool made;

	for (int moment = 0, again;; moment++) {
		for (again = moment + 1;; again++, pairs++) {
			struct outcome ours;

			handler.again = again;
			made = managed(O_RDWR | O_APPEND, state, outer, nested, moment, &ours);
			if (made && ours.size != expected && (*wrong)++ < 20) {
				print_message("# %s, interrupted at %d and %d\n", outer->name, moment,
					      again);
				tell("ours", &ours);
			}
			free(ours.bytes);
			if (!made)
				break;
		}
		if (again == moment + 1)
			break;
	}
	handler.again = -1;
	return pairs;
}

static void two_handlers_append(void **state)
{
	static const struct call outer_appends[] = {
		{"write", WRITE, -1, 50, 0, BEGUN},
		{"write-from-inside", WRITE, -1, 50, 0, 30},
		{"pwrite", WRITE, 20, 50, 0, 30},
		{"write-to-end", WRITE_TO_END, -1, 50, 0, 30},
	};
	static const struct call nested = {"write", WRITE, -1, 9, 0, 0};
	int wrong = 0, pairs = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(outer_appends) / sizeof(outer_appends[0]); i++)
		for (int s = EXTENDED; s < STATES; s++)
			pairs += interrupt_twice(s, &outer_appends[i], &nested, &wrong);
	print_message("# %d pairs\n", pairs);
	assert_true(pairs > 100);
	assert_int_equal(wrong, 0);
}

/*
 * A handler that leaves the interrupted call by a jump: that was made, or it wasn't, and whatever it
 * held is free again.
 */
static bool jumped(int flags, enum state state, const struct call *outer, int moment,
		   struct outcome *o)
{
	static const struct call jump = {"jump", JUMP, 0, 0, 0, 0};
	int fd = open_new(flags, true);
	bool made;

	begin(fd, state, outer);
	handler.fd = fd;
	handler.moment = moment;
	handler.moments = 0;
	handler.call = &jump;
	if (setjmp(handler.environment) == 0)
		make(outer, fd);
	made = !handler.call;
	handler.call = NULL;
	assert_null(thread_state.held);
	assert_null(thread_state.in_gate);
	assert_int_equal(owner_of(&atomic_load(&table_get(fd)->slot)->lock), 0);
	assert_int_equal(atomic_load(&atomic_load(&table_get(fd)->slot)->robbed), 0);
	end(fd, path, o);
	return made;
}

static bool same_file(const struct outcome *a, const struct outcome *b)
{
	return a->size == b->size && a->length == b->length &&
	       memcmp(a->bytes, b->bytes, (size_t)a->length) == 0;
}

static int jump_out_of(int flags, enum state state, const struct call *outer, int *wrong)
{
	static const struct call nothing = {"nothing", SETTLE, 0, 0, 0, 0};
	struct outcome whole, none, ours;
	int moment = 0;
	bool made;

	plain(flags, outer, &nothing, true, &whole);
	plain(flags, &nothing, &nothing, true, &none);
	do {
		made = jumped(flags, state, outer, moment, &ours);
		if (made && !same_file(&ours, &whole) && !same_file(&ours, &none) && (*wrong)++ < 20) {
			print_message("# %s file, flags %#o: out of %s at %d\n", state_names[state],
				      (unsigned int)flags, outer->name, moment);
			tell("ours", &ours);
			tell("made", &whole);
			tell("not made", &none);
		}
		free(ours.bytes);
		moment++;
	} while (made);
	free(whole.bytes);
	free(none.bytes);
	return moment - 1;
}

static void a_handler_jumps_out(void **state)
{
	static const int flags[] = {O_RDWR, O_RDWR | O_APPEND};
	int wrong = 0, moments = 0;

	(void)state;
	for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
		for (int s = EXTENDED; s < STATES; s++)
			for (size_t o = 0; o < sizeof(outer_calls) / sizeof(outer_calls[0]); o++)
				moments += jump_out_of(flags[f], s, &outer_calls[o], &wrong);
	print_message("# %d jumps\n", moments);
	assert_true(moments > 300);
	assert_int_equal(wrong, 0);
}

/* A vfork's child jumps on its parent's stack, whose calls go on. */
static void a_vforked_jump_gives_nothing_up(void **state)
{
	struct gate gate = {0};
	struct gate_pass pass;

	(void)state;
	gate_enter(&gate, &pass);
	thread_state.vforked = true;
	files_before_jump();
	thread_state.vforked = false;
	assert_ptr_equal(thread_state.in_gate, &gate);
	gate_leave(&gate, &pass);
	assert_int_equal(atomic_load(&gate.word), 0);
}

static int set_up(void **state)
{
	int ret = twin_set_up(state);

	real = sys;
	sys.lseek = interrupted_lseek;
	sys.fstat = interrupted_fstat;
	sys.fcntl = interrupted_fcntl;
	return ret;
}

/* Of a test that failed in the middle: no handler runs in the next one. */
static int clear_handler(void **state)
{
	(void)state;
	handler.call = NULL;
	handler.again = -1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_runs_before_or_after),
		cmocka_unit_test_setup(two_handlers_append, clear_handler),
		cmocka_unit_test_setup(a_handler_jumps_out, clear_handler),
		cmocka_unit_test(a_vforked_jump_gives_nothing_up),
	};

	return cmocka_run_group_tests(tests, set_up, twin_tear_down);
}

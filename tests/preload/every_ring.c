/* SPDX-License-Identifier: GPL-2.0-or-later */
/* liburing, where its header is installed. */
#include "every.h"

#if __has_include(<liburing.h>)
#include <dlfcn.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) static void name(void *call, int fd)

/* The functions of liburing that aren't the ones to be tested; nothing links the library. */
#define OTHER(function) ((__typeof__(&function))dlsym(RTLD_DEFAULT, #function))

static struct io_uring ring;
static struct io_uring_cqe *cqe;

/* A ring with a write of 700 bytes past the end in it, which is then submitted. */
static bool prepared(int fd)
{
	static bool there;
	struct io_uring_sqe *sqe;

	if (!there && OTHER(io_uring_queue_init)(8, &ring, 0) < 0) {
		say("no io_uring\n");
		return false;
	}
	there = true;
	sqe = OTHER(io_uring_get_sqe)(&ring);
	io_uring_prep_write(sqe, fd, every_bytes, 700, 9700);
	return true;
}

static void completed(void)
{
	CALL(OTHER(__io_uring_get_cqe)(&ring, &cqe, 0, 1, NULL));
	CALL(cqe->res);
	io_uring_cqe_seen(&ring, cqe);
}

TEST(inits)
{
	if (AS(io_uring_queue_init)(8, &ring, 0) < 0)
		return say("no io_uring\n");
	EXTENDED(fd);
}
TEST(inits_params)
{
	struct io_uring_params params = {.flags = 0};

	if (AS(io_uring_queue_init_params)(8, &ring, &params) < 0)
		return say("no io_uring\n");
	EXTENDED(fd);
}
TEST(inits_memory)
{
	struct io_uring_params params = {.flags = 0};
	void *memory = aligned_alloc(1 << 16, 1 << 16);

	CALL(((int (*)(unsigned int, struct io_uring *, struct io_uring_params *, void *,
		       size_t))call)(8, &ring, &params, memory, 1 << 16) >= 0);
	EXTENDED(fd);
}
TEST(setups)
{
	struct io_uring_params params = {.flags = 0};

	(void)fd;
	if (((int (*)(unsigned int, struct io_uring_params *))call)(8, &params) < 0)
		say("no io_uring\n");
}
TEST(submits) { if (prepared(fd)) { CALL(AS(io_uring_submit)(&ring)); completed(); } }
TEST(submits_and_waits)
{
	if (prepared(fd)) {
		CALL(AS(io_uring_submit_and_wait)(&ring, 1));
		completed();
	}
}
TEST(submits_and_gets)
{
	if (prepared(fd)) {
		CALL(((int (*)(struct io_uring *))call)(&ring));
		completed();
	}
}
TEST(submits_with_timeout)
{
	struct __kernel_timespec second = {.tv_sec = 1};

	if (prepared(fd)) {
		CALL(((int (*)(struct io_uring *, struct io_uring_cqe **, unsigned int, void *,
			       unsigned long, void *))call)(&ring, &cqe, 1, &second, 0, NULL));
		completed();
	}
}
TEST(submits_with_region)
{
	/* Without a registered region it submits nothing and fails. */
	if (prepared(fd))
		CALL(((int (*)(struct io_uring *, struct io_uring_cqe **, unsigned int, int))call)(
			     &ring, &cqe, 1, 0) < 0);
}

/* On a kernel that can wait with a limit these don't submit. */
TEST(waits)
{
	struct __kernel_timespec second = {.tv_sec = 1};

	if (!prepared(fd))
		return;
	CALL(OTHER(io_uring_submit)(&ring));
	CALL(((int (*)(struct io_uring *, struct io_uring_cqe **, unsigned int, void *,
		       unsigned long, void *))call)(&ring, &cqe, 1, &second, 0, NULL));
	completed();
}
TEST(waits_for_one)
{
	struct __kernel_timespec second = {.tv_sec = 1};

	if (!prepared(fd))
		return;
	CALL(OTHER(io_uring_submit)(&ring));
	CALL(AS(io_uring_wait_cqe_timeout)(&ring, &cqe, &second));
	completed();
}
TEST(gets)
{
	if (!prepared(fd))
		return;
	CALL(OTHER(io_uring_submit)(&ring));
	CALL(AS(__io_uring_get_cqe)(&ring, &cqe, 0, 1, NULL));
	completed();
}
TEST(enters)
{
	if (!prepared(fd))
		return;
	/* By hand what io_uring_submit does before. */
	*ring.sq.array = 0;
	__atomic_store_n(ring.sq.ktail, ring.sq.sqe_tail, __ATOMIC_RELEASE);
	ring.sq.sqe_head = ring.sq.sqe_tail;
	CALL(((int (*)(int, unsigned int, unsigned int, unsigned int, void *, size_t))call)(
		ring.ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, _NSIG / 8));
	completed();
}
TEST(registers)
{
	if (!prepared(fd))
		return;
	CALL(((int (*)(int, unsigned int, const void *, unsigned int))call)(
		ring.ring_fd, IORING_REGISTER_FILES, &fd, 1));
	CALL(OTHER(io_uring_submit)(&ring));
	completed();
}

static void by_index(void)
{
	ring.sq.sqes[(ring.sq.sqe_tail - 1) & *ring.sq.kring_mask].fd = 0;
	ring.sq.sqes[(ring.sq.sqe_tail - 1) & *ring.sq.kring_mask].flags = IOSQE_FIXED_FILE;
	CALL(OTHER(io_uring_submit)(&ring));
	completed();
}

TEST(registers_files)
{
	const __u64 tag = 0;

	if (!prepared(fd))
		return;
	CALL(AS(io_uring_register_files_tags)(&ring, &fd, &tag, 1));
	by_index();
}
TEST(registers_list)
{
	if (prepared(fd)) {
		CALL(AS(io_uring_register_files)(&ring, &fd, 1));
		by_index();
	}
}
TEST(updates)
{
	int none = -1;

	if (!prepared(fd))
		return;
	CALL(OTHER(io_uring_register_files)(&ring, &none, 1));
	CALL(AS(io_uring_register_files_update)(&ring, 0, &fd, 1));
	by_index();
}
TEST(updates_tag)
{
	const __u64 tag = 0;
	int none = -1;

	if (!prepared(fd))
		return;
	CALL(OTHER(io_uring_register_files)(&ring, &none, 1));
	CALL(AS(io_uring_register_files_update_tag)(&ring, 0, &fd, &tag, 1));
	by_index();
}

#define ROW(names, test) {names, test}
#else
#define ROW(names, test) {names, absent}

static void absent(void *call, int fd)
{
	(void)call, (void)fd;
	say("not built with liburing.h\n");
}
#endif

const struct every_row every_ring_rows[] = {
	ROW("io_uring_queue_init", inits),
	ROW("io_uring_queue_init_params", inits_params),
	ROW("io_uring_queue_init_mem", inits_memory),
	ROW("io_uring_setup", setups),
	ROW("io_uring_submit", submits),
	ROW("io_uring_submit_and_wait", submits_and_waits),
	ROW("io_uring_submit_and_get_events", submits_and_gets),
	ROW("io_uring_submit_and_wait_timeout io_uring_submit_and_wait_min_timeout",
	    submits_with_timeout),
	ROW("io_uring_submit_and_wait_reg", submits_with_region),
	ROW("io_uring_wait_cqes io_uring_wait_cqes_min_timeout", waits),
	ROW("io_uring_wait_cqe_timeout", waits_for_one),
	ROW("__io_uring_get_cqe", gets),
	ROW("io_uring_enter io_uring_enter2", enters),
	ROW("io_uring_register", registers),
	ROW("io_uring_register_files", registers_list),
	ROW("io_uring_register_files_tags", registers_files),
	ROW("io_uring_register_files_update", updates),
	ROW("io_uring_register_files_update_tag", updates_tag),
	{NULL, NULL},
};

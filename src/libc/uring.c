/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_uring(7). QEMU has a ring that polls event descriptors only, so a ring by itself says nothing:
 * what liburing submits is looked at, and a managed file in it is kept from then on. Rings that
 * can't be watched (set up by a bare system call, or read by the kernel without one: SQPOLL) keep
 * every managed file.
 */
#include "libc/export.h"

#include <dlfcn.h>
#include <linux/io_uring.h>

/* The beginning of liburing's struct io_uring, the same since liburing 2.0. */
struct io_uring {
	unsigned int *khead, *ktail, *kring_mask, *kring_entries, *kflags, *kdropped, *array;
	struct io_uring_sqe *sqes;
	unsigned int sqe_head, sqe_tail;
};

#define UNWATCHED (IORING_SETUP_SQPOLL | IORING_SETUP_SQE128)

static void release(int fd)
{
	struct plain plain;

	if (!managed(fd))
		return;
	plain_begin(&plain, fd, KEEP_ASYNC);
	plain_end(&plain);
}

static void look_at(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_NOP:
	case IORING_OP_POLL_ADD:
	case IORING_OP_POLL_REMOVE:
	case IORING_OP_TIMEOUT:
	case IORING_OP_FSYNC:
		return;
	case IORING_OP_CLOSE:
		if (managed(sqe->fd))
			files_closing(sqe->fd);
		return;
	case IORING_OP_SPLICE:
	case IORING_OP_TEE:
		release(sqe->splice_fd_in);
		break;
	default:
		break;
	}
	if (!(sqe->flags & IOSQE_FIXED_FILE))
		release(sqe->fd);
}

static void look_at_all(const struct io_uring *ring)
{
	if (thread_state.vforked || !descriptions_exist())
		return;
	for (unsigned int i = ring->sqe_head; i != ring->sqe_tail; i++)
		look_at(&ring->sqes[i & *ring->kring_mask]);
}

static void release_list(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		release(fds[i]);
}

int io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags);
int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
			       struct io_uring_params *params);
int io_uring_setup(unsigned int entries, struct io_uring_params *params);
int io_uring_submit(struct io_uring *ring);
int io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait);
int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
				     unsigned int wait, void *timeout, void *mask);
int io_uring_submit_and_get_events(struct io_uring *ring);
int io_uring_register_files(struct io_uring *ring, const int *fds, unsigned int count);
int io_uring_register_files_tags(struct io_uring *ring, const int *fds, const void *tags,
				 unsigned int count);
int io_uring_register_files_update(struct io_uring *ring, unsigned int offset, const int *fds,
				   unsigned int count);
int io_uring_register_files_update_tag(struct io_uring *ring, unsigned int offset, const int *fds,
				       const void *tags, unsigned int count);

EXPORT int io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags)
{
	if (flags & UNWATCHED)
		files_keep_all(KEEP_ASYNC);
	return REAL_OF_LIBRARY(io_uring_queue_init)(entries, ring, flags);
}

EXPORT int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	if (params->flags & UNWATCHED)
		files_keep_all(KEEP_ASYNC);
	return REAL_OF_LIBRARY(io_uring_queue_init_params)(entries, ring, params);
}

EXPORT int io_uring_setup(unsigned int entries, struct io_uring_params *params)
{
	files_keep_all(KEEP_ASYNC);
	return REAL_OF_LIBRARY(io_uring_setup)(entries, params);
}

EXPORT int io_uring_submit(struct io_uring *ring)
{
	look_at_all(ring);
	return REAL_OF_LIBRARY(io_uring_submit)(ring);
}

EXPORT int io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait)
{
	look_at_all(ring);
	return REAL_OF_LIBRARY(io_uring_submit_and_wait)(ring, wait);
}

EXPORT int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int wait, void *timeout, void *mask)
{
	look_at_all(ring);
	return REAL_OF_LIBRARY(io_uring_submit_and_wait_timeout)(ring, cqe, wait, timeout, mask);
}

EXPORT int io_uring_submit_and_get_events(struct io_uring *ring)
{
	look_at_all(ring);
	return REAL_OF_LIBRARY(io_uring_submit_and_get_events)(ring);
}

EXPORT int io_uring_register_files(struct io_uring *ring, const int *fds, unsigned int count)
{
	release_list(fds, count);
	return REAL_OF_LIBRARY(io_uring_register_files)(ring, fds, count);
}

EXPORT int io_uring_register_files_tags(struct io_uring *ring, const int *fds, const void *tags,
					unsigned int count)
{
	release_list(fds, count);
	return REAL_OF_LIBRARY(io_uring_register_files_tags)(ring, fds, tags, count);
}

EXPORT int io_uring_register_files_update(struct io_uring *ring, unsigned int offset,
					  const int *fds, unsigned int count)
{
	release_list(fds, count);
	return REAL_OF_LIBRARY(io_uring_register_files_update)(ring, offset, fds, count);
}

EXPORT int io_uring_register_files_update_tag(struct io_uring *ring, unsigned int offset,
					      const int *fds, const void *tags, unsigned int count)
{
	release_list(fds, count);
	return REAL_OF_LIBRARY(io_uring_register_files_update_tag)(ring, offset, fds, tags, count);
}

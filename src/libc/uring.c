/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_uring(7). QEMU has a ring that polls event descriptors only, so a ring by itself says nothing:
 * what liburing submits is looked at, and a managed file in it is kept from then on. Rings that
 * can't be watched (set up by a bare system call, or read by the kernel without one: SQPOLL) keep
 * every managed file.
 */
#include "base/memory.h"
#include "libc/async.h"
#include "libc/export.h"
#include "libc/process.h"

#include <linux/io_uring.h>

/* The beginning of liburing's struct io_uring, the same since liburing 2.0. */
struct io_uring {
	unsigned int *khead, *ktail, *kring_mask, *kring_entries, *kflags, *kdropped, *array;
	struct io_uring_sqe *sqes;
	unsigned int sqe_head, sqe_tail;
};

/* SQPOLL, SQE128: read by the kernel without a call, or of another size. */
#define UNWATCHED (IORING_SETUP_SQPOLL | IORING_SETUP_SQE128)

#define OP_SENDMSG_ZC 48 /* Linux 6.1 */

void uring_unwatched(void)
{
	static _Atomic bool done;

	if (atomic_load(&done))
		return;
	files_keep_all(KEEP_ASYNC);
	atomic_store(&done, true);
}

static void release(int fd)
{
	struct plain plain;

	if (!managed(fd))
		return;
	plain_begin(&plain, fd, KEEP_ASYNC);
	plain_end(&plain);
}

/* The kernel registers no more (IORING_MAX_FIXED_FILES of Linux). */
#define MOST_FILES (1U << 20)

static void release_list(const int *fds, unsigned int count)
{
	int fd;

	if (thread_state.vforked || !descriptions_exist() || count > MOST_FILES)
		return;
	for (unsigned int i = 0; i < count && memory_read(&fd, &fds[i], sizeof(fd)); i++)
		release(fd);
}

static void note_flags(const struct io_uring_params *params)
{
	uint32_t flags;

	if (memory_read(&flags, &params->flags, sizeof(flags)) && (flags & UNWATCHED))
		uring_unwatched();
}

static void release_path(int dirfd, uint64_t path, int flags)
{
	struct plain plain;

	plain_begin_path(&plain, dirfd, (const char *)(uintptr_t)path, flags);
	if (plain.description)
		atomic_fetch_or(&plain.description->reasons, KEEP_ASYNC);
	plain_end(&plain);
}

/* Requests that know the file by its name, or carry it to another process. */
static void look_at_names(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_STATX:
		release_path(sqe->fd, sqe->addr, (int)sqe->statx_flags);
		break;
	case IORING_OP_RENAMEAT:
	case IORING_OP_LINKAT:
		release_path(sqe->fd, sqe->addr, AT_SYMLINK_NOFOLLOW);
		break;
	case IORING_OP_SETXATTR:
		release_path(AT_FDCWD, sqe->addr3, 0);
		break;
	case IORING_OP_FILES_UPDATE:
		release_list((const int *)(uintptr_t)sqe->addr, sqe->len);
		break;
	case IORING_OP_SENDMSG:
	case OP_SENDMSG_ZC:
		process_sending((const struct msghdr *)(uintptr_t)sqe->addr);
		break;
	default:
		break;
	}
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
		look_at_names(sqe);
		break;
	}
	if (!(sqe->flags & IOSQE_FIXED_FILE))
		release(sqe->fd);
}

static void look_at_all(const struct io_uring *ring)
{
	if (thread_state.vforked || !descriptions_exist())
		return;
	/* No more than there is room for, whatever the program has made of its ring. */
	for (unsigned int i = ring->sqe_head; i != ring->sqe_tail && i - ring->sqe_head <= *ring->kring_mask; i++)
		look_at(&ring->sqes[i & *ring->kring_mask]);
}

void uring_registering(unsigned int opcode, const void *argument, unsigned int count)
{
	if (thread_state.vforked || !descriptions_exist())
		return;
	switch (opcode) {
	case IORING_REGISTER_FILES:
		release_list(argument, count);
		break;
	case IORING_REGISTER_FILES_UPDATE:
	case IORING_REGISTER_FILES2:
	case IORING_REGISTER_FILES_UPDATE2:
		uring_unwatched();
		break;
	default:
		break;
	}
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
		uring_unwatched();
	return OF_LIBRARY(io_uring_queue_init, -ENOSYS, entries, ring, flags);
}

EXPORT int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	note_flags(params);
	return OF_LIBRARY(io_uring_queue_init_params, -ENOSYS, entries, ring, params);
}

EXPORT int io_uring_setup(unsigned int entries, struct io_uring_params *params)
{
	uring_unwatched();
	return OF_LIBRARY(io_uring_setup, -ENOSYS, entries, params);
}

EXPORT int io_uring_submit(struct io_uring *ring)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_submit, -ENOSYS, ring);
}

EXPORT int io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_submit_and_wait, -ENOSYS, ring, wait);
}

EXPORT int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int wait, void *timeout, void *mask)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_submit_and_wait_timeout, -ENOSYS, ring, cqe, wait, timeout, mask);
}

EXPORT int io_uring_submit_and_get_events(struct io_uring *ring)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_submit_and_get_events, -ENOSYS, ring);
}

EXPORT int io_uring_register_files(struct io_uring *ring, const int *fds, unsigned int count)
{
	release_list(fds, count);
	return OF_LIBRARY(io_uring_register_files, -ENOSYS, ring, fds, count);
}

EXPORT int io_uring_register_files_tags(struct io_uring *ring, const int *fds, const void *tags,
					unsigned int count)
{
	release_list(fds, count);
	return OF_LIBRARY(io_uring_register_files_tags, -ENOSYS, ring, fds, tags, count);
}

EXPORT int io_uring_register_files_update(struct io_uring *ring, unsigned int offset,
					  const int *fds, unsigned int count)
{
	release_list(fds, count);
	return OF_LIBRARY(io_uring_register_files_update, -ENOSYS, ring, offset, fds, count);
}

EXPORT int io_uring_register_files_update_tag(struct io_uring *ring, unsigned int offset,
					      const int *fds, const void *tags, unsigned int count)
{
	release_list(fds, count);
	return OF_LIBRARY(io_uring_register_files_update_tag, -ENOSYS, ring, offset, fds, tags, count);
}

/* Some of these submit, where the kernel can't wait with a time limit otherwise (before 5.11). */
int io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned int wait,
		       void *timeout, void *mask);
int io_uring_wait_cqe_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, void *timeout);
int io_uring_wait_cqes_min_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
				   unsigned int wait, void *timeout, unsigned int least,
				   void *mask);
int io_uring_submit_and_wait_min_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					 unsigned int wait, void *timeout, unsigned int least,
					 void *mask);
int io_uring_submit_and_wait_reg(struct io_uring *ring, struct io_uring_cqe **cqe,
				 unsigned int wait, int index);
int __io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned int submit,
		       unsigned int wait, void *mask);
int io_uring_queue_init_mem(unsigned int entries, struct io_uring *ring,
			    struct io_uring_params *params, void *memory, size_t bytes);
int io_uring_enter(unsigned int fd, unsigned int submit, unsigned int least, unsigned int flags,
		   void *mask);
int io_uring_enter2(unsigned int fd, unsigned int submit, unsigned int least, unsigned int flags,
		    void *mask, size_t bytes);
int io_uring_register(unsigned int fd, unsigned int opcode, const void *argument,
		      unsigned int count);

EXPORT int io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned int wait,
			      void *timeout, void *mask)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_wait_cqes, -ENOSYS, ring, cqe, wait, timeout, mask);
}

EXPORT int io_uring_wait_cqe_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
				     void *timeout)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_wait_cqe_timeout, -ENOSYS, ring, cqe, timeout);
}

EXPORT int io_uring_wait_cqes_min_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					  unsigned int wait, void *timeout, unsigned int least,
					  void *mask)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_wait_cqes_min_timeout, -ENOSYS, ring, cqe, wait, timeout, least,
			  mask);
}

EXPORT int io_uring_submit_and_wait_min_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
						unsigned int wait, void *timeout,
						unsigned int least, void *mask)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_submit_and_wait_min_timeout, -ENOSYS, ring, cqe, wait, timeout,
			  least, mask);
}

EXPORT int io_uring_submit_and_wait_reg(struct io_uring *ring, struct io_uring_cqe **cqe,
					unsigned int wait, int index)
{
	look_at_all(ring);
	return OF_LIBRARY(io_uring_submit_and_wait_reg, -ENOSYS, ring, cqe, wait, index);
}

EXPORT int __io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
			      unsigned int submit, unsigned int wait, void *mask)
{
	if (submit)
		look_at_all(ring);
	return OF_LIBRARY(__io_uring_get_cqe, -ENOSYS, ring, cqe, submit, wait, mask);
}

EXPORT int io_uring_queue_init_mem(unsigned int entries, struct io_uring *ring,
				   struct io_uring_params *params, void *memory, size_t bytes)
{
	note_flags(params);
	return OF_LIBRARY(io_uring_queue_init_mem, -ENOSYS, entries, ring, params, memory, bytes);
}

EXPORT int io_uring_enter(unsigned int fd, unsigned int submit, unsigned int least,
			  unsigned int flags, void *mask)
{
	if (submit)
		uring_unwatched();
	return OF_LIBRARY(io_uring_enter, -ENOSYS, fd, submit, least, flags, mask);
}

EXPORT int io_uring_enter2(unsigned int fd, unsigned int submit, unsigned int least,
			   unsigned int flags, void *mask, size_t bytes)
{
	if (submit)
		uring_unwatched();
	return OF_LIBRARY(io_uring_enter2, -ENOSYS, fd, submit, least, flags, mask, bytes);
}

EXPORT int io_uring_register(unsigned int fd, unsigned int opcode, const void *argument,
			     unsigned int count)
{
	uring_registering(opcode, argument, count);
	return OF_LIBRARY(io_uring_register, -ENOSYS, fd, opcode, argument, count);
}

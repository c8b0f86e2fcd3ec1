/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ring.h"

#include <liburing.h>

static struct io_uring ring;

int ring_new(int polled)
{
	return io_uring_queue_init(8, &ring, polled ? IORING_SETUP_SQPOLL : 0);
}

int ring_register(int fd)
{
	const int fds[2] = {fd, -1};

	return io_uring_register_files(&ring, fds, 2);
}

int ring_update(int fd)
{
	return io_uring_register_files_update(&ring, 1, &fd, 1);
}

void ring_end(void)
{
	io_uring_queue_exit(&ring);
}

static int completed(void)
{
	struct io_uring_cqe *cqe;
	int result;

	if (io_uring_wait_cqe(&ring, &cqe) < 0)
		return -1002;
	result = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return result;
}

int ring_request(int what, int fd, int fixed, void *buffer, unsigned int bytes, uint64_t offset)
{
	struct io_uring_sqe *request = io_uring_get_sqe(&ring);

	if (!request)
		return -1000;
	switch (what) {
	case 'w':
		io_uring_prep_write(request, fd, buffer, bytes, offset);
		break;
	case 'r':
		io_uring_prep_read(request, fd, buffer, bytes, offset);
		break;
	case 's':
		io_uring_prep_fsync(request, fd, 0);
		break;
	default:
		io_uring_prep_close(request, fd);
		break;
	}
	if (fixed)
		request->flags |= IOSQE_FIXED_FILE;
	return io_uring_submit(&ring) < 0 ? -1001 : completed();
}

int ring_pair(int fd, void *buffer, unsigned int bytes, uint64_t offset)
{
	struct io_uring_sqe *request = io_uring_get_sqe(&ring);
	int first;

	io_uring_prep_write(request, fd, buffer, bytes, offset);
	request->flags |= IOSQE_IO_LINK;
	request = io_uring_get_sqe(&ring);
	io_uring_prep_write(request, fd, buffer, bytes, offset + bytes);
	if (io_uring_submit_and_wait(&ring, 2) < 0)
		return -1001;
	first = completed();
	return first + completed();
}

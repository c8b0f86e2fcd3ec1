/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asynchronous I/O reaches the file at its own time, past us: keep from then on. aio(7), libaio's
 * io_submit.
 */
#include "base/memory.h"
#include "libc/async.h"
#include "libc/export.h"

/* The head of the kernel's struct iocb (linux/aio_abi.h), which libaio's has the shape of. */
struct iocb_head {
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t priority;
	uint32_t fd;
};

/* The descriptor of a request of the program's, or -1. */
static int descriptor_at(const uint32_t *fd)
{
	uint32_t copy;

	return memory_read(&copy, fd, sizeof(copy)) ? (int)copy : -1;
}

static int descriptor_of(const struct aiocb *request)
{
	return descriptor_at((const uint32_t *)&request->aio_fildes);
}

void async_release(int fd)
{
	struct plain plain;

	if (!managed(fd))
		return;
	plain_begin(&plain, fd, 0);
	plain_give_back(&plain);
	if (plain.description)
		atomic_fetch_or(&plain.description->reasons, KEEP_ASYNC);
	plain_end(&plain);
}

EXPORT int aio_read(struct aiocb *request)
{
	async_release(descriptor_of(request));
	return REAL(aio_read)(request);
}

EXPORT int aio_write(struct aiocb *request)
{
	async_release(descriptor_of(request));
	return REAL(aio_write)(request);
}

EXPORT int aio_fsync(int operation, struct aiocb *request)
{
	async_release(descriptor_of(request));
	return REAL(aio_fsync)(operation, request);
}

_Static_assert(sizeof(struct aiocb) == sizeof(struct aiocb64), "one function for both names");
extern int aio_read64(struct aiocb64 *request)
	__attribute__((alias("aio_read"), visibility("default")));
extern int aio_write64(struct aiocb64 *request)
	__attribute__((alias("aio_write"), visibility("default")));
extern int aio_fsync64(int operation, struct aiocb64 *request)
	__attribute__((alias("aio_fsync"), visibility("default")));

EXPORT int lio_listio(int mode, struct aiocb *const list[], int count, struct sigevent *event)
{
	struct aiocb *request;

	for (int i = 0; i < count && memory_read(&request, &list[i], sizeof(request)); i++)
		if (request)
			async_release(descriptor_of(request));
	return REAL(lio_listio)(mode, list, count, event);
}

extern int lio_listio64(int mode, struct aiocb64 *const list[], int count, struct sigevent *event)
	__attribute__((alias("lio_listio"), visibility("default")));

/* The kernel takes them one by one, up to the first that it can't read. */
void async_submitting(long count, struct iocb **iocbs)
{
	const struct iocb_head *request;

	if (thread_state.vforked || !descriptions_exist())
		return;
	for (long i = 0; i < count && memory_read(&request, &iocbs[i], sizeof(request)) && request; i++)
		async_release(descriptor_at(&request->fd));
}

EXPORT int io_submit(struct io_context *context, long count, struct iocb **iocbs)
{
	async_submitting(count, iocbs);
	return OF_LIBRARY(io_submit, -ENOSYS, context, count, iocbs);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pointers lead to that can be read, and holds others that can't: messages, lists of requests, rings. */
#include "pointers.h"

#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define AS(function) ((__typeof__(&function))call)
#define NOWHERE ((void *)-1)

static char *room_end(void)
{
	return pointers_room + POINTERS_ROOM;
}

/* A control message of bytes in all, that says it has length, and holds descriptors from fd on. */
static void put_control(char *at, size_t length, size_t bytes, int fd)
{
	struct cmsghdr header = {length, SOL_SOCKET, SCM_RIGHTS};

	memcpy(at, &header, sizeof(header));
	for (size_t i = CMSG_LEN(0); i + sizeof(fd) <= bytes; i += sizeof(fd))
		memcpy(at + i, &fd, sizeof(fd));
}

struct sending {
	ssize_t (*one)(int fd, const struct msghdr *message, int flags);
	int (*many)(int fd, struct mmsghdr *messages, unsigned int count, int flags);
	int ends[2];
};

static void transfer(const struct sending *sending, void *control, size_t bytes, struct iovec *iov,
		     size_t count)
{
	struct mmsghdr message[2] = {{.msg_hdr = {.msg_control = control, .msg_controllen = bytes,
						  .msg_iov = iov, .msg_iovlen = count}}};
	char received[512];

	message[1] = message[0];
	if (sending->one)
		CALL(sending->one(sending->ends[0], &message[0].msg_hdr, MSG_DONTWAIT));
	else
		CALL(sending->many(sending->ends[0], message, 2, MSG_DONTWAIT));
	message[0].msg_hdr = (struct msghdr){.msg_control = received, .msg_controllen = sizeof(received)};
	while (recvmsg(sending->ends[1], &message[0].msg_hdr, MSG_DONTWAIT) >= 0)
		CALL(message[0].msg_hdr.msg_controllen);
}

static void messages(const struct sending *sending, int fd)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 20, 24, 400, SIZE_MAX, (size_t)1 << 63, INT_MAX,
					 (size_t)INT_MAX + 1, 1 << 20};
	static void *const places[] = {NULL, NOWHERE, (void *)8};
	struct iovec one = {pointers_room, 1}, bad = {NOWHERE, 10};
	char *control = pointers_room + 4096;
	const size_t count = sizeof(lengths) / sizeof(lengths[0]);

	for (size_t i = 0; i < count; i++) {
		put_control(control, lengths[i], 400, i % 2 ? fd : -1);
		for (size_t k = 0; k < count; k++)
			transfer(sending, control, lengths[k], &one, 1);
		put_control(control, 20, 20, fd);
		put_control(control + 24, lengths[i], 40, fd);
		transfer(sending, control, 64, &one, 1);
		for (size_t k = 0; k < 3; k++)
			transfer(sending, places[k], lengths[i], &one, 1);
		transfer(sending, room_end() - 1, lengths[i], &one, 1);
		transfer(sending, room_end() - 16, lengths[i], &one, 1);
		transfer(sending, NULL, 0, &one, lengths[i]);
		transfer(sending, NULL, 0, NOWHERE, lengths[i]);
	}
	transfer(sending, NULL, 0, &bad, 1);
	transfer(sending, control, 24, &bad, 1);
	state(fd);
}

void pointers_sendmsg(void *call, int fd)
{
	struct sending sending = {.one = AS(sendmsg)};

	socketpair(AF_UNIX, SOCK_DGRAM, 0, sending.ends);
	messages(&sending, fd);
}

void pointers_sendmmsg(void *call, int fd)
{
	struct sending sending = {.many = AS(sendmmsg)};

	socketpair(AF_UNIX, SOCK_DGRAM, 0, sending.ends);
	messages(&sending, fd);
	CALL(sending.many(sending.ends[0], (struct mmsghdr *)(void *)(room_end() - 64), UINT_MAX, 0));
}

static ssize_t sendmsg_by_number(int fd, const struct msghdr *message, int flags)
{
	return syscall(SYS_sendmsg, fd, message, flags);
}

static int sendmmsg_by_number(int fd, struct mmsghdr *list, unsigned int count, int flags)
{
	return (int)syscall(SYS_sendmmsg, fd, list, count, flags);
}

void pointers_sendmsg_number(void *call, int fd)
{
	(void)call;
	pointers_sendmsg((void *)sendmsg_by_number, fd);
}

void pointers_sendmmsg_number(void *call, int fd)
{
	(void)call;
	pointers_sendmmsg((void *)sendmmsg_by_number, fd);
}

static int submit_by_number(aio_context_t context, long count, struct iocb **requests)
{
	return (int)syscall(SYS_io_submit, context, count, requests);
}

void pointers_submit(void *call, int fd)
{
	int (*submit)(aio_context_t, long, struct iocb **) =
		call ? (int (*)(aio_context_t, long, struct iocb **))call : submit_by_number;
	struct iocb good = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)fd,
			    .aio_buf = (uint64_t)(uintptr_t)pointers_room, .aio_nbytes = 40, .aio_offset = 90};
	struct iocb nowhere = good, unknown = good;
	struct iocb *lists[][2] = {{&good, NOWHERE}, {NOWHERE, &good}, {NULL, &good}, {&good, &nowhere},
				   {&unknown, &good}, {(void *)(room_end() - 8), &good}};
	static const long counts[] = {1, 2, 0, -1, LONG_MIN};
	aio_context_t context = 0;

	nowhere.aio_buf = UINT64_MAX;
	unknown.aio_fildes = UINT32_MAX;
	CALL(raw_syscall(SYS_io_setup, 64, &context));
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
			CALL(submit(context, counts[k], lists[i]));
	memcpy(room_end() - sizeof(void *), &lists[0][0], sizeof(void *));
	CALL(submit(context, 5, (struct iocb **)(void *)(room_end() - sizeof(void *))));
	CALL(submit(context, LONG_MAX, (struct iocb **)(void *)(room_end() - sizeof(void *))));
	CALL(raw_syscall(SYS_io_destroy, context));
	state(fd);
}

/* The files of a ring: by number, and as liburing makes the call. */
void pointers_register(void *call, int fd)
{
	struct io_uring_params params = {.flags = 0};
	int ring = (int)raw_syscall(SYS_io_uring_setup, 4, &params);
	static const unsigned int counts[] = {1, 2, 0, 1 << 20, (1 << 20) + 1, UINT_MAX};
	int (*enlist)(unsigned int, unsigned int, const void *, unsigned int) = call
		? (int (*)(unsigned int, unsigned int, const void *, unsigned int))call : NULL;

	if (ring < 0)
		return say("no io_uring\n");
	memcpy(room_end() - sizeof(fd), &fd, sizeof(fd));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		const void *const lists[] = {&fd, NOWHERE, NULL, room_end() - sizeof(fd)};

		for (size_t k = counts[i] != 1; k < 4; k++) {
			const unsigned int files = IORING_REGISTER_FILES;

			CALL(enlist ? enlist((unsigned int)ring, files, lists[k], counts[i])
				    : syscall(SYS_io_uring_register, ring, files, lists[k], counts[i]));
			raw_syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_FILES, NULL, 0);
		}
	}
	state(fd);
}

/* A program that can be executed, and lists that can't be read. */
void pointers_exec(void *call, int fd)
{
	int (*by_name)(const char *, char *const *, char *const *) =
		(int (*)(const char *, char *const *, char *const *))call;
	char *bad[] = {(char *)"true", NOWHERE, NULL}, *good[] = {(char *)"true", NULL};
	char **lists[] = {NOWHERE, bad, (char **)(void *)(room_end() - 8), (char **)(void *)room_end()};

	memcpy(room_end() - 8, good, 8);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		CALL(by_name("/bin/true", lists[i], good + 1));
		CALL(by_name("/bin/true", good, lists[i]));
	}
	state(fd);
}

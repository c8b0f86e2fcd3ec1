/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uring syscall|append|bare: io_uring, set up by syscall(2), also for a file that is appended to, and
 * by a call that nothing preloaded sees. From then on nothing is extended: each is a run of its own.
 */
#include "transcript.h"
#include "bare.h"

#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#endif

static char bytes[5000];

struct ring {
	int fd;
	_Atomic unsigned int *head, *tail, *completed, *seen;
	unsigned int mask, *array, completion_mask;
	struct io_uring_sqe *requests;
	struct io_uring_cqe *completions;
};


static bool ring_open(struct ring *ring, bool bare)
{
	struct io_uring_params p;
	char *rings;

	memset(&p, 0, sizeof(p));
	ring->fd = bare ? (int)BARE(SYS_io_uring_setup, 8, &p, 0, 0)
			: (int)syscall(SYS_io_uring_setup, 8, &p);
	if (ring->fd < 0)
		return false;
	rings = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->requests = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe),
			      PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (rings == MAP_FAILED || ring->requests == MAP_FAILED)
		return false;
	ring->head = (void *)(rings + p.sq_off.head);
	ring->tail = (void *)(rings + p.sq_off.tail);
	ring->mask = *(unsigned int *)(void *)(rings + p.sq_off.ring_mask);
	ring->array = (void *)(rings + p.sq_off.array);
	ring->seen = (void *)(rings + p.cq_off.head);
	ring->completed = (void *)(rings + p.cq_off.tail);
	ring->completion_mask = *(unsigned int *)(void *)(rings + p.cq_off.ring_mask);
	ring->completions = (void *)(rings + p.cq_off.cqes);
	return true;
}

static int submit(struct ring *ring, int operation, int fd, void *buffer, unsigned int count,
		  uint64_t offset, bool bare)
{
	unsigned int at = *ring->tail & ring->mask;
	struct io_uring_sqe *request = &ring->requests[at];
	int result;

	memset(request, 0, sizeof(*request));
	request->opcode = (uint8_t)operation;
	request->fd = fd;
	request->addr = (uint64_t)(uintptr_t)buffer;
	request->len = count;
	request->off = offset;
	ring->array[at] = at;
	(*ring->tail)++;
	if ((bare ? BARE(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS)
		  : syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0)) < 0)
		return -1000;
	if (*ring->seen == *ring->completed)
		return -1001;
	result = ring->completions[*ring->seen & ring->completion_mask].res;
	(*ring->seen)++;
	return result;
}

static void by_syscall(int flags)
{
	int fd = start("syscall", O_RDWR | flags);
	struct ring ring;
	char back[100];

	if (!ring_open(&ring, false)) {
		say("no io_uring\n");
		finish(fd);
		return;
	}
	state(fd);
	CALL(submit(&ring, IORING_OP_WRITE, fd, bytes, 3000, START_BYTES, false));
	state(fd);
	append(fd);
	state(fd);
	CALL(submit(&ring, IORING_OP_WRITE, fd, bytes, 3000, (uint64_t)-1, false));
	state(fd);
	CALL(submit(&ring, IORING_OP_READ, fd, back, 100, 1 << 20, false));
	CALL(submit(&ring, IORING_OP_FSYNC, fd, NULL, 0, 0, false));
	/* One opened later on. */
	CALL(close(fd));
	fd = open("930-later.dat", O_RDWR | O_CREAT, 0640);
	CALL(write(fd, bytes, 3000));
	CALL(submit(&ring, IORING_OP_WRITE, fd, bytes, 3000, 3000, false));
	state(fd);
	CALL(submit(&ring, IORING_OP_CLOSE, fd, NULL, 0, 0, false));
	state_of("930-later.dat");
	CALL(close(ring.fd));
	state_of(file);
}

/* Nobody tells us: no byte is lost for it, and none overwritten. */
static void unseen(int flags)
{
	int fd = start("unseen", O_RDWR | flags);
	struct ring ring;

	if (!ring_open(&ring, true)) {
		say("no io_uring\n");
		finish(fd);
		return;
	}
	CALL(submit(&ring, IORING_OP_WRITE, fd, bytes, 3000, START_BYTES - 1000, true));
	CALL(close(fd));
	state_of(file);
	CALL(close(ring.fd));
}

void transcript(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "syscall";

	fill(bytes, sizeof(bytes), 1);
	if (strcmp(how, "bare") == 0)
		unseen(0);
	else
		by_syscall(strcmp(how, "append") == 0 ? O_APPEND : 0);
}

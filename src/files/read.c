/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/files.h"

#include "base/sys.h"
#include "base/thread.h"
#include "files/engage.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define FAR (INT64_C(1) << 40)
#define FAR_ALIGN 65536

/*
 * At data_end: nothing is read, but atime moves, and the kernel has its errors for the rest of the
 * arguments. Read where there is surely nothing, also a moment from now; as well aligned as ever.
 */
static ssize_t read_past_end(struct description *description, struct transfer *transfer, int64_t at)
{
	struct transfer beyond = *transfer;
	int64_t file_end = atomic_load(&atomic_load(&description->slot)->positions.file_end);
	const struct iovec *iov = transfer->iov;

	if (file_end < 0 || file_end > INT64_MAX / 2 || at > file_end + FAR)
		return transfer->call(transfer);
	beyond.offset = (file_end + FAR) / FAR_ALIGN * FAR_ALIGN + at % FAR_ALIGN;
	/* Only preadv2(2) has flags, and takes an offset too. */
	if (transfer->at_offset || transfer->flags) {
		beyond.at_offset = true;
		return beyond.call(&beyond);
	}
	/* A read of nothing leaves atime alone. */
	while (iov->iov_len == 0 && iov < transfer->iov + transfer->count - 1)
		iov++;
	return sys.pread(transfer->fd, iov->iov_base, iov->iov_len, beyond.offset);
}

/*
 * Makes the call, from `at`, for no more than there is. Direct I/O can't be cut to an odd length: there the
 * result is cut, and the offset put back.
 */
static ssize_t read_clipped(struct description *description, struct transfer *transfer,
			    int64_t at, int64_t data_end)
{
	struct transfer clipped = *transfer;
	struct iovec iov[transfer->count]; /* 1 to IOV_MAX: more and none are src/libc's affair */
	size_t left = at < data_end ? (size_t)(data_end - at) : 0;
	ssize_t got;

	if (transfer->bytes <= left || !engage_is_behind(description, transfer->fd))
		return transfer->call(transfer);
	if (left == 0)
		return read_past_end(description, transfer, at);
	if (atomic_load(&description->direct)) {
		got = transfer->call(transfer);
		if (got <= (ssize_t)left)
			return got;
		if (!transfer->at_offset)
			sys.lseek(transfer->fd, (off_t)left - got, SEEK_CUR);
		return (ssize_t)left;
	}
	clipped.iov = iov;
	clipped.count = 0;
	do {
		struct iovec part = transfer->iov[clipped.count];

		if (part.iov_len > left)
			part.iov_len = left;
		left -= part.iov_len;
		iov[clipped.count++] = part;
	} while (left > 0);
	return clipped.call(&clipped);
}

/* False: where it reads isn't to be known (a filter of system calls that came after the claim). */
static bool read_at_position(struct description *description, struct claim_slot *slot,
			     struct transfer *transfer, ssize_t *result)
{
	off_t at = sys.lseek(transfer->fd, 0, SEEK_CUR);
	int64_t data_end = atomic_load(&slot->positions.data_end);
	ssize_t got;

	/* Closed behind our back, and the number used anew for what has no offset. */
	if (at < 0 && !engage_is_behind(description, transfer->fd)) {
		*result = transfer->call(transfer);
		return true;
	}
	if (at < 0)
		return false;
	atomic_store(&slot->intent, INTENT_NONE);
	description->at_end = false;
	got = read_clipped(description, transfer, at, data_end);
	data_end = atomic_load(&slot->positions.data_end);
	/* A signal handler wrote meanwhile, and moved the offset under us. */
	if (got > 0 && atomic_exchange(&description->nested, false) && data_end >= 0) {
		int64_t over = sys.lseek(transfer->fd, 0, SEEK_CUR) - data_end;

		if (over > 0) {
			sys.lseek(transfer->fd, -over, SEEK_CUR);
			got = over < got ? got - over : 0;
		}
	}
	*result = got;
	return true;
}

/* False: the file changed between ordinary and extended meanwhile, or the descriptor was replaced. */
static bool read_plain(struct claim_slot *slot, uint32_t sequence, struct description *description,
		       struct transfer *transfer, ssize_t *result)
{
	*result = transfer->call(transfer);
	if (atomic_load(&description->slot) == slot && table_get(transfer->fd) == description &&
	    atomic_load_explicit(&slot->sequence, memory_order_acquire) == sequence)
		return true;
	return *result < 0;
}

/*
 * What was read from the offset can't be read again, should others have moved that: nobody extends
 * the file meanwhile. False: it is extended, or the descriptor was replaced; nothing was read.
 */
static bool read_in_gate(struct description *description, struct transfer *transfer,
			 ssize_t *result)
{
	struct gate_pass pass;
	bool ordinary;

	gate_enter(&description->gate, &pass);
	ordinary = !slot_is_extended(atomic_load(&description->slot)) &&
		   table_get(transfer->fd) == description;
	if (ordinary)
		*result = transfer->call(transfer);
	gate_leave(&description->gate, &pass);
	return ordinary;
}

/* False: the descriptor has come to lead elsewhere. */
static bool read_managed(struct description *description, struct transfer *transfer,
			 ssize_t *result)
{
	/* The kernel's EBADF. */
	if (!description->readable) {
		*result = transfer->call(transfer);
		return true;
	}
	while (table_get(transfer->fd) == description) {
		struct claim_slot *slot = atomic_load_explicit(&description->slot,
							       memory_order_acquire);
		uint32_t sequence = slot_wait_stable(slot);
		int64_t data_end = atomic_load_explicit(&slot->positions.data_end,
							memory_order_acquire);
		struct owner_hold hold;

		if (data_end < 0) {
			if (transfer->at_offset
				    ? read_plain(slot, sequence, description, transfer, result)
				    : read_in_gate(description, transfer, result))
				return true;
			continue;
		}
		if (transfer->at_offset) {
			*result = read_clipped(description, transfer, transfer->offset,
					       data_end);
			return table_get(transfer->fd) == description;
		}
		/* In a signal handler, above a call that goes by the offset: an ordinary file's matter. */
		if (!slot_lock(slot, &hold)) {
			description_settle(description);
			continue;
		}
		if (slot_is_extended(slot) && table_get(transfer->fd) == description) {
			bool done = read_at_position(description, slot, transfer, result);

			slot_unlock(slot, &hold);
			if (done)
				return true;
			engage_pause(description, KEEP_FAILED);
			description_settle(description);
			continue;
		}
		slot_unlock(slot, &hold);
	}
	return false;
}

static ssize_t read_any(struct description *description, struct transfer *transfer)
{
	for (; description; description = table_get(transfer->fd)) {
		ssize_t result;
		bool done;

		if (!description_hold(description, transfer->fd))
			continue;
		done = read_managed(description, transfer, &result);
		description_let_go(description);
		if (done)
			return result;
	}
	return transfer->call(transfer);
}

ssize_t files_read(struct description *description, struct transfer *transfer)
{
	ssize_t result;
	int cancel, saved_errno = errno;

	/* The kernel's EINVAL where the end would overflow (rw_verify_area). */
	if (transfer->bytes == 0 ||
	    (transfer->at_offset && transfer->offset > INT64_MAX - (int64_t)transfer->bytes))
		return transfer->call(transfer);
	pthread_testcancel();
	cancel = cancel_disable();
	result = read_any(description, transfer);
	/* What failed on the way to it was none of the program's. */
	if (result >= 0)
		errno = saved_errno;
	cancel_restore(cancel);
	return result;
}

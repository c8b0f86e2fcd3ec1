/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/mend.h"

#include "base/sys.h"
#include "files/engage.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static ssize_t write_part(const struct transfer *transfer, const struct iovec *part, int64_t offset)
{
	if (!transfer->flags)
		return sys.pwritev(transfer->fd, part, 1, offset);
	return sys.syscall(SYS_pwritev2, transfer->fd, part, 1, (long)offset,
			   (long)((uint64_t)offset >> 32), transfer->flags);
}

/* Its first bytes, to offset. Returns how many it has written, or -1. */
static ssize_t write_at(const struct transfer *transfer, int64_t offset, ssize_t bytes)
{
	const struct iovec *iov = transfer->iov;
	ssize_t at = 0;

	while (at < bytes) {
		struct iovec part = *iov++;

		if ((ssize_t)part.iov_len > bytes - at)
			part.iov_len = (size_t)(bytes - at);
		while (part.iov_len > 0) {
			ssize_t written = write_part(transfer, &part, offset + at);

			if (written <= 0)
				return at > 0 ? at : written;
			at += written;
			part.iov_base = (char *)part.iov_base + written;
			part.iov_len -= (size_t)written;
		}
	}
	return at;
}

void mend_await(struct claim_slot *slot)
{
	int saved_errno = errno;

	while (slot_is_extended(slot)) {
		owner_wait(&slot->lock, SLOT_PATIENCE);
		files_check_guardian();
	}
	errno = saved_errno;
}

/*
 * The guardian took the lock over while this thread stood still inside its write. Had that not
 * begun, it was made on an ordinary file; had it ended, the guardian has kept its bytes, unless it
 * couldn't tell (a pwrite that can't be read back), or the thread was continued in the very moment
 * before the cut: then it is made again, as a whole. The call hasn't returned, so whatever others
 * have written meanwhile came before it.
 */
ssize_t mend_robbed(struct description *description, struct claim_slot *slot,
		    const struct transfer *transfer, const struct place *place, ssize_t written)
{
	struct transfer again = *transfer;
	int saved_errno = errno;

	if (written <= 0)
		return written;
	mend_await(slot);
	if (atomic_load(&slot->robbed_end) < place->start + written) {
		atomic_fetch_add(&description->retries, 1);
		again.to_end = place->append;
		written = place->append
				  ? again.call(&again)
				  : write_at(transfer, place->start, written);
	}
	if (written > 0)
		errno = saved_errno;
	return written;
}

ssize_t mend_failed(struct transfer *transfer)
{
	struct plain plain;
	ssize_t result;
	int saved_errno;

	plain_begin(&plain, transfer->fd, 0);
	result = transfer->call(transfer);
	saved_errno = errno;
	plain_end(&plain);
	errno = saved_errno;
	return result;
}

/*
 * A fault leaves blocks behind the end of an ordinary file, too, that count as written (ext4 of Linux
 * 6.18): nobody who can't read them could tell them from data, were the file extended over them.
 */
void mend_distrust(int fd)
{
	struct description *description = description_of(fd);
	struct plain plain;
	int saved_errno = errno;

	if (!description)
		return;
	if (!description->readable) {
		plain_begin(&plain, fd, KEEP_UNSUPPORTED);
		plain_end(&plain);
	}
	description_let_go(description);
	errno = saved_errno;
}

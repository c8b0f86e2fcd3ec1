/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/mend.h"

#include "base/clock.h"
#include "base/sys.h"
#include "files/engage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#define CACHE_PAGE 4096

/*
 * The guardian took the lock over while this thread stood still inside its append. Had the write
 * not begun, it was made on an ordinary file; had it ended, the guardian has kept its bytes, unless
 * it couldn't tell (a pwrite that can't be read back), or the thread was continued in the very
 * moment between the guardian's proof and its cut: those are written again. The call hasn't
 * returned, so whatever others have written there meanwhile came before it, and a pwrite is made
 * again as a whole; of an append only what is missing at the end.
 */
void mend_robbed(struct description *description, struct claim_slot *slot,
		 const struct transfer *transfer, const struct place *place, ssize_t written)
{
	struct stat st;
	int64_t start = place->start, end = start + written;
	const struct iovec *iov = transfer->iov;
	size_t skip = 0;

	if (written <= 0)
		return;
	while (owner_of(&slot->lock) == GUARDIAN_OWNER) {
		owner_wait(&slot->lock, SLOT_PATIENCE);
		files_check_guardian();
	}
	/* What the settle has kept, somebody else may have cut since. */
	if (atomic_load(&slot->robbed_end) >= end)
		return;
	if (!transfer->at_offset || place->append) {
		if (sys.fstat(transfer->fd, &st) < 0 || st.st_size >= end)
			return;
		skip = st.st_size > start ? (size_t)(st.st_size - start) : 0;
	}
	for (size_t at = 0; (int64_t)(start + (int64_t)at) < end; iov++) {
		struct iovec part = *iov;
		size_t from = skip > at ? skip - at : 0;

		if (from < part.iov_len) {
			part.iov_base = (char *)part.iov_base + from;
			part.iov_len -= from;
			if (sys.pwritev(transfer->fd, &part, 1, start + (int64_t)(at + from)) < 0)
				return;
			atomic_fetch_add(&description->retries, 1);
		}
		at += iov->iov_len;
	}
}

/*
 * A write that faults part of the way leaves bytes in the page cache that it doesn't count: behind
 * the end of an ordinary file the kernel clears them, in an extended one they would pass for
 * somebody's data. Written over with zeroes in the page where the data ends; whole pages become a
 * hole, since what was once written can't be told from data where the file can't be read.
 */
void mend_uncounted(struct claim_slot *slot, const struct transfer *transfer,
		    const struct place *place, ssize_t written)
{
	static const char zeroes[CACHE_PAGE];
	int64_t data_end = atomic_load(&slot->positions.data_end);
	int64_t page = (data_end + CACHE_PAGE - 1) / CACHE_PAGE * CACHE_PAGE;
	int64_t at = place->start + (written > 0 ? written : 0);
	int64_t end = (place->end + CACHE_PAGE - 1) / CACHE_PAGE * CACHE_PAGE;
	int saved_errno = errno;
	struct rlimit limit;

	if (at < data_end)
		at = data_end;
	/* Whole pages, also where file_end lies inside of the last: btrfs would write zeroes there. */
	if (end > page)
		sys.fallocate(transfer->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page,
			      end - page);
	if (end > page)
		end = page;
	if (end > atomic_load(&slot->positions.file_end))
		end = atomic_load(&slot->positions.file_end);
	/* A write that ended there had no fault, and ours would raise SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)end)
		end = (int64_t)limit.rlim_cur;
	if (at < end) {
		struct iovec iov = {(void *)(uintptr_t)zeroes, (size_t)(end - at)};

		sys.pwritev(transfer->fd, &iov, 1, at);
	}
	errno = saved_errno;
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

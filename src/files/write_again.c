/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A write that was refused, or came short, for want of space, once more. */
#include "files/reclaim.h"

#include "base/sys.h"

#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

/* With so little free it may be for want of space that a write came short: filesystems keep some. */
#define SHORT_OF_SPACE (UINT64_C(16) << 20)

/*
 * btrfs says EAGAIN where others say ENOSPC or EDQUOT: there is no space but what was allocated ahead, and
 * that can't be written to as long as it is dirty, or a snapshot is being made (can_nocow_extent and
 * btrfs_check_nocow_lock of Linux 6.18). A file that never had anything ahead doesn't know it.
 */
static bool is_refused_ahead(const struct transfer *transfer)
{
	struct statfs fs;

	if (errno != EAGAIN || (transfer->flags & RWF_NOWAIT) || !table_get(transfer->fd))
		return false;
	if (fstatfs(transfer->fd, &fs) == 0 &&
	    ((unsigned long)fs.f_type == BTRFS_SUPER_MAGIC ||
	     (unsigned long)fs.f_type == OVERLAYFS_SUPER_MAGIC))
		return true;
	errno = EAGAIN;
	return false;
}

/*
 * A write comes short for other reasons, too: an unreadable buffer, say. A used-up quota isn't seen
 * here, the next write will fail by it.
 */
static bool space_is_short(int fd, size_t bytes)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_blocks > 0 &&
	       fs.f_bavail <= (bytes + SHORT_OF_SPACE) / (uint64_t)fs.f_bsize;
}

/* Cut off by RLIMIT_FSIZE: one byte more would raise SIGXFSZ. */
static bool is_at_limit(const struct transfer *transfer, ssize_t result)
{
	struct rlimit limit;
	off_t end;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return false;
	end = transfer->at_offset ? transfer->offset + result
				  : sys.lseek(transfer->fd, 0, SEEK_CUR);
	return end < 0 || (rlim_t)end >= limit.rlim_cur;
}

/* All but its first bytes, buffer by buffer. Returns how many more were written. */
static ssize_t write_rest(const struct transfer *transfer, ssize_t done,
			  ssize_t (*again)(struct transfer *transfer))
{
	const struct iovec *iov = transfer->iov, *end = iov + transfer->count;
	size_t skip = (size_t)done;
	ssize_t more = 0, written;

	for (; iov < end; iov++) {
		struct iovec part = *iov;
		struct transfer rest = *transfer;

		if (skip >= part.iov_len) {
			skip -= part.iov_len;
			continue;
		}
		part.iov_base = (char *)part.iov_base + skip;
		part.iov_len -= skip;
		skip = 0;
		if (part.iov_len > transfer->bytes - (size_t)(done + more))
			part.iov_len = transfer->bytes - (size_t)(done + more);
		if (part.iov_len == 0)
			break;
		rest.iov = &part;
		rest.count = 1;
		rest.bytes = part.iov_len;
		rest.offset += done + more;
		written = again(&rest);
		if (written > 0)
			more += written;
		if (written < (ssize_t)part.iov_len)
			break;
	}
	return more;
}

/* False: nothing has changed, it isn't worth another try. */
static bool make_room(const struct transfer *transfer)
{
	if (!is_refused_ahead(transfer))
		return space_is_lacking() && reclaim_for(transfer->fd);
	reclaim_for(transfer->fd);
	/* Only begun: who waits for it hears of errors that are the program's (fsync(2)). */
	sys.sync_file_range(transfer->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return true;
}

/* Returns how many more bytes it has written. */
static ssize_t make_up(const struct transfer *transfer, ssize_t done,
		       ssize_t (*again)(struct transfer *transfer))
{
	if (done == 0 || done >= (ssize_t)transfer->bytes ||
	    !space_is_short(transfer->fd, transfer->bytes) || is_at_limit(transfer, done) ||
	    !reclaim_for(transfer->fd))
		return 0;
	return write_rest(transfer, done, again);
}

ssize_t reclaim_write(const struct transfer *transfer, ssize_t result,
		      ssize_t (*again)(struct transfer *transfer))
{
	int error = errno;

	for (int tries = RECLAIM_TRIES; tries > 0; tries--) {
		struct transfer whole = *transfer;
		ssize_t more;

		if (result >= 0) {
			more = make_up(transfer, result, again);
			if (more == 0)
				break;
			result += more;
			continue;
		}
		errno = error;
		if (!make_room(transfer))
			break;
		result = again(&whole);
		if (result < 0)
			error = errno;
	}
	errno = error;
	if (result < 0 && is_refused_ahead(transfer))
		errno = space_is_short(transfer->fd, transfer->bytes) ? ENOSPC : EDQUOT;
	return result;
}

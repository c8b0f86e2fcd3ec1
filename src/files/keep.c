/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode keep: blocks past the end of file (FALLOC_FL_KEEP_SIZE). The size is never touched, so it is
 * safe with any number of openers and needs neither lock nor claim; giving the blocks back does.
 */
#include "files/files.h"

#include "base/clock.h"
#include "base/size.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/lease.h"
#include "claim/settle.h"
#include "files/auto.h"
#include "files/space.h"
#include "recovery/restore.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Longest wait for the writes that are under way. */
#define GATE_PATIENCE NS_PER_S

/*
 * What another process lacks it can't take from here, as it can from an extended file. So nobody holds
 * more than a small part of what there is, and gives it back when little is left, at its next write.
 */
#define LOOK_EVERY (10 * NS_PER_MS)

static bool is_topped_up(struct description *description, uint32_t why)
{
	uint32_t reasons = atomic_load_explicit(&description->reasons, memory_order_relaxed);

	return (reasons & why) && !(reasons & (KEEP_OFF | KEEP_APART | KEEP_GAINLESS)) &&
	       auto_has_earned(description);
}

/* After space_look. */
static int64_t step(struct description *description, const struct statfs *fs, int64_t headroom)
{
	int64_t size = description->options.prealloc_size;

	/* What nobody may be able to give back, or what isn't given back by a cut: little. */
	if ((atomic_load(&description->reasons) & ~(uint32_t)KEEP_RULE) ||
	    !lease_is_trusted(fs) || atomic_load(&description->cut_stays))
		return 0;
	return size < headroom / SPACE_SHARE ? size : headroom / SPACE_SHARE;
}

static void note_cut(struct description *description, int64_t size)
{
	int64_t keep_end = atomic_exchange(&description->keep_end, 0);

	if (keep_end > size)
		atomic_fetch_add(&description->keep_bytes_lost, (uint64_t)(keep_end - size));
}

static void top_up(struct description *description, int fd, int64_t end, const struct stat *st)
{
	int64_t size = st->st_size;
	int64_t align = description->options.prealloc_align;
	struct statfs fs;
	struct rlimit limit;
	int64_t keep_end, headroom;

	if (fstatfs(fd, &fs) < 0)
		return;
	headroom = space_headroom(&fs, (uint32_t)description->options.min_free);
	space_look(description, fd, &fs);
	/* There would still be room, had not somebody cut it off. */
	if (end <= atomic_load(&description->keep_end))
		note_cut(description, size);
	align = space_piece(description);
	if (align == 0) {
		atomic_store(&description->keep_left, SPACE_SMALLEST_PIECE);
		return;
	}
	if (__builtin_add_overflow(end, step(description, &fs, headroom) + align, &keep_end))
		return;
	keep_end -= keep_end % align;
	/* fallocate(2) past it raises SIGXFSZ; on tmpfs with FALLOC_FL_KEEP_SIZE too. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)keep_end)
		keep_end = (int64_t)limit.rlim_cur;
	if (keep_end <= end)
		return;
	if (keep_end - size > headroom) {
		atomic_store(&description->keep_retry_at, clock_now() + NS_PER_S);
		return;
	}
	if (sys.fallocate(fd, FALLOC_FL_KEEP_SIZE, size, keep_end - size) < 0) {
		/* A part of it may be there (ext4 of Linux 6.18). */
		atomic_store(&description->kept, errno != EOPNOTSUPP);
		atomic_store(&description->keep_retry_at,
			     errno == EOPNOTSUPP ? INT64_MAX : clock_now() + NS_PER_S);
		return;
	}
	restore_mtime(fd, st);
	atomic_store(&description->kept, true);
	atomic_store(&description->keep_left, keep_end - end);
	atomic_store(&description->keep_end, keep_end);
	atomic_fetch_add(&description->keep_extensions, 1);
	atomic_fetch_add(&description->keep_bytes, (uint64_t)(keep_end - size));
}

/* False: it leaves a hole, and blocks of ours are there. */
static bool find_room(struct description *description, int fd, bool to_end, int64_t start,
		      int64_t bytes)
{
	struct stat st;
	int64_t end;

	if (sys.fstat(fd, &st) < 0)
		return true;
	if (to_end)
		start = st.st_size;
	if (start < 0 || __builtin_add_overflow(start, bytes, &end))
		return true;
	/* The next one is looked at, too. */
	if (size_skips_block(st.st_size, start)) {
		atomic_store(&description->keep_left, 0);
		return !atomic_load(&description->kept);
	}
	if (end <= st.st_size)
		atomic_store(&description->keep_left, st.st_size - end);
	else if (clock_now() < atomic_load(&description->keep_retry_at))
		atomic_store(&description->keep_left, description->options.prealloc_align);
	else
		top_up(description, fd, end, &st);
	return true;
}

static int64_t clock_coarse(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Others need it more than we do. */
static bool is_short_of_space(struct description *description, int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       space_headroom(&fs, (uint32_t)description->options.min_free) == 0;
}

void keep_after_write(struct description *description, int fd)
{
	int64_t now;
	int saved_errno = errno;

	now = clock_coarse();
	if (now < atomic_load_explicit(&description->keep_look_at, memory_order_relaxed))
		return;
	atomic_store(&description->keep_look_at, now + LOOK_EVERY);
	if (is_short_of_space(description, fd) && table_get(fd) == description) {
		keep_give_back(description, fd);
		atomic_store(&description->keep_retry_at, now + NS_PER_S);
	}
	errno = saved_errno;
}

bool keep_before_write(struct description *description, const struct transfer *transfer)
{
	int64_t bytes = (int64_t)transfer->bytes;
	bool to_end = atomic_load(&description->append) || transfer->to_end, is_room;
	int saved_errno;

	if (!is_topped_up(description, KEEP_TOPPED_UP))
		return true;
	if (transfer->at_offset && !to_end &&
	    transfer->offset <= atomic_load(&description->size_seen) - bytes)
		return true;
	/* A pwrite may go anywhere. */
	if (atomic_fetch_sub(&description->keep_left, bytes) >= bytes &&
	    (!transfer->at_offset || to_end ||
	     !size_skips_block(atomic_load(&description->size_seen), transfer->offset)))
		return true;
	saved_errno = errno;
	is_room = find_room(description, transfer->fd, to_end,
			    transfer->at_offset ? transfer->offset
						: sys.lseek(transfer->fd, 0, SEEK_CUR),
			    bytes);
	errno = saved_errno;
	return is_room;
}

void keep_count(int fd, size_t bytes)
{
	struct description *description = description_of(fd);
	int saved_errno = errno;

	if (!description)
		return;
	if (is_topped_up(description, KEEP_STREAM) &&
	    atomic_fetch_sub(&description->keep_left, (int64_t)bytes) < (int64_t)bytes)
		find_room(description, fd, true, 0, (int64_t)bytes);
	description_let_go(description);
	errno = saved_errno;
}

/* Of the block in which the data ends. */
static int64_t block_end(const struct stat *st)
{
	return (st->st_size + st->st_blksize - 1) / st->st_blksize * st->st_blksize;
}

/* Under the lease: cuts the blocks past the end, and nothing else changes. */
static void cut_past_end(struct description *description, int fd, struct certainty *certainty)
{
	struct stat st;
	int64_t theirs = atomic_load(&description->program_keep_end);
	struct rlimit limit;

	if (sys.fstat(fd, &st) < 0)
		return;
	/*
	 * Nothing but the block in which the data ends: that isn't cut. Nor ever more than there is: somebody
	 * whom we don't see may have cut it off.
	 */
	if (theirs <= block_end(&st) || theirs - st.st_size > st.st_blocks * 512)
		theirs = 0;
	/* What can't be put back isn't cut. */
	if (theirs > 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)theirs)
		return;
	/* Nor what has a gap before it, see files_fallocate. */
	if (theirs > st.st_size && (atomic_load(&description->reasons) & KEEP_APART))
		return;
	if (cut(certainty, fd, st.st_size) < 0)
		return;
	if (theirs > st.st_size)
		sys.fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size, theirs - st.st_size);
	restore_mode(fd, &st);
	restore_mtime(fd, &st);
	note_cut(description, st.st_size);
	atomic_store(&description->kept, false);
	atomic_store(&description->keep_left, 0);
}

/* Writes that don't come past the gate may be under way: libc's own, and the kernel's. */
static bool may_be_written_unseen(struct description *description)
{
	uint32_t reasons = atomic_load(&description->reasons);

	if (reasons & KEEP_ASYNC)
		return true;
	return (reasons & KEEP_STREAM) && atomic_load(&description->fds) > 0 &&
	       !__libc_single_threaded;
}

/*
 * ftruncate to the size just read would race with another appender: a thread of ours is kept out
 * by the gate, anybody else by a lease of our own, for a moment.
 */
void keep_give_back(struct description *description, int fd)
{
	struct lease_moment moment;
	struct statfs fs;
	sigset_t saved;
	int saved_errno = errno;

	if (!atomic_load(&description->kept) || !description_is_exclusive(description) ||
	    (atomic_load(&description->reasons) & KEEP_OWN) ||
	    may_be_written_unseen(description) || fstatfs(fd, &fs) < 0 || !lease_is_trusted(&fs))
		goto out;
	signals_block(&saved);
	if (!gate_close(&description->gate, GATE_PATIENCE))
		goto restore;
	/* Extended again by another thread: the lease is the guardian's. */
	if (!slot_is_extended(atomic_load(&description->slot)) &&
	    lease_begin_moment(fd, &moment) == 0) {
		atomic_fetch_add(&description->resizes, 1);
		cut_past_end(description, fd, &moment.certainty);
		atomic_fetch_add(&description->resizes, 1);
		lease_end_moment(fd, &moment);
	}
	gate_open(&description->gate);
restore:
	signals_restore(&saved);
out:
	errno = saved_errno;
}

/* Blocks past the end of file, delayed ones too. */
static bool has_blocks_past_end(int fd, const struct stat *st)
{
	uint64_t start = (uint64_t)block_end(st);
	struct fiemap map = {.fm_start = start, .fm_length = FIEMAP_MAX_OFFSET - start};

	return sys.ioctl(fd, FS_IOC_FIEMAP, &map) == 0 && map.fm_mapped_extents > 0;
}

/*
 * XFS allocates ahead by itself, and frees that at close(2): but not of a file that fallocate(2) has
 * ever been called for (XFS_DIFLAG_PREALLOC). Where that was our doing, it is for us to free it.
 */
static bool may_leave_blocks(struct description *description, int fd)
{
	struct statfs fs;
	struct stat st;

	return (atomic_load(&description->keep_extensions) > 0 ||
		atomic_load(&atomic_load(&description->slot)->extensions) > 0) &&
	       fstatfs(fd, &fs) == 0 && space_stays_after_close(&fs) &&
	       sys.fstat(fd, &st) == 0 && has_blocks_past_end(fd, &st);
}

void keep_give_back_last(struct description *description, int fd)
{
	int saved_errno = errno;

	if (!atomic_load(&description->kept) && may_leave_blocks(description, fd))
		atomic_store(&description->kept, true);
	errno = saved_errno;
	keep_give_back(description, fd);
}

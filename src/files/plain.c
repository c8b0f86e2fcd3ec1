/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything rare settles the file first: then it is an ordinary file, until the call has returned. */
#include "files/files.h"

#include "base/size.h"
#include "base/sys.h"
#include "base/thread.h"
#include "claim/claim.h"
#include "files/engage.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

void description_settle(struct description *description)
{
	struct claim_slot *slot;
	struct gate_pass pass;

	/* A signal handler that appends would otherwise extend it anew each time, before we can look. */
	gate_enter(&description->gate, &pass);
	slot = atomic_load(&description->slot);
	while (slot_is_extended(slot)) {
		claim_settle(slot);
		files_check_guardian();
	}
	gate_leave(&description->gate, &pass);
}

static void begin(struct plain *plain, struct description *description, uint32_t reasons)
{
	int saved_errno = errno;

	atomic_fetch_or(&description->reasons, reasons);
	gate_enter(&description->gate, &plain->pass);
	description_settle(description);
	atomic_store(&description->size_seen, 0);
	atomic_store(&description->inside_left, 0);
	atomic_store(&description->keep_left, 0);
	errno = saved_errno;
}

void plain_begin(struct plain *plain, int fd, uint32_t reasons)
{
	int cancel = cancel_disable();

	plain->fd = fd;
	while ((plain->description = description_of(fd))) {
		plain->cancel = cancel;
		begin(plain, plain->description, reasons);
		if (table_get(fd) == plain->description)
			return;
		gate_leave(&plain->description->gate, &plain->pass);
		description_let_go(plain->description);
	}
	cancel_restore(cancel);
}

/* A descriptor of the description, or -1. */
static int descriptor_of(const struct description *description)
{
	for (int fd = table_next(0, INT_MAX - 1); fd >= 0; fd = table_next(fd + 1, INT_MAX - 1))
		if (table_get(fd) == description)
			return fd;
	return -1;
}

void plain_begin_path(struct plain *plain, int dirfd, const char *path, int flags)
{
	int saved_errno = errno;
	struct stat st;
	int cancel;

	plain->description = NULL;
	plain->fd = -1;
	if (!descriptions_exist())
		return;
	cancel = cancel_disable();
	if (sys.fstatat(dirfd, path, &st, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) == 0 &&
	    S_ISREG(st.st_mode))
		plain->description = description_find(st.st_dev, st.st_ino);
	if (plain->description) {
		plain->cancel = cancel;
		plain->fd = descriptor_of(plain->description);
		begin(plain, plain->description, 0);
	} else {
		cancel_restore(cancel);
	}
	errno = saved_errno;
}

void plain_give_back(struct plain *plain)
{
	if (!plain->description || plain->fd < 0 || !atomic_load(&plain->description->kept))
		return;
	/* Needs all of the gate, of which we hold a share. */
	gate_leave(&plain->description->gate, &plain->pass);
	keep_give_back(plain->description, plain->fd);
	begin(plain, plain->description, 0);
	if (table_get(plain->fd) != plain->description) {
		plain_end(plain);
		plain_begin(plain, plain->fd, 0);
	}
}

void plain_leave_hole(struct plain *plain, bool anywhere)
{
	int saved_errno = errno;
	struct stat st;

	if (!plain->description || plain->fd < 0 || !atomic_load(&plain->description->kept))
		return;
	if (anywhere ||
	    (!atomic_load(&plain->description->append) && sys.fstat(plain->fd, &st) == 0 &&
	     size_skips_block(st.st_size, sys.lseek(plain->fd, 0, SEEK_CUR))))
		plain_give_back(plain);
	errno = saved_errno;
}

int64_t plain_size(const struct plain *plain)
{
	struct stat st;
	int saved_errno = errno;
	int64_t size = -1;

	if (plain->description && plain->fd >= 0 && sys.fstat(plain->fd, &st) == 0)
		size = st.st_size;
	errno = saved_errno;
	return size;
}

/*
 * Every filesystem frees what lies past the end then, whoever allocated it, but for a file that
 * grows: that keeps its blocks, those past the new end too.
 */
void plain_truncated(struct plain *plain, int64_t size_before, int64_t size)
{
	if (!plain->description || size > size_before)
		return;
	descriptions_forget_keep_end(plain->description->dev, plain->description->ino);
	atomic_store(&plain->description->kept, false);
	if (atomic_load(&plain->description->synced_end) > size)
		atomic_store(&plain->description->synced_end, size);
}

void plain_end(struct plain *plain)
{
	if (!plain->description)
		return;
	gate_leave(&plain->description->gate, &plain->pass);
	description_let_go(plain->description);
	cancel_restore(plain->cancel);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fsync(2) and its kin: what they bring to the disk tells its end. */
#include "files/files.h"

#include "base/thread.h"
#include "claim/claim.h"
#include "files/seal.h"

#include <errno.h>
#include <pthread.h>

int files_sync(int fd, int (*call)(int fd))
{
	struct description *description;
	int64_t end;
	int cancel, result, saved_errno;

	pthread_testcancel();
	cancel = cancel_disable();
	description = description_of(fd);
	end = description ? seal_before_sync(description, fd) : 0;
	result = call(fd);
	saved_errno = errno;
	if (result == 0 && description)
		seal_note_synced(description, end);
	if (description)
		description_let_go(description);
	cancel_restore(cancel);
	errno = saved_errno;
	return result;
}

int files_sync_all(int fd, int (*call)(int fd))
{
	int cancel = cancel_disable();
	int result, saved_errno;

	claim_bar();
	result = call(fd);
	saved_errno = errno;
	if (result == 0)
		seal_note_all_synced();
	claim_unbar();
	cancel_restore(cancel);
	errno = saved_errno;
	return result;
}

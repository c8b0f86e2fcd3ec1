/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fsync(2) and its kin: what they bring to the disk tells its end. */
#include "files/files.h"

#include "base/thread.h"
#include "claim/claim.h"
#include "files/auto.h"
#include "files/seal.h"

#include <errno.h>
#include <pthread.h>

#define MOST_TRIES 4

int files_sync(int fd, int (*call)(int fd))
{
	struct description *description;
	int64_t end = 0;
	int cancel, result, saved_errno, tries = 0;
	uint64_t changes = 0;

	pthread_testcancel();
	cancel = cancel_disable();
	description = description_of(fd);
	/* A change of the size in between takes the record along, and may be on the disk or not. */
	do {
		if (description) {
			changes = seal_changes(description);
			end = seal_before_sync(description, fd);
		}
		result = call(fd);
	} while (result == 0 && description && seal_changes(description) != changes &&
		 ++tries < MOST_TRIES);
	saved_errno = errno;
	if (result == 0 && description) {
		int missed = seal_missed_error(description);

		if (missed) {
			result = -1;
			saved_errno = missed;
		} else {
			seal_note_synced(description, end);
			atomic_store(&description->found, false);
			/* 0: it was being extended. */
			auto_note_sync(description, fd, end > 0 ? end : -1);
		}
	}
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

	claim_bar_to_sync();
	result = call(fd);
	saved_errno = errno;
	if (result == 0)
		seal_note_all_synced();
	claim_unbar();
	cancel_restore(cancel);
	errno = saved_errno;
	return result;
}

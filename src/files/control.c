/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of a managed file, changed while it is open. */
#include "files/files.h"

#include "base/clock.h"
#include "base/thread.h"
#include "claim/claim.h"

#include <errno.h>
#include <time.h>

#define PATIENCE NS_PER_S
#define TRY (10 * NS_PER_MS)

static void swap_options(struct description *description, const struct rule_options *options)
{
	uint32_t reason = options->mode == RULE_MODE_KEEP  ? KEEP_RULE
			  : options->mode == RULE_MODE_OFF ? KEEP_OFF
							   : 0;

	description_set_options(description, options);
	/* What was refused may be granted now: another kind of claim, another amount. */
	atomic_fetch_and(&description->reasons,
			 ~(uint32_t)(KEEP_RULE | KEEP_OFF | KEEP_UNSUPPORTED | KEEP_FAILED | KEEP_UNGUARDED |
			      KEEP_GAINLESS));
	atomic_fetch_or(&description->reasons, reason);
	atomic_store(&description->size_seen, 0);
	atomic_store(&description->inside_left, 0);
	atomic_store(&description->keep_left, 0);
	atomic_store(&description->keep_retry_at, 0);
}

/*
 * Not by description_settle: after a guardian's death that waits at every gate, and this thread has
 * closed this one.
 */
static void settle(struct description *description, int fd)
{
	struct claim_slot *slot = atomic_load(&description->slot);

	while (slot_is_extended(slot)) {
		claim_settle(slot);
		if (slot_is_extended(slot) && !claim_slot_is_current(slot))
			files_settle_lost(description, fd);
	}
}

/*
 * With the gate closed and the file settled nobody is inside a write to an ordinary file, and
 * nothing can be extended.
 */
static int try_to_set(struct description *description, int fd,
		      const struct rule_options *options)
{
	sigset_t saved;
	bool closed;

	signals_block(&saved);
	closed = gate_close(&description->gate, TRY);
	if (closed) {
		settle(description, fd);
		swap_options(description, options);
		gate_open(&description->gate);
	}
	signals_restore(&saved);
	return closed ? 0 : -EBUSY;
}

int files_set_options(int fd, const struct rule_options *options)
{
	struct description *description = description_of(fd);
	int64_t until = clock_now() + PATIENCE;
	int saved_errno = errno;
	int cancel = cancel_disable();
	int ret = -EBADF;

	/* Returns at once while another thread is closing the gate. */
	while (description && (ret = try_to_set(description, fd, options)) < 0 && clock_now() < until)
		clock_sleep(NS_PER_MS);
	if (ret == 0 && options->mode == RULE_MODE_OFF)
		keep_give_back(description, fd);
	if (description)
		description_let_go(description);
	cancel_restore(cancel);
	errno = saved_errno;
	return ret;
}

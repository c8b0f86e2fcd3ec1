/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/auto.h"

#include "base/size.h"
#include "claim/lease.h"

#include <errno.h>

/*
 * From this on, in bytes between two syncs, most appends reach a block that wasn't written to before: what that
 * costs (the journal of an extent that isn't unwritten any more) is saved by mode write only. Above MOST the
 * zeroes cost more than that.
 */
#define WRITE_LEAST 512
#define WRITE_MOST (INT64_C(128) << 10)

/*
 * So many bytes of zeroes are written for each byte that it has grown by, in steps of ZEROES_STEP, until that is
 * prealloc_align: a file that ends soon has cost little.
 */
#define ZEROES_SHARE 4
#define ZEROES_STEP (INT64_C(64) << 10)

/* The real size stays within this part of the true one, and prealloc_align. */
#define SHARE 8

bool auto_leaves_alone(const struct description *description, const struct statfs *fs)
{
	return is_auto(description) && (atomic_load(&description->cut_stays) || is_in_memory(fs));
}

/* As the program knows it. -1: not to be had. */
static int64_t size_now(struct description *description, int fd)
{
	int64_t data_end = atomic_load(&atomic_load(&description->slot)->positions.data_end);

	return data_end >= 0 ? data_end : size_of(fd);
}

void auto_note_sync(struct description *description, int fd, int64_t size)
{
	int saved_errno = errno;
	int score = atomic_load(&description->auto_score);
	int64_t before;

	if (!is_auto(description))
		return;
	if (size < 0)
		size = size_now(description, fd);
	before = atomic_exchange(&description->auto_end, size);
	if (size > before && before >= 0) {
		atomic_fetch_add(&description->auto_grown, size - before);
		atomic_fetch_add(&description->auto_syncs, 1);
		score += AUTO_FOR;
	} else {
		score -= AUTO_AGAINST;
	}
	/* Once it has earned it, it has it for good. */
	if (score >= 0 && !auto_has_earned(description))
		atomic_store(&description->auto_score, score);
	errno = saved_errno;
}

static bool gains_by_zeroes(const struct description *description)
{
	unsigned int syncs = atomic_load(&description->auto_syncs);
	int64_t appended = syncs > 0 ? atomic_load(&description->auto_grown) / syncs : 0;

	return appended >= WRITE_LEAST && appended <= WRITE_MOST;
}

bool auto_wants_zeroes(const struct description *description)
{
	return is_auto(description) ? gains_by_zeroes(description)
				    : atomic_load(&description->options.mode) == RULE_MODE_WRITE;
}

void auto_fill_request(const struct description *description, struct claim_request *request,
		       int64_t end)
{
	int64_t zeroes;

	if (!is_auto(description))
		return;
	request->most = end / SHARE + 1;
	if (!gains_by_zeroes(description))
		return;
	request->flags |= CLAIM_WRITE;
	zeroes = atomic_load(&description->auto_grown) * ZEROES_SHARE / ZEROES_STEP * ZEROES_STEP + ZEROES_STEP;
	if (request->options.prealloc_align > zeroes)
		request->options.prealloc_align = zeroes;
	if (request->most > zeroes - request->options.prealloc_align)
		request->most = zeroes - request->options.prealloc_align + 1;
}

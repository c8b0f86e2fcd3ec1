/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btrfs frees nothing of a preallocated extent that has been written to in part, however much is cut
 * off. What is lost that way may be no more than one prealloc_align for a new file, and what the
 * program itself has written through this description. So who opens a file to append a line to it
 * gets nothing ahead.
 */
#include "files/space.h"

#include "claim/lease.h"

void space_look(struct description *description, int fd, const struct statfs *fs)
{
	atomic_store(&description->cut_stays, !space_is_freed_by_cut(fd, fs));
}

int64_t space_piece(struct description *description)
{
	const struct claim_slot *slot = atomic_load(&description->slot);
	int64_t align = atomic_load(&description->options.prealloc_align);
	int64_t smallest = align < SPACE_SMALLEST_PIECE ? align : SPACE_SMALLEST_PIECE;
	int64_t earned;

	if (!atomic_load(&description->cut_stays))
		return align;
	earned = (int64_t)(atomic_load(&description->bytes_earned) +
			   atomic_load(&description->bytes_appended) -
			   atomic_load(&description->keep_bytes_lost) -
			   atomic_load(&slot->bytes_cut));
	if (earned < smallest)
		return 0;
	return earned < align ? earned - earned % smallest : align;
}

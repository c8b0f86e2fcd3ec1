/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode auto: what a file has to have shown before it is extended, and how then. Internal to src/files.
 */
#ifndef FILES_AUTO_H
#define FILES_AUTO_H

#include "claim/protocol.h"
#include "files/files.h"

#include <sys/vfs.h>

/* May it be extended? Always in the other modes. Cheap. */
bool auto_has_earned(const struct description *description);

/*
 * A sync costs the same there, and the preallocation comes on top: data are never overwritten in place
 * (after space_look), or there is no disk.
 */
bool auto_leaves_alone(const struct description *description, const struct statfs *fs);

/* After a sync of the file that has succeeded, and after each synchronous write. */
void auto_note_sync(struct description *description, int fd);

/* Fills in flags and `most` of a request for [.., end). */
void auto_fill_request(const struct description *description, struct claim_request *request,
		       int64_t end);

#endif

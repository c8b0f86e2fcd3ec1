/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much may be allocated ahead where a cut gives nothing back. Internal to src/files. */
#ifndef FILES_SPACE_H
#define FILES_SPACE_H

#include "files/description.h"

struct statfs;

#define SPACE_SMALLEST_PIECE INT64_C(65536)

/* Remembers whether a cut frees what was allocated ahead. */
void space_look(struct description *description, int fd, const struct statfs *fs);

/*
 * Bytes, a multiple of 64 KiB or of prealloc_align: an allocation ends at a multiple of it. 0: none
 * yet. prealloc_align where a cut frees, or as long as nobody has looked.
 */
int64_t space_piece(struct description *description);

#endif

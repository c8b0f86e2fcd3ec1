/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the metadata calls begin with; ended by plain_end. */
#ifndef LIBC_METADATA_H
#define LIBC_METADATA_H

#include "files/files.h"

void metadata_begin(struct plain *plain, int fd);
/* flags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. path: NULL: the file is dirfd. */
void metadata_begin_path(struct plain *plain, int dirfd, const char *path, int flags);
/* The flags of linkat(2) follow a link only on request. */
int metadata_link_flags(int flags);

#endif

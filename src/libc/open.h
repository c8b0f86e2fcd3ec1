/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIBC_OPEN_H
#define LIBC_OPEN_H

/* After an open of any kind: returns fd, which may be -1. */
int open_note(int fd, int flags, const char *name);

#endif

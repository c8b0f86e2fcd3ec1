/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIBC_OPEN_H
#define LIBC_OPEN_H

/* After an open of any kind: returns fd, which may be -1. */
int open_note(int fd, int flags, const char *name);

/* openat2(2). */
struct open_how;
int open_by_how(int dirfd, const char *path, const struct open_how *how, size_t size);

#endif

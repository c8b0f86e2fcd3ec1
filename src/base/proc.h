/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The first bytes of a small file of proc(5)'s, whose path the format says (63 bytes at most), as a string in
 * text, size bytes with its end. How many there are, 1 to size - 1; -1: none, with errno (ENOENT: no such process or
 * thread, or no /proc; ESRCH: it ended in between; ENODATA: the file is empty). No cancellation point.
 */
ssize_t proc_text(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one door for what we say in the program's name: log lines and reports. Each line goes to a named
 * file or to standard error, if that is still what it was at the start. The program notices nothing of
 * it: no call of ours waits (a FIFO that nobody reads, a full pipe, a stopped terminal: the line is
 * dropped), no signal is raised, no descriptor stays open, errno is kept.
 */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stddef.h>

/* Remembers what standard error is. */
void output_start(void);

/*
 * One line of at most PIPE_BUF bytes, or none. path NULL: standard error. 0, or -errno of a file that
 * can't be opened. Async-signal-safe and thread-safe.
 */
int output_line(const char *path, const char *line, size_t length);

#endif

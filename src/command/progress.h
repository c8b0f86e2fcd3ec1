/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line on standard error that changes, if that is a terminal and the work takes its time. */
#ifndef COMMAND_PROGRESS_H
#define COMMAND_PROGRESS_H

#include <stdbool.h>

/* Is it time to show a new line? */
bool progress_is_due(void);

__attribute__((format(printf, 1, 2)))
void progress_show(const char *format, ...);

/* Before anything else is printed. */
void progress_clear(void);

#endif

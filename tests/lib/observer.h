/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A neighbour that tells the size a file has on disk, which the library hides from the program
 * itself. It is forked before the first file is opened, so that asking it forks nothing.
 */
#ifndef TESTS_LIB_OBSERVER_H
#define TESTS_LIB_OBSERVER_H

#include <sys/types.h>

void observer_start(const char *path);
off_t observer_size(void);
void observer_stop(void);

#endif

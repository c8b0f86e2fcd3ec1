/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMAND_LIBRARY_H
#define COMMAND_LIBRARY_H

#include <stddef.h>

/* As claim_init has it. */
const char *library_find_guardian(char *path, size_t size);

/* Puts libpreallocate.so in front of LD_PRELOAD. 0 or an exit status, after a message. */
int library_preload(void);

#endif

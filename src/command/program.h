/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding a program, and knowing beforehand whether a preloaded library gets into it. */
#ifndef COMMAND_PROGRAM_H
#define COMMAND_PROGRAM_H

#include <stddef.h>

/* As execvp(3) looks for it. 0 or an exit status, after a message. */
int program_find(const char *name, char *path, size_t size);

/* Can the program be executed, and does the dynamic linker load our library into it? The same. */
int program_check(const char *path);

#endif

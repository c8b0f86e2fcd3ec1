/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMAND_PATHS_H
#define COMMAND_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* The path with the current directory in front, links as they are; malloc'ed, NULL and errno. */
char *absolute_path(const char *path);

/* "a directory", "a pipe", ... for what isn't a regular file. */
const char *file_type_name(mode_t mode);

/* "ext4", or its magic number in hexadecimal. */
#define FILESYSTEM_NAME_MAX 24
void filesystem_name(long type, char name[static FILESYSTEM_NAME_MAX]);

/*
 * Opens a regular file, whatever stands at path meanwhile: nothing else is opened, so a pipe or a
 * device isn't touched. *status is as it was before the open. The descriptor or -errno; -EINVAL: not
 * a regular file.
 */
int open_regular(const char *path, int flags, struct stat *status);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guardian's program, and whether it may be started: only from where the library itself was loaded,
 * with one identity, so that nobody gains a power by us. Whoever has left the root directory, or is one
 * user for files and another for signals, works in mode keep.
 */
#ifndef CLAIM_HELPER_H
#define CLAIM_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Once, while the library starts: remembers the root directory. */
void helper_start(void);

/*
 * Writes where the program is: beside the library in a build tree, else where it was installed to, else relative to
 * the library: a tree that was moved. Where there is none that can be started, who starts it tells why.
 * library: its absolute path; NULL: unknown.
 */
void helper_find(const char *library, char *path, size_t size);

/*
 * The program at path, opened, to be executed by this descriptor (execveat(2)): nobody can put another
 * into its place between the look and the start. It is a regular file, of root's or of the owner of the library at
 * that path, and nobody else can write it. -errno; *why says what is wrong in words, NULL: the errno does.
 */
int helper_open(const char *path, const char *library, const char **why);

/* The calling thread's user and group; false: real, effective, saved and file system ids differ. */
bool helper_identity(uid_t *uid, gid_t *gid);

/* prctl(PR_GET_DUMPABLE) of this program: others of its user may trace it. */
bool helper_program_is_dumpable(void);

#endif

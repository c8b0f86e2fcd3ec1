/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovering one file by name, and telling what came of it. */
#ifndef COMMAND_RECOVER_FILE_H
#define COMMAND_RECOVER_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "recovery/recover.h"

struct recovered {
	struct recovery recovery;	/* valid without a problem */
	bool was_marked;		/* though it may be settled by now, by a living guardian */
	const char *problem;		/* NULL: none */
	int error;			/* its reason, or 0 */
};

/* 1: it has a mark, 0: it has none, -errno: that can't be told. Opens nothing. */
int file_is_marked(const char *name, bool follow);

/* The mount that something is on; 0: the kernel can't tell (before Linux 5.8). */
uint64_t file_mount(const char *name, bool follow);

/*
 * Recovers the file, which has a mark. follow: also where name is a symbolic link. name is taken from
 * the current directory, and looked up once.
 */
void file_recover(const char *name, bool follow, const struct recover_options *options,
		  struct recovered *recovered);

/* A problem found otherwise; error may be 0. */
void recovered_fail(struct recovered *recovered, const char *problem, int error);

/* One line on standard output; nothing, unless verbose, where there was nothing to do. */
void recovered_print(const char *path, const struct recovered *recovered, bool dry_run,
		     bool verbose);
void recovered_print_json(const char *path, const struct recovered *recovered, bool dry_run);

/* One line on standard error, where there is a problem. */
void recovered_complain(const char *path, const struct recovered *recovered);

#endif

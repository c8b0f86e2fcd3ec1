/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every name that the library exports, called on a managed, extended file. One row is a call and
 * all the names that it has; a row runs in a process of its own for each of them.
 */
#ifndef TESTS_PRELOAD_EVERY_H
#define TESTS_PRELOAD_EVERY_H

#include "transcript.h"

/* call: of the name; fd: of the section's file, which is extended. */
struct every_row {
	const char *names;
	void (*test)(void *call, int fd);
};

/* The call with the type of a function of libc. */
#define AS(function) ((__typeof__(&function))call)

/* Something to write, and room to read. */
extern char every_bytes[8192];

/* Each ends with a row of no names. */
extern const struct every_row every_file_rows[], every_metadata_rows[],
	every_stream_rows[], every_process_rows[], every_ring_rows[], every_number_rows[];

#endif

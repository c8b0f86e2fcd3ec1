/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where lines for people go: the one door of the log and of the report. A line is written to a standard
 * stream only while that is still what it was at the start, and never over bytes that are there: the
 * program may have opened its database as descriptor 2. To write one never blocks, raises no signal in the program,
 * manages nothing, and makes no terminal the controlling one. Async-signal-safe.
 */
#ifndef BASE_DESTINATION_H
#define BASE_DESTINATION_H

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#define DESTINATION_NAME_BYTES 4096

struct destination {
	int fd;		  /* a standard stream; -1: the path */
	const char *path; /* valid without a stream */
	/* Valid with a stream: which file it was at the start. */
	mode_t type; /* 0: there was none */
	dev_t dev;
	ino_t inode;
	struct timespec changed; /* its ctime: an inode that was born later is another file's by now */
};

/* A standard stream, as it is now. */
void destination_stream(struct destination *destination, int fd);

/*
 * "stderr", another name of a standard stream, or a path. -ENAMETOOLONG: it isn't kept. buffer
 * holds DESTINATION_NAME_BYTES; the path is kept there, since the program may overwrite its environment.
 */
int destination_named(struct destination *destination, const char *name, char *buffer);

/* 0, or -errno: the line, or a part of it, is lost. -EAGAIN: it would have blocked. -EBADF: the stream is gone. */
int destination_write(const struct destination *destination, const char *line, size_t bytes);

#endif

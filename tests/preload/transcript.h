/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that say what their calls returned. transcripts.sh runs each with and without the
 * library: what they print, and the files that they leave, must be the same to the byte.
 *
 * Nothing that differs from run to run is printed: no time, no block count, no pid.
 */
#ifndef TESTS_PRELOAD_TRANSCRIPT_H
#define TESTS_PRELOAD_TRANSCRIPT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* What START writes. */
#define START_BYTES 10000

/* errno before each call: what a successful call leaves alone is still there after it. */
#define ERRNO_KEPT 4242

/* The name of the file of this section, which the rules match. */
extern char file[64];

/* Says the value and errno of a call that returns a number. */
#define CALL(call) \
	({ \
		errno = ERRNO_KEPT; \
		long long value_ = (long long)(call); \
		int errno_ = errno; \
		say_call(#call, value_, errno_); \
		errno = errno_; \
		value_; \
	})

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_call(const char *call, long long value, int error);

/* size, offset, mode and flags of an open file, and a digest of its bytes where they can be read. */
void state(int fd);
/* size, mode and digest of a file by its name, through a description of its own. */
void state_of(const char *name);

/* A new part of the transcript, with a file name of its own. Names and ages sort alike. */
void section(const char *name);

/* Opens the section's file with O_CREAT and flags, and writes START_BYTES: extended in mode zero. */
int start(const char *name, int flags);

/* Closes it and says what the file is like then. */
void finish(int fd);

/* Appends at the end of file. */
void append(int fd);
/* The same, so that it is extended again (where this run extends): after a settle. */
void again(int fd);

/*
 * In runs that must extend, ends the program if fd's file isn't extended now: what follows would
 * show nothing. extended_runs: is this such a run?
 */
#define EXTENDED(fd) expect_extended((fd), __FILE__, __LINE__)
void expect_extended(int fd, const char *where, int line);
bool extended_runs(void);

/* libc's own syscall(2), which no preloaded library stands in front of. */
extern long (*raw_syscall)(long number, ...);

/* The size that the kernel knows. */
long long real_size(int fd);

/* Bytes that tell their place: the same for the same seed. */
void fill(void *buffer, size_t bytes, unsigned int seed);
uint64_t digest(const void *buffer, size_t bytes, uint64_t digest);

/* Of each program: makes the calls. */
void transcript(int argc, char **argv);

#endif

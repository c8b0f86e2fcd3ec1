/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls that pointers.c makes. */
#ifndef TESTS_PRELOAD_POINTERS_H
#define TESTS_PRELOAD_POINTERS_H

#include "transcript.h"

struct pointers_row {
	const char *names;
	/*
	 * What is told of the result: i an int, L a long, F a descriptor or -1, P a pointer or NULL; M: nothing,
	 * it has none, or a place in memory.
	 */
	char kind;
	/*
	 * One letter an argument. f a descriptor, g another one, d a directory's; p a pointer, v a list of two
	 * buffers, s the file's name, t one that isn't there, w an attribute's, m a stream's mode; n a size, c a
	 * count, o an offset, l flags; k the next of the constants.
	 */
	const char *arguments;
	long constants[6];
	/* Not with arguments that are all good: it would not return, or not to the same. */
	bool never_good;
	long number; /* -1: names are of functions */
	/* Instead of all that: call is the function of this name, fd the extended file. */
	void (*test)(void *call, int fd);
};

/* Ends with a row of no names. */
extern const struct pointers_row pointers_rows[];
/* Names that hand nothing to the kernel to be copied; NULL is the end. */
extern const char *const pointers_left_out[];

/* Zeroes that end with a page that nothing follows. */
#define POINTERS_ROOM (1 << 16)
extern char *pointers_room;

/* Tests of what such pointers lead to (pointers_nested.c). */
void pointers_sendmsg(void *call, int fd);
void pointers_sendmmsg(void *call, int fd);
void pointers_sendmsg_number(void *call, int fd);
void pointers_sendmmsg_number(void *call, int fd);
void pointers_submit(void *call, int fd);
void pointers_register(void *call, int fd);
void pointers_exec(void *call, int fd);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control interface of libpreallocate.so: for a program that knows better, about one of its own
 * files, than a rule can.
 *
 * Nothing is to be linked. The functions are there when the program runs under the library
 * (preallocate run, or LD_PRELOAD), and are declared weak: without the library their address is
 * NULL, and the program runs as before.
 *
 *	if (preallocate_settle)
 *		preallocate_settle(fd);
 *
 * Where the linker settles weak symbols for good (a program that isn't position-independent), and
 * in other languages, look them up: dlsym(RTLD_DEFAULT, "preallocate_settle").
 *
 * fd is a file that the library manages: a rule matched its name when this process opened it for
 * writing. Any descriptor of the same open file will do. All functions return 0, or -1 with errno:
 *
 *	EBADF	fd isn't open
 *	ENOENT	the library doesn't manage it: nothing to be controlled
 *
 * They may be called from any thread, at any time, on a file that other threads are writing to;
 * from no signal handler, and not between vfork(2) and exec. None is a cancellation point.
 */
#ifndef PREALLOCATE_H
#define PREALLOCATE_H

#include <stddef.h>
#include <stdint.h>

#ifndef PREALLOCATE_API
#define PREALLOCATE_API __attribute__((weak))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Gives back what was allocated ahead. When this returns, the file's real size is the one that this
 * process sees, for everybody, and no block past the end is ours: the moment to let a neighbour
 * look at it, or to take a snapshot. The next append may extend it again.
 */
PREALLOCATE_API int preallocate_settle(int fd);

/*
 * Changes the options of this open file, until it is closed. options: words as in a rule, such as
 * "mode=keep prealloc-size=64M" (see preallocate.conf(5)), separated by blanks; those that aren't
 * named keep their value. "mode=off": nothing is allocated ahead any more, until another mode is
 * set. The new options hold for every write that begins after this has returned.
 *
 * All words are checked first: on an error none of them has been taken. Of two calls at the same
 * time on one file, one wins.
 *
 *	EINVAL	a word is wrong. message, unless it is NULL, then says which, and what would be
 *		right: one line, cut to size bytes with the ending 0. Untouched otherwise.
 *	EBUSY	a write to the file has been under way for a second
 */
PREALLOCATE_API int preallocate_set_options(int fd, const char *options, char *message,
					    size_t size);

/* What has come of it. Counts begin when the file is opened. */
struct preallocate_statistics {
	/*
	 * Before the call: sizeof(struct preallocate_statistics), as the program was compiled.
	 * After it: how many bytes of that the library has filled in; the rest is 0. Members are
	 * only ever added at the end.
	 */
	size_t size;

	int64_t data_end;  /* bytes: where the program's data ends; -1: not extended at the moment */
	int64_t file_end;  /* bytes: the real size; -1: not extended at the moment */
	uint64_t appends;  /* writes past data_end while it was extended */
	uint64_t appended_bytes;   /* by those */
	uint64_t extensions;	   /* of the real size */
	uint64_t extended_bytes;   /* by those */
	uint64_t extension_ns;	   /* nanoseconds that they took */
	uint64_t keep_extensions;  /* in mode keep, or in its place: of the blocks past the end */
	uint64_t keep_bytes;	   /* by those */
	uint64_t settles;	   /* how often the real size was put back */
	uint64_t challenges;	   /* of those, because somebody else opened the file */
};

/*
 * The members are read one after the other while other threads may go on: each is right by itself.
 *
 *	EINVAL	statistics->size doesn't even hold the size
 */
PREALLOCATE_API int preallocate_get_statistics(int fd, struct preallocate_statistics *statistics);

#ifdef __cplusplus
}
#endif

#endif

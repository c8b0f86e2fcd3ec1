/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `preallocate bench` measures, and what it makes of it. */
#ifndef COMMAND_BENCH_H
#define COMMAND_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "command/paths.h"

#define BENCH_ROUNDS 5

enum bench_way { BENCH_PLAIN, BENCH_KEEP, BENCH_ZERO, BENCH_WRITE, BENCH_AUTO, BENCH_WAYS };

enum { BENCH_SIZES = 3 };		/* of a record */

/* One record size, one way. */
struct bench_cell {
	double rounds[BENCH_ROUNDS];	/* records per second */
	int64_t extended_bytes;		/* in all rounds: by how much the size grew ahead */
	int64_t kept_bytes;		/* in all rounds: allocated past the end, the size untouched */
	double rate;			/* the rounds' median; it and ratio are set by bench_conclude */
	double ratio;			/* to plain's rate */
};

struct bench {
	const char *directory;		/* as given */
	char *path;			/* of the file that each worker makes, in our own directory below */
	double seconds;			/* that one worker appends */
	int64_t needed;			/* bytes that have to be free */
	char filesystem[FILESYSTEM_NAME_MAX];
	bool in_memory;			/* there is no disk, and so nothing to be saved */
	struct bench_cell cells[BENCH_SIZES][BENCH_WAYS];
	int round;
	int done;			/* workers */
	int64_t started;		/* ns */
	enum bench_way best;		/* set by bench_conclude; BENCH_PLAIN: nothing gains */
	bool in_doubt;			/* the same: the rounds differ too much */
};

extern const int bench_record_bytes[BENCH_SIZES];
extern const char *const bench_record_names[BENCH_SIZES];
extern const char *const bench_way_names[BENCH_WAYS];

/* Medians, ratios, and the way that is best. */
void bench_conclude(struct bench *bench);

/* Did the files really get space ahead, in the way that the mode is known for? */
bool bench_was_applied(const struct bench *bench, enum bench_way way);

/* What is printed of it, in the end. */
void bench_print(const struct bench *bench);
void bench_print_json(const struct bench *bench);

/* Signals that would end us are held back, and seen by bench_run_worker. */
void bench_hold_signals(void);
void bench_release_signals(void);

/*
 * Starts a worker, waits for it and notes its round. 0, an exit status after a message, or minus the
 * signal that was to end us; the worker is gone in any case.
 */
int bench_run_worker(struct bench *bench, int size, enum bench_way way);

/* The worker: BYTES SECONDS FILE. Makes FILE, and prints a line for bench_run_worker. */
int bench_work(int argc, char **argv);

/* It appends no more than this. */
#define BENCH_FILE_MAX (INT64_C(64) << 20)

int64_t bench_now(void);		/* ns */

#endif

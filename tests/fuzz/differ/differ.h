/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The differential machine: random sequences of calls, each made on a plain file and in the same
 * moment on a managed one, must give the same answers.
 *
 * Two processes. The supervisor (supervisor.c) has no library: it starts the worker, plays the
 * neighbour who opens the files from outside, and shrinks what differs. The worker (worker.c) runs
 * under the library. The sequence being run stands in memory that both map, so that it is known
 * when the worker crashes or hangs, too.
 */
#ifndef DIFFER_H
#define DIFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define SLOTS 5		   /* descriptors of a file at a time */
#define NAMES 3		   /* names a file may have: as created, renamed, linked */
#define NAME_LENGTH 300
#define SEQUENCE_MAX 400
#define BUFFER (1 << 20)   /* of what is written, and of what was read; a bad page follows */
#define MORE 12

enum side_number { PLAIN, MANAGED, SIDES };

/* Where an offset or a length is counted from; resolved just before the call, once for both files. */
enum base {
	ABSOLUTE,
	DATA_END, /* the size that the program sees */
	FILE_END, /* the managed file's size on disk */
	POSITION, /* the descriptor's offset */
	LIMIT,	  /* RLIMIT_FSIZE */
};

struct value {
	int64_t delta;
	uint8_t base;
};

enum check {
	CHECK_STAT = 1,
	CHECK_OFFSET = 2,
	CHECK_FLAGS = 4,
	CHECK_BYTES = 8,
};

enum buffer { GOOD, ZEROES, BAD, HALF_BAD };

struct operation {
	uint16_t call;
	uint8_t slot, other; /* descriptors */
	uint8_t name;	     /* which of the file's names */
	uint8_t word;	     /* the variant of the call */
	uint8_t checks;
	uint8_t buffer;
	uint32_t from; /* in the buffer */
	int32_t flags;
	struct value at;
	struct value length;
	bool upto; /* length is the end of what is written, not its length */

	/* What they came to in the last run. */
	int64_t at_was, length_was;
};

struct statistics {
	uint64_t operations, sequences, extended, settles, kept_sequences;
};

struct shared {
	struct statistics statistics;
	uint64_t seed; /* of the sequence under way */
	uint32_t count, current;
	uint32_t rule; /* which pattern the managed file matches */
	bool differs;
	char difference[2000];
	struct operation operations[SEQUENCE_MAX];
};

struct side {
	int fd[SLOTS]; /* -1: closed */
	char name[NAMES][NAME_LENGTH];
	char *back; /* BUFFER bytes of what was read */
	int signals; /* SIGXFSZ so far */
	int64_t modified; /* ns, at the last look */
	ino_t inode;	  /* what was looked at, */
	int64_t generation; /* and which file of that number */
};

struct outcome {
	int64_t result;
	int error;
	size_t bytes; /* of side->back, to be compared */
	int64_t more[MORE];
};

struct machine {
	struct shared *shared;
	struct side side[SIDES];
	int outside; /* socket of the neighbour */
	int source;  /* descriptor of a file that nobody manages, BUFFER bytes */
	int pipe[2];
	char *data;  /* BUFFER bytes, half of them random, then zeroes */
	int64_t limit; /* RLIMIT_FSIZE, or INT64_MAX */
	bool fine_times; /* the filesystem gives every change that was looked for a time of its own */
	bool direct; /* direct I/O was made: whether it moves atime depends on the layout */
	bool faulted; /* a write had a bad buffer */
	bool apart; /* blocks were allocated past the end, behind a gap */
	bool limited; /* RLIMIT_FSIZE was set in this sequence */
	bool quiet; /* no neighbour was there: st_blocks is ours alone */
};

extern struct machine machine;

/* What a call needs of its operation, and what kind of call it is. */
enum trait {
	AT = 1,
	LENGTH = 2,
	DATA = 4,	 /* bytes to be written or read */
	MOVES = 8,	 /* counts from the descriptor's offset */
	ONCE = 16,	 /* concerns both files at once: side is NULL */
	NO_DESCRIPTOR = 32,
	OTHER = 64,	 /* a second descriptor, which is open */
	FRESH = 128,	 /* a second descriptor, which comes to be */
	ENDS = 256,	 /* closes the descriptor */
	SPARSE_ANSWER = 512, /* SEEK_DATA, SEEK_HOLE: see compare.c */
	READS = 1024,
	COPIES = 2048,	 /* with the kernel's own buffers, but directly all the same */
};

/* A sequence has calls of some kinds only: what ends every extension would leave little to see. */
enum kind {
	HOT,
	RARE,	   /* settled first */
	SECOND,	   /* another description: no extension while it is open */
	LASTING,   /* no extension until the description is closed */
	NEIGHBOUR, /* another process opens the file */
	LIMITED,   /* RLIMIT_FSIZE */
	CHILD,	   /* fork */
	DOOR,	   /* past libc's functions of that name: syscall(2) */
	KINDS
};

struct call {
	/* Printed; %f slot, %g other, %n name, %a at, %l length, %b buffer, %w word, %F flags */
	const char *form;
	const char *const *words;
	uint8_t words_count;
	uint8_t kind;
	uint16_t weight;
	uint16_t traits;
	void (*run)(struct side *side, const struct operation *op, struct outcome *outcome);
};

struct family {
	const struct call *calls;
	size_t count;
};

extern const struct family write_family, read_family, size_family, open_family, rare_family,
	outside_family;

#define WORDS(...) .words = (const char *const[]){__VA_ARGS__}, \
	.words_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define FAMILY(name, array) \
	const struct family name = {array, sizeof(array) / sizeof((array)[0])}

#define DO(outcome, expression) \
	do { \
		errno = 0; \
		(outcome)->result = (int64_t)(expression); \
		(outcome)->error = errno; \
	} while (0)

/* calls.c */
const struct call *call_of(const struct operation *op);
size_t calls_count(void);
const struct call *call_at(size_t index);
int slot_fd(const struct side *side, const struct operation *op);
int other_fd(const struct side *side, const struct operation *op);
void slot_set(struct side *side, unsigned int slot, struct outcome *outcome);
char *data_of(const struct operation *op);
void stat_into(struct outcome *outcome, const void *stat);

/* machine.c */
void machine_start(int outside, struct shared *shared);
void machine_begin(const char *prefix, uint64_t number);
bool machine_run(struct operation *op);
bool machine_end(void);
int machine_open_slot(void);
__attribute__((format(printf, 1, 2))) bool differ(const char *format, ...);

/* compare.c */
bool compare(const struct operation *op, const struct outcome outcomes[SIDES]);
bool compare_state(const struct operation *op);
bool compare_end(bool looked);

/* generate.c */
#define RULES 6
#define RULE_DEFAULT 3
struct generator {
	uint64_t state;
	uint32_t kinds; /* bits */
	int flags;	/* of the first open */
};
void generator_begin(struct generator *generator, uint64_t seed, uint32_t *rule, uint32_t *count);
void generate(struct generator *generator, struct operation *op);
uint64_t random_next(uint64_t *state);

/* print.c */
void print_operation(FILE *to, const struct operation *op);
void print_sequence(FILE *to, const struct shared *shared);

/* raw.c: libc's own functions, past the library; and the clock that the library goes by. */
void raw_start(void);
extern struct raw {
	int (*fstat)(int fd, void *st);
	int (*stat)(const char *path, void *st);
	int64_t (*lseek)(int fd, int64_t offset, int whence);
	int (*open)(const char *path, int flags, ...);
	int64_t (*pread)(int fd, void *buffer, size_t bytes, int64_t offset);
	int (*close)(int fd);
	int (*ioctl)(int fd, unsigned long request, ...);
	int (*statx)(int fd, const char *path, int flags, unsigned int mask, void *st);
} raw;
int64_t raw_size(int fd);
int64_t raw_generation(int fd);
void clock_advance(int64_t ns);

/* outside.c */
enum question { READ_ALL, APPEND_SOME, CUT, HOLD, RELEASE, LOCK };
struct asked {
	int32_t question;
	int32_t bytes;
	char name[SIDES][NAME_LENGTH];
};
struct answered {
	int64_t result, size, mode, links, digest;
	int32_t error;
};
void outside_answer(const struct asked *asked, struct answered answers[SIDES]);
void outside_forget(void);

/* worker.c */
int worker(int outside, int memory, char **argv);

/* shrink.c */
struct search {
	bool (*differs)(void *context, struct shared *shared);
	void *context;
	unsigned int tries; /* runs of a sequence that doesn't differ every time */
	int64_t until_s;    /* of CLOCK_MONOTONIC, or 0: what hangs takes HANG_S at every try */
};
int64_t monotonic_s(void);
void shrink(struct search *search, struct shared *shared);

#endif

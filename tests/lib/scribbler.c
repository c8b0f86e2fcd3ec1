/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scribbler SEED COUNT FILE: as often, starts itself anew as a program that appends to FILE, overwrites
 * a part of the memory that it shares with its guardian, and goes on in one way or another. Each time
 * FILE must have every byte that was written before that, and be there for others, soon.
 *
 * SCRIBBLER_PRELOAD is preloaded for that program.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "paced.h"

#define RECORD 100
#define RECORDS 40
#define SLOT_AREA 2048 /* the first slots */

static const char *path;

static void record_make(char *record, int number)
{
	memset(record, 'a' + number % 26, RECORD);
	/* Some end in zeroes: nothing but the shared memory tells of them. */
	if (number % 3 == 0)
		memset(record + RECORD - 9, 0, 9);
}

static void append(int fd, int from, int to)
{
	char record[RECORD];

	for (int i = from; i < to; i++) {
		record_make(record, i);
		if (write(fd, record, RECORD) != RECORD)
			err(98, "write");
	}
}

/* Where the memory is that both map; NULL: there is no guardian. */
static char *shared_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	char *found = NULL;

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:preallocate"))
			found = (char *)strtoul(line, NULL, 16);
	if (maps)
		fclose(maps);
	return found;
}

static int64_t garbage(void)
{
	static const int64_t some[] = {0, 1, -1, INT64_MAX, INT64_MIN, RECORD, RECORDS * RECORD - 9,
				       RECORDS * RECORD, 65536, 0x4141414141414141};
	unsigned int which = (unsigned int)rand() % 14;

	return which < 10 ? some[which] : which < 12 ? getpid() : ((int64_t)rand() << 32 | rand());
}

static void scribble(char *memory)
{
	int64_t value;

	switch (rand() % 4) {
	case 0:
		memset(memory, rand(), SLOT_AREA);
		break;
	case 1:
		for (int i = 0; i < SLOT_AREA; i++)
			if (rand() % 3 == 0)
				memory[i] = (char)rand();
		break;
	default: /* the guardian's id, and the first slot */
		value = garbage();
		memcpy(memory + (rand() % 5 ? 64 + rand() % 64 * 4 : 0), &value,
		       (size_t)(4 << rand() % 2));
	}
}

static int be_program(unsigned int seed)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | (seed % 2 ? O_APPEND : 0), 0600);
	char *memory;

	srand(seed);
	if (fd < 0)
		err(98, "%s", path);
	append(fd, 0, RECORDS);
	memory = shared_memory();
	if (!memory)
		return 77;
	scribble(memory);
	switch (rand() % 4) {
	case 0:
		kill(getpid(), SIGKILL);
		break;
	case 1:
		/* Idle: a neighbour comes, or the guardian settles. */
		pause();
		break;
	case 2:
		/* What comes of this isn't said: the program has lost its mind. */
		append(fd, RECORDS, 2 * RECORDS);
		break;
	default:
		close(fd);
	}
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void check(unsigned int seed)
{
	static char bytes[RECORDS * RECORD], record[RECORD];
	int64_t began = now_ms();
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);

	if (got != (ssize_t)sizeof(bytes))
		errx(1, "seed %u: %zd bytes are left of %zu", seed, got, sizeof(bytes));
	for (int i = 0; i < RECORDS; i++) {
		record_make(record, i);
		if (memcmp(record, bytes + i * RECORD, RECORD) != 0)
			errx(1, "seed %u: record %d is another", seed, i);
	}
	/* The kernel breaks a lease after 45 s (/proc/sys/fs/lease-break-time). */
	if (now_ms() - began > 40000)
		errx(1, "seed %u: a neighbour waited for %lld ms", seed,
		     (long long)(now_ms() - began));
	close(fd);
}

static bool has_written(void)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size >= RECORDS * RECORD;
}

/* Those that don't end by themselves are killed when the file has been looked at. */
static int try(char **argv, unsigned int seed)
{
	char number[16];
	char *const arguments[] = {argv[0], (char *)"--one", number, argv[3], NULL};
	const char *preload = getenv("SCRIBBLER_PRELOAD");
	int status = 0, ended = 0;
	pid_t pid;

	snprintf(number, sizeof(number), "%u", seed);
	unlink(path);
	pid = fork();
	if (pid == 0) {
		if (preload)
			setenv("LD_PRELOAD", preload, 1);
		alarm(patience(30));
		execv("/proc/self/exe", arguments);
		_exit(99);
	}
	/* A moment for what comes after the last write. */
	for (int ms = 0, after = 0; ms < (int)patience(3000) && after < 300; ms += 10) {
		ended = waitpid(pid, &status, WNOHANG);
		if (ended)
			break;
		if (has_written())
			after += 10;
		usleep(10000);
	}
	if (ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return 77;
	if (!has_written())
		errx(1, "seed %u: nothing was written, status %x", seed, (unsigned int)status);
	check(seed);
	if (!ended) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		check(seed);
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int seed;
	int none = 0, count;

	if (argc != 4)
		errx(99, "usage: scribbler SEED COUNT FILE");
	path = argv[3];
	if (strcmp(argv[1], "--one") == 0)
		return be_program((unsigned int)atoi(argv[2]));
	seed = (unsigned int)atoi(argv[1]);
	count = atoi(argv[2]);
	for (int i = 0; i < count; i++)
		none += try(argv, seed + (unsigned int)i) == 77;
	unlink(path);
	printf("%d tries, %d of them without a guardian\n", count, none);
	return none == count ? 77 : 0;
}

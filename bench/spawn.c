/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn COUNT PROGRAM: starts PROGRAM, without arguments, COUNT times in batches of 50, each after the end of the one
 * before, and prints microseconds per process: the median of the batches.
 */
#include "bench.h"

#include <spawn.h>
#include <sys/wait.h>

#define BATCH 50

extern char **environ;

static void run(char *program)
{
	char *arguments[] = {program, NULL};
	int status;
	pid_t pid;

	errno = posix_spawn(&pid, program, NULL, NULL, arguments, environ);
	if (errno)
		err(1, "%s", program);
	if (waitpid(pid, &status, 0) < 0)
		err(1, "waitpid");
	if (status)
		errx(1, "%s has failed", program);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double *batches;
	long count;

	if (argc != 3)
		errx(2, "usage: spawn COUNT PROGRAM");
	count = (positive(argv[1]) + BATCH - 1) / BATCH;
	batches = calloc((size_t)count, sizeof(*batches));
	if (!batches)
		err(1, "calloc");
	for (long i = 0; i < count; i++) {
		double started = now();

		for (int j = 0; j < BATCH; j++)
			run(argv[2]);
		batches[i] = (now() - started) / BATCH * 1e6;
	}
	qsort(batches, (size_t)count, sizeof(*batches), compare);
	printf("%.2f\n", batches[count / 2]);
	free(batches);
	return 0;
}

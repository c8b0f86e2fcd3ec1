/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn COUNT PROGRAM: for each line that it reads, starts PROGRAM, without arguments, COUNT times, each after the end
 * of the one before; then prints an empty line.
 */
#include "bench.h"

#include <spawn.h>
#include <sys/wait.h>

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

int main(int argc, char **argv)
{
	char line[16];
	long count;

	if (argc != 3)
		errx(2, "usage: spawn COUNT PROGRAM");
	count = positive(argv[1]);
	while (fgets(line, sizeof(line), stdin)) {
		for (long i = 0; i < count; i++)
			run(argv[2]);
		puts("");
		fflush(stdout);
	}
	return 0;
}

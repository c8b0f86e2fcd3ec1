/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inherited [STAGE FILE]: matching files that the program finds open when it starts, from a parent
 * without the library, and from one that had them extended. They aren't managed.
 */
#include "transcript.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Where the transcript goes to while descriptor 1 is a file. */
#define ASIDE 30
#define OTHER 7

static char bytes[5000];

static void become(const char *stage, const char *name)
{
	execl("/proc/self/exe", "inherited", stage, name, NULL);
	err(99, "exec");
}

static void wait_for(pid_t child)
{
	int status;

	CALL(waitpid(child, &status, 0) == child);
	CALL(status);
}

/* No preload here: opens files as a shell does, and becomes a program with one. */
static void without_library(const char *name, int flags)
{
	char other[64];
	int fd = open(name, O_RDWR | O_CREAT | flags, 0640);

	snprintf(other, sizeof(other), "9-%s", name);
	dup2(STDOUT_FILENO, ASIDE);
	write(fd, bytes, 3000);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	close(fd);
	fd = open(other, O_RDWR | O_CREAT | flags, 0640);
	dup2(fd, OTHER);
	if (fd != OTHER)
		close(fd);
	write(OTHER, bytes, 3000);
	if (getenv("PRELOAD_LATER"))
		setenv("LD_PRELOAD", getenv("PRELOAD_LATER"), 1);
	become("use", name);
}

static void use(const char *name)
{
	long long results[12];
	int at = 0;

	results[at++] = write(0, bytes, 700);
	results[at++] = printf("to stdout %d\n", 1);
	results[at++] = fflush(stdout);
	results[at++] = fprintf(stderr, "to stderr\n");
	results[at++] = dprintf(1, "directly\n");
	for (int i = 0; i < 5; i++)
		results[at++] = write(1, bytes, 1000);
	results[at++] = real_size(1);
	dup2(ASIDE, 1);
	close(ASIDE);
	for (int i = 0; i < at; i++)
		say("%lld\n", results[i]);
	state(0);
	state(2);
	for (int i = 0; i < 5; i++)
		CALL(write(OTHER, bytes, 1000));
	CALL(real_size(OTHER));
	state(OTHER);
	/* Opened once more it is managed; the other description is found out about. */
	at = (int)CALL(open(name, O_RDWR | O_APPEND));
	append(at);
	CALL(write(0, bytes, 10));
	CALL(real_size(at));
	state(at);
	CALL(close(at));
	append(2);
	CALL(ftruncate(OTHER, 1000));
	append(OTHER);
	state(OTHER);
}

static void from_plain_parent(int flags)
{
	pid_t child;

	section("plain");
	child = fork();
	if (child == 0) {
		const char *preload = getenv("LD_PRELOAD");

		if (preload)
			setenv("PRELOAD_LATER", preload, 1);
		unsetenv("LD_PRELOAD");
		become(flags ? "append" : "write", file);
	}
	wait_for(child);
	state_of(file);
}

static void use_extended(const char *name)
{
	struct stat st;

	for (int i = 0; i < 3; i++)
		append(OTHER);
	state(OTHER);
	CALL(fstat(OTHER, &st));
	CALL(real_size(OTHER) == st.st_size);
	state_of(name);
}

/* Extended when it was passed on; the parent goes on when the child is gone. */
static void from_managed_parent(int flags)
{
	int fd = start("managed", O_RDWR | flags);
	pid_t child = fork();

	if (child == 0) {
		dup2(fd, OTHER);
		append(OTHER);
		become("extended", file);
	}
	wait_for(child);
	state(fd);
	append(fd);
	finish(fd);
}

/* The very process that extended it becomes another program. */
static void by_exec(int flags)
{
	pid_t child;

	section("exec");
	child = fork();
	if (child == 0) {
		int fd = open(file, O_RDWR | O_CREAT | flags, 0640);

		write(fd, bytes, 3000);
		write(fd, bytes, 3000);
		EXTENDED(fd);
		dup2(fd, OTHER);
		write(fd, bytes, 3000);
		EXTENDED(fd);
		become("extended", file);
	}
	wait_for(child);
	state_of(file);
}

void transcript(int argc, char **argv)
{
	fill(bytes, sizeof(bytes), 1);
	if (argc == 3 && strcmp(argv[1], "use") == 0)
		return use(argv[2]);
	if (argc == 3 && strcmp(argv[1], "extended") == 0)
		return use_extended(argv[2]);
	if (argc == 3)
		without_library(argv[2], strcmp(argv[1], "append") == 0 ? O_APPEND : 0);
	from_plain_parent(0);
	from_plain_parent(O_APPEND);
	from_managed_parent(0);
	from_managed_parent(O_APPEND);
	by_exec(0);
	by_exec(O_APPEND);
}

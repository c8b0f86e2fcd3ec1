/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways for a program to end with an extended file open:
 *
 *	ending return|exit|_exit|_Exit|quick_exit|at_quick_exit|atexit|pthread_exit|thread_exit|
 *	       exec|stream|abort|kill|close-all
 *
 * The driver looks at the file; it must be what the program made it, at once.
 */
#include "transcript.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int fd;

static void write_more(void)
{
	write(fd, "at exit\n", 8);
	write(fd, "and more\n", 9);
}

static void *exit_from_thread(void *argument)
{
	write(fd, "thread\n", 7);
	if (argument)
		exit(7);
	/* main has gone. */
	usleep(50000);
	write(fd, "after main\n", 11);
	EXTENDED(fd);
	return NULL;
}

static void end(const char *how)
{
	pthread_t thread;

	if (!strcmp(how, "return"))
		return;
	if (!strcmp(how, "exit"))
		exit(3);
	if (!strcmp(how, "_exit"))
		_exit(4);
	if (!strcmp(how, "_Exit"))
		_Exit(5);
	if (!strcmp(how, "quick_exit"))
		quick_exit(6);
	if (!strcmp(how, "at_quick_exit")) {
		at_quick_exit(write_more);
		quick_exit(6);
	}
	if (!strcmp(how, "atexit")) {
		atexit(write_more);
		exit(8);
	}
	if (!strcmp(how, "pthread_exit")) {
		pthread_create(&thread, NULL, exit_from_thread, NULL);
		pthread_exit(NULL);
	}
	if (!strcmp(how, "thread_exit")) {
		pthread_create(&thread, NULL, exit_from_thread, &fd);
		pthread_join(thread, NULL);
	}
	if (!strcmp(how, "exec"))
		execlp("sh", "sh", "-c", "stat -c %s *.dat; tail -c 3 *.dat | od -c", NULL);
	if (!strcmp(how, "stream")) {
		fputs("in a buffer", fdopen(fd, "a"));
		exit(9);
	}
	if (!strcmp(how, "close-all")) {
		for (int i = 3; i < 1024; i++)
			close(i);
		return;
	}
	if (!strcmp(how, "abort")) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		abort();
	}
	if (!strcmp(how, "kill"))
		raise(SIGKILL);
	_exit(97);
}

void transcript(int argc, char **argv)
{
	fd = start("ending", O_RDWR | O_APPEND);
	append(fd);
	EXTENDED(fd);
	state(fd);
	end(argc > 1 ? argv[1] : "return");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A signal handler comes in the middle of an append, before the system call (libinterrupt.so) or behind
 * it (SIGXFSZ), to a file that isn't extended, nor is going to be by this append; and does what makes
 * another of it: syncs and appends until it would be extended, closes it and opens another, forks, leaves
 * by a jump.
 */
#include "interrupt.h"
#include "transcript.h"

#include <err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LIMIT 20000

static char bytes[30000];
static int fd;
static volatile int signals;
static sigjmp_buf before;
static void (*in_handler)(void);

static void limit_to(rlim_t size)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static void handle(int signal)
{
	(void)signal;
	signals++;
	limit_to(RLIM_INFINITY);
	in_handler();
}

static void sync_and_append(void)
{
	for (int i = 0; i < 20; i++) {
		CALL(write(fd, bytes + 100 * i, 100));
		CALL(fdatasync(fd));
	}
	state(fd);
}

/* No rule matches it before the call: that is made on it then, and not by us. */
static const char *other;

static void close_and_open(void)
{
	CALL(close(fd));
	fd = (int)CALL(open(other, O_RDWR | O_CREAT | O_TRUNC, 0640));
	CALL(write(fd, bytes, 300));
	state(fd);
}

static void fork_and_append(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 8; i++)
			if (write(fd, bytes, 50) != 50 || fdatasync(fd) < 0)
				_exit(1);
		_exit(0);
	}
	CALL(waitpid(pid, &status, 0) == pid);
	CALL(status);
	state(fd);
}

static void jump(void)
{
	siglongjmp(before, 1);
}

static void begin(const char *name, int flags)
{
	section(name);
	fd = (int)CALL(open(file, O_RDWR | O_CREAT | flags, 0640));
	CALL(write(fd, bytes, 10000));
}

/* It can be extended as before. */
static void end(bool is_managed)
{
	state(fd);
	sync_and_append();
	CALL(ftruncate(fd, 12345));
	CALL(lseek(fd, 0, SEEK_END));
	sync_and_append();
	if (getenv("TRANSCRIPT_EXTENDED_BY_SYNCS") && is_managed && real_size(fd) <= lseek(fd, 0, SEEK_END))
		errx(98, "%s: isn't extended", file);
	finish(fd);
}

static void before_call(const char *name, void (*handler)(void), int flags, bool positioned)
{
	begin(name, flags);
	other = "other.txt";
	if (sigsetjmp(before, 1) == 0) {
		interrupt = handler;
		if (positioned)
			CALL(pwrite(fd, bytes, 700, 10000));
		else
			CALL(write(fd, bytes, 700));
	}
	CALL(interrupt == NULL);
	end(handler != close_and_open);
}

static void behind_call(const char *name, void (*handler)(void), int flags, bool positioned)
{
	begin(name, flags);
	other = "other.dat";
	in_handler = handler;
	signals = 0;
	limit_to(LIMIT);
	/* Short first, then not at all. */
	for (int i = 0; i < 2 && signals == 0; i++) {
		if (sigsetjmp(before, 1) == 0) {
			if (positioned)
				CALL(pwrite(fd, bytes, 15000, i == 0 ? 10000 : LIMIT));
			else
				CALL(write(fd, bytes, 15000));
		}
	}
	limit_to(RLIM_INFINITY);
	CALL(signals);
	end(true);
}

void transcript(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*handler)(void);
	} handlers[] = {
		{"sync", sync_and_append}, {"open", close_and_open}, {"fork", fork_and_append}, {"jump", jump},
	};

	(void)argc;
	(void)argv;
	fill(bytes, sizeof(bytes), 7);
	signal(SIGXFSZ, handle);
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		before_call(handlers[i].name, handlers[i].handler, 0, false);
		before_call(handlers[i].name, handlers[i].handler, O_APPEND, false);
		before_call(handlers[i].name, handlers[i].handler, 0, true);
		behind_call(handlers[i].name, handlers[i].handler, 0, false);
		behind_call(handlers[i].name, handlers[i].handler, O_APPEND, false);
		behind_call(handlers[i].name, handlers[i].handler, 0, true);
	}
}

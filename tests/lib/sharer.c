/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sharer WAY APPENDER ACKNOWLEDGED FILE
 *
 * Appends to FILE as writer 0, while somebody else appends through the same open file description
 * as writer 1: WAY is fork, vfork, posix_spawn, system, popen, daemon or alarm (a signal handler).
 * Prints whether the file was extended before, and again when the other was gone.
 */
#include "observer.h"
#include "paced.h"
#include "records.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST 200
#define TOGETHER 300
#define LAST 200

extern char **environ;

static int fd;
static struct acknowledged *ack;
static char *command[12];
static char command_line[4096];

static void append(unsigned w, unsigned count, useconds_t pause)
{
	struct writer *writer = &ack->writers[w];
	char record[512];

	while (count--) {
		size_t length = record_length(ack, w, writer->records);

		record_make(record, length, w, writer->records);
		if (write(fd, record, length) != (ssize_t)length)
			err(98, "writer %u", w);
		writer->bytes += length;
		writer->records++;
		if (pause)
			usleep(pause);
	}
}

static void share_by_fork(void)
{
	pid_t child = fork();

	if (child == 0) {
		append(1, TOGETHER, 100);
		_exit(0);
	}
	append(0, TOGETHER, 100);
	waitpid(child, NULL, 0);
}

static void share_by_vfork(void)
{
	pid_t child = vfork();

	if (child == 0) {
		execv(command[0], command);
		_exit(127);
	}
	append(0, TOGETHER, 100);
	waitpid(child, NULL, 0);
}

static void share_by_posix_spawn(void)
{
	pid_t child;

	if (posix_spawn(&child, command[0], NULL, NULL, command, environ))
		errx(98, "posix_spawn");
	append(0, TOGETHER, 100);
	waitpid(child, NULL, 0);
}

static void share_by_system(void)
{
	if (system(command_line) != 0)
		errx(98, "system");
	append(0, TOGETHER, 0);
}

static void share_by_popen(void)
{
	FILE *child = popen(command_line, "w");

	append(0, TOGETHER, 100);
	if (pclose(child) != 0)
		errx(98, "pclose");
}

/* The parent goes first; who started us sees our stdout closed when the daemon is done too. */
static void share_with_daemon(void)
{
	pid_t child = fork();

	if (child == 0) {
		setsid();
		if (fork() == 0) {
			append(1, TOGETHER, 1000);
			exit(0);
		}
		_exit(0);
	}
	waitpid(child, NULL, 0);
	append(0, TOGETHER, 100);
}

static char prepared[TOGETHER][512];

static void append_from_handler(int signal_number)
{
	struct writer *writer = &ack->writers[1];
	size_t length;

	(void)signal_number;
	paced_handled();
	if (writer->records >= TOGETHER)
		return;
	length = record_length(ack, 1, writer->records);
	if (write(fd, prepared[writer->records], length) != (ssize_t)length)
		_exit(98);
	writer->bytes += length;
	writer->records++;
}

static void share_with_handler(void)
{
	struct sigaction action = { .sa_handler = append_from_handler, .sa_flags = SA_RESTART };

	for (unsigned i = 0; i < TOGETHER; i++)
		record_make(prepared[i], record_length(ack, 1, i), 1, i);
	sigaction(SIGALRM, &action, NULL);
	while (ack->writers[1].records < TOGETHER) {
		paced_set(1400);
		append(0, 1, 0);
	}
	paced_end();
}

static const struct {
	const char *name;
	void (*share)(void);
} ways[] = {
	{ "fork", share_by_fork },
	{ "vfork", share_by_vfork },
	{ "posix_spawn", share_by_posix_spawn },
	{ "system", share_by_system },
	{ "popen", share_by_popen },
	{ "daemon", share_with_daemon },
	{ "alarm", share_with_handler },
};

static int is_extended(void)
{
	return observer_size() > (off_t)acknowledged_bytes(ack);
}

int main(int argc, char **argv)
{
	char number[16], count[16];
	const char *before;

	if (argc != 5)
		errx(99, "usage: sharer WAY APPENDER ACKNOWLEDGED FILE");
	observer_start(argv[4]);
	ack = acknowledged_map(argv[3]);
	ack->shortest = 50;
	ack->longest = 400;
	fd = open(argv[4], O_RDWR | O_CREAT, 0666);
	if (fd < 0)
		err(98, "%s", argv[4]);
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(count, sizeof(count), "%d", TOGETHER);
	memcpy(command, (char *[]){ argv[2], "-s", "50-400", "-w", "1", "-n", count, "-F", number,
				    argv[3], argv[4], NULL }, sizeof(command));
	snprintf(command_line, sizeof(command_line), "%s -s 50-400 -w 1 -n %s -F %s '%s' '%s'",
		 argv[2], count, number, argv[3], argv[4]);

	append(0, FIRST, 0);
	before = is_extended() ? "extended" : "exact";
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!strcmp(argv[1], ways[i].name))
			ways[i].share();
	}
	append(0, LAST, 0);
	/* That nobody else is left is learnt by and by: two seconds at most. */
	for (int i = 0; i < 100 && !is_extended(); i++)
		append(0, 1, 20000);
	printf("%s before, %s after\n", before,
	       is_extended() ? "extended" : "exact");
	observer_stop();
	return close(fd);
}

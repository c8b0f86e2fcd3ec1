/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * killer [-n ROUNDS] [-s SIGNAL] [-f FILES] -w signal:N|exit:N ACKNOWLEDGED FILE COMMAND...
 *
 * Starts COMMAND, an appender to FILE (or, with its own -f, to FILE.0 ...), over and over; kills it with SIGNAL (0: it dies by itself)
 * at a random moment while it appends, and reads FILE at once: before it is waited for, and right
 * after. Prints how often the file was longer than what was written when death came.
 */
#include "records.h"

#include <err.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "paced.h"

static void wait_for_appends(const struct acknowledged *ack, pid_t pid)
{
	siginfo_t ended = { 0 };

	for (unsigned int i = 0; i < patience(20) * 5000; i++) {
		if (acknowledged_bytes(ack))
			return;
		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    ended.si_pid == pid)
			errx(98, "it ended before it appended: %d", ended.si_status);
		usleep(200);
	}
	kill(pid, SIGKILL);
	errx(98, "nothing was appended in %u s", patience(20));
}

static void name_file(char *name, const char *path, unsigned files, unsigned i)
{
	if (files)
		snprintf(name, PATH_MAX, "%s.%u", path, i);
	else
		snprintf(name, PATH_MAX, "%s", path);
}

static int is_longer(const char *path, unsigned files, const struct acknowledged *ack)
{
	char name[PATH_MAX];
	uint64_t real = 0;
	struct stat st;
	unsigned i = 0;

	do {
		name_file(name, path, files, i);
		real += stat(name, &st) < 0 ? 0 : (uint64_t)st.st_size;
	} while (++i < files);
	/* Appends go on between the two looks: generous. */
	return real > acknowledged_bytes(ack) + 256 * 1024;
}

static void remove_files(const char *path, unsigned files)
{
	char name[PATH_MAX];
	unsigned i = 0;

	do {
		name_file(name, path, files, i);
		unlink(name);
	} while (++i < files);
}

static int ended_as(int status, const char *expected)
{
	char how[32];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal:%d", WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "exit:%d", WEXITSTATUS(status));
	if (!strcmp(how, expected))
		return 1;
	fprintf(stderr, "ended with %s instead of %s\n", how, expected);
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = 20, signal_number = SIGKILL, option, longer = 0, wrong = 0;
	const char *expected = NULL, *path;
	unsigned files = 0;
	struct acknowledged *ack;

	while ((option = getopt(argc, argv, "+n:s:f:w:")) != -1) {
		switch (option) {
		case 'n': rounds = atoi(optarg); break;
		case 's': signal_number = atoi(optarg); break;
		case 'f': files = (unsigned)atoi(optarg); break;
		case 'w': expected = optarg; break;
		default: return 99;
		}
	}
	if (argc - optind < 3 || !expected)
		errx(99, "usage: killer -w signal:N|exit:N ACKNOWLEDGED FILE COMMAND...");
	ack = acknowledged_map(argv[optind]);
	path = argv[optind + 1];
	srand((unsigned)time(NULL));

	for (int round = 1; round <= rounds && !wrong; round++) {
		int status;
		pid_t pid;

		remove_files(path, files);
		memset(ack, 0, sizeof(*ack));
		pid = fork();
		if (pid == 0) {
			/* Ignored where we come from: a shell's background. */
			if (signal_number)
				signal(signal_number, SIG_DFL);
			execvp(argv[optind + 2], argv + optind + 2);
			err(127, "%s", argv[optind + 2]);
		}
		wait_for_appends(ack, pid);
		usleep((useconds_t)(rand() % 15000));
		longer += is_longer(path, files, ack);
		if (signal_number) {
			kill(pid, signal_number);
			wrong |= files_verify(path, files, ack, ack, WRITE_IN_FLIGHT);
		}
		waitpid(pid, &status, 0);
		wrong |= files_verify(path, files, ack, ack, WRITE_IN_FLIGHT);
		wrong |= !ended_as(status, expected);
		if (wrong)
			fprintf(stderr, "in round %d of %d\n", round, rounds);
	}
	printf("extended %d of %d\n", longer, rounds);
	return wrong;
}

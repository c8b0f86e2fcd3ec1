/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command/bench.h"
#include "command/command.h"
#include "command/library.h"
#include "command/progress.h"

/* What a worker is started in, and how it ended. */
struct child {
	pid_t pid;
	int output;			/* the pipe's end to read */
	int status;			/* as waitpid(2) gives it */
};

static sigset_t held;			/* and waited for */
static sigset_t before;

void bench_hold_signals(void)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction action;

	sigemptyset(&held);
	sigaddset(&held, SIGCHLD);
	/* An ignored signal (nohup, a shell's background job) would be queued once it is blocked. */
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&held, ending[i]);
	}
	/* Ignored, it would take the worker's status away. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &held, &before);
}

void bench_release_signals(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Nothing but our library, and nothing but our rule: not what this process was started in. */
static int set_environment(const struct bench *bench, enum bench_way way)
{
	char rule[64];

	snprintf(rule, sizeof(rule), "%s mode=%s", strrchr(bench->path, '/') + 1, bench_way_names[way]);
	if (unsetenv("LD_PRELOAD") || unsetenv("PREALLOCATE_RULES") || unsetenv("PREALLOCATE_REPORT") ||
	    setenv("PREALLOCATE_CONFIG", "", 1) || setenv("PREALLOCATE_LOG", "error", 1) ||
	    (way != BENCH_PLAIN && setenv("PREALLOCATE_RULES", rule, 1))) {
		complain("the environment can't be set: %s", strerror(errno));
		return STATUS_TROUBLE;
	}
	return way == BENCH_PLAIN ? 0 : library_preload();
}

/* In a process group of its own: what is typed at the terminal is for us, and we end it. */
static int spawn(struct child *child, char **argv, int output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error = posix_spawn_file_actions_init(&actions);

	if (error)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (!error) {
		posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
		posix_spawnattr_setsigmask(&attributes, &before);
		posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
		error = posix_spawn(&child->pid, "/proc/self/exe", &actions, &attributes, argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static int start(const struct bench *bench, int size, enum bench_way way, struct child *child)
{
	char bytes[16], seconds[32];
	char *argv[] = { "preallocate", "bench", "--worker", bytes, seconds, bench->path, NULL };
	int status = set_environment(bench, way);
	int ends[2];
	int error;

	if (status)
		return status;
	snprintf(bytes, sizeof(bytes), "%d", bench_record_bytes[size]);
	snprintf(seconds, sizeof(seconds), "%.6f", bench->seconds);
	/* Nobody waits for its end: a guardian that outlives the worker may have it, too. */
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		complain("no pipe to be had: %s", strerror(errno));
		return STATUS_TROUBLE;
	}
	error = spawn(child, argv, ends[1]);
	close(ends[1]);
	child->output = ends[0];
	if (!error)
		return 0;
	close(ends[0]);
	complain("/proc/self/exe: can't be started: %s", strerror(error));
	return STATUS_TROUBLE;
}

static void show_progress(const struct bench *bench, int size, enum bench_way way)
{
	double each = (double)(bench_now() - bench->started) / 1e9 / (bench->done + 0.5);
	int left = BENCH_ROUNDS * BENCH_SIZES * BENCH_WAYS - bench->done;

	if (progress_is_due())
		progress_show("round %d of %d: %s, %s; about %.0f s left", bench->round + 1, BENCH_ROUNDS,
			      bench_record_names[size], bench_way_names[way], each * left);
}

/* 0, or minus the signal that was to end us. */
static int wait_for(struct child *child, const struct bench *bench, int size, enum bench_way way)
{
	static const struct timespec tick = { .tv_nsec = 100000000 };
	int caught = 0;
	int signal_number;

	while (waitpid(child->pid, &child->status, WNOHANG) == 0) {
		show_progress(bench, size, way);
		signal_number = sigtimedwait(&held, NULL, &tick);
		if (signal_number <= 0 || signal_number == SIGCHLD)
			continue;
		caught = signal_number;
		kill(child->pid, SIGKILL);
	}
	return -caught;
}

static int explain(const struct bench *bench, const char *step, int error)
{
	if (error == ENOSPC || error == EDQUOT)
		complain("%s: the benchmark needs about %" PRId64 " MiB: %s; name a directory with more",
			 bench->directory, bench->needed >> 20, strerror(error));
	else
		complain("%s: a file there can't be %s: %s; name a directory on another disk",
			 bench->directory, !strcmp(step, "make")	? "made"
					   : !strcmp(step, "write") ? "written to"
								    : "synced",
			 strerror(error));
	return STATUS_FAILED;
}

static int note(struct bench *bench, struct bench_cell *cell, enum bench_way way,
		const struct child *child)
{
	char line[256] = "", step[8];
	int64_t records, duration, extended, kept;
	int error, loaded;

	if (read(child->output, line, sizeof(line) - 1) <= 0 ||
	    sscanf(line, "%7s %d %" SCNd64 " %" SCNd64 " %d %" SCNd64 " %" SCNd64, step, &error, &records,
		   &duration, &loaded, &extended, &kept) != 7) {
		complain("a worker was ended by somebody else: %s",
			 WIFSIGNALED(child->status) ? strsignal(WTERMSIG(child->status)) : "it failed");
		return STATUS_TROUBLE;
	}
	if (error)
		return explain(bench, step, error);
	if (way != BENCH_PLAIN && !loaded) {
		complain("the library can't be loaded into a program; see what ld.so says above");
		return STATUS_TROUBLE;
	}
	cell->rounds[bench->round] = (double)records / ((double)(duration > 0 ? duration : 1) / 1e9);
	cell->extended_bytes += extended;
	cell->kept_bytes += kept;
	return 0;
}

int bench_run_worker(struct bench *bench, int size, enum bench_way way)
{
	struct child child = { 0 };
	int status = start(bench, size, way, &child);

	if (status)
		return status;
	status = wait_for(&child, bench, size, way);
	if (!status) {
		status = note(bench, &bench->cells[size][way], way, &child);
		bench->done++;
	}
	close(child.output);
	return status;
}

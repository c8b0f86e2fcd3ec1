/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * differ [options] DIRECTORY: random sequences of calls on a plain and on a managed file in the
 * directory, with the same answers.
 *
 *	-m, --mode zero|write|keep|auto|plain	plain: without the library, which proves the machine itself
 *	-s, --seed N			of the first sequence; the next has the next number
 *	-n, --operations N		stop when so many are done
 *	-k, --sequences N
 *	-t, --seconds N
 *	-x, --doors			syscall(2) too
 *	-l, --library FILE
 *	-p, --least PERCENT		of the operations must find the file extended; of the files
 *					must have blocks past the end (mode keep)
 *
 * Exit status 0: no difference, 1: a difference, which is printed as a short sequence of calls.
 */
#include "differ.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Longer than lease-break-time, after which the kernel lets a challenger go on by itself. */
#define HANG_S 100

/* To find a short sequence in: then the one that there is has to do. */
#define SHRINK_S 300

static struct {
	char *program;
	const char *mode, *directory;
	char library[4096];
	uint64_t seed, operations, sequences;
	int seconds, least;
	bool doors, replays;
	struct shared *shared;
	int memory;
} the = {.mode = "zero", .operations = UINT64_MAX, .sequences = UINT64_MAX, .seconds = 1 << 30,
	 .least = 20};

static void set_environment(void)
{
	static const char *const options[RULES] = {
		"prealloc-size=4k prealloc-align=4k idle=10s",
		"prealloc-size=64k prealloc-align=4k idle=10s",
		"prealloc-size=1M prealloc-align=64k idle=10s",
		"idle=10s",
		"prealloc-size=64k prealloc-align=512 idle=10s",
		"prealloc-size=64k prealloc-align=4k idle=1ms",
	};
	char rules[2000];
	int length = 0;

	for (int i = 0; i < RULES; i++)
		length += snprintf(rules + length, sizeof(rules) - (size_t)length,
				   "*.d%d mode=%s %s;", i, the.mode, options[i]);
	setenv("PREALLOCATE_CONFIG", "/dev/null", 1);
	setenv("PREALLOCATE_RULES", rules, 1);
	setenv("PREALLOCATE_LOG", "error", 0);
	setenv("LD_PRELOAD", the.library, 1);
}

static pid_t start_worker(int *outside)
{
	char numbers[7][24];
	char *argv[] = {the.program, (char *)"--worker", numbers[0], numbers[1], numbers[2],
			numbers[3], numbers[4], numbers[5], numbers[6], NULL};
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		err(99, "socketpair");
	snprintf(numbers[0], 24, "%d", ends[1]);
	snprintf(numbers[1], 24, "%d", the.memory);
	snprintf(numbers[2], 24, "%llu", (unsigned long long)the.seed);
	snprintf(numbers[3], 24, "%llu", (unsigned long long)the.operations);
	snprintf(numbers[4], 24, "%llu", (unsigned long long)the.sequences);
	snprintf(numbers[5], 24, "%d", the.seconds);
	snprintf(numbers[6], 24, "%d", the.doors);
	if (the.replays)
		strcpy(numbers[2], "replay");
	pid = fork();
	if (pid < 0)
		err(99, "fork");
	if (pid == 0) {
		close(ends[0]);
		if (chdir(the.directory) < 0)
			err(99, "%s", the.directory);
		if (strcmp(the.mode, "plain"))
			set_environment();
		execv("/proc/self/exe", argv);
		err(99, "/proc/self/exe");
	}
	close(ends[1]);
	*outside = ends[0];
	return pid;
}

static void show_progress(void)
{
	const struct statistics *s = &the.shared->statistics;

	if (the.replays || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%llu operations in %llu sequences, %llu %% extended ",
		(unsigned long long)s->operations, (unsigned long long)s->sequences,
		(unsigned long long)(s->operations ? s->extended * 100 / s->operations : 0));
}

/* Answers the worker until it closes the socket or does nothing any more. False: it hangs. */
static bool attend(int outside)
{
	uint64_t last = UINT64_MAX;
	int quiet = 0;

	for (;;) {
		struct pollfd wait = {.fd = outside, .events = POLLIN};
		struct answered answers[SIDES];
		struct asked asked;

		if (poll(&wait, 1, 1000) == 0) {
			show_progress();
			quiet = the.shared->statistics.operations == last ? quiet + 1 : 0;
			last = the.shared->statistics.operations;
			if (quiet > HANG_S)
				return false;
			continue;
		}
		if (recv(outside, &asked, sizeof(asked), 0) != (ssize_t)sizeof(asked))
			return true;
		outside_answer(&asked, answers);
		send(outside, answers, sizeof(answers), MSG_NOSIGNAL);
	}
}

/* True: no difference. What was found stands in the shared memory. */
static bool run_worker(void)
{
	struct shared *shared = the.shared;
	int outside, status;
	pid_t pid = start_worker(&outside);
	bool hangs = !attend(outside);

	if (hangs)
		kill(pid, SIGKILL);
	close(outside);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(99, "waitpid");
	outside_forget();
	if (!hangs && WIFEXITED(status) && WEXITSTATUS(status) == 99)
		exit(99);
	if (!hangs && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (!shared->differs)
		snprintf(shared->difference, sizeof(shared->difference),
			 hangs ? "it hangs" : "the process ended with status %#x",
			 (unsigned int)status);
	shared->differs = true;
	return false;
}

static bool replay_differs(void *context, struct shared *candidate)
{
	(void)context;
	*the.shared = *candidate;
	the.shared->differs = false;
	the.shared->difference[0] = '\0';
	if (run_worker())
		return false;
	*candidate = *the.shared;
	return true;
}

static void report(void)
{
	static struct shared found;
	struct search search = {.differs = replay_differs, .tries = 1, .until_s = monotonic_s() + SHRINK_S};
	unsigned int again = 0, replays = 0;

	found = *the.shared;
	printf("# seed %llu, mode %s, rule *.d%u: %s, in operation %u of %u\n",
	       (unsigned long long)found.seed, the.mode, found.rule, found.difference,
	       found.current + 1, found.count);
	fflush(stdout);
	the.replays = true;
	do {
		static struct shared copy;

		copy = found;
		again += replay_differs(NULL, &copy);
	} while (++replays < 5 && monotonic_s() < search.until_s);
	printf("# differs in %u of %u replays\n", again, replays);
	if (again == 0) {
		print_sequence(stdout, &found);
		return;
	}
	search.tries = again == replays ? 1 : 15 / again;
	shrink(&search, &found);
	print_sequence(stdout, &found);
	printf("# %s\n", found.difference);
}

/*
 * By more than chance: the sequences' shares have a standard deviation of about 33 percent, so that of n
 * of them has 33 / sqrt(n). A slow machine doesn't come to many.
 */
static bool is_too_few(uint64_t count, uint64_t of)
{
	double sequences = (double)the.shared->statistics.sequences;
	double missing = the.least - (of ? 100.0 * (double)count / (double)of : 0);

	return missing > 0 && missing * missing * sequences > 3 * 33 * 3 * 33;
}

static bool tested_something(void)
{
	const struct statistics *s = &the.shared->statistics;

	if (strcmp(the.mode, "keep") && strcmp(the.mode, "plain") &&
	    is_too_few(s->extended, s->operations)) {
		printf("# fewer than %d %% of the operations found the file extended\n", the.least);
		return false;
	}
	if (!strcmp(the.mode, "keep") && is_too_few(s->kept_sequences, s->sequences)) {
		printf("# fewer than %d %% of the files had blocks past the end\n", the.least);
		return false;
	}
	return true;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"mode", 1, NULL, 'm'},	     {"seed", 1, NULL, 's'},	{"operations", 1, NULL, 'n'},
		{"sequences", 1, NULL, 'k'}, {"seconds", 1, NULL, 't'}, {"doors", 0, NULL, 'x'},
		{"library", 1, NULL, 'l'},   {"least", 1, NULL, 'p'},	{NULL, 0, NULL, 0},
	};
	const char *build = getenv("PREALLOCATE_BUILDDIR");
	char library[4096];
	int option;

	snprintf(library, sizeof(library), "%s/.libs/libpreallocate.so", build ? build : ".");
	if (getrandom(&the.seed, sizeof(the.seed), 0) < 0)
		err(99, "getrandom");
	the.seed >>= 24;
	while ((option = getopt_long(argc, argv, "m:s:n:k:t:xl:p:", options, NULL)) != -1) {
		switch (option) {
		case 'm': the.mode = optarg; break;
		case 's': the.seed = strtoull(optarg, NULL, 0); break;
		case 'n': the.operations = strtoull(optarg, NULL, 0); break;
		case 'k': the.sequences = strtoull(optarg, NULL, 0); break;
		case 't': the.seconds = atoi(optarg); break;
		case 'x': the.doors = true; break;
		case 'l': snprintf(library, sizeof(library), "%s", optarg); break;
		case 'p': the.least = atoi(optarg); break;
		default: exit(99);
		}
	}
	if (argc - optind != 1)
		errx(99, "usage: differ [options] DIRECTORY");
	the.directory = argv[optind];
	if (strcmp(the.mode, "plain") && !realpath(library, the.library))
		err(99, "%s", library);
}

int main(int argc, char **argv)
{
	struct timespec started, ended;
	const struct statistics *s;
	bool same;

	if (argc > 5 - 1 && !strcmp(argv[1], "--worker"))
		return worker(atoi(argv[2]), atoi(argv[3]), argv + 4);
	parse(argc, argv);
	the.program = argv[0];
	the.memory = memfd_create("differ", 0);
	if (the.memory < 0 || ftruncate(the.memory, sizeof(*the.shared)) < 0)
		err(99, "memfd_create");
	the.shared = mmap(NULL, sizeof(*the.shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			  the.memory, 0);
	if (the.shared == MAP_FAILED || chdir(the.directory) < 0)
		err(99, "%s", the.directory);
	the.directory = ".";
	clock_gettime(CLOCK_MONOTONIC, &started);
	same = run_worker();
	clock_gettime(CLOCK_MONOTONIC, &ended);
	s = &the.shared->statistics;
	printf("%smode=%s operations=%llu sequences=%llu extended=%llu settles=%llu kept=%llu "
	       "seconds=%lld seed=%llu\n", isatty(STDERR_FILENO) ? "\r" : "", the.mode,
	       (unsigned long long)s->operations, (unsigned long long)s->sequences,
	       (unsigned long long)s->extended, (unsigned long long)s->settles,
	       (unsigned long long)s->kept_sequences, (long long)(ended.tv_sec - started.tv_sec),
	       (unsigned long long)the.seed);
	if (!same) {
		report();
		return 1;
	}
	return tested_something() ? 0 : 1;
}

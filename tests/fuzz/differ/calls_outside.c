/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A neighbour that opens the files, and a child that shares the descriptors. */
#include "differ.h"

#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of both files at once. What the neighbour found differs, or not: that is the result. */
static void run_neighbour(struct side *side, const struct operation *op, struct outcome *outcome)
{
	struct answered answers[SIDES];
	struct asked asked = {.question = op->word, .bytes = (int32_t)op->length_was};

	(void)side;
	machine.quiet = false;
	for (int i = 0; i < SIDES; i++)
		memcpy(asked.name[i], machine.side[i].name[op->name], NAME_LENGTH);
	if (send(machine.outside, &asked, sizeof(asked), 0) != (ssize_t)sizeof(asked) ||
	    recv(machine.outside, answers, sizeof(answers), 0) != (ssize_t)sizeof(answers))
		err(99, "the neighbour doesn't answer");
	outcome->result = memcmp(&answers[PLAIN], &answers[MANAGED], sizeof(answers[0])) != 0;
	if (outcome->result != 0)
		differ("seen from outside: result %lld and %lld, error %d and %d, size %lld and "
		       "%lld, mode %llo and %llo, links %lld and %lld, digest %llx and %llx",
		       (long long)answers[PLAIN].result, (long long)answers[MANAGED].result,
		       answers[PLAIN].error, answers[MANAGED].error,
		       (long long)answers[PLAIN].size, (long long)answers[MANAGED].size,
		       (unsigned long long)answers[PLAIN].mode,
		       (unsigned long long)answers[MANAGED].mode,
		       (long long)answers[PLAIN].links, (long long)answers[MANAGED].links,
		       (unsigned long long)answers[PLAIN].digest,
		       (unsigned long long)answers[MANAGED].digest);
}

/* The child makes the next few calls, in step as ever; its parent waits, and goes on behind them. */
static void run_fork(struct side *side, const struct operation *op, struct outcome *outcome)
{
	uint32_t first = machine.shared->current + 1;
	uint32_t end = first + (uint32_t)op->flags;
	int status;
	pid_t pid;

	(void)side;
	machine.quiet = false;
	if (end > machine.shared->count)
		end = machine.shared->count;
	pid = fork();
	if (pid == 0) {
		for (uint32_t i = first; i < end; i++) {
			machine.shared->current = i;
			if (!machine_run(&machine.shared->operations[i]))
				_exit(1);
		}
		_exit(0);
	}
	DO(outcome, pid < 0 ? -1 : 0);
	if (pid < 0)
		return;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(99, "waitpid");
	if (status != 0)
		differ("the child ended with status %#x", (unsigned int)status);
	machine.shared->current = end - 1;
}

static const struct call calls[] = {
	{"/* a neighbour: %w, %n, %l */",
	 WORDS("reads all", "appends", "truncates", "holds it open", "reads what it holds",
	       "tries flock"),
	 .weight = 15, .kind = NEIGHBOUR, .traits = LENGTH | ONCE | NO_DESCRIPTOR,
	 .run = run_neighbour},
	{"fork() /* the child makes the next %F calls, then _exit(0) */", .weight = 6,
	 .kind = CHILD, .traits = ONCE | NO_DESCRIPTOR, .run = run_fork},
};

FAMILY(outside_family, calls);

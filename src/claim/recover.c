/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/recover.h"

#include "base/thread.h"
#include "claim/lease.h"

#include <errno.h>
#include <signal.h>

/* Who opens the file while it is searched waits for that; the search begins anew, when he has closed it. */
#define MOST_WAITED_FOR (INT64_C(64) << 20)

struct moment {
	const struct recover_options *options;
	struct lease_moment lease;
	sigset_t blocked; /* by the caller */
	int fd;
};

/* What a process that doesn't handle it doesn't notice. */
static bool is_ignored(int signal)
{
	return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
}

static bool signal_waits(const struct moment *moment)
{
	struct sigaction action;
	sigset_t pending;

	if (sigpending(&pending) < 0)
		return false;
	for (int signal = 1; signal < NSIG; signal++) {
		if (sigismember(&pending, signal) != 1 || sigismember(&moment->blocked, signal) == 1 ||
		    is_ignored(signal) || (signal == SIGIO && !moment->lease.pending))
			continue;
		if (!moment->options->handlers_wait ||
		    (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_DFL))
			return true;
	}
	return false;
}

static bool gives_way(void *context, int64_t spent)
{
	struct moment *moment = context;

	if (moment->options->gives_way && moment->options->gives_way(moment->options->context, spent))
		return true;
	return signal_waits(moment) ||
	       (spent > MOST_WAITED_FOR && !certainty_is_whole(&moment->lease.certainty, moment->fd));
}

int claim_recover(int fd, const struct recover_options *options, struct recovery *recovery)
{
	struct moment moment = {.options = options, .fd = fd};
	int ret;

	signals_block(&moment.blocked);
	ret = lease_begin_moment(fd, &moment.lease);
	if (ret == 0) {
		struct recover_options certain = *options;

		certain.certainty = &moment.lease.certainty;
		certain.gives_way = gives_way;
		certain.context = &moment;
		ret = recover_file(fd, &certain, recovery);
		lease_end_moment(fd, &moment.lease);
	}
	signals_restore(&moment.blocked);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claim/recover.h"

#include "base/thread.h"
#include "claim/lease.h"

int claim_recover(int fd, const struct recover_options *options, struct recovery *recovery)
{
	struct lease_moment moment;
	sigset_t saved;
	int ret;

	signals_block(&saved);
	ret = lease_begin_moment(fd, &moment);
	if (ret == 0) {
		struct recover_options certain = *options;

		certain.certainty = &moment.certainty;
		ret = recover_file(fd, &certain, recovery);
		lease_end_moment(fd, &moment);
	}
	signals_restore(&saved);
	return ret;
}

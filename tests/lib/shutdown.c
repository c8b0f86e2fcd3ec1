/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shutdown DIRECTORY [ACKNOWLEDGED...]: the filesystem it is on is shut down at once, as by a power
 * loss: nothing is flushed, not even the journal (NOLOGFLUSH). Status 77 where the filesystem knows
 * no such thing.
 *
 * In the moment before it keeps what ACKNOWLEDGED says in ACKNOWLEDGED.before. On ext4 (6.18) a sync
 * that is under way when the shutdown comes may return 0 though it has failed: 10 of 607 files.
 */
#include "records.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* One number for ext4, XFS, f2fs and btrfs, which no header of libc's has. */
#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2

int main(int argc, char **argv)
{
	uint32_t flags = NO_LOG_FLUSH;
	int fd = argc >= 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct acknowledged *acks[64], *kept[64];
	char name[PATH_MAX];

	if (fd < 0 || argc > 64)
		err(99, "shutdown DIRECTORY [ACKNOWLEDGED...]");
	for (int i = 2; i < argc; i++) {
		snprintf(name, sizeof(name), "%s.before", argv[i]);
		acks[i] = acknowledged_map(argv[i]);
		kept[i] = acknowledged_map(name);
		/* No page fault in what shall be a moment. */
		memcpy(kept[i], acks[i], sizeof(*kept[i]));
	}
	for (int i = 2; i < argc; i++)
		memcpy(kept[i], acks[i], sizeof(*kept[i]));
	if (ioctl(fd, IOC_SHUTDOWN, &flags) < 0)
		err(errno == ENOTTY || errno == EOPNOTSUPP ? 77 : 1, "%s", argv[1]);
	return 0;
}

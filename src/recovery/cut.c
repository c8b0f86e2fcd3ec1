/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/cut.h"

#include "base/sys.h"

#include <errno.h>
#include <stddef.h>

int file_cut(int fd, int64_t length, struct exclusive *exclusive)
{
	do {
		if (exclusive && !exclusive->holds(exclusive))
			return -EBUSY;
		if (sys.ftruncate(fd, length) == 0)
			return 0;
	} while (errno == EINTR);
	return -errno;
}

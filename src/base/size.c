/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/size.h"

#include "base/sys.h"

#include <sys/syscall.h>

int64_t size_of(int fd)
{
	struct statx stx;
	struct stat st;

	if (sys.syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx) == 0)
		return (int64_t)stx.stx_size;
	/* Before Linux 4.11, or forbidden. */
	return sys.fstat(fd, &st) == 0 ? st.st_size : -1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libc/export.h"

EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	struct description *description = managed(fd);

	if (!description)
		return real_calls.lseek(fd, offset, whence);
	return files_lseek(description, fd, offset, whence);
}

ALIAS(lseek64, lseek);
ALIAS(__lseek, lseek);
ALIAS(llseek, lseek);

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sys.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

struct sys sys = {
	.close = close,
	.read = read,
	.mmap = mmap,
	.fcntl = fcntl,
	.ioctl = ioctl,
	.fstat = fstat,
	.statx = statx,
	.fstatat = fstatat,
	.lseek = lseek,
	.pread = pread,
	.pwritev = pwritev,
	.ftruncate = ftruncate,
	.fallocate = fallocate,
	.futimens = futimens,
	.fchmod = fchmod,
	.openat = openat,
	.fdatasync = fdatasync,
	.getxattr = getxattr,
	.fgetxattr = fgetxattr,
	.fsetxattr = fsetxattr,
	.fremovexattr = fremovexattr,
	.clone = clone,
	.sendmsg = sendmsg,
	.recv = recv,
	.poll = poll,
	.sync_file_range = sync_file_range,
	.sigtimedwait = sigtimedwait,
	.clock_nanosleep = clock_nanosleep,
	.getrandom = getrandom,
	.syscall = syscall,
};

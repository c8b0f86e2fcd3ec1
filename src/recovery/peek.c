/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/peek.h"

#include "base/sys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * A mapping raises none (fsnotify_mmap_perm of Linux 6.18 tells those alone that asked for FAN_PRE_ACCESS,
 * earlier kernels nobody). The kernel copies out of it: where the file has become shorter, or its disk fails,
 * we would get a SIGBUS.
 */
static ssize_t copy_mapped(const char *mapped, void *buffer, size_t bytes)
{
	struct iovec local = {buffer, bytes}, remote = {(void *)mapped, bytes};

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static ssize_t read_mapped(int fd, void *buffer, size_t bytes, int64_t offset)
{
	size_t before = (size_t)(offset % sysconf(_SC_PAGESIZE));
	size_t length = before + bytes;
	ssize_t got;
	char *mapped = sys.mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, offset - (int64_t)before);

	if (mapped == MAP_FAILED)
		return -1;
	/* No page behind these comes into the cache: it would count as data there. */
	madvise(mapped, length, MADV_RANDOM);
	if (length > (size_t)sysconf(_SC_PAGESIZE))
		posix_fadvise(fd, offset, (off_t)bytes, POSIX_FADV_WILLNEED);
	got = copy_mapped(mapped + before, buffer, bytes);
	munmap(mapped, length);
	return got;
}

static ssize_t read_by_call(int fd, void *buffer, size_t bytes, int64_t offset)
{
	ssize_t got;

	do
		got = sys.pread(fd, buffer, bytes, offset);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

ssize_t peek(int fd, void *buffer, size_t bytes, int64_t offset)
{
	struct stat st;
	size_t there = bytes;

	if (sys.fstat(fd, &st) == 0 && st.st_size > offset) {
		if ((int64_t)there > st.st_size - offset)
			there = (size_t)(st.st_size - offset);
		if (read_mapped(fd, buffer, there, offset) == (ssize_t)there)
			return (ssize_t)there;
	}
	/* Forbidden (seccomp), no memory, an error that read(2) has a name for, or nothing there. */
	return read_by_call(fd, buffer, bytes, offset);
}

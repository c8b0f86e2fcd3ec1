/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The calls that we interpose, and libc's cancellation points, as our own code makes them. In the library this
 * table holds the next definition of each symbol, or makes the call by number (src/libc/real.c), elsewhere libc's
 * (src/base/sys_direct.c). Tests put failing ones here.
 *
 * Below src/libc there is no other way to make them: by its own name each is our wrapper, which takes the call for
 * the program's. scripts/own-calls looks for such names in the objects, and the library isn't linked with one.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct sys {
	int (*close)(int fd);
	ssize_t (*read)(int fd, void *buffer, size_t bytes);
	void *(*mmap)(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
	int (*fcntl)(int fd, int command, ...);
	int (*ioctl)(int fd, unsigned long request, ...);
	int (*fstat)(int fd, struct stat *st);
	int (*statx)(int dirfd, const char *path, int flags, unsigned int mask, struct statx *stx);
	int (*fstatat)(int dirfd, const char *path, struct stat *st, int flags);
	off_t (*lseek)(int fd, off_t offset, int whence);
	ssize_t (*pread)(int fd, void *buffer, size_t bytes, off_t offset);
	ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, off_t offset);
	int (*ftruncate)(int fd, off_t length);
	int (*fallocate)(int fd, int mode, off_t offset, off_t bytes);
	int (*futimens)(int fd, const struct timespec times[2]);
	int (*fchmod)(int fd, mode_t mode);
	int (*openat)(int dirfd, const char *path, int flags, ...);
	int (*fdatasync)(int fd);
	ssize_t (*getxattr)(const char *path, const char *name, void *value, size_t size);
	ssize_t (*fgetxattr)(int fd, const char *name, void *value, size_t size);
	int (*fsetxattr)(int fd, const char *name, const void *value, size_t size, int flags);
	int (*fremovexattr)(int fd, const char *name);
	int (*clone)(int (*run)(void *), void *stack, int flags, void *argument, ...);
	ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
	ssize_t (*recv)(int fd, void *buffer, size_t bytes, int flags);
	int (*poll)(struct pollfd *fds, nfds_t count, int timeout_ms);
	int (*sync_file_range)(int fd, off_t offset, off_t bytes, unsigned int flags);
	int (*sigtimedwait)(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
	int (*clock_nanosleep)(clockid_t clock, int flags, const struct timespec *time, struct timespec *left);
	ssize_t (*getrandom)(void *buffer, size_t bytes, unsigned int flags);
	long (*syscall)(long number, ...);
};

extern struct sys sys __attribute__((visibility("hidden")));

#endif

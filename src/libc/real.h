/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The next definition of each symbol that we interpose: libc's, or that of another preloaded
 * library (fakeroot, a sanitizer, libfaketime) that stands behind us. One line a symbol.
 */
#ifndef LIBC_REAL_H
#define LIBC_REAL_H

#include <aio.h>
#include <fts.h>
#include <grp.h>
#include <ftw.h>
#include <execinfo.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <fcntl.h>
#include <unistd.h>
#include <utime.h>
#include <wordexp.h>

struct io_context;
struct __user_cap_header_struct;
struct __user_cap_data_struct;
struct iocb;

/* Exported by libc, declared in no header. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);
ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t bytes, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t bytes, off64_t offset, size_t room);
int __xstat(int version, const char *path, struct stat *st);
int __xstat64(int version, const char *path, struct stat64 *st);
int __lxstat(int version, const char *path, struct stat *st);
int __lxstat64(int version, const char *path, struct stat64 *st);
int __fxstat(int version, int fd, struct stat *st);
int __fxstat64(int version, int fd, struct stat64 *st);
int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags);
int __fxstatat64(int version, int dirfd, const char *path, struct stat64 *st, int flags);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list arguments);
int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments);
int __dprintf_chk(int fd, int flag, const char *format, ...);
void __longjmp_chk(struct __jmp_buf_tag environment[1], int value) __attribute__((noreturn));
int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);
int pidfd_getfd(int pidfd, int target, unsigned int flags);
int io_submit(struct io_context *context, long count, struct iocb **iocbs);
/*
 * Only what libc has: dlsym calls malloc for the message of a symbol that isn't there, and a malloc
 * that is just starting up (jemalloc reads its configuration through open) waits for itself.
 */
#define REAL_CALLS(X) \
	X(open) X(open64) X(openat) X(openat64) X(creat) X(creat64) \
	X(__open_2) X(__open64_2) X(__openat_2) X(__openat64_2) \
	X(mkstemp) X(mkstemp64) X(mkostemp) X(mkostemp64) X(mkstemps) X(mkstemps64) \
	X(mkostemps) X(mkostemps64) \
	X(close) X(close_range) X(closefrom) X(dup) X(dup2) X(dup3) X(fcntl) X(fcntl64) \
	X(__read_chk) X(__pread_chk) X(read) X(pread) X(readv) X(preadv) X(preadv2) \
	X(vdprintf) X(__vdprintf_chk) X(write) X(pwrite) X(writev) X(pwritev) X(pwritev2) \
	X(lseek) X(ftruncate) X(truncate) X(fallocate) X(posix_fallocate) \
	X(fstat) X(stat) X(lstat) X(fstatat) X(statx) \
	X(__xstat) X(__lxstat) X(__fxstat) X(__fxstatat) \
	X(fchmod) X(fchown) X(futimens) X(futimes) X(fsetxattr) X(fremovexattr) \
	X(chmod) X(lchmod) X(fchmodat) X(chown) X(lchown) X(fchownat) X(utime) X(utimes) X(lutimes) \
	X(fsync) X(fdatasync) X(sync) X(syncfs) \
	X(getxattr) X(lgetxattr) X(fgetxattr) X(listxattr) X(llistxattr) X(flistxattr) \
	X(futimesat) X(utimensat) X(setxattr) X(lsetxattr) X(removexattr) X(lremovexattr) \
	X(rename) X(renameat) X(renameat2) X(link) X(linkat) \
	X(mmap) X(ioctl) X(sendfile) X(splice) X(copy_file_range) X(sendmsg) X(sendmmsg) \
	X(aio_read) X(aio_write) X(aio_fsync) X(lio_listio) \
	X(syscall) X(prctl) X(longjmp) X(_longjmp) X(siglongjmp) X(__longjmp_chk) \
	X(fork) X(_Fork) X(clone) X(execve) X(execv) X(execvp) X(execvpe) X(fexecve) X(execveat) \
	X(posix_spawn) X(posix_spawnp) X(posix_spawn_file_actions_adddup2) \
	X(system) X(popen) X(wordexp) X(daemon) X(_exit) X(quick_exit) \
	X(setuid) X(seteuid) X(setreuid) X(setresuid) X(setgid) X(setegid) X(setregid) X(setresgid) \
	X(setfsuid) X(setfsgid) X(setgroups) X(initgroups) X(capset) X(chroot) X(unshare) X(setns) \
	X(ftw) X(nftw) X(fts_open) X(fts_read) X(fts_children) X(backtrace_symbols_fd) \
	X(fopen) X(fopen64) X(freopen) X(freopen64) X(fdopen) X(fclose) \
	X(fwrite) X(fwrite_unlocked) X(fputs) X(fputs_unlocked) X(fputc) X(putc) X(fputc_unlocked) \
	X(putc_unlocked) X(vfprintf) X(__vfprintf_chk)

/*
 * The call of a symbol that isn't in every libc, looked up at its first call, when its library is
 * there. Without it, the call fails as it would on a kernel without the feature.
 */
#define OF_LIBRARY(name, missing, ...) \
	({ \
		static __typeof__(name) *next_; \
		if (!next_) \
			next_ = (__typeof__(name) *)real_of_library(#name); \
		next_ ? next_(__VA_ARGS__) : (missing); \
	})

void *real_of_library(const char *name);

struct real {
#define X(name) __typeof__(name) *name;
	REAL_CALLS(X)
#undef X
};

#pragma GCC visibility push(hidden)
extern struct real real_calls;
#pragma GCC visibility pop

/* Gets ready to find. What is called is found at its first call. */
void real_start(void);

/*
 * Puts the symbol's next definition into *call, one of real_calls, and returns it. Async-signal-safe
 * where it stands before libc's end, as all of them do since glibc 2.34. Calls may come before our
 * constructor has run: another library's constructor writes a log.
 */
void *real_find(void *call, const char *name);

/*
 * read, pread, write, pwrite, lseek and fstat look themselves up: real_calls.read and so on may be
 * called as they are.
 */
#define REAL(name) \
	({ \
		__typeof__(name) *next_ = __atomic_load_n(&real_calls.name, __ATOMIC_RELAXED); \
		if (__builtin_expect(!next_, 0)) \
			next_ = (__typeof__(name) *)real_find(&real_calls.name, #name); \
		next_; \
	})

#endif

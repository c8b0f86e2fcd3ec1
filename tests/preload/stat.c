/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The size of an extended file, by every name that libc has for the question. */
#include "transcript.h"

#include <dlfcn.h>
#include <string.h>

/* In a stat's answer: what doesn't differ from run to run. */
static void tell(const char *how, int result, const struct stat *st)
{
	int saved_errno = errno;

	if (result < 0)
		say("%s: %s\n", how, strerrorname_np(errno));
	else
		say("%s: size %lld mode %o links %lu blksize %ld\n", how, (long long)st->st_size,
		    st->st_mode, (unsigned long)st->st_nlink, (long)st->st_blksize);
	errno = saved_errno;
}

#define STAT(call) \
	({ \
		struct stat st; \
		memset(&st, 0, sizeof(st)); \
		tell(#call, call, &st); \
	})

/* Not declared since glibc 2.33; old programs are linked against them. */
#define OLD(name, type) ((type)dlsym(RTLD_DEFAULT, name))

typedef int by_path(int version, const char *path, struct stat *st);
typedef int by_fd(int version, int fd, struct stat *st);
typedef int by_place(int version, int dirfd, const char *path, struct stat *st, int flags);

static void old_names(int fd)
{
	static const char *const paths[] = {"__xstat", "__lxstat", "__xstat64", "__lxstat64"};
	static const char *const fds[] = {"__fxstat", "__fxstat64"};
	static const char *const places[] = {"__fxstatat", "__fxstatat64"};

	for (size_t i = 0; i < 4; i++) {
		STAT(OLD(paths[i], by_path *)(1, file, &st));
		STAT(OLD(paths[i], by_path *)(1, "none.dat", &st));
	}
	for (size_t i = 0; i < 2; i++) {
		STAT(OLD(fds[i], by_fd *)(1, fd, &st));
		STAT(OLD(fds[i], by_fd *)(77, fd, &st));
		STAT(OLD(places[i], by_place *)(1, AT_FDCWD, file, &st, 0));
		STAT(OLD(places[i], by_place *)(1, fd, "", &st, AT_EMPTY_PATH));
	}
}

static void tell_statx(int dirfd, const char *name, int flags, unsigned int mask)
{
	struct statx stx;

	memset(&stx, 0xee, sizeof(stx));
	if (CALL(statx(dirfd, name, flags, mask, &stx)) == 0)
		say("  size %lld mode %o\n", (long long)stx.stx_size, stx.stx_mode);
}

static void questions(int flags)
{
	int fd = start("stat", flags);
	int directory = (int)CALL(open(".", O_RDONLY | O_DIRECTORY));
	int path_only;

	STAT(fstat(fd, &st));
	STAT(stat(file, &st));
	STAT(lstat(file, &st));
	STAT(fstatat(AT_FDCWD, file, &st, 0));
	STAT(fstatat(directory, file, &st, 0));
	STAT(fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW));
	STAT(fstatat(fd, "", &st, AT_EMPTY_PATH));
	STAT(fstatat(fd, "", &st, 0));
	STAT(fstatat(fd, file, &st, 0));
	STAT(fstatat(AT_FDCWD, file, &st, 0x40000000));
	tell_statx(AT_FDCWD, file, 0, STATX_BASIC_STATS);
	tell_statx(directory, file, AT_SYMLINK_NOFOLLOW, STATX_SIZE);
	tell_statx(fd, "", AT_EMPTY_PATH, STATX_ALL);
	tell_statx(fd, "", AT_EMPTY_PATH, 0);
	tell_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE | STATX_MTIME);
	tell_statx(AT_FDCWD, "none.dat", 0, STATX_SIZE);
	old_names(fd);
	EXTENDED(fd);

	/* O_PATH doesn't count as an opener. */
	path_only = (int)CALL(open(file, O_PATH));
	STAT(fstat(path_only, &st));
	tell_statx(path_only, "", AT_EMPTY_PATH, STATX_SIZE);
	STAT(fstatat(path_only, "", &st, AT_EMPTY_PATH));
	CALL(lseek(path_only, 0, SEEK_END));
	EXTENDED(fd);
	CALL(close(path_only));

	CALL(symlink(file, "link"));
	STAT(stat("link", &st));
	STAT(lstat("link", &st));
	CALL(unlink("link"));
	STAT(fstat(-1, &st));
	STAT(fstat(999, &st));
	STAT(stat("none.dat", &st));
	STAT(stat("", &st));
	STAT(stat(NULL, &st));
	CALL(fstat(fd, (void *)8));
	CALL(stat(file, (void *)8));
	CALL(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, (void *)8));
	EXTENDED(fd);
	CALL(close(directory));
	finish(fd);
}

static void while_growing(void)
{
	int fd = start("grows", O_RDWR);
	char bytes[1000];

	fill(bytes, sizeof(bytes), 5);
	for (int i = 0; i < 200; i++) {
		write(fd, bytes, (size_t)(i * 5 + 1));
		STAT(fstat(fd, &st));
		STAT(stat(file, &st));
	}
	EXTENDED(fd);
	finish(fd);
}

static struct timespec mtime(int fd)
{
	struct stat st;

	fstat(fd, &st);
	return st.st_mtim;
}

static int order(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec < b.tv_sec ? -1 : 1;
	return a.tv_nsec < b.tv_nsec ? -1 : a.tv_nsec > b.tv_nsec;
}

static void pause_a_tick(void)
{
	usleep(15000);
}

/* mtime moves when the program writes, and never else. */
static void times(int flags)
{
	int fd = start("mtime", O_RDWR | flags);
	struct timespec before = mtime(fd), then;
	struct stat st;

	pause_a_tick();
	CALL(order(before, mtime(fd)));
	CALL(write(fd, "x", 1));
	then = mtime(fd);
	CALL(order(before, then));
	pause_a_tick();
	CALL(write(fd, "y", 0));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(order(then, mtime(fd)));
	pause_a_tick();
	CALL(pwrite(fd, "y", 1, 5));
	CALL(order(then, mtime(fd)));
	EXTENDED(fd);
	then = mtime(fd);
	pause_a_tick();
	CALL(close(fd));
	stat(file, &st);
	CALL(order(then, st.st_mtim));
	state_of(file);
}

/* The extension itself leaves no trace in it either. */
static void time_of_an_extension(void)
{
	char bytes[100000];
	int fd = start("mtime-at-extension", O_RDWR);
	struct timespec then;

	fill(bytes, sizeof(bytes), 6);
	CALL(write(fd, bytes, sizeof(bytes)));
	then = mtime(fd);
	pause_a_tick();
	CALL(fdatasync(fd));
	CALL(order(then, mtime(fd)));
	CALL(fsync(fd));
	CALL(order(then, mtime(fd)));
	EXTENDED(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	questions(O_RDWR);
	questions(O_WRONLY | O_APPEND);
	while_growing();
	times(0);
	times(O_APPEND);
	time_of_an_extension();
}

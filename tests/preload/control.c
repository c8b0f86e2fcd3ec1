/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that controls its files through preallocate.h, if it is there:
 *
 *	control absent			runs as before without the library
 *	control TEST			under the library, in the current directory
 */
#include "preallocate.h"

#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MUST(condition) \
	do { \
		if (!(condition)) \
			errx(1, "line %d: not so: %s (errno %s)", __LINE__, #condition, \
			     strerrorname_np(errno)); \
	} while (0)

static char bytes[1000];

/* The size that the kernel knows: libc's own syscall(2), which nothing preloaded stands before. */
static long raw_statx(int fd, unsigned int mask, struct statx *stx)
{
	static long (*raw_syscall)(long number, ...);

	if (!raw_syscall)
		*(void **)&raw_syscall =
			dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "syscall");
	return raw_syscall(SYS_statx, fd, "", AT_EMPTY_PATH, mask, stx);
}

static long long real_size(int fd)
{
	struct statx stx;

	MUST(raw_statx(fd, STATX_SIZE, &stx) == 0);
	return (long long)stx.stx_size;
}

static long long allocated(int fd)
{
	struct statx stx;

	MUST(raw_statx(fd, STATX_BLOCKS, &stx) == 0);
	return (long long)stx.stx_blocks * 512;
}

static void append(int fd)
{
	MUST(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
}

static int open_extended(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);

	MUST(fd >= 0);
	append(fd);
	MUST(real_size(fd) > 1000);
	return fd;
}

static void absent(void)
{
	int fd = open("absent.dat", O_RDWR | O_CREAT, 0600);

	append(fd);
	MUST(!dlsym(RTLD_DEFAULT, "preallocate_settle"));
	if (preallocate_settle || preallocate_set_options || preallocate_get_statistics)
		errx(1, "what is not there has an address");
	MUST(real_size(fd) == 1000);
}

static void present(void)
{
	int (*settle)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "preallocate_settle");
	int fd = open_extended("present.dat");

	MUST(settle);
	MUST(preallocate_settle);
	MUST(settle(fd) == 0);
	MUST(real_size(fd) == 1000);
}

static void settle(void)
{
	int fd = open_extended("settle.dat");
	struct stat before, after;

	fstat(fd, &before);
	errno = 4242;
	MUST(preallocate_settle(fd) == 0);
	MUST(errno == 4242);
	MUST(real_size(fd) == 1000);
	fstat(fd, &after);
	MUST(before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
	     before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	MUST(fcntl(fd, F_GETFL) & O_APPEND);
	MUST(preallocate_settle(fd) == 0);
	append(fd);
	append(fd);
	MUST(real_size(fd) > 3000);
	MUST(preallocate_settle(dup(fd)) == 0);
	MUST(real_size(fd) == 3000);
}

static void settle_in_mode_keep(void)
{
	int fd = open("keep.dat", O_RDWR | O_CREAT, 0600);

	MUST(preallocate_set_options(fd, "mode=keep", NULL, 0) == 0);
	append(fd);
	MUST(real_size(fd) == 1000);
	MUST(allocated(fd) >= 65536);
	MUST(preallocate_settle(fd) == 0);
	MUST(allocated(fd) < 65536);
}

static void errors(void)
{
	struct preallocate_statistics statistics = {.size = sizeof(statistics)};
	int null = open("/dev/null", O_RDWR);
	int reader, fd = open_extended("errors.dat");
	char message[200];

	MUST(preallocate_settle(-1) == -1 && errno == EBADF);
	MUST(preallocate_settle(999) == -1 && errno == EBADF);
	MUST(preallocate_settle(null) == -1 && errno == ENOENT);
	MUST(preallocate_set_options(999, "mode=keep", NULL, 0) == -1 && errno == EBADF);
	MUST(preallocate_set_options(null, "mode=keep", NULL, 0) == -1 && errno == ENOENT);
	MUST(preallocate_get_statistics(999, &statistics) == -1 && errno == EBADF);
	MUST(preallocate_get_statistics(null, &statistics) == -1 && errno == ENOENT);
	statistics.size = 3;
	MUST(preallocate_get_statistics(fd, &statistics) == -1 && errno == EINVAL);

	MUST(preallocate_set_options(fd, "mode=fast", message, sizeof(message)) == -1);
	MUST(errno == EINVAL && strstr(message, "mode=fast") && strstr(message, "zero, write, auto, keep or off"));
	MUST(preallocate_set_options(fd, "prealloc-align=1000", message, sizeof(message)) == -1);
	MUST(strstr(message, "512"));
	MUST(preallocate_set_options(fd, "nonsense", message, sizeof(message)) == -1);
	MUST(strstr(message, "nonsense") && !strchr(message, '\n'));
	MUST(preallocate_set_options(fd, "prealloc-size=-1", message, 5) == -1);
	MUST(strlen(message) == 4);
	MUST(preallocate_set_options(fd, "prealloc-size=1x", NULL, 0) == -1 && errno == EINVAL);
	MUST(preallocate_set_options(fd, "mode", NULL, 0) == -1 && errno == EINVAL);

	/* All or nothing. */
	MUST(preallocate_set_options(fd, "mode=keep prealloc-align=7", NULL, 0) == -1);
	append(fd);
	MUST(real_size(fd) > 2000);
	MUST(preallocate_set_options(fd, "prealloc-size=8k prealloc-align=7", NULL, 0) == -1);
	MUST(preallocate_settle(fd) == 0);
	append(fd);
	MUST(real_size(fd) > 65536);

	reader = open("errors.dat", O_RDONLY);
	MUST(preallocate_settle(reader) == -1 && errno == ENOENT);
}

static void options(void)
{
	int fd = open_extended("options.dat");

	errno = 4242;
	MUST(preallocate_set_options(fd, " prealloc-size=1M\tprealloc-align=512 ", NULL, 0) == 0);
	MUST(errno == 4242);
	MUST(real_size(fd) == 1000);
	append(fd);
	MUST(real_size(fd) == (2000 + (1 << 20) + 511) / 512 * 512);
	/* What isn't named stays. */
	MUST(preallocate_set_options(fd, "prealloc-align=64k", NULL, 0) == 0);
	append(fd);
	MUST(real_size(fd) == (3000 + (1 << 20) + 65535) / 65536 * 65536);
	MUST(preallocate_set_options(fd, "", NULL, 0) == 0);

	MUST(preallocate_set_options(fd, "mode=keep", NULL, 0) == 0);
	append(fd);
	MUST(real_size(fd) == 4000);
	MUST(allocated(fd) >= 1 << 20);
	MUST(preallocate_set_options(fd, "mode=off", NULL, 0) == 0);
	MUST(allocated(fd) < 1 << 20);
	append(fd);
	MUST(real_size(fd) == 5000);
	MUST(allocated(fd) < 1 << 20);
	MUST(preallocate_set_options(fd, "mode=zero", NULL, 0) == 0);
	append(fd);
	append(fd);
	MUST(real_size(fd) > 7000);
	MUST(close(fd) == 0);
	fd = open("options.dat", O_RDONLY);
	MUST(real_size(fd) == 7000);
}

static void direct(void)
{
	int fd = open("direct.dat", O_RDWR | O_CREAT | O_DIRECT, 0600);
	char message[200] = "";

	if (fd < 0)
		return;
	MUST(preallocate_set_options(fd, "prealloc-align=512", message, sizeof(message)) == -1);
	MUST(errno == EINVAL && strstr(message, "direct"));
	MUST(preallocate_set_options(fd, "prealloc-align=8k", NULL, 0) == 0);
}

static void statistics(void)
{
	struct preallocate_statistics now = {.size = sizeof(now)};
	struct {
		struct preallocate_statistics known;
		uint64_t unknown;
	} later;
	int fd = open("statistics.dat", O_RDWR | O_CREAT, 0600);

	MUST(preallocate_get_statistics(fd, &now) == 0);
	MUST(now.size == sizeof(now) && now.data_end == -1 && now.file_end == -1);
	MUST(now.appends == 0 && now.settles == 0);
	for (int i = 0; i < 10; i++)
		append(fd);
	MUST(preallocate_get_statistics(fd, &now) == 0);
	MUST(now.data_end == 10000 && now.file_end == real_size(fd));
	MUST(now.appends == 10 && now.appended_bytes == 10000);
	MUST(now.extensions == 1 && now.extended_bytes == (uint64_t)real_size(fd));
	MUST(now.extension_ns > 0 && now.settles == 0);
	MUST(preallocate_settle(fd) == 0);
	MUST(preallocate_get_statistics(fd, &now) == 0);
	MUST(now.data_end == -1 && now.settles == 1 && now.challenges == 0 && now.appends == 10);

	/* An older program, and a newer one. */
	memset(&now, 0xee, sizeof(now));
	now.size = offsetof(struct preallocate_statistics, appends);
	MUST(preallocate_get_statistics(fd, &now) == 0);
	MUST(now.size == offsetof(struct preallocate_statistics, appends));
	MUST(now.data_end == -1 && now.appends == UINT64_C(0xeeeeeeeeeeeeeeee));
	memset(&later, 0xee, sizeof(later));
	later.known.size = sizeof(later);
	MUST(preallocate_get_statistics(fd, &later.known) == 0);
	MUST(later.known.size == sizeof(later.known) && later.unknown == 0);
}

static _Atomic bool stop;
static int shared_fd;

static void *append_on(void *argument)
{
	long *appended = argument;

	for (; !stop; ++*appended)
		append(shared_fd);
	return NULL;
}

/* Options change while others append: nothing is lost, and no one waits for ever. */
static void while_appending(void)
{
	static const char *const words[] = {"mode=keep", "mode=zero prealloc-size=4k", "mode=off",
					    "mode=zero prealloc-size=1M prealloc-align=64k"};
	struct preallocate_statistics now = {.size = sizeof(now)};
	pthread_t threads[3];
	long appended[3] = {0};
	struct stat st;

	shared_fd = open_extended("threads.dat");
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, append_on, &appended[i]);
	for (int i = 0; i < 300; i++) {
		MUST(preallocate_set_options(shared_fd, words[i % 4], NULL, 0) == 0);
		MUST(preallocate_get_statistics(shared_fd, &now) == 0);
		MUST(preallocate_settle(shared_fd) == 0);
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	MUST(now.extensions > 0);
	fstat(shared_fd, &st);
	MUST(st.st_size == 1000 * (1 + appended[0] + appended[1] + appended[2]));
	close(shared_fd);
	MUST(stat("threads.dat", &st) == 0);
	MUST(st.st_size == 1000 * (1 + appended[0] + appended[1] + appended[2]));
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{"absent", absent},		{"present", present},	{"settle", settle},
	{"keep", settle_in_mode_keep},	{"errors", errors},	{"options", options},
	{"direct", direct},		{"statistics", statistics}, {"threads", while_appending},
};

int main(int argc, char **argv)
{
	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; argc > 1 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!strcmp(argv[1], tests[i].name)) {
			tests[i].run();
			return 0;
		}
	}
	return 2;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A managed file and a plain one, to which the same is done: every answer must be the same, and at
 * the end every byte. Included by one test program each, after cmocka.h.
 */
#ifndef TEST_ENGAGE_TWIN_H
#define TEST_ENGAGE_TWIN_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim/claim.h"
#include "claim/session.h"
#include "files/files.h"
#include "test_fork_for_clone.h"

/* However slow the machine is, a file isn't settled because it is idle: the tests say when. */
#define TWIN_OPTIONS "prealloc-size=64k prealloc-align=4k min-free=0 idle=1h"
#define TWIN_RULES "*.log mode=zero " TWIN_OPTIONS "; *.keep mode=keep " TWIN_OPTIONS

static char twin_directory[1024];
static struct rules *twin_rules;
static bool twin_armed; /* set around our verbs: what a test's failing calls go by */
static const char *twin_failed = "none"; /* the one that did */

struct twin {
	char path[4096], plain_path[4096];
	int fd, plain;
	int flags;
	unsigned int bytes; /* written so far: what the next ones are made of */
};

#define ARMED(result, call)                                                                        \
	do {                                                                                       \
		twin_armed = true;                                                                 \
		result = (call);                                                                   \
		twin_armed = false;                                                                \
	} while (0)

/* Our verb makes the program's own call: that one doesn't fail. */
static ssize_t twin_call_write(const struct transfer *t)
{
	bool armed = twin_armed;
	ssize_t result;

	twin_armed = false;
	result = t->at_offset ? pwrite(t->fd, t->iov->iov_base, t->iov->iov_len, t->offset)
			      : write(t->fd, t->iov->iov_base, t->iov->iov_len);
	twin_armed = armed;
	return result;
}

static ssize_t twin_call_read(const struct transfer *t)
{
	return t->at_offset ? pread(t->fd, t->iov->iov_base, t->iov->iov_len, t->offset)
			    : read(t->fd, t->iov->iov_base, t->iov->iov_len);
}

static inline void twin_same(const char *what, int64_t ours, int our_errno, int64_t plain)
{
	int plain_errno = errno;

	if (ours != plain || (ours < 0 && our_errno != plain_errno))
		fail_msg("%s: %lld (%s), the plain file's %lld (%s); failed: %s", what,
			 (long long)ours, ours < 0 ? strerror(our_errno) : "", (long long)plain,
			 plain < 0 ? strerror(plain_errno) : "", twin_failed);
}

static inline void twin_open(struct twin *t, const char *name, int flags)
{
	memset(t, 0, sizeof(*t));
	t->flags = flags;
	snprintf(t->path, sizeof(t->path), "%s/%s", twin_directory, name);
	snprintf(t->plain_path, sizeof(t->plain_path), "%s/plain", twin_directory);
	unlink(t->path);
	unlink(t->plain_path);
	t->plain = open(t->plain_path, flags | O_CREAT | O_CLOEXEC, 0600);
	t->fd = open(t->path, flags | O_CREAT | O_CLOEXEC, 0600);
	assert_true(t->plain >= 0 && t->fd >= 0);
	share_opening();
	twin_armed = true;
	files_opened(t->fd, flags | O_CLOEXEC, t->path);
	twin_armed = false;
}

/* offset < 0: write(2) */
static inline void twin_write(struct twin *t, size_t bytes, int64_t offset)
{
	char *data = malloc(bytes);
	struct iovec iov = {data, bytes};
	struct transfer transfer = {.fd = t->fd, .at_offset = offset >= 0, .offset = offset,
				    .iov = &iov, .count = 1, .bytes = bytes,
				    .call = twin_call_write};
	struct transfer plain = transfer;
	ssize_t ours;
	int error;

	for (size_t i = 0; i < bytes; i++)
		data[i] = (char)('a' + t->bytes++ % 23);
	plain.fd = t->plain;
	if (table_get(t->fd))
		ARMED(ours, files_write(table_get(t->fd), &transfer));
	else
		ours = twin_call_write(&transfer);
	error = errno;
	twin_same("write", ours, error, twin_call_write(&plain));
	free(data);
}

static inline void twin_read(struct twin *t, size_t bytes, int64_t offset)
{
	char *data = calloc(2, bytes);
	struct iovec iov = {data, bytes};
	struct transfer transfer = {.fd = t->fd, .at_offset = offset >= 0, .offset = offset,
				    .iov = &iov, .count = 1, .bytes = bytes,
				    .call = twin_call_read};
	ssize_t ours;
	int error;

	if (table_get(t->fd))
		ARMED(ours, files_read(table_get(t->fd), &transfer));
	else
		ours = twin_call_read(&transfer);
	error = errno;
	iov.iov_base = data + bytes;
	transfer.fd = t->plain;
	transfer.offset = offset;
	twin_same("read", ours, error, twin_call_read(&transfer));
	assert_memory_equal(data, data + bytes, ours > 0 ? (size_t)ours : 0);
	free(data);
}

struct twin_stat {
	int fd;
	struct stat st;
};

static int twin_call_stat(void *argument)
{
	struct twin_stat *call = argument;

	return fstat(call->fd, &call->st);
}

static dev_t twin_dev(void *argument)
{
	return ((struct twin_stat *)argument)->st.st_dev;
}

static ino_t twin_ino(void *argument)
{
	return ((struct twin_stat *)argument)->st.st_ino;
}

static inline int64_t twin_size(struct twin *t)
{
	struct twin_stat call = {.fd = t->fd}, plain = {.fd = t->plain};
	int64_t size = INT64_MIN;
	int ours;

	ARMED(ours, files_stat_path(twin_call_stat, &call, twin_dev, twin_ino, &size,
				    twin_call_stat(&call)));
	assert_int_equal(ours, 0);
	twin_same("fstat", size == INT64_MIN ? call.st.st_size : size, 0,
		  twin_call_stat(&plain) < 0 ? -1 : plain.st.st_size);
	return plain.st.st_size;
}

static inline void twin_seek(struct twin *t, off_t offset, int whence)
{
	off_t ours;
	int error;

	ARMED(ours, files_lseek(table_get(t->fd), t->fd, offset, whence));
	error = errno;
	twin_same("lseek", ours, error, lseek(t->plain, offset, whence));
}

static inline void twin_available(struct twin *t)
{
	struct description *description = table_get(t->fd);
	int ours = 0, plain = 0;
	int64_t clipped;

	assert_int_equal(ioctl(t->fd, FIONREAD, &ours), 0);
	assert_int_equal(ioctl(t->plain, FIONREAD, &plain), 0);
	clipped = ours;
	if (description)
		ARMED(clipped, files_available(description, t->fd, ours));
	assert_int_equal(clipped, plain);
}

static inline void twin_flags(struct twin *t)
{
	struct description *description = table_get(t->fd);
	int ours = description ? files_flags(description, t->fd) : fcntl(t->fd, F_GETFL);

	/* A lease shows as O_ASYNC, which src/libc hides. */
	assert_int_equal(ours & ~O_ASYNC, fcntl(t->plain, F_GETFL));
}

static inline void twin_fallocate(struct twin *t, int mode, off_t offset, off_t bytes)
{
	struct description *description = table_get(t->fd);
	int ours, error;

	if (description)
		ARMED(ours, files_fallocate(description, t->fd, mode, offset, bytes, fallocate));
	else
		ours = fallocate(t->fd, mode, offset, bytes);
	error = errno;
	twin_same("fallocate", ours, error, fallocate(t->plain, mode, offset, bytes));
}

static inline void twin_truncate(struct twin *t, off_t length, bool by_path)
{
	struct plain plain;
	int ours, error;

	twin_armed = true;
	if (by_path)
		plain_begin_path(&plain, AT_FDCWD, t->path, 0);
	else
		plain_begin(&plain, t->fd, 0);
	plain_give_back(&plain);
	twin_armed = false;
	ours = by_path ? truncate(t->path, length) : ftruncate(t->fd, length);
	error = errno;
	twin_armed = true;
	plain_end(&plain);
	twin_armed = false;
	twin_same("truncate", ours, error,
		  by_path ? truncate(t->plain_path, length) : ftruncate(t->plain, length));
}

/* The first descriptors go, their duplicates stay. */
static inline void twin_dup(struct twin *t)
{
	int fd = dup(t->fd), plain = dup(t->plain);

	assert_true(fd >= 0 && plain >= 0);
	twin_armed = true;
	files_duplicated(t->fd, fd);
	files_closing(t->fd);
	twin_armed = false;
	close(t->fd);
	close(t->plain);
	t->fd = fd;
	t->plain = plain;
}

/* Whatever has come between, the next append may extend it again. */
static inline void twin_due(struct twin *t)
{
	struct description *description = table_get(t->fd);

	if (!description)
		return;
	atomic_store(&description->back_off, 0);
	atomic_store(&description->retry_at, 0);
}

static inline bool twin_is_extended(const struct twin *t)
{
	struct description *description = table_get(t->fd);

	return description && slot_is_extended(atomic_load(&description->slot));
}

static inline uint32_t twin_reasons(const struct twin *t)
{
	return atomic_load(&table_get(t->fd)->reasons);
}

static off_t twin_contents(const char *path, char **bytes)
{
	/* A lease that nobody answers would make it wait. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(fstat(fd, &st), 0);
	*bytes = malloc((size_t)st.st_size + 1);
	assert_int_equal(read(fd, *bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	return st.st_size;
}

static inline void twin_close(struct twin *t)
{
	char *ours, *plain;
	off_t size;

	twin_armed = true;
	files_closing(t->fd);
	twin_armed = false;
	assert_int_equal(fcntl(t->fd, F_GETFL), fcntl(t->plain, F_GETFL));
	assert_int_equal(close(t->fd), 0);
	assert_int_equal(close(t->plain), 0);
	size = twin_contents(t->path, &ours);
	assert_int_equal(size, twin_contents(t->plain_path, &plain));
	assert_memory_equal(ours, plain, (size_t)size);
	free(ours);
	free(plain);
}

static char guardian_path[4096];

static const char *find_guardian(char *path, size_t size)
{
	snprintf(path, size, "%s", guardian_path);
	return guardian_path;
}

/* The guardian goes, and what it has done wrong is forgotten. */
static inline void twin_guardian(const char *path)
{
	if (path != guardian_path)
		snprintf(guardian_path, sizeof(guardian_path), "%s", path);
	claim_leave();
	session.failures = 0;
	session.lost = false;
	claim_init(find_guardian);
}

static int twin_set_up(void **state)
{
	const char *build = getenv("PREALLOCATE_BUILDDIR");
	const char *where = getenv("PREALLOCATE_TEST_DIRECTORY");
	static char guardian[4096];
	struct rules_error error;

	/* It is started from "/". */
	build = realpath(build ? build : ".", NULL);
	snprintf(guardian, sizeof(guardian), "%s/preallocate-guardian", build ? build : "");
	free((char *)build);
	snprintf(twin_directory, sizeof(twin_directory), "%s/preallocate-twin.XXXXXX",
		 where ? where : "/var/tmp");
	if (!mkdtemp(twin_directory) ||
	    rules_parse(&twin_rules, TWIN_RULES, strlen(TWIN_RULES), "test", &error) < 0)
		return -1;
	guardians_start_here();
	snprintf(guardian_path, sizeof(guardian_path), "%s", guardian);
	files_init(twin_rules, find_guardian);
	*state = guardian;
	return 0;
}

static int twin_tear_down(void **state)
{
	char command[4096];

	(void)state;
	files_exit();
	rules_free(twin_rules);
	snprintf(command, sizeof(command), "rm -rf '%s'", twin_directory);
	return system(command);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/recover_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "claim/lease.h"
#include "claim/recover.h"
#include "command/command.h"
#include "command/json.h"

/* Longer, all in all, than a library holds on that recovers the file at the same time. */
#define TRIES 30
#define PAUSE_NS_MAX 20000000

/* For who holds a lease on a file, and for all of them. */
#define LEASE_WAIT_NS INT64_C(5000000000)
#define LEASE_WAITS_NS INT64_C(60000000000)

int file_is_marked(const char *name, bool follow)
{
	ssize_t size = follow ? getxattr(name, MARK_NAME, NULL, 0)
			      : lgetxattr(name, MARK_NAME, NULL, 0);

	if (size >= 0)
		return 1;
	return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
}

uint64_t file_mount(const char *name, bool follow)
{
	struct statx found;
	int flags = AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW);

	if (statx(AT_FDCWD, name, flags, STATX_MNT_ID, &found) < 0 ||
	    !(found.stx_mask & STATX_MNT_ID))
		return 0;
	return found.stx_mnt_id;
}

void recovered_fail(struct recovered *recovered, const char *problem, int error)
{
	recovered->problem = problem;
	recovered->error = error;
}

/*
 * Anybody may hold a lease on his own file, for 45 s when we ask for it; a guardian's goes at once. To look may not even move the time of the last access; only the owner may ask for that. */
static int open_place(int place, bool dry_run)
{
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (dry_run ? O_RDONLY | O_NOATIME : O_RDWR);
	char link[32];
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	do
		fd = open(link, flags);
	while (fd < 0 && errno == EINTR);
	if (fd < 0 && errno == EPERM && dry_run)
		fd = open(link, flags & ~O_NOATIME);
	return fd < 0 ? -errno : fd;
}

/* The opening has made whoever held the file extended settle it. */
static int recover_open_file(int fd, const struct recover_options *options,
			     struct recovered *recovered)
{
	struct statfs fs;

	if (fgetxattr(fd, MARK_NAME, NULL, 0) < 0 && errno == ENODATA) {
		struct stat status;

		if (fstat(fd, &status) < 0)
			return -errno;
		recovered->recovery = (struct recovery){ .size_before = status.st_size,
							 .size = status.st_size };
		return 0;
	}
	if (fstatfs(fd, &fs) < 0 || !lease_is_trusted(&fs))
		return -ENOLCK;
	return claim_recover(fd, options, &recovered->recovery);
}

/* Of different length in two processes that are after the same file. */
static void pause_for_a_moment(void)
{
	int64_t pause = PAUSE_NS_MAX / 2;
	uint32_t chance;

	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) == sizeof(chance))
		pause = chance % PAUSE_NS_MAX;
	clock_sleep(pause);
}

static int64_t waited_ns; /* for leases, in all */

/* A guardian on a busy machine is waited for; but who holds leases on thousands of files doesn't hold us up. */
static bool is_worth_a_wait(int64_t since)
{
	int64_t waited = clock_now() - since;

	if (waited < LEASE_WAIT_NS && waited_ns + waited < LEASE_WAITS_NS)
		return true;
	waited_ns += waited;
	return false;
}

/* The file, or -EAGAIN: somebody holds a lease on it. */
static int open_leased_place(int place, bool dry_run)
{
	int64_t since = clock_now();
	int fd;

	do
		fd = open_place(place, dry_run);
	while (fd == -EAGAIN && is_worth_a_wait(since) && (pause_for_a_moment(), true));
	return fd;
}

/* Closed between the tries: two that both have it open would keep each other from it. */
static int recover_place(int place, const struct recover_options *options,
			 struct recovered *recovered, bool *opened)
{
	int result = -EAGAIN;

	for (int i = 0; (result == -EAGAIN || result == -EINTR) && i < TRIES; i++) {
		int fd;

		if (i > 0)
			pause_for_a_moment();
		fd = open_leased_place(place, options->dry_run);
		*opened = fd >= 0 || fd == -EAGAIN;
		if (fd < 0)
			return fd;
		result = recover_open_file(fd, options, recovered);
		close(fd);
	}
	return result;
}

static void explain_failure(struct recovered *recovered, int error, bool opened)
{
	if (!opened)
		recovered_fail(recovered, "is marked, and can't be opened", error);
	else if (error == EAGAIN)
		recovered_fail(recovered, "is marked, but somebody has it open (see fuser); recover it "
			       "when it is closed", 0);
	else if (error == EINTR)
		recovered_fail(recovered, "is marked, but others need it again and again; recover it when it is "
			       "closed", 0);
	else if (error == -RECOVER_BEYOND)
		recovered_fail(recovered, "is marked, but takes long to look through, as if the mark had been made "
			       "up; to recover it all the same, give it as a PATH of its own", 0);
	else if (error == EACCES)
		recovered_fail(recovered, "is marked, but belongs to another user; run preallocate "
			       "recover as its owner or as root", 0);
	else if (error == ENOLCK)
		recovered_fail(recovered, "is marked, but on a filesystem where a lease is no proof that "
			       "nobody else has it open; recover it where that filesystem is", 0);
	else
		recovered_fail(recovered, "is marked, and can't be recovered", error);
}

void file_recover(const char *name, bool follow, const struct recover_options *options,
		  struct recovered *recovered)
{
	int place = open(name, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
	struct stat status;
	bool opened = false;
	int result;

	*recovered = (struct recovered){ .was_marked = true };
	if (place < 0) {
		recovered_fail(recovered, "is marked, and can't be opened", errno);
		return;
	}
	/* Whoever has put something else into its place since has no mark to be obeyed. */
	if (fstat(place, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(place);
		return;
	}
	result = recover_place(place, options, recovered, &opened);
	if (result)
		explain_failure(recovered, -result, opened);
	close(place);
}

static const char *outcome_name(const struct recovered *recovered)
{
	switch (recovered->recovery.outcome) {
	case RECOVER_CUT:
		return "cut";
	case RECOVER_WHOLE:
		return "whole";
	case RECOVER_COPY:
		return "copy";
	case RECOVER_CHANGED:
		return "changed";
	case RECOVER_CORRUPT:
		return "corrupt";
	case RECOVER_UNMARKED:
		break;
	}
	return recovered->was_marked ? "settled" : "unmarked";
}

static const char *source_name(enum recover_source source)
{
	switch (source) {
	case RECOVER_BY_MARK:
		return "mark";
	case RECOVER_BY_RECORD:
		return "record";
	case RECOVER_BY_DATA:
		return "data";
	case RECOVER_BY_BLOCK:
		return "block";
	case RECOVER_BY_STRIP:
		break;
	}
	return "strip";
}

static const char *source_text(enum recover_source source)
{
	switch (source) {
	case RECOVER_BY_MARK:
		return "its mark says so, and nothing was written behind that";
	case RECOVER_BY_RECORD:
		return "the record of its end says so";
	case RECOVER_BY_DATA:
		return "its last byte that isn't zero is there";
	case RECOVER_BY_BLOCK:
		return "the last block that was written to ends there; zeroes at the end may be no data, "
		       "and --strip-zeros cuts them off";
	case RECOVER_BY_STRIP:
		break;
	}
	return "zeroes behind that were cut off, as --strip-zeros says";
}

/* A name may hold anything, also what would move a terminal's cursor. */
static void print_path(const char *path)
{
	for (; *path; path++)
		putchar((unsigned char)*path < ' ' || *path == 0x7f ? '?' : *path);
	fputs(": ", stdout);
}

static void print_outcome(const struct recovered *recovered, bool dry_run)
{
	const struct recovery *recovery = &recovered->recovery;
	const char *removed = dry_run ? "would be removed" : "was removed";

	switch (recovery->outcome) {
	case RECOVER_CUT:
		printf("%s %" PRId64 " bytes instead of %" PRId64 " (%s)\n",
		       dry_run ? "would be recovered," : "recovered,", recovery->size,
		       recovery->size_before, source_text(recovery->source));
		break;
	case RECOVER_WHOLE:
		printf("ends where its data end, %" PRId64 " bytes; only its mark %s (%s)\n",
		       recovery->size, removed, source_text(recovery->source));
		break;
	case RECOVER_COPY:
		printf("has the mark of another file, so it is a copy; nothing %s cut, the mark %s\n",
		       dry_run ? "would be" : "was", removed);
		break;
	case RECOVER_CHANGED:
		printf("isn't as its mark says, so somebody has changed it since; nothing %s cut, the "
		       "mark %s\n",
		       dry_run ? "would be" : "was", removed);
		break;
	case RECOVER_CORRUPT:
		printf("has a mark that makes no sense; nothing %s cut, the mark %s\n",
		       dry_run ? "would be" : "was", removed);
		break;
	case RECOVER_UNMARKED:
		puts(recovered->was_marked ? "in use, or recovered by somebody else meanwhile; nothing "
					     "to recover" :
					     "not marked, nothing to recover");
		break;
	}
}

void recovered_print(const char *path, const struct recovered *recovered, bool dry_run,
		     bool verbose)
{
	if (recovered->problem || (recovered->recovery.outcome == RECOVER_UNMARKED && !verbose))
		return;
	print_path(path);
	print_outcome(recovered, dry_run);
}

void recovered_print_json(const char *path, const struct recovered *recovered, bool dry_run)
{
	const struct recovery *recovery = &recovered->recovery;

	json_object_begin();
	json_string("path", path);
	if (recovered->problem) {
		json_string("error", recovered->problem);
		if (recovered->error)
			json_string("reason", strerror(recovered->error));
	} else {
		json_string("outcome", outcome_name(recovered));
		if (recovery->outcome == RECOVER_CUT || recovery->outcome == RECOVER_WHOLE)
			json_string("known_from", source_name(recovery->source));
		json_number("size_before", recovery->size_before);
		json_number("size", recovery->size);
		json_bool("dry_run", dry_run);
	}
	json_object_end();
}

void recovered_complain(const char *path, const struct recovered *recovered)
{
	if (recovered->error)
		complain("%s: %s: %s", path, recovered->problem, strerror(recovered->error));
	else if (recovered->problem)
		complain("%s: %s", path, recovered->problem);
}

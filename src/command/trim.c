/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "claim/lease.h"
#include "command/command.h"
#include "command/json.h"
#include "command/paths.h"

enum { OPTION_JSON = 0x100 };

static const struct option long_options[] = {
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct trimmed {
	int64_t size;
	int64_t freed;			/* bytes */
	const char *problem;		/* NULL: done */
	int error;			/* its reason, or 0 */
};

static void fail(struct trimmed *trimmed, const char *problem, int error)
{
	trimmed->problem = problem;
	trimmed->error = error;
}

/* st_blocks counts 512 bytes whatever the filesystem's block is: stat(2). */
static int64_t allocated(const struct stat *status)
{
	return (int64_t)status->st_blocks * 512;
}

/* Under the lease nobody can have the file open to append, so its size stands still. */
static void cut_behind_size(int fd, struct certainty *certainty, struct trimmed *trimmed)
{
	struct stat before;
	struct stat after;
	int result;

	if (fstat(fd, &before) < 0) {
		fail(trimmed, "can't be looked at", errno);
		return;
	}
	trimmed->size = before.st_size;
	result = cut(certainty, fd, before.st_size);
	if (result) {
		fail(trimmed, "can't be truncated to its own size", -result);
		return;
	}
	/* Its content hasn't changed, so neither may its time. */
	futimens(fd, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, before.st_mtim });
	if (fstat(fd, &after) == 0 && allocated(&after) < allocated(&before))
		trimmed->freed = allocated(&before) - allocated(&after);
}

/* ftruncate(2) takes set-user-ID bits and capabilities away, even where it changes nothing. */
static bool truncation_would_strip(int fd, const struct stat *status)
{
	return status->st_mode & S_ISUID ||
	       (status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
	       fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static void trim_open_file(int fd, const struct stat *status, struct trimmed *trimmed)
{
	struct certainty certainty;
	struct statfs fs;
	int result;

	if (truncation_would_strip(fd, status)) {
		fail(trimmed, "carries privileges that trimming would take away; copy it instead", 0);
		return;
	}
	if (fstatfs(fd, &fs) < 0 || !lease_is_trusted(&fs)) {
		fail(trimmed, "is on a filesystem where a lease is no proof that nobody else has it "
		     "open; copy it instead", 0);
		return;
	}
	result = lease_take(fd, SIGIO, &certainty);
	if (result == -EAGAIN) {
		fail(trimmed, "somebody has it open (see fuser); trim it when it is closed", 0);
	} else if (result == -EACCES) {
		fail(trimmed, "belongs to another user; run preallocate trim as its owner or as root",
		     0);
	} else if (result) {
		fail(trimmed, "no lease can be had on it", -result);
	} else {
		cut_behind_size(fd, &certainty, trimmed);
		lease_release(fd);
	}
}

static void trim(const char *path, struct trimmed *trimmed)
{
	struct stat status = { 0 };
	int fd = open_regular(path, O_WRONLY, &status);

	if (fd == -EINVAL && !S_ISREG(status.st_mode)) {
		fail(trimmed, "is no regular file, and only those have blocks to trim", 0);
	} else if (fd < 0) {
		fail(trimmed, "can't be opened", -fd);
	} else {
		trim_open_file(fd, &status, trimmed);
		close(fd);
	}
}

static void complain_about(const char *path, const struct trimmed *trimmed)
{
	if (trimmed->error)
		complain("%s: %s: %s", path, trimmed->problem, strerror(trimmed->error));
	else
		complain("%s: %s", path, trimmed->problem);
}

static void print_json(const char *path, const struct trimmed *trimmed)
{
	json_object_begin();
	json_string("path", path);
	if (trimmed->problem) {
		json_string("error", trimmed->problem);
		if (trimmed->error)
			json_string("reason", strerror(trimmed->error));
	} else {
		json_number("size", trimmed->size);
		json_number("freed", trimmed->freed);
	}
	json_object_end();
}

static int trim_all(char **paths, bool verbose, bool json)
{
	int status = 0;

	if (json)
		json_begin();
	for (; *paths; paths++) {
		struct trimmed trimmed = { 0 };

		trim(*paths, &trimmed);
		if (trimmed.problem) {
			complain_about(*paths, &trimmed);
			status = STATUS_FAILED;
		}
		if (json)
			print_json(*paths, &trimmed);
		else if (!trimmed.problem && (trimmed.freed || verbose))
			printf("%s: %" PRId64 " bytes freed behind its end at %" PRId64 "\n", *paths,
			       trimmed.freed, trimmed.size);
	}
	if (json)
		json_end();
	return status;
}

static int run_trim(int argc, char **argv)
{
	sigset_t challenge;
	bool verbose = false;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":hv", long_options, NULL)) != -1) {
		if (option == 'v')
			verbose = true;
		else if (option == OPTION_JSON)
			json = true;
		else
			return command_other_option(&trim_command, option, argv);
	}
	if (optind == argc) {
		complain("trim needs the path of a file; see preallocate help trim");
		return STATUS_TROUBLE;
	}
	/* Whoever opens a file meanwhile waits for the lease; its signal would end us. */
	sigemptyset(&challenge);
	sigaddset(&challenge, SIGIO);
	sigprocmask(SIG_BLOCK, &challenge, NULL);
	return trim_all(argv + optind, verbose, json);
}

const struct command trim_command = {
	.name = "trim",
	.summary = "free the blocks behind the end of files",
	.usage =
	"Usage: preallocate trim [OPTION...] PATH...\n"
	"\n"
	"Gives back the blocks allocated behind the end of each PATH that no program has open: what mode\n"
	"keep may leave. Size, content and modification time stay. Says how much came back.\n"
	"\n"
	"  -v, --verbose            name every file\n"
	"      --json               print JSON\n"
	"  -h, --help               print this\n"
	"\n"
	"Exits with 1 if a PATH can't be trimmed.\n",
	.run = run_trim,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "claim/claim.h"
#include "claim/lease.h"
#include "command/command.h"
#include "command/json.h"
#include "command/library.h"
#include "command/paths.h"
#include "command/selection.h"

enum { OPTION_JSON = 0x100 };

static const struct option long_options[] = {
	SELECTION_LONG_OPTIONS,
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* What would happen to one path. */
struct verdict {
	const char *path;		/* as given */
	char resolved[PATH_MAX];	/* "": it can't be resolved */
	const struct rule *rule;	/* NULL: none matches */
	enum rule_mode mode;		/* what it comes down to; off: not managed */
	char reason[512];
};

__attribute__((format(printf, 3, 4)))
static void decide(struct verdict *verdict, enum rule_mode mode, const char *format, ...)
{
	va_list arguments;

	verdict->mode = mode;
	va_start(arguments, format);
	vsnprintf(verdict->reason, sizeof(verdict->reason), format, arguments);
	va_end(arguments);
}

static int copy_resolved(void *context, char *buffer, size_t size)
{
	const struct verdict *verdict = context;

	if (strlen(verdict->resolved) >= size)
		return -ENAMETOOLONG;
	strcpy(buffer, verdict->resolved);
	return 0;
}

/* A file that isn't there yet would be made in the directory that is. */
static int resolve(struct verdict *verdict)
{
	char *copy;
	char *slash;
	char *directory;
	int result = 0;

	if (realpath(verdict->path, verdict->resolved))
		return 0;
	verdict->resolved[0] = '\0';
	if (errno != ENOENT)
		return -errno;
	copy = strdup(verdict->path);
	if (!copy)
		return -ENOMEM;
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	directory = realpath(!slash ? "." : slash == copy ? "/" : copy, NULL);
	if (!directory)
		result = -errno;
	else if (snprintf(verdict->resolved, PATH_MAX, "%s/%s", strcmp(directory, "/") ? directory : "",
			  slash ? slash + 1 : copy) >= PATH_MAX)
		result = -ENAMETOOLONG;
	if (result)
		verdict->resolved[0] = '\0';
	free(directory);
	free(copy);
	return result;
}

/* statx(2) tells since Linux 6.1; 0 where it doesn't, or the file asks for nothing. */
static int64_t direct_io_alignment(const char *path)
{
#ifdef STATX_DIOALIGN
	struct statx status;

	if (statx(AT_FDCWD, path, 0, STATX_DIOALIGN, &status) == 0 &&
	    status.stx_mask & STATX_DIOALIGN)
		return status.stx_dio_offset_align;
#endif
	(void)path;
	return 0;
}

enum cut { CUT_FREES, CUT_FREES_NOTHING, CUT_MAY_FAIL };

/* Not by the file itself: an open(2) has a living guardian settle it. */
static enum cut what_a_cut_does(const char *path, const struct statfs *fs)
{
	char *directory = strdup(path);
	enum cut cut;
	int fd;

	if (directory)
		*(strrchr(directory, '/') + 1) = '\0';
	fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	cut = space_is_freed_by_cut(fd, fs) ? CUT_FREES
	      : cut_needs_quota(fd)	    ? CUT_MAY_FAIL
					    : CUT_FREES_NOTHING;
	if (fd >= 0)
		close(fd);
	free(directory);
	return cut;
}

/* By starting one, the first time that one is needed. */
static bool guardian_can_be_started(const char **path, const char **why)
{
	static const char *program, *reason;
	static int result = 1;

	if (result > 0) {
		claim_init(library_find_guardian);
		result = claim_try(&program, &reason);
	}
	*path = program;
	*why = reason;
	return result == 0;
}

static void decide_by_guardian(struct verdict *verdict)
{
	const char *program, *why;

	if ((verdict->mode == RULE_MODE_ZERO || verdict->mode == RULE_MODE_WRITE || verdict->mode == RULE_MODE_AUTO) &&
	    !guardian_can_be_started(&program, &why))
		decide(verdict, RULE_MODE_KEEP, "falls back to keep: no guardian (%.200s: %s)", program, why);
}

static void decide_by_filesystem(struct verdict *verdict, const struct stat *status)
{
	const struct rule_options *options = &verdict->rule->options;
	char *directory = strdup(verdict->resolved);
	char name[FILESYSTEM_NAME_MAX];
	struct statfs fs;
	enum cut cut;
	int result = statfs(verdict->resolved, &fs);

	if (result < 0 && directory) {
		*(strrchr(directory, '/') + 1) = '\0';
		result = statfs(directory, &fs);
	}
	free(directory);
	if (result < 0) {
		decide(verdict, options->mode, "its filesystem is unknown: %s", strerror(errno));
		return;
	}
	filesystem_name(fs.f_type, name);
	cut = what_a_cut_does(verdict->resolved, &fs);
	if (options->mode == RULE_MODE_KEEP)
		decide(verdict, RULE_MODE_KEEP, "on %s", name);
	else if (cut == CUT_MAY_FAIL)
		decide(verdict, RULE_MODE_KEEP, "falls back to keep: on %s a cut may fail when quotas are "
		       "used up", name);
	else if (options->mode == RULE_MODE_AUTO &&
		 (cut == CUT_FREES_NOTHING || is_in_memory(&fs)))
		decide(verdict, RULE_MODE_AUTO, "left alone: it would gain nothing on %s", name);
	else if (options->exclusive == RULE_EXCLUSIVE_ASSUME)
		decide(verdict, options->mode, "on %s; exclusive=assume vouches that nobody else opens it",
		       name);
	else if (!lease_is_trusted(&fs))
		decide(verdict, RULE_MODE_KEEP, "falls back to keep: on %s a lease is no proof that "
		       "nobody else has the file open", name);
	else if (status && status->st_uid != geteuid() && geteuid() != 0)
		decide(verdict, RULE_MODE_KEEP, "falls back to keep: a lease is for the file's owner, "
		       "user %u, and you are %u", status->st_uid, geteuid());
	else
		decide(verdict, options->mode, "on %s, while nobody else has the file open%s", name,
		       cut == CUT_FREES ? "" : "; in pieces of prealloc-align");
}

static void judge(struct verdict *verdict, const struct rules *rules)
{
	struct stat status;
	struct rules_error error;
	bool exists = stat(verdict->path, &status) == 0;
	int result = resolve(verdict);

	if (!*verdict->path) {
		decide(verdict, RULE_MODE_OFF, "the path is empty");
		return;
	}
	if (result) {
		decide(verdict, RULE_MODE_OFF, "can't be resolved: %s", strerror(-result));
		return;
	}
	verdict->rule = rules_match(rules, verdict->path, copy_resolved, verdict);
	if (exists && !S_ISREG(status.st_mode)) {
		decide(verdict, RULE_MODE_OFF, "is %s; only regular files are managed",
		       file_type_name(status.st_mode));
	} else if (!verdict->rule) {
		decide(verdict, RULE_MODE_OFF, "no rule matches");
	} else if (verdict->rule->options.mode == RULE_MODE_OFF) {
		decide(verdict, RULE_MODE_OFF, "the rule says so");
	} else if (exists && rule_options_check_alignment(&verdict->rule->options,
				direct_io_alignment(verdict->resolved), &error)) {
		decide(verdict, RULE_MODE_OFF, "%.400s", error.message);
	} else {
		decide_by_filesystem(verdict, exists ? &status : NULL);
		decide_by_guardian(verdict);
	}
}

/* Rules of the command line have no line. */
static void format_place(const struct rule *rule, char *text, size_t size)
{
	if (rule->origin[0] == '-')
		snprintf(text, size, "%s", rule->origin);
	else
		snprintf(text, size, "%s:%u", rule->origin, rule->line);
}

static void print_text(const struct verdict *verdict)
{
	char place[PATH_MAX + 16];
	char options[256];

	if (verdict->mode == RULE_MODE_OFF)
		printf("%s: not managed: %s\n", verdict->path, verdict->reason);
	else
		printf("%s: mode %s: %s\n", verdict->path, rule_mode_name(verdict->mode),
		       verdict->reason);
	if (!verdict->rule)
		return;
	format_place(verdict->rule, place, sizeof(place));
	rule_options_format(&verdict->rule->options, options, sizeof(options));
	printf("    by %s: %s %s\n", place, verdict->rule->pattern, options);
}

static void print_json(const struct verdict *verdict)
{
	json_object_begin();
	json_string("path", verdict->path);
	if (verdict->resolved[0])
		json_string("resolved", verdict->resolved);
	json_bool("managed", verdict->mode != RULE_MODE_OFF);
	json_string("mode", rule_mode_name(verdict->mode));
	json_string("reason", verdict->reason);
	if (verdict->rule) {
		const struct rule_options *options = &verdict->rule->options;

		json_string("origin", verdict->rule->origin);
		json_number("line", verdict->rule->line);
		json_string("pattern", verdict->rule->pattern);
		json_string("rule_mode", rule_mode_name(options->mode));
		json_string("exclusive", rule_exclusive_name(options->exclusive));
		json_number("prealloc_size", options->prealloc_size);
		json_number("prealloc_align", options->prealloc_align);
		json_number("idle_ns", options->idle);
		json_number("min_free_percent", options->min_free);
	}
	json_object_end();
}

static int judge_all(char **paths, const struct rules *rules, bool json)
{
	int status = 0;

	if (json)
		json_begin();
	for (; *paths; paths++) {
		struct verdict verdict = { .path = *paths };

		judge(&verdict, rules);
		if (json)
			print_json(&verdict);
		else
			print_text(&verdict);
		if (verdict.mode == RULE_MODE_OFF)
			status = STATUS_FAILED;
	}
	if (json)
		json_end();
	return status;
}

static int run_match(int argc, char **argv)
{
	struct selection selection = { 0 };
	struct rules *rules = NULL;
	bool json = false;
	int option;
	int status;

	while ((option = getopt_long(argc, argv, ":h" SELECTION_SHORT_OPTIONS, long_options,
				     NULL)) != -1) {
		if (option == OPTION_JSON) {
			json = true;
			continue;
		}
		if (!selection_owns(option))
			return command_other_option(&match_command, option, argv);
		status = selection_take(&selection, option, optarg);
		if (status)
			return status;
	}
	if (optind == argc) {
		complain("match needs the path of a file; see preallocate help match");
		return STATUS_TROUBLE;
	}
	status = selection_load(&selection, &rules);
	if (!status)
		status = judge_all(argv + optind, rules, json);
	rules_free(rules);
	return status;
}

const struct command match_command = {
	.name = "match",
	.summary = "tell what would happen to a file, and why",
	.usage =
	"Usage: preallocate match [OPTION...] PATH...\n"
	"\n"
	"Says for each PATH which rule applies to it, where that rule stands, and what it comes down to\n"
	"on this filesystem. The rules are those that 'preallocate run' would use.\n"
	"\n"
	SELECTION_USAGE
	"\n"
	"      --json               print JSON\n"
	"  -h, --help               print this\n"
	"\n"
	"Exits with 1 if a PATH would not be managed.\n",
	.run = run_match,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "command/json.h"
#include "command/paths.h"
#include "command/progress.h"
#include "command/recover_file.h"
#include "command/recover_places.h"

enum { OPTION_JSON = 0x100, OPTION_STRIP, OPTION_CONFIG, OPTION_CROSS };

static const struct option long_options[] = {
	{ "dry-run", no_argument, NULL, 'n' },
	{ "strip-zeros", no_argument, NULL, OPTION_STRIP },
	{ "config", optional_argument, NULL, OPTION_CONFIG },
	{ "cross-mounts", no_argument, NULL, OPTION_CROSS },
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* For a file that was found, not asked for: others wait for the whole tree, at boot too. */
#define EFFORT_IN_TREE (16 * RECOVER_EFFORT)

struct walk {
	struct recover_options options;
	bool has_config;
	const char *config;		/* NULL: the library's */
	bool cross_mounts;
	bool verbose;
	bool json;
	bool is_tree;			/* one of the PATHs is a directory */
	bool has_failed;
	int64_t looked_at;
	int64_t recovered;
	int64_t unmarked;		/* marks that weren't obeyed, and are gone */
	int64_t given_back;		/* bytes */
	int64_t left;
	int64_t not_crossed;		/* mounts */
};

/* The PATH that is being walked. */
struct root {
	bool optional;			/* a configuration's: it need not be there yet */
	uint64_t mount;			/* 0: isn't known, or doesn't matter */
};

static void count(struct walk *walk, const struct recovered *recovered)
{
	const struct recovery *recovery = &recovered->recovery;

	if (recovered->problem) {
		walk->has_failed = true;
		walk->left++;
		return;
	}
	switch (recovery->outcome) {
	case RECOVER_CUT:
	case RECOVER_WHOLE:
		walk->recovered++;
		walk->given_back += recovery->size_before - recovery->size;
		break;
	case RECOVER_COPY:
	case RECOVER_CHANGED:
	case RECOVER_CORRUPT:
		walk->unmarked++;
		break;
	case RECOVER_UNMARKED:
		break;
	}
}

static void report(struct walk *walk, const char *path, const struct recovered *recovered)
{
	count(walk, recovered);
	progress_clear();
	if (recovered->problem)
		recovered_complain(path, recovered);
	if (walk->json)
		recovered_print_json(path, recovered, walk->options.dry_run);
	else
		recovered_print(path, recovered, walk->options.dry_run, walk->verbose);
}

/* Not a file's: a directory that can't be read, a PATH that isn't there. */
static void report_trouble(struct walk *walk, const char *path, const char *problem, int error)
{
	struct recovered recovered = { 0 };

	recovered_fail(&recovered, problem, error);
	report(walk, path, &recovered);
}

static void skip_mount(struct walk *walk, const char *path)
{
	walk->not_crossed++;
	if (!walk->verbose || walk->json)
		return;
	progress_clear();
	complain("%s: is on another filesystem or mount, left out; --cross-mounts would go there", path);
}

static bool show_search(void *context, int64_t spent)
{
	const struct walk *walk = context;

	if (progress_is_due())
		progress_show("%" PRId64 " files looked at, %" PRId64 " recovered, %" PRId64 " MiB of this one",
			      walk->looked_at, walk->recovered, spent >> 20);
	return false;
}

static void visit_file(struct walk *walk, const struct root *root, const FTSENT *entry)
{
	bool is_path = entry->fts_level == FTS_ROOTLEVEL;
	struct recovered recovered = { 0 };
	int marked = file_is_marked(entry->fts_accpath, is_path);

	walk->looked_at++;
	if (marked < 0) {
		/* Gone meanwhile. */
		if (marked != -ENOENT || is_path)
			report_trouble(walk, entry->fts_path, "can't be looked at", -marked);
	} else if (marked > 0) {
		if (root->mount && file_mount(entry->fts_accpath, is_path) != root->mount) {
			skip_mount(walk, entry->fts_path);
			return;
		}
		walk->options.effort = is_path ? -1 : EFFORT_IN_TREE;
		file_recover(entry->fts_accpath, is_path, &walk->options, &recovered);
		report(walk, entry->fts_path, &recovered);
	} else if (is_path) {
		recovered.recovery.size_before = entry->fts_statp->st_size;
		recovered.recovery.size = entry->fts_statp->st_size;
		report(walk, entry->fts_path, &recovered);
	}
}

/* By the mount, too: a directory that is mounted a second time is on the same device. */
static void visit_directory(struct walk *walk, struct root *root, FTS *tree, FTSENT *entry)
{
	bool is_path = entry->fts_level == FTS_ROOTLEVEL;
	uint64_t mount = walk->cross_mounts ? 0 : file_mount(entry->fts_accpath, is_path);

	if (is_path) {
		walk->is_tree = true;
		root->mount = mount;
	} else if (!walk->cross_mounts &&
		   (entry->fts_dev != entry->fts_parent->fts_dev || mount != root->mount)) {
		skip_mount(walk, entry->fts_path);
		fts_set(tree, entry, FTS_SKIP);
	}
}

static void visit_other(struct walk *walk, const struct root *root, const FTSENT *entry)
{
	char problem[80];

	if (entry->fts_level != FTS_ROOTLEVEL)
		return;
	if (entry->fts_info == FTS_SLNONE) {
		report_trouble(walk, entry->fts_path, "is a symbolic link to nothing", 0);
		return;
	}
	if (root->optional)
		return;
	snprintf(problem, sizeof(problem), "is %s; only regular files can be recovered",
		 file_type_name(entry->fts_statp->st_mode));
	report_trouble(walk, entry->fts_path, problem, 0);
}

static void visit(struct walk *walk, struct root *root, FTS *tree, FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_F:
		visit_file(walk, root, entry);
		break;
	case FTS_D:
		visit_directory(walk, root, tree, entry);
		break;
	case FTS_DNR:
		report_trouble(walk, entry->fts_path, "can't be read", entry->fts_errno);
		break;
	case FTS_NS:
	case FTS_ERR:
		/* Gone meanwhile, or not there yet. */
		if (entry->fts_errno != ENOENT ||
		    (entry->fts_level == FTS_ROOTLEVEL && !root->optional))
			report_trouble(walk, entry->fts_path, "can't be looked at", entry->fts_errno);
		break;
	case FTS_DP:
	case FTS_DC:
		break;
	default:
		visit_other(walk, root, entry);
		break;
	}
	if (progress_is_due())
		progress_show("%" PRId64 " files looked at, %" PRId64 " recovered", walk->looked_at,
			      walk->recovered);
}

/*
 * fts(3) enters each directory and looks there whether it is the one that it had found: so what
 * stands in a name's place a moment later can't lead out of the tree.
 */
static int walk_path(struct walk *walk, char *path, bool optional)
{
	struct root root = { .optional = optional };
	FTS *tree = fts_open((char *[]){ path, NULL }, FTS_PHYSICAL | FTS_COMFOLLOW, NULL);
	FTSENT *entry;
	int error = errno;

	if (tree) {
		while ((entry = fts_read(tree)))
			visit(walk, &root, tree, entry);
		error = errno;
		fts_close(tree);
	}
	if (!error)
		return 0;
	complain("%s: can't be walked through: %s", path, strerror(error));
	return STATUS_TROUBLE;
}

/* An absolute path is walked from the root: fts needs to read the directory that it starts from. */
static int walk_all(struct walk *walk, char **paths, size_t number, bool optional)
{
	int home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int status = 0;

	for (size_t i = 0; i < number; i++) {
		int moved = *paths[i] == '/' ? chdir("/") : home >= 0 ? fchdir(home) : -1;

		if (moved < 0 && *paths[i] != '/') {
			report_trouble(walk, paths[i], "can't be reached", errno);
			continue;
		}
		if (walk_path(walk, paths[i], optional))
			status = STATUS_TROUBLE;
	}
	if (home >= 0) {
		if (fchdir(home) < 0)
			status = STATUS_TROUBLE;
		close(home);
	}
	return status;
}

static const char *plural(int64_t number)
{
	return number == 1 ? "" : "s";
}

static void print_summary(const struct walk *walk)
{
	bool dry_run = walk->options.dry_run;

	printf("%" PRId64 " file%s looked at, %" PRId64 " %s, %" PRId64 " bytes %s, %" PRId64 " left",
	       walk->looked_at, plural(walk->looked_at), walk->recovered,
	       dry_run ? "to recover" : "recovered", walk->given_back,
	       dry_run ? "to give back" : "given back", walk->left);
	if (walk->unmarked)
		printf(", %" PRId64 " mark%s %s that didn't fit", walk->unmarked,
		       plural(walk->unmarked), dry_run ? "to remove" : "removed");
	if (walk->not_crossed)
		printf(", %" PRId64 " mount%s not crossed", walk->not_crossed,
		       plural(walk->not_crossed));
	putchar('\n');
}

static int recover_all(struct walk *walk, char **paths, size_t number)
{
	struct places places = { 0 };
	int status = walk->has_config ? places_load(&places, walk->config) : 0;
	int walked;

	if (status)
		return status;
	if (walk->json)
		json_begin();
	status = walk_all(walk, paths, number, false);
	walked = walk_all(walk, places.list, places.count, true);
	progress_clear();
	if (walk->json)
		json_end();
	else if (walk->is_tree)
		print_summary(walk);
	places_free(&places);
	if (status || walked)
		return STATUS_TROUBLE;
	return walk->has_failed ? STATUS_FAILED : 0;
}

static int run_recover(int argc, char **argv)
{
	struct walk walk = { .options = { .gives_way = show_search, .context = &walk } };
	int option;

	while ((option = getopt_long(argc, argv, ":hnv", long_options, NULL)) != -1) {
		if (option == 'n')
			walk.options.dry_run = true;
		else if (option == OPTION_STRIP)
			walk.options.strip_zeros = true;
		else if (option == OPTION_CROSS)
			walk.cross_mounts = true;
		else if (option == 'v')
			walk.verbose = true;
		else if (option == OPTION_JSON)
			walk.json = true;
		else if (option != OPTION_CONFIG)
			return command_other_option(&recover_command, option, argv);
		else {
			walk.has_config = true;
			walk.config = optarg;
		}
	}
	if (optind == argc && !walk.has_config) {
		complain("recover needs the path of a file or directory, or --config; see preallocate help "
			 "recover");
		return STATUS_TROUBLE;
	}
	return recover_all(&walk, argv + optind, (size_t)(argc - optind));
}

const struct command recover_command = {
	.name = "recover",
	.summary = "give files their true size after a crash",
	.usage =
	"Usage: preallocate recover [OPTION...] PATH...\n"
	"       preallocate recover [OPTION...] --config[=FILE]\n"
	"\n"
	"Cuts the files that a crash has left extended back to their data: each PATH, or all files of the\n"
	"tree that it is. Only files that carry the mark of an extended one are opened. Says for each what\n"
	"was cut, and from where the end was known. May be interrupted, and run again at any time.\n"
	"\n"
	"  -n, --dry-run            change nothing, say what would be done\n"
	"      --strip-zeros        where the end is known to the block only: cut zeroes off, too\n"
	"      --config[=FILE]      the directories that the rules of FILE name, or of the default\n"
	"                           configuration\n"
	"      --cross-mounts       go into what is mounted below PATH, too\n"
	"  -v, --verbose            name what needed nothing, and the mounts left out\n"
	"      --json               print JSON\n"
	"  -h, --help               print this\n"
	"\n"
	"Exits with 1 if a file can't be recovered.\n",
	.run = run_recover,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library's start and end. */
#include "base/layout.h"
#include "base/log.h"
#include "claim/claim.h"
#include "claim/helper.h"
#include "files/files.h"
#include "files/report.h"
#include "libc/loaded.h"
#include "libc/process.h"
#include "libc/real.h"
#include "rules/rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

/* A relative path (LD_PRELOAD=./...) is to where the program was then, and by now that may be anybody's. */
static const char *find_guardian(char *path, size_t size)
{
	const char *loaded = loaded_path();
	const char *library = loaded && loaded[0] == '/' ? loaded : NULL;

	helper_find(library, path, size);
	return library;
}

static void no_rules(const struct rules_error *error)
{
	log_error("%s; no file is managed", error->message);
}

AT_START __attribute__((constructor(101))) static void start(void)
{
	struct rules_error error;
	struct rules *rules = NULL;
	const char *level;
	int saved_errno = errno;

	real_start();
	/* A set-user-ID program takes nothing from its environment. */
	if (getauxval(AT_SECURE))
		return;
	level = getenv(START_STRING("PREALLOCATE_LOG"));
	if (log_init(level, getenv(START_STRING("PREALLOCATE_LOG_FILE"))) < 0)
		log_error("PREALLOCATE_LOG=%s: no such level; error, warn, info and debug are", level);
	if (rules_load_later(&rules, getenv(START_STRING("PREALLOCATE_CONFIG")),
			     getenv(START_STRING("PREALLOCATE_RULES")), no_rules, &error) < 0)
		no_rules(&error);
	if (rules) {
		report_init(getenv(START_STRING("PREALLOCATE_REPORT")));
		files_init(rules, find_guardian);
		process_init();
	}
	errno = saved_errno;
}

AT_START __attribute__((destructor(101))) static void end(void)
{
	if (descriptions_exist())
		files_exit();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library's start and end. */
#include "base/layout.h"
#include "base/log.h"
#include "claim/claim.h"
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

/*
 * Beside the library in a build tree, else where it was installed to, else relative to the library:
 * a tree that was moved. Where there is none that can be started, who starts it tells why. Returns the
 * library's own path; NULL: unknown, or relative (LD_PRELOAD=./...): to where the program was then, and by now that
 * may be anybody's.
 */
static const char *find_guardian(char *path, size_t size)
{
	static const char *const places[] = {"../preallocate-guardian", NULL,
					     "../libexec/preallocate-guardian",
					     "../../libexec/preallocate-guardian"};
	const char *loaded = loaded_path();
	const char *library = loaded && loaded[0] == '/' ? loaded : NULL;
	const char *slash = library ? strrchr(library, '/') : NULL;
	/* A build tree's library lies in .libs. */
	bool built = slash && slash - library >= 6 && memcmp(slash - 6, "/.libs", 6) == 0;
	bool runs = false, exists = false;
	/* Not on the stack, which may be a signal handler's. One at a time: in the session's section. */
	FAR static char place[4096];

	snprintf(path, size, "%s", LIBEXECDIR "/preallocate-guardian");
	for (size_t i = built ? 0 : 1; !runs && i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] && !library)
			continue;
		if (!places[i])
			strcpy(place, LIBEXECDIR "/preallocate-guardian");
		else if ((size_t)snprintf(place, sizeof(place), "%.*s%s", (int)(slash + 1 - library),
					  library, places[i]) >= sizeof(place))
			continue;
		runs = access(place, X_OK) == 0;
		if (runs || (!exists && access(place, F_OK) == 0)) {
			exists = true;
			snprintf(path, size, "%s", place);
		}
	}
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

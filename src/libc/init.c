/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library's start and end. */
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
 * a tree that was moved.
 */
static const char *find_guardian(char *buffer, size_t size)
{
	static const char *const places[] = {"../preallocate-guardian", NULL,
					     "../libexec/preallocate-guardian",
					     "../../libexec/preallocate-guardian"};
	static char beside[4096];
	const char *library = loaded_path();
	const char *slash = library ? strrchr(library, '/') : NULL;

	if (!slash)
		return LIBEXECDIR "/preallocate-guardian";
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		/* A build tree's library lies in .libs. */
		if (i == 0 && (slash - library < 6 || memcmp(slash - 6, "/.libs", 6) != 0))
			continue;
		if (!places[i])
			strcpy(buffer, LIBEXECDIR "/preallocate-guardian");
		else if ((size_t)(slash - library) + sizeof("/../../libexec/preallocate-guardian") <= size)
			strcpy(mempcpy(buffer, library, (size_t)(slash - library) + 1), places[i]);
		else
			continue;
		if (access(buffer, X_OK) == 0)
			return buffer;
		if (!beside[0] && access(buffer, F_OK) == 0)
			strcpy(beside, buffer);
	}
	/* Who starts it tells why it can't. */
	return beside[0] ? beside : LIBEXECDIR "/preallocate-guardian";
}

__attribute__((constructor(101))) static void start(void)
{
	struct rules_error error = {""};
	struct rules *rules = NULL;
	char guardian[4096];
	int saved_errno = errno;

	real_start();
	/* A set-user-ID program takes nothing from its environment. */
	if (getauxval(AT_SECURE))
		return;
	if (log_init(getenv("PREALLOCATE_LOG"), getenv("PREALLOCATE_LOG_FILE")) < 0)
		log_error("PREALLOCATE_LOG=%s: no such level; error, warn, info and debug are",
			  getenv("PREALLOCATE_LOG"));
	if (rules_load(&rules, getenv("PREALLOCATE_CONFIG"), getenv("PREALLOCATE_RULES"), &error) <
	    0) {
		log_error("%s; no file is managed", error.message);
		rules_free(rules);
		rules = NULL;
	}
	if (rules_count(rules) > 0) {
		report_init(getenv("PREALLOCATE_REPORT"));
		files_init(rules, find_guardian(guardian, sizeof(guardian)));
		process_init();
	}
	errno = saved_errno;
}

__attribute__((destructor(101))) static void end(void)
{
	if (descriptions_exist())
		files_exit();
}

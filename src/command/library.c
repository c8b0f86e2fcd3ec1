/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/library.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim/helper.h"
#include "command/command.h"

#define LIBRARY_NAME "libpreallocate.so"

/* In a build tree the library lies beside us, where libtool puts it; else where it was installed. */
static int find_library(char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length > 0) {
		self[length] = '\0';
		*strrchr(self, '/') = '\0';
		if ((size_t)snprintf(path, size, "%s/.libs/" LIBRARY_NAME, self) < size &&
		    access(path, R_OK) == 0)
			return 0;
	}
	if ((size_t)snprintf(path, size, "%s", LIBDIR "/" LIBRARY_NAME) >= size)
		return -ENAMETOOLONG;
	return access(path, R_OK) == 0 ? 0 : -errno;
}

const char *library_find_guardian(char *path, size_t size)
{
	static char library[PATH_MAX];
	bool found = find_library(library, sizeof(library)) == 0;

	helper_find(found ? library : NULL, path, size);
	return found ? library : NULL;
}

static bool is_preloaded(const char *list, const char *path)
{
	size_t length = strlen(path);

	while (*list) {
		size_t word = strcspn(list, ": ");

		if (word == length && !memcmp(list, path, length))
			return true;
		list += word;
		list += strspn(list, ": ");
	}
	return false;
}

int library_preload(void)
{
	const char *inherited = getenv("LD_PRELOAD");
	char path[PATH_MAX];
	char *list = NULL;
	int error = find_library(path, sizeof(path));

	if (error) {
		complain("%s: the library can't be read: %s; install it, or start preallocate from its "
			 "build directory", path, strerror(-error));
		return STATUS_TROUBLE;
	}
	if (strpbrk(path, ": ")) {
		complain("%s: LD_PRELOAD can't hold a path with a blank or colon; install the library "
			 "elsewhere", path);
		return STATUS_TROUBLE;
	}
	if (inherited && is_preloaded(inherited, path))
		return 0;
	if (asprintf(&list, "%s%s%s", path, inherited && *inherited ? ":" : "",
		     inherited ? inherited : "") < 0 || setenv("LD_PRELOAD", list, 1)) {
		complain("LD_PRELOAD can't be set: %s", strerror(errno));
		return STATUS_TROUBLE;
	}
	free(list);
	return 0;
}

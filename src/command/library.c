/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/*
 * The library by a path in which glibc's loader alone replaces $LIB by the name of a directory (ld.so(8)), from there
 * up to the root and down again. musl's finds no such file and goes on without it; the library itself it would load,
 * and fail. False: this loader doesn't come to the library by it.
 */
static bool name_for_glibc(const char *library, char *path, size_t size)
{
#define IN_USR "/usr/$LIB"
#define TO_ROOT "/../../.."
	void *handle = dlopen(IN_USR, RTLD_LAZY | RTLD_LOCAL);
	/* The error names the directory: how the loader understands it. */
	const char *replaced = handle ? NULL : dlerror();
	struct stat by_name, itself;

	if (handle)
		dlclose(handle);
	return replaced &&
	       (size_t)snprintf(path, size, "%.*s" TO_ROOT "%s", (int)strcspn(replaced, ":"), replaced, library) < size &&
	       stat(path, &by_name) == 0 && stat(library, &itself) == 0 && by_name.st_dev == itself.st_dev &&
	       by_name.st_ino == itself.st_ino &&
	       (size_t)snprintf(path, size, IN_USR TO_ROOT "%s", library) < size;
}

int library_preload(void)
{
	const char *inherited = getenv("LD_PRELOAD");
	char path[PATH_MAX], named[PATH_MAX];
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
	if (!name_for_glibc(path, named, sizeof(named)))
		strcpy(named, path);
	if (inherited && (is_preloaded(inherited, path) || is_preloaded(inherited, named)))
		return 0;
	if (asprintf(&list, "%s%s%s", named, inherited && *inherited ? ":" : "",
		     inherited ? inherited : "") < 0 || setenv("LD_PRELOAD", list, 1)) {
		complain("LD_PRELOAD can't be set: %s", strerror(errno));
		return STATUS_TROUBLE;
	}
	free(list);
	return 0;
}

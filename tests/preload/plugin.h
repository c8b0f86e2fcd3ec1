/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading what lies beside the program. */
#ifndef TESTS_PRELOAD_PLUGIN_H
#define TESTS_PRELOAD_PLUGIN_H

#include <dlfcn.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* apart: in a namespace of its own, with a libc of its own. */
static inline void *plugin_load(const char *name, bool apart, int flags)
{
	char path[4200] = "";
	void *handle;

	if (readlink("/proc/self/exe", path, 4096) < 0 || !strrchr(path, '/'))
		err(99, "/proc/self/exe");
	snprintf(strrchr(path, '/'), 100, "/.libs/%s.so", name);
	handle = apart ? dlmopen(LM_ID_NEWLM, path, flags) : dlopen(path, flags);
	if (!handle)
		errx(99, "%s", dlerror());
	return handle;
}

static inline void *plugin_symbol(void *handle, const char *name)
{
	void *symbol = dlsym(handle, name);

	if (!symbol)
		errx(99, "%s", dlerror());
	return symbol;
}

#endif

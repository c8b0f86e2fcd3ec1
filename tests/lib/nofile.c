/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A preload that tells of a huge RLIMIT_NOFILE, which only a process with CAP_SYS_RESOURCE on a
 * machine with a raised fs.nr_open can have. What sizes a table by it shows.
 */
#define HUGE_LIMIT 1073741816

#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	int (*next)(__rlimit_resource_t, struct rlimit *) =
		(int (*)(__rlimit_resource_t, struct rlimit *))dlsym(RTLD_NEXT, "getrlimit");
	int result = next(resource, limit);

	if (result == 0 && resource == RLIMIT_NOFILE)
		limit->rlim_cur = limit->rlim_max = HUGE_LIMIT;
	return result;
}

long sysconf(int name)
{
	long (*next)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");

	return name == _SC_OPEN_MAX ? HUGE_LIMIT : next(name);
}

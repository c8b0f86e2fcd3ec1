/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin that is bound to libc past us (RTLD_DEEPBIND), or to a libc of its own (dlmopen), writes
 * to an extended file: what isn't zeroes is never lost, and nothing is written over it.
 */
#include "transcript.h"
#include "plugin.h"

static char bytes[5000];
static ssize_t (*plugin_write)(int fd, const void *buffer, size_t size);
static int (*plugin_append)(const char *path, const void *buffer, size_t size);
static int (*plugin_ftruncate)(int fd, off_t size);

static void bind(void *handle)
{
	*(void **)&plugin_write = plugin_symbol(handle, "plugin_write");
	*(void **)&plugin_append = plugin_symbol(handle, "plugin_append");
	*(void **)&plugin_ftruncate = plugin_symbol(handle, "plugin_ftruncate");
}

/* It is the library that the program is told the size by: asked only where it has settled. */
static void in_turns(const char *name, int flags)
{
	int fd = start(name, O_RDWR | flags);

	CALL(plugin_write(fd, bytes, 700));
	CALL(write(fd, bytes + 1000, 300));
	EXTENDED(fd);
	CALL(plugin_write(fd, bytes + 2000, 500));
	CALL(plugin_write(fd, bytes + 3000, 500));
	state_of(file);
	state(fd);
	CALL(plugin_append(file, bytes + 400, 900));
	state_of(file);
	append(fd);
	CALL(plugin_write(fd, bytes, 700));
	finish(fd);
}

static void last(const char *name, int flags)
{
	int fd = start(name, O_RDWR | flags);

	CALL(plugin_write(fd, bytes, 1));
	CALL(close(fd));
	state_of(file);
}

static void far(const char *name, int flags)
{
	int fd = start(name, O_RDWR | flags);

	CALL(plugin_append(file, bytes, 2000));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(plugin_write(fd, bytes, 5000));
	for (int i = 0; i < 30; i++)
		plugin_write(fd, bytes, 5000);
	finish(fd);
}

static void cut(const char *name, int flags)
{
	int fd = start(name, O_RDWR | flags);

	CALL(plugin_ftruncate(fd, 5000));
	CALL(close(fd));
	state_of(file);
	fd = (int)CALL(open(file, O_RDWR | flags));
	again(fd);
	CALL(plugin_ftruncate(fd, 5000));
	state_of(file);
	append(fd);
	finish(fd);
}

static void all(int flags)
{
	in_turns("turns", flags);
	last("last", flags);
	far("far", flags);
	cut("cut", flags);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	bind(plugin_load("plugin", false, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND));
	all(0);
	all(O_APPEND);
	bind(plugin_load("plugin", true, RTLD_NOW | RTLD_LOCAL));
	all(0);
	all(O_APPEND);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * liburing own|fixed|polled|append: io_uring through liburing. As liburing-plugin: it comes with a
 * plugin that the program loads for itself (RTLD_LOCAL), so that it isn't behind us in the search.
 */
#include "transcript.h"
#include "ring.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

static char bytes[5000];

#ifdef RING_PLUGIN
#include "plugin.h"

static struct {
	__typeof__(ring_request) *request;
	__typeof__(ring_new) *new;
	__typeof__(ring_register) *add, *update;
	__typeof__(ring_pair) *pair;
	__typeof__(ring_end) *end;
} plugin;

static void load(void)
{
	void *handle = plugin_load("ring", false, RTLD_NOW | RTLD_LOCAL);

	*(void **)&plugin.request = plugin_symbol(handle, "ring_request");
	*(void **)&plugin.new = plugin_symbol(handle, "ring_new");
	*(void **)&plugin.add = plugin_symbol(handle, "ring_register");
	*(void **)&plugin.update = plugin_symbol(handle, "ring_update");
	*(void **)&plugin.pair = plugin_symbol(handle, "ring_pair");
	*(void **)&plugin.end = plugin_symbol(handle, "ring_end");
}
#define ring_request plugin.request
#define ring_new plugin.new
#define ring_register plugin.add
#define ring_update plugin.update
#define ring_pair plugin.pair
#define ring_end plugin.end
#else
static void load(void)
{
}
#endif

/* Returns whether nothing is known of requests that are still to come. */
static bool prepare(const char *how, int fd)
{
	if (strcmp(how, "fixed") == 0)
		CALL(ring_register(fd));
	return strcmp(how, "polled") == 0;
}

static void use(const char *how)
{
	bool append_only = strcmp(how, "append") == 0, fixed = strcmp(how, "fixed") == 0;
	int fd = start("ring", O_RDWR | (append_only ? O_APPEND : 0)), later, which;
	int ret = ring_new(strcmp(how, "polled") == 0);
	char back[100];

	if (ret < 0) {
		say("no such ring: %s\n", strerrorname_np(-ret));
		finish(fd);
		return;
	}
	/* A ring alone that can be watched says nothing. */
	if (!prepare(how, fd) && !fixed)
		EXTENDED(fd);
	which = fixed ? 0 : fd;
	CALL(ring_request('w', which, fixed, bytes, 3000, START_BYTES));
	state(fd);
	append(fd);
	state(fd);
	CALL(ring_request('w', which, fixed, bytes, 3000, (uint64_t)-1));
	CALL(ring_request('r', which, fixed, back, 100, 1 << 20));
	CALL(ring_request('r', which, fixed, back, 100, START_BYTES + 10));
	CALL(ring_request('s', which, fixed, NULL, 0, 0));
	state(fd);
	if (!append_only)
		CALL(ring_pair(fd, bytes, 2500, 30000));
	state(fd);
	later = open("930-later.dat", O_RDWR | O_CREAT, 0640);
	CALL(write(later, bytes, 3000));
	CALL(write(later, bytes, 3000));
	if (fixed)
		CALL(ring_update(later));
	else if (strcmp(how, "polled") != 0)
		EXTENDED(later);
	else
		CALL(real_size(later));
	CALL(ring_request('w', fixed ? 1 : later, fixed, bytes, 3000, 6000));
	CALL(write(later, bytes, 10));
	state(later);
	CALL(ring_request('c', later, 0, NULL, 0, 0));
	CALL(fcntl(later, F_GETFD));
	state_of("930-later.dat");
	ring_end();
	append(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	fill(bytes, sizeof(bytes), 1);
	load();
	use(argc > 1 ? argv[1] : "own");
}

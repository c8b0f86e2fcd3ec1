/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *	every		the transcript
 *	every --names	the names that are called in it
 */
#include "every.h"

#include <dlfcn.h>
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

char every_bytes[8192];

static const struct every_row *const tables[] = {every_file_rows, every_metadata_rows,
						 every_stream_rows, every_process_rows,
						 every_ring_rows, every_number_rows};

/* A libc, libaio or liburing of another version may lack it, and then nobody calls it. */
static bool is_there(const char *name)
{
	static const char *const libraries[] = {"libc.so.6", "libaio.so.1", "libaio.so.1t64",
						"liburing.so.2"};

	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		void *library = dlopen(libraries[i], RTLD_NOW | RTLD_GLOBAL);

		if (library && dlsym(library, name))
			return true;
	}
	return false;
}

static void run(const struct every_row *row, const char *name)
{
	char start[10000];
	void *call = NULL;
	int fd;

	if (strncmp(name, "SYS_", 4) != 0)
		call = dlsym(RTLD_DEFAULT, name);
	fill(start, sizeof(start), 3);
	fd = open(file, O_RDWR | O_CREAT, 0640);
	if (fd < 0 || write(fd, start, sizeof(start)) != sizeof(start))
		err(99, "%s", file);
	EXTENDED(fd);
	row->test(call, fd);
	if (fcntl(fd, F_GETFD) < 0)
		return;
	state(fd);
	append(fd);
	state(fd);
	CALL(close(fd));
}

static void one(const struct every_row *row, const char *name)
{
	int status;
	pid_t pid;

	if (strncmp(name, "SYS_", 4) != 0 && !is_there(name))
		return;
	section(name);
	pid = fork();
	if (pid == 0) {
		run(row, name);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(99, "waitpid");
	say("status %x\n", (unsigned int)status);
	if (WIFEXITED(status) && WEXITSTATUS(status) >= 98)
		_exit(WEXITSTATUS(status));
	state_of(file);
}

static void each(void (*what)(const struct every_row *row, const char *name))
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct every_row *row = tables[i]; row->names; row++) {
			char names[512], *rest = names, *name;

			snprintf(names, sizeof(names), "%s", row->names);
			while ((name = strsep(&rest, " ")))
				what(row, name);
		}
}

static void print(const struct every_row *row, const char *name)
{
	(void)row;
	puts(name);
}

void transcript(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--names") == 0) {
		each(print);
		return;
	}
	fill(every_bytes, sizeof(every_bytes), 1);
	each(one);
}

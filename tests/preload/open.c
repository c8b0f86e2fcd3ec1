/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every way to open a file, each followed by an append that extends it. */
#include "transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char bytes[3000];

/* Appends, so that the file is extended, and says what became of it. */
static void use(int fd)
{
	if (fd < 0)
		return;
	CALL(write(fd, bytes, sizeof(bytes)));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(write(fd, bytes, 100));
	EXTENDED(fd);
	state(fd);
	finish(fd);
}

#define OPEN(name, call) \
	({ \
		section(name); \
		use((int)CALL(call)); \
	})

static void names(void)
{
	int directory = (int)CALL(open(".", O_RDONLY | O_DIRECTORY));
	/* Not known when it is compiled: with _FORTIFY_SOURCE these are __open_2 and its kin. */
	volatile int flags = O_RDWR;

	OPEN("open", open(file, O_RDWR | O_CREAT, 0600));
	OPEN("open64", open64(file, O_RDWR | O_CREAT | O_EXCL, 0644));
	OPEN("openat", openat(directory, file, O_WRONLY | O_CREAT, 0640));
	OPEN("openat64", openat64(AT_FDCWD, file, O_RDWR | O_CREAT | O_TRUNC, 0666));
	OPEN("creat", creat(file, 0604));
	OPEN("creat64", creat64(file, 0777));
	section("open_2");
	CALL(close(creat(file, 0600)));
	use((int)CALL(open(file, flags)));
	use((int)CALL(open64(file, flags | O_APPEND)));
	use((int)CALL(openat(directory, file, flags)));
	use((int)CALL(openat64(directory, file, flags | O_TRUNC)));
	OPEN("absolute", ({
		     char *path;
		     char *cwd = realpath(".", NULL);
		     asprintf(&path, "%s/%s", cwd, file);
		     open(path, O_RDWR | O_CREAT, 0600);
	     }));
	CALL(close(directory));
}

/* Random names: renamed to the section's once they are open. */
#define TEMPORARY(name, template, call) \
	({ \
		char path[] = template; \
		int fd_; \
		section(name); \
		fd_ = (int)CALL(call); \
		CALL(rename(path, file)); \
		use(fd_); \
	})

static void temporary_names(void)
{
	char bad[] = "bad-template";

	TEMPORARY("mkostemps", "XXXXXX.dat", mkostemps(path, 4, O_APPEND));
	TEMPORARY("mkostemps64", "XXXXXX.dat", mkostemps64(path, 4, O_CLOEXEC));
	TEMPORARY("mkstemps", "XXXXXX.dat", mkstemps(path, 4));
	TEMPORARY("mkstemps64", "XXXXXX.dat", mkstemps64(path, 4));
	section("bad");
	CALL(mkstemp(bad));
	CALL(mkstemps(bad, 4));
}

/* mkstemp's names end in random letters: the rules match temp-* for them. */
static void by_prefix(void)
{
	TEMPORARY("mkstemp", "temp-XXXXXX", mkstemp(path));
	TEMPORARY("mkstemp64", "temp-XXXXXX", mkstemp64(path));
	TEMPORARY("mkostemp", "temp-XXXXXX", mkostemp(path, O_APPEND));
	TEMPORARY("mkostemp64", "temp-XXXXXX", mkostemp64(path, O_SYNC));
}

static void failures(void)
{
	section("failures");
	CALL(open("none.dat", O_RDWR));
	CALL(open("none/none.dat", O_RDWR | O_CREAT, 0600));
	CALL(open(NULL, O_RDWR));
	CALL(open("", O_RDWR));
	CALL(open(".", O_RDWR));
	CALL(openat(-5, "none.dat", O_RDWR));
	CALL(openat(999, "none.dat", O_RDWR | O_CREAT, 0600));
	CALL(close(open(file, O_RDWR | O_CREAT | O_EXCL, 0600)));
	CALL(open(file, O_RDWR | O_CREAT | O_EXCL, 0600));
	CALL(open(file, O_RDWR | O_DIRECTORY));
	CALL(open(file, O_RDONLY | O_TRUNC | O_DIRECTORY));
	CALL(symlink("loop.dat", "loop.dat"));
	CALL(open("loop.dat", O_RDWR));
	CALL(unlink("loop.dat"));
}

/* The same file again, in this very program, while it is extended. */
static void second_openers(void)
{
	static const int kinds[] = {O_RDONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_NONBLOCK,
				    O_RDONLY | O_NONBLOCK, O_PATH};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = start("second", O_RDWR);
		int other = (int)CALL(open(file, kinds[i]));

		state(other);
		CALL(write(fd, bytes, 500));
		CALL(write(other, bytes, 400));
		CALL(lseek(other, 0, SEEK_END));
		CALL(write(other, bytes, 300));
		CALL(write(fd, bytes, 200));
		state(fd);
		state(other);
		CALL(close(other));
		CALL(write(fd, bytes, 200));
		state(fd);
		finish(fd);
	}
}

static void reopened(void)
{
	int fd;

	section("reopened");
	for (int i = 0; i < 10; i++) {
		fd = (int)CALL(open(file, O_RDWR | O_CREAT | (i % 2 ? O_APPEND : 0), 0600));
		CALL(lseek(fd, 0, SEEK_END));
		CALL(write(fd, bytes, 100));
		EXTENDED(fd);
		CALL(close(fd));
	}
	state_of(file);
}

static void no_name(void)
{
	int fd;

	section("tmpfile");
	fd = (int)CALL(open(".", O_RDWR | O_TMPFILE, 0600));
	if (fd < 0)
		return;
	CALL(write(fd, bytes, 1000));
	state(fd);
	CALL(close(fd));
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	names();
	temporary_names();
	by_prefix();
	failures();
	second_openers();
	reopened();
	no_name();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs whose library has something to say.
 *
 *	outspoken second FILE LOG	has FILE open as descriptor 2, and appends to LOG
 *	outspoken limited FILE		appends under a limit that no guardian can be started with: a warning
 *	outspoken many FILE COUNT	opens, appends to, syncs and closes FILE so often: a report each
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0644);

	if (fd < 0)
		_exit(98);
	return fd;
}

static void append(int fd)
{
	for (int i = 0; i < 20; i++)
		if (write(fd, "a line\n", 7) != 7 || fdatasync(fd) < 0)
			_exit(97);
}

int main(int argc, char **argv)
{
	struct rlimit limit = {16384, 16384};
	int fd;

	if (argc == 4 && !strcmp(argv[1], "second")) {
		close(STDERR_FILENO);
		if (open_file(argv[2]) != STDERR_FILENO)
			return 96;
		append(STDERR_FILENO);
		fd = open_file(argv[3]);
		append(fd);
		close(fd);
		close(STDERR_FILENO);
	} else if (argc == 3 && !strcmp(argv[1], "limited")) {
		setrlimit(RLIMIT_FSIZE, &limit);
		fd = open_file(argv[2]);
		append(fd);
		close(fd);
	} else if (argc == 4 && !strcmp(argv[1], "many")) {
		for (int i = atoi(argv[3]); i > 0; i--) {
			fd = open_file(argv[2]);
			append(fd);
			close(fd);
		}
	} else {
		errx(99, "usage: outspoken second FILE LOG | limited FILE | many FILE COUNT");
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rotate FILE ROTATIONS: appends without end, while a signal handler closes the file and opens it anew: between
 * any two instructions of an append, sooner or later.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/paced.h"

static const char *path;
static volatile int fd;
static volatile long rotations;

static void rotate(int signal)
{
	(void)signal;
	close(fd);
	if (open(path, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0644) != fd)
		_exit(9);
	rotations++;
	paced_handled();
}

int main(int argc, char **argv)
{
	long enough;

	if (argc != 3)
		errx(2, "usage: rotate FILE ROTATIONS");
	path = argv[1];
	enough = atol(argv[2]);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0644);
	signal(SIGALRM, rotate);
	if (fd < 0)
		err(1, "%s", path);
	while (rotations < enough) {
		paced_set(50);
		if (write(fd, "0123456789", 10) != 10)
			err(1, "write");
	}
	paced_end();
	return 0;
}

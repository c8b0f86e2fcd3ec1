/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lines HOW: does something to its standard error, then writes to logged.dat, which the library has to tell of
 * (lines.sh). Exits with 0 if all that it did itself went well.
 *
 *	as-it-is	nothing
 *	database	opens "database" as descriptor 2, and writes to it by offset
 *	reborn		removes standard error's file, and opens a new "database" as descriptor 2
 *	limited		no file may be longer than 16 KiB
 *	background	leaves the terminal's foreground, where tostop is set
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static char bytes[100];

static int open_database(int flags)
{
	close(2);
	return open("database", O_RDWR | flags, 0644) == 2 ? 0 : -1;
}

static int write_database(void)
{
	for (int i = 0; i < 20; i++)
		if (pwrite(2, bytes, sizeof(bytes), i * 100) != sizeof(bytes) || fdatasync(2) < 0)
			return -1;
	return 0;
}

static int reborn(void)
{
	unlink("database");
	return open_database(O_CREAT | O_EXCL);
}

static int go_to_background(void)
{
	struct termios settings;
	pid_t child;

	tcgetattr(2, &settings);
	settings.c_lflag |= TOSTOP;
	tcsetattr(2, TCSANOW, &settings);
	child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		setpgid(0, 0);
		return 0;
	}
	for (int waited, status;;) {
		waited = waitpid(child, &status, WUNTRACED);
		if (waited == child)
			_exit(WIFSTOPPED(status) ? 98 : WEXITSTATUS(status));
	}
}

static int limit(void)
{
	struct rlimit most = {16384, 16384};

	return setrlimit(RLIMIT_FSIZE, &most);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	int result = 0, fd;

	memset(bytes, 'A', sizeof(bytes));
	if (strcmp(how, "database") == 0)
		result = open_database(O_CREAT);
	else if (strcmp(how, "reborn") == 0)
		result = reborn();
	else if (strcmp(how, "limited") == 0)
		result = limit();
	else if (strcmp(how, "background") == 0)
		result = go_to_background();
	if (result == 0 && strcmp(how, "database") == 0)
		result = write_database();
	fd = open("logged.dat", O_RDWR | O_CREAT | O_TRUNC, 0644);
	for (int i = 0; i < 20; i++)
		if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
			result = -1;
	errno = ENOTTY;
	if (close(fd) < 0 || errno != ENOTTY)
		result = -1;
	return result < 0;
}

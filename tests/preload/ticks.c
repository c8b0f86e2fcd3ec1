/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interval timer whose handler restarts nothing: calls on regular files are never interrupted,
 * neither those that extend one, nor an open or a truncate that has to wait for another process's file
 * to be settled.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 15
#define TICK_USEC 60

static volatile sig_atomic_t ticks;
static char bytes[20000];

static void tick(int signal)
{
	(void)signal;
	ticks++;
}

static void set_ticking(suseconds_t usec)
{
	struct itimerval every = {{0, usec}, {0, usec}};

	setitimer(ITIMER_REAL, &every, NULL);
}

/* Of failed calls only: the sum of errors other than none. */
static int failures;

#define COUNTED(call) \
	do \
		if ((call) < 0) { \
			failures++; \
			printf("%s: %s\n", #call, strerror(errno)); \
		} \
	while (0)

static void on_a_file_of_its_own(int flags)
{
	char name[32];
	struct stat st;

	snprintf(name, sizeof(name), "own-%x.dat", (unsigned)flags);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);

		COUNTED(fd);
		for (int j = 0; j < 20; j++)
			COUNTED(write(fd, bytes, sizeof(bytes)));
		COUNTED(pwrite(fd, bytes, 3000, 400000));
		COUNTED(lseek(fd, 0, SEEK_END));
		COUNTED(fdatasync(fd));
		COUNTED(ftruncate(fd, 30000));
		COUNTED(write(fd, bytes, 500));
		COUNTED(fstat(fd, &st));
		COUNTED(close(fd));
	}
	if (stat(name, &st) == 0)
		printf("%s: %lld bytes\n", name, (long long)st.st_size);
}

static char get(int fd)
{
	char c = 0;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
	return c;
}

static void put(int fd)
{
	while (write(fd, "x", 1) < 0 && errno == EINTR)
		;
}

/* The other process: opens and cuts the file, whenever that has been extended. */
static void challenges(int from, int to)
{
	set_ticking(TICK_USEC);
	while (get(from)) {
		int fd = open("shared.dat", O_RDONLY);

		COUNTED(fd);
		close(fd);
		put(to);
		if (!get(from))
			break;
		COUNTED(truncate("shared.dat", 100));
		put(to);
	}
	set_ticking(0);
	printf("challenger: %d failures\n", failures);
	fflush(stdout);
}

static int append(void)
{
	int fd = open("shared.dat", O_RDWR | O_CREAT | O_APPEND, 0600);

	COUNTED(fd);
	COUNTED(write(fd, bytes, 3000));
	return fd;
}

static void beside_another(void)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) < 0 || pipe(from) < 0)
		exit(98);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(to[1]);
		challenges(to[0], from[1]);
		_exit(0);
	}
	close(to[0]);
	for (int i = 0; i < 2 * ROUNDS; i++) {
		/* A new description has nothing to back off from. */
		int fd = append();

		put(to[1]);
		get(from[0]);
		close(fd);
	}
	close(to[1]);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	struct sigaction action = {.sa_handler = tick};

	sigaction(SIGALRM, &action, NULL);
	beside_another();
	set_ticking(TICK_USEC * 5);
	on_a_file_of_its_own(0);
	on_a_file_of_its_own(O_APPEND);
	set_ticking(0);
	printf("%d failures, %s\n", failures, ticks > 0 ? "interrupted" : "never interrupted");
	return 0;
}

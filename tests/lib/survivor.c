/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * survivor WHAT ACKNOWLEDGED FILE: programs that do unusual things while they hold a file that
 * they append to. Each prints what it notices; the same has to come out without the library.
 *
 *	pthread-exit	main ends by pthread_exit, another thread goes on appending, then ends
 *	wait		waits for any child where there is none, then where there is one
 *	unshare		unshare(CLONE_NEWUSER), which the kernel refuses to a program with threads
 *	drop-root	opens as root, becomes nobody, appends, holds it until stdin ends
 *	close-all	closes every descriptor, opens FILE again, appends, holds it
 *	close-others	closes every descriptor but FILE's, appends, holds it
 *	close-range	as close-all, by close_range
 *	eat-memory	appends, then uses memory until it is killed
 *	server PORT	needs the port, a flock on FILE.lock and one on FILE; appends until killed
 */
#include "paced.h"
#include "records.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path;
static int fd;
static struct acknowledged *ack;

static void open_file(void)
{
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (fd < 0)
		err(98, "%s", path);
}

static void append(unsigned count, useconds_t pause)
{
	struct writer *writer = &ack->writers[0];
	char record[512];

	while (count--) {
		size_t length = record_length(ack, 0, writer->records);

		record_make(record, length, 0, writer->records);
		if (write(fd, record, length) != (ssize_t)length)
			err(98, "write");
		writer->bytes += length;
		writer->records++;
		if (pause)
			usleep(pause);
	}
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void hold(void)
{
	char c;

	say("holding");
	while (read(0, &c, 1) > 0)
		;
}

static void *go_on(void *unused)
{
	usleep(50000);
	append(300, 500);
	return unused;
}

static void leave_by_pthread_exit(void)
{
	pthread_t thread;

	append(100, 0);
	pthread_create(&thread, NULL, go_on, NULL);
	pthread_exit(NULL);
}

static void say_waited(const char *what, int returned)
{
	printf("%s: %d, %s\n", what, returned, returned < 0 ? strerror(errno) : "");
}

static void wait_for_strangers(void)
{
	siginfo_t info = { 0 };
	int status = 0, waited;
	pid_t child;

	append(100, 0);
	say_waited("wait", wait(&status));
	say_waited("waitpid, all", waitpid(-1, &status, WNOHANG | __WALL));
	say_waited("waitpid, clones", waitpid(-1, &status, WNOHANG | (int)__WCLONE));
	say_waited("waitid", waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
	child = fork();
	if (child == 0)
		_exit(7);
	append(100, 0);
	waited = wait(&status) == child;
	printf("own child: %d, status %d\n", waited, WEXITSTATUS(status));
	append(100, 0);
	say_waited("no more", wait(&status));
}

static void unshare_users(void)
{
	append(100, 0);
	printf("unshare: %d\n", unshare(CLONE_NEWUSER));
	append(100, 0);
}

static void drop_root(void)
{
	append(100, 0);
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		err(98, "setuid");
	append(200, 0);
	hold();
}

static void close_from_three(int except)
{
	for (int i = 3; i < 4096; i++) {
		if (i != except)
			close(i);
	}
}

static void close_all(void)
{
	append(100, 0);
	close_from_three(-1);
	open_file();
	printf("lowest descriptor: %d\n", fd);
	append(200, 0);
	hold();
}

static void close_others(void)
{
	append(100, 0);
	close_from_three(fd);
	append(200, 0);
	printf("next descriptor: %d\n", dup(0));
	hold();
}

static void close_by_range(void)
{
	append(100, 0);
	if (close_range(3, ~0U, 0) < 0)
		err(98, "close_range");
	open_file();
	printf("lowest descriptor: %d\n", fd);
	append(200, 0);
	hold();
}

static void eat_memory(void)
{
	append(100, 0);
	for (;;) {
		char *more = malloc(1 << 20);

		if (!more)
			break;
		memset(more, 1, 1 << 20);
		append(1, 0);
	}
}

static void serve(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int listener = socket(AF_INET, SOCK_STREAM, 0), lock;
	char name[4096];

	snprintf(name, sizeof(name), "%s.lock", path);
	lock = open(name, O_RDWR | O_CREAT, 0666);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		err(97, "flock of the lock file");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		err(97, "flock of the data");
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0)
		err(97, "the port");
	append(100, 0);
	say("ready");
	append(1000000, 1000);
}

static const struct {
	const char *name;
	void (*act)(void);
} acts[] = {
	{ "pthread-exit", leave_by_pthread_exit }, { "wait", wait_for_strangers },
	{ "unshare", unshare_users },		   { "drop-root", drop_root },
	{ "close-all", close_all },		   { "close-others", close_others },
	{ "close-range", close_by_range },	   { "eat-memory", eat_memory },
};

int main(int argc, char **argv)
{
	if (argc < 4)
		errx(99, "usage: survivor WHAT ACKNOWLEDGED FILE");
	alarm(patience(60));
	ack = acknowledged_map(argv[2]);
	ack->shortest = 50;
	ack->longest = 400;
	path = argv[3];
	open_file();
	if (!strcmp(argv[1], "server")) {
		serve(argv[4]);
		return 0;
	}
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (!strcmp(argv[1], acts[i].name))
			acts[i].act();
	}
	return 0;
}

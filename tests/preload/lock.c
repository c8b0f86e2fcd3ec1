/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Record locks counted from the end, flock, and what else fcntl(2) answers of an extended file. */
#include "transcript.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

/* Another process says which locks it would meet. */
static void tell_locks(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int fd = open(file, O_RDWR);

		for (int64_t at = 0; at >= 0 && at < 30000;) {
			struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at};

			if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
				break;
			say("  lock %d from %lld of %lld\n", lock.l_type, (long long)lock.l_start,
			    (long long)lock.l_len);
			at = lock.l_len ? lock.l_start + lock.l_len : -1;
		}
		_exit(0);
	}
	waitpid(child, &status, 0);
}

static void at_the_end(void)
{
	int fd = start("seek-end", O_RDWR);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -100, .l_len = 50};

	CALL(fcntl(fd, F_SETLK, &lock));
	tell_locks();
	lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = 10, .l_len = 0};
	CALL(fcntl(fd, F_SETLKW, &lock));
	tell_locks();
	lock = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
	CALL(fcntl(fd, F_SETLK, &lock));
	lock = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = 5, .l_len = -3};
	CALL(fcntl(fd, F_SETLK, &lock));
	tell_locks();
	lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -100000};
	CALL(fcntl(fd, F_SETLK, &lock));
	CALL(fcntl(fd, F_SETLK, NULL));
	lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -7, .l_len = 3};
	CALL(fcntl(fd, F_OFD_SETLK, &lock));
	append(fd);
	CALL(lockf(fd, F_TLOCK, 100));
	tell_locks();
	finish(fd);
}

static void whole(void)
{
	int fd = start("flock", O_RDWR);
	int other;

	CALL(flock(fd, LOCK_EX | LOCK_NB));
	append(fd);
	other = (int)CALL(open(file, O_RDWR));
	CALL(flock(other, LOCK_EX | LOCK_NB));
	CALL(close(fd));
	/* Nobody of ours holds on to it. */
	CALL(flock(other, LOCK_EX | LOCK_NB));
	finish(other);
}

/* A lock ends with the last descriptor, at once: the guardian's copy of it goes before. */
static void whole_and_closed(void)
{
	int fd = start("flock-closed", O_RDWR);

	CALL(flock(fd, LOCK_EX | LOCK_NB));
	again(fd);
	CALL(close(fd));
	fd = (int)CALL(open(file, O_RDWR));
	CALL(flock(fd, LOCK_EX | LOCK_NB));
	finish(fd);
}

static void questions(void)
{
	int fd = start("fcntl", O_RDWR);
	struct f_owner_ex owner;

	CALL(fcntl(fd, F_GETFD));
	CALL(fcntl(fd, F_SETFD, FD_CLOEXEC));
	CALL(fcntl(fd, F_GETFD));
	CALL(fcntl(fd, F_GETFL));
	EXTENDED(fd);
	CALL(fcntl(fd, F_GETOWN));
	again(fd);
	CALL(fcntl(fd, F_GETOWN_EX, &owner));
	CALL(owner.pid);
	again(fd);
	CALL(fcntl(fd, F_GETSIG));
	again(fd);
	CALL(fcntl(fd, F_GETLEASE));
	again(fd);
	CALL(fcntl(fd, F_GETPIPE_SZ));
	CALL(fcntl(fd, F_GET_SEALS));
	CALL(fcntl(fd, 7777, 1));
	CALL(fcntl(-1, F_GETFL));
	CALL(fcntl(999, F_SETFL, 0));
	EXTENDED(fd);
	finish(fd);
}

/* A lease and a signal of the program's own. */
static void own_lease(void)
{
	int fd = start("lease", O_RDWR);

	signal(SIGUSR1, SIG_IGN);
	CALL(fcntl(fd, F_SETSIG, SIGUSR1));
	CALL(fcntl(fd, F_GETSIG));
	CALL(fcntl(fd, F_SETLEASE, F_WRLCK));
	CALL(fcntl(fd, F_GETLEASE));
	append(fd);
	state(fd);
	CALL(fcntl(fd, F_GETLEASE));
	CALL(fcntl(fd, F_GETSIG));
	CALL(fcntl(fd, F_SETLEASE, F_UNLCK));
	append(fd);
	CALL(fcntl(fd, F_GETLEASE));
	finish(fd);

	fd = start("owner", O_RDWR);
	CALL(fcntl(fd, F_SETOWN, getpid()));
	CALL(fcntl(fd, F_GETOWN) == getpid());
	append(fd);
	CALL(fcntl(fd, F_GETOWN) == getpid());
	CALL(fcntl(fd, F_SETFL, O_ASYNC));
	CALL(fcntl(fd, F_GETFL));
	append(fd);
	CALL(fcntl(fd, F_GETFL));
	finish(fd);
}

static void do_nothing(int number)
{
	(void)number;
}

/* Holds a lease on it until it is killed. */
static pid_t hold_lease(const char *name)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe(ready) < 0)
		_exit(98);
	child = fork();
	if (child == 0) {
		int fd = open(name, O_RDWR | O_CREAT, 0600);

		signal(SIGIO, SIG_IGN);
		byte = fcntl(fd, F_SETLEASE, F_WRLCK) == 0 ? 'y' : 'n';
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	CALL(read(ready[0], &byte, 1) == 1 && byte == 'y');
	close(ready[0]);
	return child;
}

/*
 * Somebody else's lease is the program's own business. Were it waited for as a guardian's is, each open
 * would take a second.
 */
static void somebodys_lease(const char *name)
{
	pid_t child = hold_lease(name);
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	struct timespec began, ended;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &began);
	for (int i = 0; i < 12; i++)
		CALL(open(name, O_RDONLY | O_NONBLOCK));
	CALL(openat(AT_FDCWD, name, O_RDWR | O_NONBLOCK | O_APPEND));
	clock_gettime(CLOCK_MONOTONIC, &ended);
	say("  at once: %d\n", ended.tv_sec - began.tv_sec < 8);
	/* A signal interrupts the wait for it. */
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = do_nothing}, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	CALL(open(name, O_RDONLY));
	CALL(truncate(name, 10));
	setitimer(ITIMER_REAL, &never, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	fd = (int)CALL(open(name, O_RDONLY | O_NONBLOCK));
	CALL(close(fd));
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	at_the_end();
	whole();
	whole_and_closed();
	questions();
	own_lease();
	section("somebodys");
	somebodys_lease(file);
	somebodys_lease("somebodys.unmatched");
}

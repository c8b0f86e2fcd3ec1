/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * asleep FILE SECONDS: appends, until a signal interrupts that; the handler sleeps, so long or until
 * SIGUSR1 comes, and says so before and after. Nobody else appends, so nobody else finds the lock
 * taken.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct timespec pause_time;
static volatile sig_atomic_t slept, woken;

static void wake(int number)
{
	(void)number;
	woken = 1;
}

static void sleep_here(int number)
{
	struct timespec left = pause_time;

	(void)number;
	write(1, "asleep\n", 7);
	while (nanosleep(&left, &left) < 0 && !woken)
		;
	write(1, "awake\n", 6);
	slept = 1;
}

int main(int argc, char **argv)
{
	struct itimerval timer = {{0, 0}, {0, 20000}};
	char record[64];
	long records = 0;
	off_t size;
	int fd;

	if (argc != 3)
		errx(99, "usage: asleep FILE SECONDS");
	pause_time.tv_sec = atoi(argv[2]);
	memset(record, 'r', sizeof(record));
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
	signal(SIGUSR1, wake);
	signal(SIGALRM, sleep_here);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (!slept || records % 1000) {
		if (write(fd, record, sizeof(record)) != sizeof(record))
			err(1, "write");
		records++;
	}
	size = lseek(fd, 0, SEEK_END);
	if (size != records * (off_t)sizeof(record))
		errx(1, "%lld bytes, %ld records", (long long)size, records);
	return 0;
}

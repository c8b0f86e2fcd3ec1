/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads, cancellation and signal handlers on one extended file: what their sum must be. */
#include "../lib/paced.h"
#include "transcript.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>

static char bytes[3000];
static int shared_fd;
static _Atomic int started;

/* Appends in records of RECORD bytes, each all of one letter: a torn one is seen. */
/* It divides a page: the kernel moves the size page by page, which a watcher may see. */
#define RECORD 128
static _Atomic long long written;

static void append_record(int letter)
{
	char record[RECORD];
	ssize_t got;

	memset(record, letter, sizeof(record));
	got = write(shared_fd, record, sizeof(record));
	if (got > 0)
		written += got;
}

/* Every record whole, and as many as were written. In which order differs: the file goes. */
static void tell_records(const char *name)
{
	char record[RECORD];
	int fd = open(name, O_RDONLY);
	long long count = 0, torn = 0;

	while (read(fd, record, sizeof(record)) == sizeof(record)) {
		count++;
		for (size_t i = 1; i < sizeof(record); i++)
			if (record[i] != record[0]) {
				torn++;
				break;
			}
	}
	close(fd);
	say("records lost %lld torn %lld\n", written / RECORD - count, torn);
	unlink(name);
}

static int open_records(const char *name, int flags)
{
	section(name);
	written = 0;
	started = 0;
	shared_fd = open(file, O_RDWR | O_CREAT | flags, 0640);
	append_record('-');
	append_record('-');
	EXTENDED(shared_fd);
	return shared_fd;
}

static void *append_many(void *argument)
{
	for (int i = 0; i < 2000; i++)
		append_record('a' + (int)(intptr_t)argument);
	return NULL;
}

static void threads(int flags)
{
	pthread_t threads[4];
	int fd = open_records("threads", flags);

	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, append_many, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXTENDED(fd);
	CALL(close(fd));
	tell_records(file);
}

static void *append_for_ever(void *argument)
{
	(void)argument;
	started = 1;
	for (;;)
		append_record('c');
	return NULL;
}

/* A thread is cancelled inside write: it must not take a lock along. */
static void cancelled(int flags)
{
	int fd = open_records("cancel", flags);
	int ended = 0;

	for (int i = 0; i < 40; i++) {
		pthread_t thread;
		void *result;

		started = 0;
		pthread_create(&thread, NULL, append_for_ever, NULL);
		while (!started)
			sched_yield();
		usleep((useconds_t)(i * 37));
		pthread_cancel(thread);
		pthread_join(thread, &result);
		ended += result == PTHREAD_CANCELED;
		append_record('m');
	}
	CALL(ended);
	EXTENDED(fd);
	CALL(close(fd));
	/* A cancelled write may have been made without being counted. */
	{
		struct stat st;

		stat(file, &st);
		CALL(st.st_size % RECORD);
		CALL(st.st_size >= written && st.st_size <= written + 40 * RECORD);
		unlink(file);
	}
}

static void *cancel_itself(void *argument)
{
	(void)argument;
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	pthread_cancel(pthread_self());
	write(shared_fd, bytes, 100);
	return NULL;
}

/* write is a cancellation point, and a request that is pending acts before it writes. */
static void cancellation_point(void)
{
	int fd = start("cancellation-point", O_RDWR);
	pthread_t thread;
	void *result;

	shared_fd = fd;
	pthread_create(&thread, NULL, cancel_itself, NULL);
	pthread_join(thread, &result);
	CALL(result == PTHREAD_CANCELED);
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	int saved_errno = errno;

	(void)signal;
	alarms++;
	append_record('s');
	paced_handled();
	errno = saved_errno;
}

/* A handler appends to the file to which the interrupted code appends. */
static void handlers(int flags, int restart)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = restart};
	int fd = open_records("handler", flags);

	alarms = 0;
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < 20000 || (alarms < 200 && i < 2000000); i++) {
		paced_set(400);
		append_record('m');
	}
	paced_end();
	CALL(alarms >= 200);
	EXTENDED(fd);
	CALL(close(fd));
	tell_records(file);
}

static void read_in_handler(int signal)
{
	struct stat st;
	char byte;

	(void)signal;
	alarms++;
	paced_handled();
	/* Whatever it is in the middle of: no offset moves, no byte is more than there is. */
	fstat(shared_fd, &st);
	if (st.st_size % RECORD != 0 || pread(shared_fd, &byte, 1, st.st_size + 100 * RECORD) != 0)
		say("a handler saw the size %lld\n", (long long)st.st_size);
}

static void asking_handlers(void)
{
	struct sigaction action = {.sa_handler = read_in_handler, .sa_flags = SA_RESTART};
	int fd = open_records("asking", O_APPEND);

	alarms = 0;
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < 20000 || (alarms < 200 && i < 2000000); i++) {
		paced_set(400);
		append_record('m');
	}
	paced_end();
	CALL(close(fd));
	tell_records(file);
}

static void *ask_for_ever(void *argument)
{
	_Atomic int *stop = argument;
	long long last = 0;
	struct stat st;
	char record[RECORD];

	while (!*stop) {
		ssize_t got;

		fstat(shared_fd, &st);
		if (st.st_size < last || st.st_size % RECORD)
			say("size %lld after %lld\n", (long long)st.st_size, last);
		last = st.st_size;
		got = pread(shared_fd, record, sizeof(record), last - RECORD);
		if (got != RECORD || record[0] == 0 || record[RECORD - 1] != record[0])
			say("a record of %zd bytes\n", got);
		if (pread(shared_fd, record, sizeof(record), last + 50000 * RECORD) > 0)
			say("more than there is\n");
	}
	return NULL;
}

/* While others append, and while the file is settled and extended again, sizes never shrink. */
static void watchers(void)
{
	_Atomic int stop = 0;
	pthread_t watching[2], appending;
	int fd = open_records("watch", O_APPEND);

	for (int i = 0; i < 2; i++)
		pthread_create(&watching[i], NULL, ask_for_ever, &stop);
	pthread_create(&appending, NULL, append_many, (void *)1);
	for (int i = 0; i < 100; i++) {
		/* Settles. */
		fcntl(fd, F_SETFL, O_APPEND);
		append_record('w');
	}
	pthread_join(appending, NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(watching[i], NULL);
	CALL(close(fd));
	tell_records(file);
}

/* A rare call gives blocks back: not those that another thread is just writing to. */
static void given_back(int flags)
{
	pthread_t threads[3];
	int fd = open_records("give-back", flags);

	for (intptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, append_many, (void *)i);
	for (int i = 0; i < 1000; i++) {
		fchmod(fd, i % 2 ? 0600 : 0640);
		append_record('g');
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	CALL(close(fd));
	tell_records(file);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	threads(0);
	threads(O_APPEND);
	cancelled(0);
	cancelled(O_APPEND);
	cancellation_point();
	handlers(0, SA_RESTART);
	handlers(O_APPEND, SA_RESTART);
	handlers(O_APPEND, 0);
	asking_handlers();
	watchers();
	given_back(0);
	given_back(O_APPEND);
}

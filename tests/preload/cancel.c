/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads cancelled inside each call on an extended file, at once (asynchronously) and at the next
 * cancellation point: nothing that they held stays behind, and the others go on.
 */
#include "interrupt.h"
#include "transcript.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* It divides a page, so that every size is a number of records. */
#define RECORD 128

static int shared_fd;
static int plain_fd;
static int ends[2];
static _Atomic bool started;

static void append_record(void)
{
	char record[RECORD];

	memset(record, 'r', sizeof(record));
	if (write(shared_fd, record, sizeof(record)) != sizeof(record))
		say("a record was not written: %s\n", strerrorname_np(errno));
}

static void do_write(void)
{
	char record[RECORD];

	memset(record, 'c', sizeof(record));
	write(shared_fd, record, sizeof(record));
}

static void do_pwrite(void)
{
	char record[RECORD];

	memset(record, 'p', sizeof(record));
	pwrite(shared_fd, record, sizeof(record), 0);
}

static void do_read(void)
{
	char record[RECORD];

	if (read(shared_fd, record, sizeof(record)) == 0)
		lseek(shared_fd, 0, SEEK_SET);
}

static void do_pread(void)
{
	char record[4 * RECORD];

	pread(shared_fd, record, sizeof(record), RECORD);
}

static void do_lseek(void)
{
	lseek(shared_fd, 0, SEEK_END);
	lseek(shared_fd, 0, SEEK_DATA);
}

static void do_stat(void)
{
	struct stat st;

	fstat(shared_fd, &st);
	stat(file, &st);
}

static void do_sync(void)
{
	do_write();
	fdatasync(shared_fd);
	fsync(shared_fd);
}

static void do_open(void)
{
	int fd = open("950-other.dat", O_RDWR | O_CREAT | O_APPEND, 0640);

	write(fd, "12345678", 8);
	close(fd);
}

static void do_reopen(void)
{
	int fd = open(file, O_RDONLY);

	close(fd);
}

static void do_dup(void)
{
	int fd = dup(shared_fd);

	do_write();
	close(fd);
}

static void do_flags(void)
{
	do_write();
	fcntl(shared_fd, F_SETFL, O_APPEND);
	fcntl(shared_fd, F_GETFL);
}

static void do_metadata(void)
{
	do_write();
	fchmod(shared_fd, 0640);
}

static void do_allocate(void)
{
	fallocate(shared_fd, 0, 0, RECORD);
	posix_fallocate(shared_fd, 0, RECORD);
}

static void do_copy(void)
{
	off_t from = 0;

	copy_file_range(plain_fd, &from, shared_fd, &from, RECORD, 0);
}

/* Waits in it: nobody writes to the pipe. */
static void do_splice(void)
{
	splice(ends[0], NULL, shared_fd, NULL, RECORD, 0);
}

static void do_system(void)
{
	system("exec sleep 20");
}

struct way {
	void (*act)(void);
	int type;
};

static void *act_for_ever(void *argument)
{
	struct way *way = argument;
	int was;

	pthread_setcanceltype(way->type, &was);
	started = true;
	for (;;) {
		way->act();
		pthread_testcancel();
	}
	return NULL;
}

static void cancelled(const char *name, void (*act)(void), int type, int rounds)
{
	struct way way = {act, type};
	int ended = 0;
	struct stat st;
	off_t size;

	section(name);
	shared_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	append_record();
	append_record();
	EXTENDED(shared_fd);
	for (int i = 0; i < rounds; i++) {
		pthread_t thread;
		void *result;

		started = false;
		pthread_create(&thread, NULL, act_for_ever, &way);
		while (!started)
			sched_yield();
		usleep((useconds_t)(i * 29 % 700));
		pthread_cancel(thread);
		pthread_join(thread, &result);
		ended += result == PTHREAD_CANCELED;
		lseek(shared_fd, 0, SEEK_END);
		append_record();
	}
	CALL(ended);
	/* All in order: what was left behind would still bar it. */
	fstat(shared_fd, &st);
	CALL(st.st_size % RECORD);
	CALL(lseek(shared_fd, 0, SEEK_END) == st.st_size);
	for (int i = 0; i < 3; i++)
		append_record();
	size = st.st_size;
	fstat(shared_fd, &st);
	CALL(st.st_size - size);
	/*
	 * A second opener in this program has it in mode keep for a while. Asynchronously, a late
	 * SIGCANCEL ends a thread inside libc's own write(2), be cancellation disabled or not (glibc
	 * 2.36 looks at the type, which its write sets), and with it goes the lock: the file stays an
	 * ordinary one then. POSIX allows no write(2) in such a thread.
	 */
	if (extended_runs() && act != do_reopen && type == PTHREAD_CANCEL_DEFERRED) {
		for (int i = 0; i < 1500 && real_size(shared_fd) == lseek(shared_fd, 0, SEEK_END); i++) {
			usleep(10000);
			append_record();
		}
		EXTENDED(shared_fd);
	}
	CALL(ftruncate(shared_fd, 0));
	finish(shared_fd);
}

static void both(const char *name, void (*act)(void))
{
	cancelled(name, act, PTHREAD_CANCEL_DEFERRED, 25);
	cancelled(name, act, PTHREAD_CANCEL_ASYNCHRONOUS, 25);
}

void transcript(int argc, char **argv)
{
	char bytes[RECORD];

	(void)argc, (void)argv;
	plain_fd = open("from", O_RDWR | O_CREAT, 0640);
	memset(bytes, 'f', sizeof(bytes));
	write(plain_fd, bytes, sizeof(bytes));
	pipe(ends);
	both("write", do_write);
	both("pwrite", do_pwrite);
	both("read", do_read);
	both("pread", do_pread);
	both("lseek", do_lseek);
	both("stat", do_stat);
	both("sync", do_sync);
	both("dup", do_dup);
	both("flags", do_flags);
	both("metadata", do_metadata);
	both("allocate", do_allocate);
	both("copy", do_copy);
	both("reopen", do_reopen);
	cancelled("splice", do_splice, PTHREAD_CANCEL_DEFERRED, 5);
	cancelled("splice", do_splice, PTHREAD_CANCEL_ASYNCHRONOUS, 5);
	cancelled("system", do_system, PTHREAD_CANCEL_DEFERRED, 2);
	/* A descriptor is lost with some of these threads; nothing else is. */
	cancelled("open", do_open, PTHREAD_CANCEL_DEFERRED, 25);
	unlink("950-other.dat");
	/* A thread that is cancelled as it begins a write would end there, and leave its locks. */
	CALL(cancellation_points);
}

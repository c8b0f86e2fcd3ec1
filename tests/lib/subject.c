/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subject [HOW]: what an ordinary program does with its files, said as the transcripts of tests/preload
 * say it; in surroundings that may refuse it anything. HOW:
 *
 *	thread		threads, too
 *	deep		in a directory whose path is longer than PATH_MAX
 *	full		while its table of descriptors is full
 *	load LIBRARY FILE	loads it, and opens the file for writing by its open
 */
#include "../preload/transcript.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static char bytes[70000];

/* A log, synced now and then; every fifth record ends in zeroes. */
static void log_append(void)
{
	int fd;

	section("log");
	fd = (int)CALL(open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
	for (int i = 1; i <= 60; i++) {
		size_t length = 40 + (size_t)(i * 37 % 300);

		memset(bytes + length - 9, i % 5 ? 'x' : 0, 9);
		CALL(write(fd, bytes, length));
		if (i % 20 == 0)
			CALL(fdatasync(fd));
		if (i % 10 == 0)
			state(fd);
	}
	CALL(write(fd, bytes, sizeof(bytes)));
	CALL(lseek(fd, 0, SEEK_END));
	finish(fd);
}

static void places(void)
{
	int fd;

	section("places");
	fill(bytes, sizeof(bytes), 2);
	fd = (int)CALL(open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	for (int i = 0; i < 20; i++)
		CALL(pwrite(fd, bytes, 5000, i * 4999));
	state(fd);
	CALL(ftruncate(fd, 30000));
	CALL(lseek(fd, 0, SEEK_END));
	CALL(writev(fd, &(struct iovec){bytes, 7000}, 1));
	CALL(fsync(fd));
	state(fd);
	CALL(lseek(fd, 10, SEEK_SET));
	CALL(read(fd, bytes, 100));
	CALL(posix_fallocate(fd, 0, 50000));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
	append(fd);
	CALL(fchmod(fd, 0444));
	append(fd);
	state(fd);
	finish(fd);
}

static void copies(void)
{
	int fd, copy;

	fd = start("copies", O_RDWR);
	copy = (int)CALL(dup(fd));
	append(copy);
	CALL(close(fd));
	append(copy);
	state(copy);
	CALL(fcntl(copy, F_SETFL, O_APPEND));
	append(copy);
	CALL(rename(file, "renamed.dat"));
	append(copy);
	finish(copy);
	state_of("renamed.dat");
}

static void stream(void)
{
	FILE *log;

	section("stream");
	log = fopen(file, "ae");
	CALL(log != NULL);
	for (int i = 0; log && i < 2000; i++)
		fprintf(log, "line %d\n", i);
	if (log)
		CALL(fclose(log));
	state_of(file);
}

/* Has the descriptor, too. */
static void child(void)
{
	int fd = start("child", O_RDWR | O_APPEND);
	int ends[2];
	char byte;
	pid_t pid;

	append(fd);
	CALL(pipe(ends));
	pid = fork();
	if (pid == 0) {
		state_of(file);
		append(fd);
		_exit(0);
	}
	close(ends[1]);
	/* Until it has ended, whether or not it may be waited for. */
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		;
	waitpid(pid, NULL, 0);
	CALL(close(ends[0]));
	append(fd);
	state(fd);
	finish(fd);
}

/* A neighbour that no library tells of extended files: it waits a moment, and sees the true size. */
static void neighbour(void)
{
	int fd = start("neighbour", O_RDWR), other;
	struct timespec before, after;
	struct stat st;

	append(fd);
	clock_gettime(CLOCK_MONOTONIC, &before);
	other = (int)raw_syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
	clock_gettime(CLOCK_MONOTONIC, &after);
	say("%s\n", after.tv_sec - before.tv_sec > 30 ? "after a long time" : "soon");
	CALL(fstat(other, &st));
	CALL(st.st_size);
	append(fd);
	CALL(close(other));
	finish(fd);
}

/* Open before the first file is: its end comes when it is closed, since nobody else has it. */
static int ends[2];

static void pipe_ends(void)
{
	char byte;

	section("pipe");
	CALL(close(ends[1]));
	CALL(read(ends[0], &byte, 1));
	CALL(close(ends[0]));
}

static int shared;

static void *append_some(void *unused)
{
	for (int i = 0; i < 200; i++)
		if (write(shared, bytes, 333) != 333)
			say("short\n");
	return unused;
}

static void threads(void)
{
	pthread_t thread[2] = {0};

	shared = start("threads", O_RDWR | O_APPEND);
	memset(bytes, 'x', sizeof(bytes));
	for (int i = 0; i < 2; i++)
		if (CALL(pthread_create(&thread[i], NULL, append_some, NULL)) != 0)
			append_some(NULL);
	for (int i = 0; i < 2; i++)
		if (thread[i])
			pthread_join(thread[i], NULL);
	state(shared);
	finish(shared);
}

/* 6000 bytes further down. */
static void go_deep(void)
{
	char name[200];

	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	for (int i = 0; i < 30; i++)
		if (mkdir(name, 0700) < 0 || chdir(name) < 0)
			say("%s\n", strerror(errno));
}

static void full_table(void)
{
	int fd = start("full", O_RDWR | O_APPEND), first = -1, last = -1, more;

	while ((more = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
		first = first < 0 ? more : first;
		last = more;
	}
	CALL(errno);
	append(fd);
	state(fd);
	CALL(dup(fd));
	if (last >= 0)
		close(last);
	append(fd);
	for (int i = first; i >= 0 && i < last; i++)
		close(i);
	finish(fd);
}

static void load(const char *path, const char *opened)
{
	void *library = dlopen(path, RTLD_NOW);
	int (*library_open)(const char *path, int flags, ...) = NULL;

	CALL(library != NULL);
	if (library)
		*(void **)&library_open = dlsym(library, "open");
	CALL(library_open && library_open(opened, O_WRONLY | O_CREAT | O_APPEND, 0600) >= 0);
}

void transcript(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	if (strcmp(how, "load") == 0) {
		load(argv[2], argv[3]);
		return;
	}
	if (strcmp(how, "deep") == 0)
		go_deep();
	fill(bytes, sizeof(bytes), 1);
	CALL(pipe2(ends, O_NONBLOCK));
	log_append();
	places();
	copies();
	stream();
	pipe_ends();
	neighbour();
	child();
	if (strcmp(how, "full") == 0)
		full_table();
	if (strcmp(how, "thread") == 0)
		threads();
}

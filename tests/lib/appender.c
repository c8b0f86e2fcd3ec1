/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * appender [options] ACKNOWLEDGED FILE: appends self-describing records.
 *
 *	-n COUNT	records (of each thread, or to each file)
 *	-s MIN[-MAX]	bytes of a record
 *	-z		most of them end in zeroes, some by a write of nothing else
 *	-Z		for a while each in as many zeroes, then in others or none
 *	-m METHOD	write, append (O_APPEND), writev, pwrite or pwritev2
 *	-t THREADS	write, append and writev only, where they share one descriptor
 *	-f FILES	FILE.0, FILE.1 ... in turn, divided between the threads; file i is writer i's
 *	-q		one file after the other, each closed when it has its records
 *	-r EVERY	closes and reopens after so many records
 *	-w WRITER	number of the first thread's writer
 *	-o		open FILE for writing only
 *	-F FD		append through this inherited descriptor instead of opening FILE
 *	-y		fdatasync after each record
 *	-Y HOW		fdatasync, fsync, syncfs, sync, or dsync (O_DSYNC)
 *	-E EVERY	so many records, not each, before a sync
 *	-d USEC		pause after each record
 *	-e ENDING	how it ends: close, exit, _exit, abort, segv, kill, exec (into the checker, -x),
 *			hold (keep it open until stdin ends)
 *	-k USEC		end so long after the first record, from another thread
 *	-x PROGRAM	record-check, for -e exec: sees the file with nothing preloaded
 */
#include "paced.h"
#include "records.h"

#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum method { WRITE, APPEND, WRITEV, PWRITE, PWRITEV2 };
enum sync { NONE, FDATASYNC, FSYNC, SYNCFS, SYNC, DSYNC };

static const char *const method_names[] = { "write", "append", "writev", "pwrite", "pwritev2", NULL };
static const char *const sync_names[] = { "none", "fdatasync", "fsync", "syncfs", "sync", "dsync",
					  NULL };

static struct {
	uint64_t count, sync_every, reopen_every;
	enum method method;
	enum sync sync;
	unsigned threads, first_writer, files;
	int fds[WRITERS], inherited, access, one_after_another;
	useconds_t pause, end_after;
	const char *ending, *checker, *ack_path, *path;
	struct acknowledged *ack;
} the = { .count = 1000, .threads = 1, .inherited = -1, .access = O_RDWR, .ending = "close",
	  .sync_every = 1 };

static int *descriptor(unsigned writer)
{
	return &the.fds[the.files ? writer : 0];
}

static void open_file(unsigned writer)
{
	int flags = the.access | O_CREAT | (the.method == APPEND ? O_APPEND : 0) |
		    (the.sync == DSYNC ? O_DSYNC : 0);
	char name[PATH_MAX];

	if (the.files)
		snprintf(name, sizeof(name), "%s.%u", the.path, writer);
	else
		snprintf(name, sizeof(name), "%s", the.path);
	*descriptor(writer) = open(name, flags, 0666);
	if (*descriptor(writer) < 0)
		err(98, "%s", name);
	if (the.method != APPEND && lseek(*descriptor(writer), 0, SEEK_END) < 0)
		err(98, "lseek");
}

static void close_file(unsigned writer)
{
	if (close(*descriptor(writer)) < 0)
		err(98, "close");
	*descriptor(writer) = -1;
}

static void write_all(int fd, const char *bytes, size_t length, uint64_t at)
{
	struct iovec halves[2] = {
		{ (char *)(uintptr_t)bytes, length / 3 },
		{ (char *)(uintptr_t)bytes + length / 3, length - length / 3 },
	};
	ssize_t n;

	switch (the.method) {
	case WRITEV: n = writev(fd, halves, 2); break;
	case PWRITE: n = pwrite(fd, bytes, length, (off_t)at); break;
	case PWRITEV2: n = pwritev2(fd, halves, 2, (off_t)at, 0); break;
	default: n = write(fd, bytes, length);
	}
	if (n != (ssize_t)length)
		err(98, "%zd of %zu bytes written", n, length);
}

static void write_record(int fd, const char *record, size_t length, uint64_t sequence, uint64_t at)
{
	size_t first = length;

	if (the.ack->zeroes == ENDS_IN_ZEROES && sequence % 4 == 3) {
		while (first > 0 && record[first - 1] == '\0')
			first--;
	}
	write_all(fd, record, first, at);
	if (first < length)
		write_all(fd, record + first, length - first, at + first);
}

static void call_sync(int fd)
{
	int failed = 0;

	switch (the.sync) {
	case FDATASYNC: failed = fdatasync(fd); break;
	case FSYNC: failed = fsync(fd); break;
	case SYNCFS: failed = syncfs(fd); break;
	case SYNC: sync(); break;
	case NONE:
	case DSYNC: break;
	}
	if (failed)
		err(98, "%s", sync_names[the.sync]);
}

/* sync(2) tells of no error: it counts only if the filesystem wasn't shut down meanwhile. */
static void must_answer(int fd)
{
	char c;

	if (the.sync == SYNC && pread(fd, &c, 1, 0) != 1)
		err(98, "after sync");
}

static void acknowledge_sync(unsigned writer, int fd)
{
	struct writer *w = &the.ack->writers[writer];
	uint64_t records = w->records, bytes = w->bytes;

	if (the.sync == NONE || records % the.sync_every)
		return;
	call_sync(fd);
	must_answer(fd);
	w->synced_bytes = bytes;
	w->synced_records = records;
}

static void append_record(unsigned w, char *record)
{
	struct writer *writer = &the.ack->writers[w];
	uint64_t sequence = writer->records;
	size_t length = record_length(the.ack, w, sequence);
	int fd = *descriptor(w);

	record_make(record, length, w | the.ack->zeroes, sequence);
	write_record(fd, record, length, sequence, writer->bytes);
	writer->bytes += length;
	writer->records++;
	acknowledge_sync(w, fd);
	if (the.reopen_every && writer->records % the.reopen_every == 0) {
		close_file(w);
		open_file(w);
	}
	if (the.pause)
		usleep(the.pause);
}

static void append_to_files(unsigned thread, char *record)
{
	for (uint64_t i = 0; i < the.count; i++) {
		for (unsigned w = thread; w < the.files; w += the.threads)
			append_record(w, record);
	}
}

static void append_file_by_file(unsigned thread, char *record)
{
	for (unsigned w = thread; w < the.files; w += the.threads) {
		open_file(w);
		for (uint64_t i = 0; i < the.count; i++)
			append_record(w, record);
		close_file(w);
	}
}

static void *append(void *number)
{
	unsigned thread = (unsigned)(uintptr_t)number;
	char *record = malloc(RECORD_MAX);

	if (the.one_after_another) {
		append_file_by_file(thread, record);
	} else if (the.files) {
		append_to_files(thread, record);
	} else {
		for (uint64_t i = 0; i < the.count; i++)
			append_record(the.first_writer + thread, record);
	}
	free(record);
	return NULL;
}

static void become_checker(void)
{
	char *arguments[] = { (char *)(uintptr_t)the.checker, (char *)"-i",
			      (char *)(uintptr_t)the.ack_path, (char *)(uintptr_t)the.path, NULL };

	unsetenv("LD_PRELOAD");
	execv(the.checker, arguments);
	err(98, "%s", the.checker);
}

static void end(void)
{
	char c;

	if (!strcmp(the.ending, "close")) {
		for (unsigned i = 0; i < (the.files ? the.files : 1); i++) {
			if (the.fds[i] >= 0)
				close_file(i);
		}
	} else if (!strcmp(the.ending, "exit")) {
		exit(0);
	} else if (!strcmp(the.ending, "_exit")) {
		_exit(0);
	} else if (!strcmp(the.ending, "abort")) {
		abort();
	} else if (!strcmp(the.ending, "segv")) {
		*(volatile char *)mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 0;
	} else if (!strcmp(the.ending, "kill")) {
		raise(SIGKILL);
	} else if (!strcmp(the.ending, "exec")) {
		become_checker();
	} else if (!strcmp(the.ending, "hold")) {
		while (read(0, &c, 1) > 0)
			;
	} else {
		errx(98, "unknown ending '%s'", the.ending);
	}
}

static void *end_later(void *unused)
{
	/* In the middle of appending, however long the first append takes. */
	while (!acknowledged_bytes(the.ack))
		usleep(200);
	usleep(the.end_after);
	end();
	return unused;
}

static int named(const char *name, const char *const *names)
{
	for (int i = 0; names[i]; i++) {
		if (!strcmp(name, names[i]))
			return i;
	}
	errx(99, "unknown '%s'", name);
}

static void parse_options(int argc, char **argv)
{
	unsigned shortest = 100, longest = 0;
	int option;
	uint32_t zeroes = 0;

	while ((option = getopt(argc, argv, "n:s:zZm:t:f:qr:w:oF:yY:E:d:e:k:x:")) != -1) {
		switch (option) {
		case 'n': the.count = strtoull(optarg, NULL, 10); break;
		case 's': sscanf(optarg, "%u-%u", &shortest, &longest); break;
		case 'z': zeroes = ENDS_IN_ZEROES; break;
		case 'Z': zeroes = ENDS_BY_HABIT; break;
		case 'm': the.method = (enum method)named(optarg, method_names); break;
		case 't': the.threads = (unsigned)atoi(optarg); break;
		case 'f': the.files = (unsigned)atoi(optarg); break;
		case 'q': the.one_after_another = 1; break;
		case 'r': the.reopen_every = strtoull(optarg, NULL, 10); break;
		case 'w': the.first_writer = (unsigned)atoi(optarg); break;
		case 'o': the.access = O_WRONLY; break;
		case 'F': the.inherited = atoi(optarg); break;
		case 'y': the.sync = FDATASYNC; break;
		case 'Y': the.sync = (enum sync)named(optarg, sync_names); break;
		case 'E': the.sync_every = strtoull(optarg, NULL, 10); break;
		case 'd': the.pause = (useconds_t)atoi(optarg); break;
		case 'e': the.ending = optarg; break;
		case 'k': the.end_after = (useconds_t)atoi(optarg); break;
		case 'x': the.checker = optarg; break;
		default: exit(99);
		}
	}
	if (longest < shortest)
		longest = shortest;
	if (shortest < RECORD_MIN || longest > RECORD_MAX ||
	    the.first_writer + the.threads > WRITERS || the.threads < 1 || the.files > WRITERS ||
	    !the.sync_every)
		errx(99, "out of range");
	if (argc - optind != 2)
		errx(99, "usage: appender [options] ACKNOWLEDGED FILE");
	the.ack_path = argv[optind];
	the.path = argv[optind + 1];
	the.ack = acknowledged_map(the.ack_path);
	the.ack->shortest = shortest;
	the.ack->longest = longest;
	the.ack->zeroes = zeroes;
}

static void open_files(void)
{
	memset(the.fds, -1, sizeof(the.fds));
	if (the.inherited >= 0) {
		the.fds[0] = the.inherited;
	} else if (!the.files) {
		open_file(0);
	} else if (!the.one_after_another) {
		for (unsigned i = 0; i < the.files; i++)
			open_file(i);
	}
}

int main(int argc, char **argv)
{
	pthread_t threads[WRITERS], killer;

	/* Nothing here may run for ever, whatever the test that started it forgets. */
	alarm(patience(120));
	parse_options(argc, argv);
	open_files();
	if (the.end_after)
		pthread_create(&killer, NULL, end_later, NULL);
	for (unsigned i = 1; i < the.threads; i++)
		pthread_create(&threads[i], NULL, append, (void *)(uintptr_t)i);
	append(NULL);
	for (unsigned i = 1; i < the.threads; i++)
		pthread_join(threads[i], NULL);
	if (the.end_after)
		pthread_join(killer, NULL);
	else
		end();
	return 0;
}

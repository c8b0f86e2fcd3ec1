/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * appender [options] ACKNOWLEDGED FILE: appends self-describing records.
 *
 *	-n COUNT	records (of each thread)
 *	-s MIN[-MAX]	bytes of a record
 *	-m METHOD	write, append (O_APPEND), writev, pwrite or pwritev2
 *	-t THREADS	write, append and writev only; they share one descriptor
 *	-w WRITER	number of the first thread's writer
 *	-o		open FILE for writing only
 *	-F FD		append through this inherited descriptor instead of opening FILE
 *	-y		fdatasync after each record
 *	-d USEC		pause after each record
 *	-e ENDING	how it ends: close, exit, _exit, abort, segv, kill, exec (into the checker, -x),
 *			hold (keep it open until stdin ends)
 *	-k USEC		end so long after the first record, from another thread
 *	-x PROGRAM	record-check, for -e exec: sees the file with nothing preloaded
 */
#include "records.h"

#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum method { WRITE, APPEND, WRITEV, PWRITE, PWRITEV2 };

static const char *const method_names[] = { "write", "append", "writev", "pwrite", "pwritev2" };

static struct {
	uint64_t count;
	enum method method;
	unsigned threads, first_writer;
	int fd, sync, access;
	useconds_t pause, end_after;
	const char *ending, *checker, *ack_path, *path;
	struct acknowledged *ack;
} the = { .count = 1000, .threads = 1, .fd = -1, .access = O_RDWR, .ending = "close" };

static ssize_t record_write(const char *record, size_t length, off_t at)
{
	struct iovec halves[2] = {
		{ (char *)(uintptr_t)record, length / 3 },
		{ (char *)(uintptr_t)record + length / 3, length - length / 3 },
	};

	switch (the.method) {
	case WRITEV:
		return writev(the.fd, halves, 2);
	case PWRITE:
		return pwrite(the.fd, record, length, at);
	case PWRITEV2:
		return pwritev2(the.fd, halves, 2, at, 0);
	default:
		return write(the.fd, record, length);
	}
}

static void *append(void *number)
{
	unsigned w = the.first_writer + (unsigned)(uintptr_t)number;
	struct writer *writer = &the.ack->writers[w];
	char *record = malloc(RECORD_MAX);

	for (uint64_t i = 0; i < the.count; i++) {
		uint64_t sequence = writer->records;
		size_t length = record_length(the.ack, w, sequence);
		ssize_t n;

		record_make(record, length, w, sequence);
		n = record_write(record, length, (off_t)writer->bytes);
		if (n != (ssize_t)length)
			err(98, "writer %u: %zd of %zu bytes written", w, n, length);
		writer->bytes += length;
		writer->records++;
		if (the.sync && fdatasync(the.fd) < 0)
			err(98, "fdatasync");
		if (the.pause)
			usleep(the.pause);
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
		if (close(the.fd) < 0)
			err(98, "close");
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

static void parse(int argc, char **argv)
{
	unsigned shortest = 100, longest = 0;
	int option;

	while ((option = getopt(argc, argv, "n:s:m:t:w:oF:yd:e:k:x:")) != -1) {
		switch (option) {
		case 'n': the.count = strtoull(optarg, NULL, 10); break;
		case 's': sscanf(optarg, "%u-%u", &shortest, &longest); break;
		case 'm':
			while (the.method <= PWRITEV2 && strcmp(optarg, method_names[the.method]))
				the.method++;
			if (the.method > PWRITEV2)
				errx(99, "unknown method '%s'", optarg);
			break;
		case 't': the.threads = (unsigned)atoi(optarg); break;
		case 'w': the.first_writer = (unsigned)atoi(optarg); break;
		case 'o': the.access = O_WRONLY; break;
		case 'F': the.fd = atoi(optarg); break;
		case 'y': the.sync = 1; break;
		case 'd': the.pause = (useconds_t)atoi(optarg); break;
		case 'e': the.ending = optarg; break;
		case 'k': the.end_after = (useconds_t)atoi(optarg); break;
		case 'x': the.checker = optarg; break;
		default: exit(99);
		}
	}
	if (argc - optind != 2)
		errx(99, "usage: appender [options] ACKNOWLEDGED FILE");
	if (longest < shortest)
		longest = shortest;
	if (shortest < RECORD_MIN || longest > RECORD_MAX ||
	    the.first_writer + the.threads > WRITERS || the.threads < 1)
		errx(99, "out of range");
	the.ack_path = argv[optind];
	the.path = argv[optind + 1];
	the.ack = acknowledged_map(the.ack_path);
	the.ack->shortest = shortest;
	the.ack->longest = longest;
}

int main(int argc, char **argv)
{
	pthread_t threads[WRITERS], killer;

	/* Nothing here may run for ever, whatever the test that started it forgets. */
	alarm(120);
	parse(argc, argv);
	if (the.fd < 0) {
		int append_flag = the.method == APPEND ? O_APPEND : 0;

		the.fd = open(the.path, the.access | O_CREAT | append_flag, 0666);
		if (the.fd < 0)
			err(98, "%s", the.path);
		if (!append_flag && lseek(the.fd, 0, SEEK_END) < 0)
			err(98, "lseek");
	}
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

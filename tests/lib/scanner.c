/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reads every file before others may (virus scanners), and who has to do with it.
 *
 *	scanner listen DIRECTORY EVENTS		allows everything on this mount, after a look at the file, until
 *						its stdin ends; EVENTS of "access" and "open", with commas
 *	scanner append FILE			appends lines, each synced, until its stdin ends
 *	scanner reread FILE			the same, and each time reads the last line back by read(2)
 *	scanner look FILE			opens it and reads all of it
 *
 * Each byte tells where it stands: another one is an error. Each prints how long its longest call took, or
 * all of its look, in milliseconds.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <time.h>
#include <unistd.h>

#define LINE 600
#define PAUSE 2 /* ms */

static long longest;

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Takes `since`, so that a call can stand in between. */
static void note(long since)
{
	if (now() - since > longest)
		longest = now() - since;
}

static void tell(void)
{
	printf("%ld\n", longest);
}

static char byte_at(off_t position)
{
	return (char)('a' + position % 23);
}

static bool input_has_ended(int timeout)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, timeout) == 1;
}

/* The whole look of a scanner: its beginning will do. */
static void allow(int group, const struct fanotify_event_metadata *event)
{
	struct fanotify_response response = {.fd = event->fd, .response = FAN_ALLOW};
	char bytes[4096];

	if (pread(event->fd, bytes, sizeof(bytes), 0) < 0)
		warn("reading what is to be allowed");
	if (write(group, &response, sizeof(response)) < 0)
		err(1, "answering");
	close(event->fd);
}

static void listen_to(const char *directory, const char *events)
{
	uint64_t mask = (strstr(events, "access") ? FAN_ACCESS_PERM : 0) |
			(strstr(events, "open") ? FAN_OPEN_PERM : 0);
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE);

	if (group < 0 || fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, mask, AT_FDCWD, directory) < 0)
		err(77, "no listener here");
	puts("listening");
	fflush(stdout);
	for (;;) {
		struct pollfd poll_fds[2] = {{.fd = group, .events = POLLIN},
					     {.fd = STDIN_FILENO, .events = POLLIN}};
		struct fanotify_event_metadata events_read[32];
		ssize_t got;
		long since;

		if (poll(poll_fds, 2, -1) > 0 && poll_fds[1].revents)
			break;
		since = now();
		/* Opens their files. */
		got = read(group, events_read, sizeof(events_read));
		note(since);
		if (got < 0)
			err(1, "reading events");
		for (struct fanotify_event_metadata *event = events_read; FAN_EVENT_OK(event, got);
		     event = FAN_EVENT_NEXT(event, got))
			allow(group, event);
	}
	tell();
}

static void read_back(int fd, off_t from)
{
	char line[LINE];
	ssize_t got;
	long since;

	if (lseek(fd, from, SEEK_SET) < 0)
		err(1, "lseek");
	since = now();
	got = read(fd, line, LINE);
	note(since);
	if (got != LINE)
		errx(1, "%zd bytes read back", got);
	for (off_t i = 0; i < LINE; i++)
		if (line[i] != byte_at(from + i))
			errx(1, "another byte at %jd", (intmax_t)(from + i));
}

static void work(const char *name, bool reads)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	char line[LINE];

	if (fd < 0)
		err(1, "%s", name);
	for (off_t at = 0; !input_has_ended(PAUSE); at += LINE) {
		long since = now();

		for (off_t i = 0; i < LINE; i++)
			line[i] = byte_at(at + i);
		if (write(fd, line, LINE) != LINE || fdatasync(fd) < 0)
			err(1, "appending");
		note(since);
		if (reads)
			read_back(fd, at);
	}
	close(fd);
	tell();
}

static void look(const char *name)
{
	long since = now();
	int fd = open(name, O_RDONLY);
	char bytes[65536];
	off_t at = 0;
	ssize_t got;

	if (fd < 0)
		err(1, "%s", name);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < got; i++, at++)
			if (bytes[i] != byte_at(at))
				errx(1, "byte 0x%02x at %jd", (unsigned char)bytes[i], (intmax_t)at);
	if (got < 0)
		err(1, "reading");
	close(fd);
	note(since);
	tell();
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (argc == 4 && strcmp(what, "listen") == 0)
		listen_to(argv[2], argv[3]);
	else if (argc == 3 && (strcmp(what, "append") == 0 || strcmp(what, "reread") == 0))
		work(argv[2], *what == 'r');
	else if (argc == 3 && strcmp(what, "look") == 0)
		look(argv[2]);
	else
		errx(99, "usage: see the head of scanner.c");
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener DIRECTORY READY: listens for FAN_ACCESS_PERM and FAN_OPEN_PERM on the directory's mount, as a virus
 * scanner does, and allows all, until its stdin ends. READY is made when it listens. It prints how often it was
 * asked.
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <unistd.h>

static void allow_all(int group, long *asked)
{
	_Alignas(struct fanotify_event_metadata) char buffer[8192];
	ssize_t got = read(group, buffer, sizeof(buffer));
	struct fanotify_event_metadata *event = (struct fanotify_event_metadata *)(void *)buffer;

	for (; got > 0 && FAN_EVENT_OK(event, got); event = FAN_EVENT_NEXT(event, got)) {
		struct fanotify_response response = {event->fd, FAN_ALLOW};

		if (event->mask & (FAN_ACCESS_PERM | FAN_OPEN_PERM)) {
			if (write(group, &response, sizeof(response)) < 0)
				warn("response");
			++*asked;
		}
		if (event->fd >= 0)
			close(event->fd);
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	long asked = 0;

	if (argc != 3)
		errx(99, "usage: listener DIRECTORY READY");
	fds[1].fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE);
	if (fds[1].fd < 0 || fanotify_mark(fds[1].fd, FAN_MARK_ADD | FAN_MARK_MOUNT,
					   FAN_ACCESS_PERM | FAN_OPEN_PERM, AT_FDCWD, argv[1]) < 0)
		err(77, "fanotify");
	close(open(argv[2], O_WRONLY | O_CREAT, 0600));
	while (poll(fds, 2, -1) > 0 && !fds[0].revents)
		if (fds[1].revents)
			allow_all(fds[1].fd, &asked);
	printf("%ld\n", asked);
	return 0;
}

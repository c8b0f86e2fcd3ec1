/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/leases.h"

#include "base/proc.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What /proc/PID/comm says: the kernel keeps 15 bytes of a name (TASK_COMM_LEN). */
#define GUARDIAN_COMM "preallocate-gua\n"

bool lease_is_guardians(const struct lease *lease)
{
	char comm[32];

	return proc_text(comm, sizeof(comm), "/proc/%d/comm", (int)lease->pid) > 0 && strcmp(comm, GUARDIAN_COMM) == 0;
}

static const char *after_word(const char *line)
{
	line += strspn(line, " ");
	return line + strcspn(line, " ");
}

/* The decimal number that the next word ends in, behind its last colon; 0: none, or too large a one. */
static uint64_t next_number(const char **line)
{
	const char *end = after_word(*line), *digit = end;
	uint64_t number = 0;

	while (digit > *line && digit[-1] >= '0' && digit[-1] <= '9')
		digit--;
	for (; digit < end && number < UINT64_MAX / 10 - 1; digit++)
		number = number * 10 + (uint64_t)(*digit - '0');
	*line = end;
	return number;
}

/*
 * "1: LEASE  ACTIVE    WRITE 4711 fd:01:1234 0 EOF". While a lease is being broken the third word is another
 * one. False: it is about something else.
 */
static bool parse(const char *line, struct lease *lease)
{
	uint64_t pid;

	line = strchr(line, ':');
	if (!line || strncmp(line, ": LEASE ", 8) != 0)
		return false;
	line = after_word(after_word(line + 8));
	pid = next_number(&line);
	*lease = (struct lease){.pid = pid < INT_MAX ? (pid_t)pid : 0, .inode = next_number(&line)};
	return lease->pid > 0;
}

void leases_visit(bool (*visit)(const struct lease *lease, void *context), void *context)
{
	int fd = (int)sys.syscall(SYS_openat, AT_FDCWD, "/proc/locks", O_RDONLY | O_CLOEXEC);
	char lines[1024 + 1];
	size_t length = 0;
	bool more = fd >= 0;

	while (more) {
		ssize_t got = sys.syscall(SYS_read, fd, lines + length, sizeof(lines) - 1 - length);
		char *line = lines, *end;

		if (got <= 0)
			break;
		length += (size_t)got;
		lines[length] = '\0';
		for (; more && (end = strchr(line, '\n')); line = end + 1) {
			struct lease lease;

			*end = '\0';
			more = !parse(line, &lease) || visit(&lease, context);
		}
		length -= (size_t)(line - lines);
		if (length == sizeof(lines) - 1)
			break;
		memmove(lines, line, length);
	}
	if (fd >= 0)
		sys.syscall(SYS_close, fd);
}

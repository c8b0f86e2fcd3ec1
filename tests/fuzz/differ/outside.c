/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The neighbour: what another process, without the library, sees of the two files and does to them. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int held[SIDES] = {-1, -1};

static int64_t digest(int fd, int64_t *read_bytes)
{
	static char buffer[65536];
	uint64_t hash = UINT64_C(14695981039346656037);
	int64_t total = 0;
	ssize_t got;

	/* Of a file with a huge hole, the beginning will do. */
	while (total < 4 * BUFFER && (got = pread(fd, buffer, sizeof(buffer), total)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			hash = (hash ^ (unsigned char)buffer[i]) * UINT64_C(1099511628211);
		total += got;
	}
	*read_bytes = total;
	return (int64_t)hash;
}

static void look(int fd, struct answered *answer)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		answer->error = errno;
		return;
	}
	answer->size = st.st_size;
	answer->mode = st.st_mode;
	answer->links = (int64_t)st.st_nlink;
	answer->digest = digest(fd, &answer->result);
}

static void open_and(int question, int flags, const char *name, int32_t bytes,
		     struct answered *answer)
{
	static char letters[4096];
	int fd = open(name, flags);

	if (fd < 0) {
		answer->result = -1;
		answer->error = errno;
		return;
	}
	if (question == READ_ALL) {
		look(fd, answer);
	} else if (question == APPEND_SOME) {
		memset(letters, 'n', sizeof(letters));
		answer->result = write(fd, letters, (size_t)bytes % sizeof(letters));
	} else {
		answer->result = flock(fd, LOCK_EX | LOCK_NB);
		answer->error = answer->result < 0 ? errno : 0;
	}
	close(fd);
}

static void release(int side, struct answered *answer)
{
	if (held[side] < 0)
		return;
	look(held[side], answer);
	close(held[side]);
	held[side] = -1;
}

void outside_answer(const struct asked *asked, struct answered answers[SIDES])
{
	memset(answers, 0, SIDES * sizeof(*answers));
	for (int i = 0; i < SIDES; i++) {
		const char *name = asked->name[i];

		switch (asked->question) {
		case READ_ALL:
		case LOCK:
			open_and(asked->question, O_RDONLY, name, 0, &answers[i]);
			break;
		case APPEND_SOME:
			open_and(asked->question, O_WRONLY | O_APPEND, name, asked->bytes,
				 &answers[i]);
			break;
		case CUT:
			answers[i].result = truncate(name, asked->bytes);
			answers[i].error = answers[i].result < 0 ? errno : 0;
			break;
		case HOLD:
			release(i, &answers[i]);
			held[i] = open(name, O_RDONLY);
			answers[i].error = held[i] < 0 ? errno : 0;
			break;
		default:
			release(i, &answers[i]);
		}
	}
}

void outside_forget(void)
{
	for (int i = 0; i < SIDES; i++) {
		if (held[i] >= 0)
			close(held[i]);
		held[i] = -1;
	}
}

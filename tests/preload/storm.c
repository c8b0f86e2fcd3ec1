/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A timer goes off every tenth of a millisecond; its handler appends to the file, reads and asks
 * for its size, whatever call on that file it has interrupted.
 */
#include "../lib/paced.h"
#include "transcript.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RECORD 128

static int fd, plain_fd, ends[2];
static volatile sig_atomic_t alarms, may_write;
static _Atomic long long records; /* appended, by main and by the handler */
static volatile int complaints;

static void complain(const char *what, long long value)
{
	if (complaints++ < 5)
		say("%s: %lld %s\n", what, value, strerrorname_np(errno));
}

static void append_record(char letter)
{
	char record[RECORD];
	ssize_t got;

	memset(record, letter, sizeof(record));
	/* First: whoever interrupts us may see it written, but not counted. */
	got = write(fd, record, sizeof(record));
	if (got != RECORD)
		complain("write", got);
	else
		records++;
}

static void on_alarm(int number)
{
	int saved_errno = errno;
	struct stat st;
	char record[RECORD];
	ssize_t got;

	(void)number;
	alarms++;
	if (may_write)
		append_record('s');
	if (fstat(fd, &st) < 0 || st.st_size % RECORD || st.st_size < records * RECORD ||
	    st.st_size > (records + 1) * RECORD)
		complain("a handler saw the size", st.st_size);
	got = pread(fd, record, sizeof(record), st.st_size - RECORD);
	if (got != RECORD || record[0] == 0 || record[0] != record[RECORD - 1])
		complain("a handler read", got);
	if (pread(fd, record, sizeof(record), st.st_size + 100 * RECORD) != 0)
		complain("a handler read past the end", 0);
	paced_handled();
	errno = saved_errno;
}

/* An error that is the storm's own, here as on a plain file. */
#define GOOD(call) \
	({ \
		long long value_; \
		do \
			value_ = (long long)(call); \
		while (value_ < 0 && errno == EINTR); \
		if (value_ < 0) \
			complain(#call, value_); \
		value_; \
	})

static void write_calls(void)
{
	char text[RECORD];
	struct iovec iov[2] = {{text, RECORD / 2}, {text + RECORD / 2, RECORD / 2}};

	append_record('w');
	memset(text, 'v', sizeof(text));
	if (GOOD(writev(fd, iov, 2)) == RECORD)
		records++;
	if (GOOD(pwritev2(fd, iov, 2, -1, RWF_APPEND)) == RECORD)
		records++;
	/* O_APPEND: this one appends, too. */
	if (GOOD(pwrite(fd, text, RECORD, 0)) == RECORD)
		records++;
	if (GOOD(dprintf(fd, "%.*s", RECORD, text)) == RECORD)
		records++;
}

/* Each has the file settled first, which takes longer than until the next alarm. */
static void calls_on_ordinary_file(void)
{
	char text[RECORD];
	struct iovec iov = {text, RECORD};
	ssize_t got;

	append_record('w');
	memset(text, 'n', sizeof(text));
	/* Since Linux 6.9. */
	got = pwritev2(fd, &iov, 1, 0, 0x20 /* RWF_NOAPPEND */);
	if (got != RECORD && !(got < 0 && (errno == EOPNOTSUPP || errno == EINVAL)))
		complain("pwritev2", got);
	iov.iov_base = NULL;
	if (GOOD(fchmod(fd, 0640)) == 0 && (writev(fd, &iov, 1) != -1 || errno != EFAULT))
		complain("writev", 0);
}

static void read_calls(void)
{
	char text[RECORD];
	struct iovec iov[2] = {{text, RECORD / 2}, {text + RECORD / 2, RECORD / 2}};

	GOOD(lseek(fd, RECORD, SEEK_SET));
	if (GOOD(pread(fd, text, RECORD, 0)) != RECORD)
		complain("pread", 0);
	if (GOOD(preadv(fd, iov, 2, RECORD)) != RECORD)
		complain("preadv", 0);
	GOOD(read(fd, text, RECORD));
	GOOD(readv(fd, iov, 2));
	GOOD(lseek(fd, 0, SEEK_END));
	GOOD(lseek(fd, 0, SEEK_DATA));
	GOOD(lseek(fd, 0, SEEK_HOLE));
}

static void questions(void)
{
	struct stat st;
	struct statx stx;
	int number;

	GOOD(fstat(fd, &st));
	GOOD(stat(file, &st));
	GOOD(statx(AT_FDCWD, file, 0, STATX_SIZE, &stx));
	if (st.st_size % RECORD || stx.stx_size % RECORD || stx.stx_size < (uint64_t)st.st_size)
		complain("size", st.st_size);
	GOOD(ioctl(fd, FIONREAD, &number));
	if (!(GOOD(fcntl(fd, F_GETFL)) & O_APPEND))
		complain("no O_APPEND", 0);
}

static void descriptors(void)
{
	int other = (int)GOOD(dup(fd));

	GOOD(dup2(fd, 70));
	GOOD(close(other));
	other = (int)GOOD(open("960-other.dat", O_RDWR | O_CREAT | O_APPEND, 0640));
	GOOD(write(other, "more", 4));
	GOOD(close(other));
	GOOD(close(70));
}

static void rare_calls(void)
{
	static int turn;
	off_t from = 0;

	switch (turn++ % 8) {
	case 0:
		GOOD(fcntl(fd, F_SETFL, O_APPEND));
		break;
	case 1:
		GOOD(fchmod(fd, 0640));
		break;
	case 2:
		GOOD(posix_fallocate(fd, 0, RECORD));
		break;
	case 3:
		GOOD(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 16));
		break;
	case 4:
		GOOD(rename(file, "renamed"));
		GOOD(rename("renamed", file));
		break;
	case 5:
		GOOD(sendfile(plain_fd, fd, &from, RECORD));
		break;
	case 6:
		GOOD(splice(fd, &from, ends[1], NULL, RECORD, 0));
		GOOD(splice(ends[0], NULL, plain_fd, NULL, RECORD, 0));
		break;
	default:
		GOOD(fdatasync(fd));
		GOOD(system(NULL));
	}
}

/* Its size changes under the handler, which only asks. */
static void truncations(void)
{
	int other = (int)GOOD(open("961-cut.dat", O_RDWR | O_CREAT, 0640));
	struct stat st;

	GOOD(write(other, file, sizeof(file)));
	GOOD(ftruncate(other, 5000));
	GOOD(ftruncate(other, 10));
	GOOD(fstat(other, &st));
	if (st.st_size != 10)
		complain("cut to", st.st_size);
	GOOD(pwrite(other, file, sizeof(file), 10));
	GOOD(truncate("961-cut.dat", 4));
	GOOD(fstat(other, &st));
	if (st.st_size != 4)
		complain("cut by name to", st.st_size);
	GOOD(close(other));
}

static void storm(const char *name, void (*const calls[])(void), int flags)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
	struct stat st;

	section(name);
	alarms = 0;
	records = 0;
	fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	append_record('-');
	append_record('-');
	append_record('-');
	EXTENDED(fd);
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < 300 || alarms < 500; i++) {
		for (int k = 0; calls[k]; k++) {
			paced_set(200);
			calls[k]();
		}
	}
	paced_end();
	append_record('e');
	append_record('e');
	/* A handler inside a call puts the extension off by moments. */
	for (int i = 0; i < 100 && extended_runs() && real_size(fd) <= records * RECORD; i++) {
		usleep(20000);
		append_record('e');
	}
	EXTENDED(fd);
	fstat(fd, &st);
	CALL(st.st_size - records * RECORD);
	CALL(complaints);
	CALL(ftruncate(fd, 0));
	finish(fd);
	unlink("960-other.dat");
	unlink("961-cut.dat");
	ftruncate(plain_fd, 0);
	lseek(plain_fd, 0, SEEK_SET);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	plain_fd = open("to", O_RDWR | O_CREAT, 0640);
	pipe(ends);
	may_write = 1;
	storm("writes", (void (*const[])(void)){write_calls, NULL}, SA_RESTART);
	storm("writes-interrupted", (void (*const[])(void)){write_calls, NULL}, 0);
	storm("reads", (void (*const[])(void)){read_calls, write_calls, NULL}, SA_RESTART);
	storm("questions", (void (*const[])(void)){questions, write_calls, NULL}, SA_RESTART);
	storm("descriptors", (void (*const[])(void)){descriptors, write_calls, NULL}, SA_RESTART);
	storm("on-ordinary", (void (*const[])(void)){calls_on_ordinary_file, NULL}, SA_RESTART);
	storm("rare", (void (*const[])(void)){rare_calls, write_calls, NULL}, SA_RESTART);
	storm("truncations", (void (*const[])(void)){truncations, write_calls, NULL}, SA_RESTART);
	may_write = 0;
	storm("only-asking", (void (*const[])(void)){write_calls, read_calls, rare_calls, NULL},
	      SA_RESTART);
}

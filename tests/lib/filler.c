/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filler [options] TALLY FILE: writes to FILE until the filesystem is full, for itself or for one of
 * the other fillers that share TALLY.
 *
 *	-m METHOD	append (O_APPEND), write or pwrite
 *	-r BYTES	of a record
 *	-y		fdatasync after each record
 *	-w WRITER	number of this filler in TALLY
 *	-n WRITERS	waits until so many have begun
 *	-e ERROR	enospc or edquot: what a full filesystem says
 *	-c		instead: is FILE as long as TALLY says, with this filler's bytes in it?
 *	-t		instead: prints the sum of what all have written
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITERS 16
#define LARGEST_RECORD (1 << 20)

struct tally {
	_Atomic unsigned begun;
	_Atomic bool full;
	_Atomic uint64_t bytes[WRITERS];
};

static struct {
	const char *method;
	size_t record;
	bool synced;
	unsigned writer, writers;
	int error;
} the = {.method = "append", .record = 65536, .writers = 1, .error = ENOSPC};

static struct tally *tally;
static uint64_t buffer[LARGEST_RECORD / sizeof(uint64_t) + 1];

/* Each word says whose it is and where. Returns where the bytes from offset on begin. */
static const char *bytes_of(uint64_t offset)
{
	for (size_t i = 0; i <= the.record / sizeof(uint64_t); i++)
		buffer[i] = ((uint64_t)the.writer + 1) << 56 | (offset / sizeof(uint64_t) + i);
	return (const char *)buffer + offset % sizeof(uint64_t);
}

static void begin(void)
{
	atomic_fetch_add(&tally->begun, 1);
	while (atomic_load(&tally->begun) < the.writers)
		usleep(1000);
}

static void fill(const char *path)
{
	bool positioned = strcmp(the.method, "pwrite") == 0;
	int fd = open(path, O_RDWR | O_CREAT | (strcmp(the.method, "append") ? 0 : O_APPEND), 0644);
	uint64_t done = 0;

	if (fd < 0)
		err(1, "%s", path);
	begin();
	while (!atomic_load(&tally->full)) {
		const char *bytes = bytes_of(done);
		ssize_t n = positioned ? pwrite(fd, bytes, the.record, (off_t)done)
				       : write(fd, bytes, the.record);

		if (n < 0) {
			if (errno != the.error)
				err(1, "%s: after %llu bytes", path, (unsigned long long)done);
			atomic_store(&tally->full, true);
			break;
		}
		done += (uint64_t)n;
		atomic_store(&tally->bytes[the.writer], done);
		if (the.synced && fdatasync(fd) < 0)
			err(1, "fdatasync");
	}
	if (close(fd) < 0)
		err(1, "close");
}

static void check(const char *path)
{
	uint64_t at = 0, size = atomic_load(&tally->bytes[the.writer]);
	char *read_back = malloc(the.record);
	int fd = open(path, O_RDONLY);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	if ((uint64_t)st.st_size != size)
		errx(1, "%s: %llu bytes, %llu were written", path, (unsigned long long)st.st_size,
		     (unsigned long long)size);
	while ((n = read(fd, read_back, the.record)) > 0) {
		if (memcmp(read_back, bytes_of(at), (size_t)n) != 0)
			errx(1, "%s: other bytes at %llu", path, (unsigned long long)at);
		at += (uint64_t)n;
	}
	if (at != size)
		errx(1, "%s: %llu of %llu bytes read", path, (unsigned long long)at,
		     (unsigned long long)size);
	free(read_back);
}

static void open_tally(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0666);

	if (fd < 0 || ftruncate(fd, sizeof(*tally)) < 0)
		err(1, "%s", path);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (tally == MAP_FAILED)
		err(1, "mmap");
	close(fd);
}

static unsigned long long total(void)
{
	unsigned long long sum = 0;

	for (unsigned i = 0; i < WRITERS; i++)
		sum += atomic_load(&tally->bytes[i]);
	return sum;
}

int main(int argc, char **argv)
{
	bool checks = false, prints = false;
	int option;

	while ((option = getopt(argc, argv, "m:r:yw:n:e:ct")) != -1) {
		switch (option) {
		case 'm': the.method = optarg; break;
		case 'r': the.record = strtoul(optarg, NULL, 0); break;
		case 'y': the.synced = true; break;
		case 'w': the.writer = (unsigned)atoi(optarg); break;
		case 'n': the.writers = (unsigned)atoi(optarg); break;
		case 'e': the.error = strcmp(optarg, "edquot") ? ENOSPC : EDQUOT; break;
		case 'c': checks = true; break;
		case 't': prints = true; break;
		default: return 2;
		}
	}
	if (argc - optind < 2 - prints || the.record > LARGEST_RECORD || the.writer >= WRITERS)
		errx(2, "usage: filler [options] TALLY FILE");
	open_tally(argv[optind]);
	if (prints)
		printf("%llu\n", total());
	else if (checks)
		check(argv[optind + 1]);
	else
		fill(argv[optind + 1]);
	return 0;
}

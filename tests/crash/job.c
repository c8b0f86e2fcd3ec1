/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program's day, always the same, on files that are managed in several ways. It says what each of
 * its calls returned (tests/preload/transcript.h). inject.sh lets the library's calls fail meanwhile.
 *
 *	job			in the directory where it makes its files
 *	job crash FILE		before that: writes FILE, syncs it, and kills the guardian ($JOB_GUARDIAN,
 *				its program's path) and itself
 *	job look A B BLOCKS	says where the files of B differ from those of A; BLOCKS: how many blocks of
 *				512 bytes may be allocated to one that aren't to the other
 */
#include "../preload/transcript.h"

#include <dirent.h>
#include <err.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

extern char **environ;

static const char *self;

/* --- the files afterwards --- */

static uint64_t digest_of(int fd)
{
	static char buffer[1 << 16];
	uint64_t sum = 1;
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		sum = digest(buffer, (size_t)got, sum);
	return sum;
}

static bool is_same(int a, int b, const char *name, long long blocks)
{
	struct stat of_a, of_b;
	char list[256];
	bool same;

	if (fstat(a, &of_a) < 0 || fstat(b, &of_b) < 0)
		err(99, "%s", name);
	same = of_a.st_size == of_b.st_size && of_a.st_mode == of_b.st_mode &&
	       of_a.st_nlink == of_b.st_nlink && digest_of(a) == digest_of(b);
	if (!same)
		printf("%s: size %lld mode %o, and size %lld mode %o, or other bytes\n", name,
		       (long long)of_a.st_size, of_a.st_mode, (long long)of_b.st_size, of_b.st_mode);
	if (llabs((long long)of_a.st_blocks - (long long)of_b.st_blocks) > blocks) {
		printf("%s: %lld blocks, and %lld\n", name, (long long)of_a.st_blocks,
		       (long long)of_b.st_blocks);
		same = false;
	}
	if (flistxattr(b, list, sizeof(list)) > 0) {
		printf("%s: has the attribute %s\n", name, list);
		same = false;
	}
	return same;
}

/* Names of `from` that aren't in `other`, and what differs: then false. */
static bool look(const char *from, const char *other, long long blocks)
{
	DIR *directory = opendir(from), *others = opendir(other);
	struct dirent *entry;
	bool same = true;

	if (!directory || !others)
		err(99, "%s, %s", from, other);
	while ((entry = readdir(directory))) {
		int a, b;

		if (entry->d_name[0] == '.')
			continue;
		a = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
		b = openat(dirfd(others), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (b < 0)
			printf("%s: isn't in %s\n", entry->d_name, other);
		same = b >= 0 && is_same(a, b, entry->d_name, blocks) && same;
		close(a);
		close(b);
	}
	closedir(directory);
	closedir(others);
	return same;
}

/* --- the day --- */

/* Later than all that has happened to files so far: their clock moves in ticks. */
static void tick(void)
{
	struct timespec time = {.tv_nsec = 12000000};

	nanosleep(&time, NULL);
}

/* Has fd's mtime moved since? Remembers it. */
static void say_moved(int fd, const char *when, struct timespec *mtime)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		say("  %s: fstat fails\n", when);
		return;
	}
	say("  %s: mtime has %s\n", when,
	    st.st_mtim.tv_sec == mtime->tv_sec && st.st_mtim.tv_nsec == mtime->tv_nsec ? "stayed"
										      : "moved");
	*mtime = st.st_mtim;
}

static void say_exit(pid_t pid)
{
	int status = -1;

	if (CALL(waitpid(pid, &status, 0) == pid) == 1)
		say("  status %x\n", (unsigned int)status);
}

/* A process of its own, with the environment that is given. */
static void run(const char *how, const char *name, char **environment)
{
	char *const arguments[] = {(char *)self, (char *)how, (char *)name, NULL};
	pid_t pid = fork();

	if (pid == 0) {
		execve(self, arguments, environment);
		_exit(127);
	}
	say_exit(pid);
}

static void neighbour(const char *name)
{
	char *nothing[] = {NULL};

	run("neighbour", name, nothing);
}

static void records(int fd, int count, size_t bytes, unsigned int seed)
{
	char buffer[4096];
	long long written = 0;

	fill(buffer, sizeof(buffer), seed);
	for (int i = 0; i < count; i++)
		written += write(fd, buffer, bytes);
	say("  %d records of %zu: %lld\n", count, bytes, written);
}

static void log_file(void)
{
	struct timespec mtime = {0};
	int fd = start("log", O_WRONLY | O_APPEND);

	for (int i = 0; i < 3; i++) {
		records(fd, 4, 500, 2);
		CALL(fdatasync(fd));
		say_moved(fd, "appended", &mtime);
		tick();
		state(fd);
		say_moved(fd, "looked at", &mtime);
	}
	records(fd, 1, 3000, 3);
	say_moved(fd, "appended", &mtime);
	neighbour(file);
	tick();
	say_moved(fd, "read by a neighbour", &mtime);
	records(fd, 3, 700, 4);
	CALL(fsync(fd));
	CALL(fcntl(fd, F_GETFL));
	finish(fd);
}

static void data_file(void)
{
	char buffer[5000];
	struct timespec mtime = {0};
	int fd = start("data", O_RDWR);

	fill(buffer, sizeof(buffer), 5);
	CALL(pwrite(fd, buffer, 3000, START_BYTES));
	CALL(pwrite(fd, buffer, 5000, START_BYTES + 3000));
	CALL(pwrite(fd, buffer, 100, 50));
	state(fd);
	CALL(lseek(fd, -10, SEEK_END));
	CALL(read(fd, buffer, 100));
	CALL(read(fd, buffer, 100));
	CALL(pread(fd, buffer, 100, 1 << 20));
	CALL(write(fd, buffer, 2000));
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, 0, SEEK_DATA));
	CALL(lseek(fd, 100, SEEK_HOLE));
	CALL(ftruncate(fd, 12000));
	again(fd);
	state(fd);
	CALL(ftruncate(fd, 40000));
	again(fd);
	say_moved(fd, "appended", &mtime);
	tick();
	CALL(fsync(fd));
	CALL(posix_fallocate(fd, 0, 50000));
	again(fd);
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
	CALL(fchmod(fd, 04755));
	again(fd);
	say_moved(fd, "appended", &mtime);
	tick();
	say_moved(fd, "nothing", &mtime);
	finish(fd);
}

static void vector_file(void)
{
	char buffer[1200];
	struct iovec iov[3] = {{buffer, 100}, {buffer + 100, 1000}, {buffer + 1100, 7}};
	int fd = start("vectors", O_RDWR | O_APPEND), copy;

	fill(buffer, sizeof(buffer), 6);
	CALL(writev(fd, iov, 3));
	CALL(pwritev(fd, iov, 2, 0)); /* appends, pwrite(2), BUGS */
	CALL(pwritev2(fd, iov, 3, -1, 0));
	copy = (int)CALL(dup(fd));
	records(copy, 2, 333, 7);
	CALL(close(fd));
	state(copy);
	records(copy, 2, 333, 8);
	fd = (int)CALL(fcntl(copy, F_DUPFD_CLOEXEC, 100));
	CALL(close(copy));
	CALL(fcntl(fd, F_SETFL, 0));
	records(fd, 1, 444, 9);
	CALL(lseek(fd, 5, SEEK_SET));
	records(fd, 1, 40, 9);
	state(fd);
	finish(fd);
}

static void family(void)
{
	int fd = start("family", O_RDWR | O_APPEND);
	pid_t pid = fork();

	if (pid == 0) {
		records(fd, 2, 600, 10);
		CALL(close(fd));
		_exit(9);
	}
	say_exit(pid);
	state(fd);
	records(fd, 3, 600, 11);
	run("child", file, environ);
	records(fd, 3, 600, 12);
	state(fd);
	finish(fd);
}

static void names(void)
{
	int fd = start("names", O_RDWR), other;

	CALL(rename(file, "renamed.dat"));
	records(fd, 2, 500, 13);
	other = (int)CALL(open("renamed.dat", O_RDWR | O_CLOEXEC));
	state(other);
	CALL(lseek(other, 0, SEEK_END));
	records(other, 1, 500, 14);
	CALL(close(other));
	CALL(lseek(fd, 0, SEEK_END));
	records(fd, 2, 500, 15);
	CALL(close(fd));
	other = (int)CALL(open("renamed.dat", O_WRONLY | O_APPEND));
	records(other, 2, 500, 16);
	CALL(close(other));
	other = (int)CALL(open("renamed.dat", O_RDWR | O_TRUNC));
	records(other, 3, 500, 17);
	state_of("renamed.dat");
	CALL(unlink("renamed.dat"));
	records(other, 3, 500, 18);
	state(other);
	CALL(close(other));
}

static void stream(void)
{
	FILE *out;

	section("stream");
	out = fopen(file, "a+");
	if (!out)
		err(99, "%s", file);
	for (int i = 0; i < 300; i++)
		fprintf(out, "line %d of a log that goes by stdio\n", i);
	CALL(fflush(out));
	state(fileno(out));
	CALL(fputs("the end\n", out) >= 0);
	CALL(fclose(out));
	state_of(file);
}

static void *append_in_thread(void *fd)
{
	char buffer[64];

	memset(buffer, 'x', sizeof(buffer));
	for (int i = 0; i < 50; i++)
		if (write(*(int *)fd, buffer, sizeof(buffer)) != sizeof(buffer))
			return fd;
	return NULL;
}

static void threads(void)
{
	int fd = start("threads", O_RDWR | O_APPEND);
	pthread_t thread[2];
	void *result;

	for (int i = 0; i < 2; i++)
		CALL(pthread_create(&thread[i], NULL, append_in_thread, &fd));
	for (int i = 0; i < 2; i++) {
		CALL(pthread_join(thread[i], &result));
		say("  %s\n", result ? "fails" : "has appended");
	}
	state(fd);
	finish(fd);
}

static void mapped(void)
{
	int fd = start("mapped", O_RDWR);
	char *map = mmap(NULL, START_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		err(99, "mmap");
	map[5000] = 'm';
	append(fd);
	CALL(munmap(map, START_BYTES));
	state(fd);
	finish(fd);
}

/* What `job crash` has left: opened for writing, and for reading. */
static void recovered(void)
{
	int fd = open("crashed.dat", O_RDWR | O_APPEND);

	if (fd < 0)
		return;
	section("recovered");
	state(fd);
	records(fd, 2, 500, 24);
	state(fd);
	CALL(close(fd));
	state_of("torn.dat");
}

static void kill_processes(const char *program)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	while (processes && (entry = readdir(processes))) {
		char path[300], target[4096];
		pid_t pid = atoi(entry->d_name);
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (pid <= 1 || length < 0)
			continue;
		target[length] = '\0';
		if (strcmp(target, program) == 0)
			kill(pid, SIGKILL);
	}
}

static void crash(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_APPEND, 0640);
	char zeroes[3000] = {0};

	records(fd, 5, 1000, 25);
	CALL(write(fd, zeroes, sizeof(zeroes)));
	CALL(fsync(fd));
	EXTENDED(fd);
	if (getenv("JOB_GUARDIAN"))
		kill_processes(getenv("JOB_GUARDIAN"));
	kill(getpid(), SIGKILL);
}

/* Mode keep by its name, and one that no rule matches. */
static void other_files(void)
{
	int kept, none;

	section("others");
	kept = (int)CALL(open("others.keep", O_RDWR | O_CREAT | O_APPEND, 0640));
	none = (int)CALL(open("others.none", O_RDWR | O_CREAT | O_APPEND, 0640));
	records(kept, 30, 4000, 19);
	records(none, 30, 4000, 19);
	neighbour("others.keep");
	records(kept, 3, 4000, 20);
	CALL(fsync(kept));
	CALL(ftruncate(kept, 5000));
	records(kept, 3, 4000, 21);
	state(kept);
	state(none);
	CALL(close(kept));
	CALL(close(none));
}

static void be_child(void)
{
	int fd = (int)CALL(open("child.dat", O_RDWR | O_CREAT | O_APPEND, 0600));

	records(fd, 4, 900, 22);
	state(fd);
	CALL(fdatasync(fd));
	_exit(3); /* with the file open */
}

void transcript(int argc, char **argv)
{
	int fd;

	self = "/proc/self/exe";
	if (argc > 4 && strcmp(argv[1], "look") == 0)
		exit(!look(argv[2], argv[3], atoll(argv[4])) | !look(argv[3], argv[2], 1LL << 40));
	if (argc > 2 && strcmp(argv[1], "crash") == 0)
		crash(argv[2]);
	if (argc > 2) {
		state_of(argv[2]);
		if (strcmp(argv[1], "child") == 0)
			be_child();
		exit(0);
	}
	recovered();
	log_file();
	data_file();
	vector_file();
	family();
	names();
	stream();
	threads();
	mapped();
	other_files();
	fd = start("left", O_RDWR);
	records(fd, 2, 800, 23);
	exit(7);
}

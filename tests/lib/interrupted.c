/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupted POINT METHOD APPENDED FILE [COMMAND...]: stops a program (ptrace(2)), looks at FILE
 * meanwhile, appends APPENDED bytes to it, and lets the program go on. Prints what FILE held then
 * and in the end, run-length encoded: the program's earlier bytes are o, those of the append n, the
 * neighbour's b. POINT is
 *
 *	entry	just before the append's system call
 *	exit	just after it
 *	seek	before the offset is moved to the end for it
 *	mask	before signals are blocked, or the offset asked for
 *	cut	entry; and the call is made when the guardian is just about to cut the file
 *	late	the same, and the program goes on, FILE isn't looked at
 *	race	the same, when the guardian is about to prove that nothing would be cut
 *
 * interrupted METHOD FILE: the program. METHOD is write or pwrite, and
 *
 *	append	with O_APPEND
 *	only	O_WRONLY
 *	across	overwrites all of the last record but its first byte, and appends one
 *	back	from offset 0
 *	asks	for SEEK_END before it
 *	mixed	by pwrite, after records by write
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "paced.h"

#define RECORD 64
#define RECORDS 10

static int fd;
static bool at_offset;

static void append(char byte, off_t at)
{
	char record[RECORD];
	ssize_t written;

	memset(record, byte, sizeof(record));
	written = at_offset ? pwrite(fd, record, RECORD, at) : write(fd, record, RECORD);
	if (written != RECORD)
		err(98, "%zd bytes written", written);
}

static int program(const char *method, const char *path)
{
	at_offset = strncmp(method, "pwrite", 6) == 0;
	fd = open(path, O_CREAT | (strstr(method, "append") ? O_APPEND : 0) |
		  (strstr(method, "only") ? O_WRONLY : O_RDWR), 0666);
	if (fd < 0)
		err(98, "%s", path);
	for (int i = 0; i < RECORDS; i++)
		append('o', i * RECORD);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		err(98, "PTRACE_TRACEME");
	if (strstr(method, "mixed"))
		at_offset = true;
	if (strstr(method, "back"))
		lseek(fd, 0, SEEK_SET);
	kill(getpid(), SIGSTOP); /* raise(3) would block signals */
	if (strstr(method, "asks") && lseek(fd, 0, SEEK_END) < RECORDS * RECORD)
		err(98, "SEEK_END");
	append('n', RECORDS * RECORD - (strstr(method, "across") ? RECORD - 1 : 0));
	if (close(fd) < 0)
		err(98, "close");
	return 0;
}

static void show(const char *when, const char *path)
{
	char buffer[RECORD * RECORDS * 16];
	int file = open(path, O_RDONLY);
	ssize_t got = read(file, buffer, sizeof(buffer));

	if (file < 0 || got < 0)
		err(98, "%s", path);
	close(file);
	printf("%s ", when);
	for (ssize_t i = 0, from = 0; i < got; from = i) {
		while (i < got && buffer[i] == buffer[from])
			i++;
		printf("%c%zd", buffer[from] ? buffer[from] : '0', i - from);
	}
	printf("\n");
}

static void neighbour(const char *path, size_t bytes)
{
	int file = open(path, O_WRONLY | O_APPEND);
	char record[4096];

	memset(record, 'b', sizeof(record));
	if (file < 0 || write(file, record, bytes) != (ssize_t)bytes)
		err(98, "%s", path);
	close(file);
}

/* Also an append by pwrite is made by writev, at the offset. */
static bool is_append(const struct __ptrace_syscall_info *info)
{
	return info->entry.nr == SYS_writev ||
	       ((info->entry.nr == SYS_write || info->entry.nr == SYS_pwrite64) &&
		info->entry.args[2] == RECORD);
}

static bool is_seek(const struct __ptrace_syscall_info *info)
{
	return info->entry.nr == SYS_lseek && info->entry.args[2] == SEEK_SET;
}

static bool is_mask(const struct __ptrace_syscall_info *info)
{
	return info->entry.nr == SYS_rt_sigprocmask || info->entry.nr == SYS_lseek;
}

static bool is_cut(const struct __ptrace_syscall_info *info)
{
	return info->entry.nr == SYS_ftruncate;
}

static bool is_proof(const struct __ptrace_syscall_info *info)
{
	return info->entry.nr == SYS_pread64 || info->entry.nr == SYS_fstatfs;
}

/* Until that side of the wanted system call; what it makes beside is passed over. */
static void run_to(pid_t pid, int side, bool (*wanted)(const struct __ptrace_syscall_info *info))
{
	struct __ptrace_syscall_info info;
	bool inside = false;
	int status;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
			err(98, "PTRACE_SYSCALL");
		if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			errx(98, "it ended before its call: %x", (unsigned)status);
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
			err(98, "PTRACE_GET_SYSCALL_INFO");
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			inside = wanted(&info);
		if (inside && info.op == side)
			return;
	}
}

static void finish_call(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0 ||
	    !WIFSTOPPED(status))
		errx(98, "its call didn't end");
}

static bool has_open(pid_t pid, const char *path)
{
	char name[64], target[4096];
	bool found = false;
	struct dirent *entry;
	DIR *directory;

	snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
	directory = opendir(name);
	if (!directory)
		return false;
	while (!found && (entry = readdir(directory))) {
		ssize_t length = readlinkat(dirfd(directory), entry->d_name, target,
					    sizeof(target) - 1);

		target[length < 0 ? 0 : length] = '\0';
		found = strcmp(target, path) == 0;
	}
	closedir(directory);
	return found;
}

/* Who else has the file open. */
static pid_t guardian_of(pid_t program_pid, const char *path)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (directory && !found && (entry = readdir(directory))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != program_pid && has_open(pid, path))
			found = pid;
	}
	closedir(directory);
	if (!found)
		errx(98, "%s: no guardian has it", path);
	return found;
}

static pid_t open_outside(const char *path)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(open(path, O_RDONLY) < 0);
	return pid;
}

static const struct point {
	const char *name;
	bool (*where)(const struct __ptrace_syscall_info *info); /* the program is stopped */
	int side;
	bool (*when)(const struct __ptrace_syscall_info *info); /* the guardian is; or NULL */
	bool goes_on;
} points[] = {
	{"entry", is_append, PTRACE_SYSCALL_INFO_ENTRY, NULL, false},
	{"exit", is_append, PTRACE_SYSCALL_INFO_EXIT, NULL, false},
	{"seek", is_seek, PTRACE_SYSCALL_INFO_ENTRY, NULL, false},
	{"mask", is_mask, PTRACE_SYSCALL_INFO_ENTRY, NULL, false},
	{"cut", is_append, PTRACE_SYSCALL_INFO_ENTRY, is_cut, false},
	{"late", is_append, PTRACE_SYSCALL_INFO_ENTRY, is_cut, true},
	{"race", is_append, PTRACE_SYSCALL_INFO_ENTRY, is_proof, true},
	{NULL},
};

static const struct point *point_of(const char *name)
{
	const struct point *point = points;

	while (point->name && strcmp(point->name, name) != 0)
		point++;
	if (!point->name)
		errx(99, "%s is no point", name);
	return point;
}

static void append_meanwhile(pid_t pid, const char *path, const struct point *point)
{
	pid_t guardian = guardian_of(pid, path), opener;
	int status;

	if (ptrace(PTRACE_SEIZE, guardian, NULL, PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, guardian, NULL, NULL) < 0 ||
	    waitpid(guardian, &status, 0) < 0)
		err(98, "the guardian");
	opener = open_outside(path);
	run_to(guardian, PTRACE_SYSCALL_INFO_ENTRY, point->when);
	finish_call(pid);
	if (point->goes_on) {
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		usleep(200000); /* it waits for the guardian then */
	}
	ptrace(PTRACE_DETACH, guardian, NULL, NULL);
	if (waitpid(opener, &status, 0) < 0 || status != 0)
		errx(98, "the opener ended with %x", (unsigned)status);
}

int main(int argc, char **argv)
{
	const struct point *point;
	const char *path;
	size_t bytes;
	pid_t pid;
	int status;

	if (argc == 3)
		return program(argv[1], argv[2]);
	if (argc < 5)
		errx(99, "usage: interrupted POINT METHOD APPENDED FILE [COMMAND...]");
	point = point_of(argv[1]);
	bytes = strtoul(argv[3], NULL, 10);
	path = argv[4];
	alarm(patience(30));
	pid = fork();
	if (pid == 0) {
		char **command = calloc((size_t)argc, sizeof(char *));
		int i;

		for (i = 0; i < argc - 5; i++)
			command[i] = argv[5 + i];
		command[i++] = argv[0];
		command[i++] = argv[2];
		command[i++] = argv[4];
		execvp(command[0], command);
		err(98, "%s", command[0]);
	}
	if (waitpid(pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status))
		errx(98, "it did not stop: %x", (unsigned)status);
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		err(98, "PTRACE_SETOPTIONS");
	run_to(pid, point->side, point->where);
	if (point->when)
		append_meanwhile(pid, path, point);
	if (!point->goes_on)
		show("seen", path);
	if (bytes)
		neighbour(path, bytes);
	if (!point->goes_on)
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		errx(98, "it ended with %x", (unsigned)status);
	show("final", path);
	return 0;
}

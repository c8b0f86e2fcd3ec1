/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupted entry|exit METHOD APPENDED FILE [COMMAND...]: stops a program in the very moment
 * before or after its append's system call (ptrace(2)), looks at FILE meanwhile, appends APPENDED
 * bytes to it, and lets the program go on. Prints what FILE held then and in the end, run-length
 * encoded: the program's earlier bytes are o, those of the append n, the neighbour's b.
 *
 * interrupted METHOD FILE: the program. METHOD is write, append (O_APPEND), pwrite, pwrite-only
 * (O_WRONLY), pwrite-append (O_APPEND) or pwrite-append-only. COMMAND goes before it.
 */
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
	raise(SIGSTOP);
	append('n', RECORDS * RECORD);
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

/* Until the wanted side of the append's system call; what it makes beside is passed over. */
static void run_to(pid_t pid, int side)
{
	struct __ptrace_syscall_info info;
	bool inside = false;
	int status;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
			err(98, "PTRACE_SYSCALL");
		if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			errx(98, "it ended before its append: %x", (unsigned)status);
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
			err(98, "PTRACE_GET_SYSCALL_INFO");
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			inside = (info.entry.nr == SYS_write || info.entry.nr == SYS_pwrite64) &&
				 info.entry.args[2] == RECORD;
		if (inside && info.op == side)
			return;
	}
}

int main(int argc, char **argv)
{
	int side, status;
	size_t bytes;
	const char *path;
	pid_t pid;

	if (argc == 3)
		return program(argv[1], argv[2]);
	if (argc < 5)
		errx(99, "usage: interrupted entry|exit METHOD APPENDED FILE [COMMAND...]");
	side = strcmp(argv[1], "exit") == 0 ? PTRACE_SYSCALL_INFO_EXIT : PTRACE_SYSCALL_INFO_ENTRY;
	bytes = strtoul(argv[3], NULL, 10);
	path = argv[4];
	alarm(30);
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
	run_to(pid, side);
	show("seen", path);
	if (bytes)
		neighbour(path, bytes);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		errx(98, "it ended with %x", (unsigned)status);
	show("final", path);
	return 0;
}

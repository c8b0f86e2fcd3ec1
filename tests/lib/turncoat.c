/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * turncoat HOW FILE [ARGUMENT]: appends to FILE, becomes somebody else, and appends once more. It says what
 * each step has come to, and ends with 0 when FILE has what it wrote.
 *
 *	chroot DIRECTORY	is in another root directory, whose own files belong to somebody else
 *	chroot-bare DIRECTORY	the same by the instruction, so that no library knows of it
 *	pivot DIRECTORY		in a mount namespace of its own
 *	chdir DIRECTORY		in another working directory, where a relative path leads elsewhere
 *	capless			root still, but without capabilities; tells its own and its guardian's
 *	keepcaps, keepcaps-dumpable	nobody, with root's capabilities; as undumpable
 *	seteuid-bare OTHER	by the instruction; appends to OTHER, and tells whether that was marked
 *	undumpable-bare		by the instruction, after its first append; as undumpable
 *	two			hands its guardian a second descriptor, and waits for that one to be closed
 *	seteuid, setfsuid, setresuid	another user (nobody), for some purposes or for all
 *	setresuid-bare		all by the instruction; and asks its guardian by hand for one more file
 *	undumpable		can't be traced; the guardian's id is told, and it waits for the end of its stdin
 *	stopped			stops its guardian, becomes nobody past the library, and closes FILE
 *	waits, handles		tells its guardian's id, waits for a byte of its stdin, and closes FILE; SIGTERM ends
 *				it, or has a handler
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534

static int fd;
static long long written;

static long bare(long number, long a, long b, long c)
{
#if defined(__x86_64__)
	long result = number;

	__asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
#else
	return syscall(number, a, b, c);
#endif
}

static void append(void)
{
	char record[64];

	memset(record, 'r', sizeof(record));
	for (int i = 0; i < 20; i++) {
		if (write(fd, record, sizeof(record)) != sizeof(record) || fdatasync(fd) < 0)
			err(98, "append");
		written += (long long)sizeof(record);
	}
}

static int check(const char *path)
{
	struct stat st;

	if (close(fd) < 0)
		err(97, "close");
	if (path && stat(path, &st) == 0 && st.st_size != written)
		errx(96, "%lld bytes instead of %lld", (long long)st.st_size, written);
	return 0;
}

/* The only one: in a process namespace of its own. */
static pid_t guardian(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while ((entry = readdir(proc))) {
		char name[300], comm[32] = "";
		FILE *file;

		snprintf(name, sizeof(name), "/proc/%s/comm", entry->d_name);
		file = fopen(name, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && strncmp(comm, "preallocate-gua", 15) == 0)
			found = atoi(entry->d_name);
		fclose(file);
	}
	closedir(proc);
	return found;
}

/* A message to the guardian, past the library: the socket is the only one of its kind. */
static void ask_by_hand(const int *with, size_t count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	/* struct claim_request: CLAIM_TAKE for slot 77, readable, [0, 100) in steps of 1 MiB. */
	struct {
		uint32_t words[4];
		int64_t numbers[9];
	} request = {{1, 77, 2, 0}, {0, 100, 0, INT64_C(1) << 40, INT64_C(1000000000), 0, 0, 1 << 20, 4096}};
	struct iovec iov = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), with, count * sizeof(int));
	for (int socket = 3; socket < 1100; socket++) {
		int type;
		socklen_t length = sizeof(type);

		if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET)
			printf("asked %s\n", bare(SYS_sendmsg, socket, (long)&message, MSG_NOSIGNAL) < 0
						     ? "nobody" : "it");
	}
}

static void capabilities(pid_t pid)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "CapPrm:", 7) || !strncmp(line, "CapEff:", 7))
			printf("%s", line);
	if (file)
		fclose(file);
}

/* All that is permitted is effective, or there is none left. */
static void set_capabilities(int keep)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &header, sets) < 0)
		err(91, "capget");
	for (int i = 0; i < 2; i++) {
		sets[i].permitted = keep ? sets[i].permitted : 0;
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, sets) < 0)
		err(91, "capset");
}

/* Before its guardian is started. */
static void become_hidden(const char *how)
{
	if (!strncmp(how, "keepcaps", 8)) {
		if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) < 0)
			err(91, "nobody");
		set_capabilities(1);
	}
	if (!strcmp(how, "undumpable-bare"))
		append();
	if (!strcmp(how, "undumpable-bare"))
		bare(SYS_prctl, PR_SET_DUMPABLE, 0, 0);
	else
		prctl(PR_SET_DUMPABLE, !strcmp(how, "keepcaps-dumpable"));
}

static int is_hidden(const char *how)
{
	return !strncmp(how, "undumpable", 10) || !strncmp(how, "keepcaps", 8);
}

/* How many bytes its mark has, or -errno. */
static long mark_of(int of)
{
	return bare(SYS_fgetxattr, of, (long)"user.preallocate", 0);
}

static void go_to(const char *how, const char *directory)
{
	if (!strcmp(how, "chroot") && (chroot(directory) < 0 || chdir("/") < 0))
		err(95, "chroot");
	if (!strcmp(how, "chroot-bare") &&
	    (bare(SYS_chroot, (long)directory, 0, 0) < 0 || chdir("/") < 0))
		err(95, "chroot");
	if (!strcmp(how, "chdir") && chdir(directory) < 0)
		err(95, "chdir");
	if (!strcmp(how, "pivot") &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	     mount(directory, directory, NULL, MS_BIND, NULL) < 0 || chdir(directory) < 0 ||
	     syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0))
		err(95, "pivot_root");
}

static void handle(int number)
{
	(void)number;
	if (write(STDOUT_FILENO, "handled\n", 8) < 0)
		_exit(92);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "", *path = argv[2];
	struct stat st;
	int other;
	char byte;

	setvbuf(stdout, NULL, _IONBF, 0);
	fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0644);
	if (fd < 0)
		err(99, "%s", path);
	if (argc == 4 && (!strncmp(how, "chroot", 6) || !strcmp(how, "pivot"))) {
		go_to(how, argv[3]);
		/* Its guardian would be started now. */
		append();
		fd = open("/inside.data", O_RDWR | O_CREAT | O_APPEND, 0644);
		written = 0;
		append();
		return check("/inside.data");
	}
	if (!strcmp(how, "chdir") && argc == 4)
		go_to(how, argv[3]);
	if (!strcmp(how, "capless"))
		set_capabilities(0);
	if (!is_hidden(how))
		append();
	if (!strcmp(how, "seteuid")) {
		printf("%d\n", seteuid(NOBODY));
	} else if (!strcmp(how, "setfsuid")) {
		printf("%d %d\n", setfsuid(NOBODY), setfsuid(NOBODY));
	} else if (!strcmp(how, "setresuid")) {
		printf("%d\n", setresuid(NOBODY, NOBODY, NOBODY));
	} else if (!strcmp(how, "setresuid-bare")) {
		other = open(argv[3], O_RDWR);
		printf("%ld\n", bare(SYS_setresuid, NOBODY, NOBODY, NOBODY));
		ask_by_hand(&other, 1);
		usleep(300000);
		printf("%lld\n", fstat(other, &st) < 0 ? -1 : (long long)st.st_size);
	} else if (is_hidden(how)) {
		char second[4200];

		become_hidden(how);
		append();
		close(fd);
		snprintf(second, sizeof(second), "%s.second.data", path);
		fd = open(second, O_RDWR | O_CREAT | O_APPEND, 0644);
		written = 0;
		path = second;
		append();
		printf("%d %d\n", getpid(), guardian());
		if (read(STDIN_FILENO, &byte, 1) < 0)
			return 94;
		append();
		return check(second);
	} else if (!strcmp(how, "capless")) {
		pid_t pid = guardian();

		capabilities(getpid());
		capabilities(pid ? pid : getpid());
		printf("%s\n", pid ? "with a guardian" : "alone");
	} else if (!strcmp(how, "seteuid-bare")) {
		int mine = fd;

		other = open(argv[3], O_RDWR | O_CREAT | O_APPEND, 0644);
		printf("%ld\n", bare(SYS_setresuid, -1, NOBODY, -1));
		fd = other;
		append();
		printf("mark %ld\n", mark_of(other));
		close(other);
		written /= 2;
		fd = mine;
	} else if (!strcmp(how, "two")) {
		int ends[2], with[2] = {open("/dev/null", O_RDWR), -1};
		struct pollfd end;

		if (pipe(ends) < 0)
			return 91;
		with[1] = ends[1];
		ask_by_hand(with, 2);
		close(ends[1]);
		end = (struct pollfd){.fd = ends[0]};
		printf("%s\n", poll(&end, 1, 20000) == 1 ? "closed" : "kept open");
		_exit(0);
	} else if (!strcmp(how, "chdir")) {
		printf("there\n");
	} else if (!strcmp(how, "stopped")) {
		struct timespec before, after;
		pid_t pid = guardian();

		if (pid)
			kill(pid, SIGSTOP);
		bare(SYS_setresuid, NOBODY, NOBODY, NOBODY);
		printf("closing\n");
		clock_gettime(CLOCK_MONOTONIC, &before);
		close(fd);
		clock_gettime(CLOCK_MONOTONIC, &after);
		printf("closed\n");
		return after.tv_sec - before.tv_sec > 30 ? 93 : 0;
	} else if (!strcmp(how, "waits") || !strcmp(how, "handles")) {
		if (!strcmp(how, "handles"))
			signal(SIGTERM, handle);
		printf("%d\n", guardian());
		if (read(STDIN_FILENO, &byte, 1) < 0)
			return 94;
		printf("closing\n");
		close(fd);
		printf("closed\n");
		return 0;
	} else {
		errx(99, "usage: turncoat HOW FILE [ARGUMENT]");
	}
	append();
	return check(path);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "every.h"

#include <grp.h>
#include <pty.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <utmp.h>
#include <wordexp.h>

#define TEST(name) static void name(void *call, int fd)

extern char **environ;

static void ended(pid_t pid)
{
	int status;
	pid_t gone = waitpid(pid, &status, 0);

	/* Only now: what the child says comes first. */
	CALL(pid > 0);
	CALL(gone == pid);
	CALL(status);
}

static void in_child(int fd)
{
	_exit(write(fd, every_bytes, 123) == 123 ? 7 : 8);
}

TEST(forks)
{
	pid_t pid = AS(fork)();

	if (pid == 0)
		in_child(fd);
	ended(pid);
	state(fd);
}

static int cloned(void *argument)
{
	in_child(*(int *)argument);
	return 0;
}

TEST(clones)
{
	static char stack[1 << 16] __attribute__((aligned(16)));

	ended(AS(clone)(cloned, stack + sizeof(stack), SIGCHLD, &fd));
	state(fd);
}
TEST(vforks)
{
	pid_t pid = AS(vfork)();

	if (pid == 0)
		in_child(fd);
	ended(pid);
	state(fd);
}

static const char *script(int fd)
{
	static char text[200];

	snprintf(text, sizeof(text), "wc -c <%s; echo from the shell >&%d; wc -c <%s", file, fd,
		 file);
	return text;
}

#define SH(fd) "sh", "-c", script(fd), (char *)NULL
#define VECTOR(fd) ((char *const[]){(char *)"sh", (char *)"-c", (char *)script(fd), NULL})

TEST(execls) { CALL(AS(execl)("/bin/sh", SH(fd))); }
TEST(execlps) { CALL(AS(execlp)("sh", SH(fd))); }
TEST(execles) { CALL(AS(execle)("/bin/sh", SH(fd), environ)); }
TEST(execvs) { CALL(AS(execv)("/bin/sh", VECTOR(fd))); }
TEST(execvps) { CALL(AS(execvp)("sh", VECTOR(fd))); }
TEST(execves) { CALL(AS(execve)("/bin/sh", VECTOR(fd), environ)); }
TEST(execvpes) { CALL(AS(execvpe)("sh", VECTOR(fd), environ)); }
TEST(fexecves) { CALL(AS(fexecve)(open("/bin/sh", O_RDONLY | O_CLOEXEC), VECTOR(fd), environ)); }
TEST(execveats) { CALL(AS(execveat)(AT_FDCWD, "/bin/sh", VECTOR(fd), environ, 0)); }
TEST(spawns)
{
	pid_t pid = -1;
	int result = AS(posix_spawn)(&pid, "/bin/sh", NULL, NULL, VECTOR(fd), environ);

	ended(pid);
	CALL(result);
	state(fd);
}
TEST(spawns_by_pidfd)
{
	int pidfd = -1;
	siginfo_t info;
	int result = ((int (*)(int *, const char *, const posix_spawn_file_actions_t *,
		       const posix_spawnattr_t *, char *const[], char *const[]))call)(
		&pidfd, "/bin/sh", NULL, NULL, VECTOR(fd), environ);

	waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	CALL(result);
	CALL(info.si_status);
	close(pidfd);
	state(fd);
}
TEST(adds_dup2)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;
	int result;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	CALL(posix_spawn_file_actions_init(&actions));
	CALL(AS(posix_spawn_file_actions_adddup2)(&actions, fd, 9));
	result = posix_spawn(&pid, "/bin/sh", &actions, NULL, VECTOR(9), environ);
	ended(pid);
	CALL(result);
	state(fd);
}
TEST(systems) { CALL(AS(system)(script(fd))); state(fd); }
TEST(popens)
{
	FILE *stream = AS(popen)(script(fd), "r");
	char line[100] = "";

	while (fgets(line, sizeof(line), stream))
		say("%s", line);
	CALL(pclose(stream));
	state(fd);
}
TEST(proc_opens)
{
	(void)fd;
	CALL(((FILE *(*)(FILE *, const char *, const char *))call)(stdin, "true", "bad") == NULL);
}
TEST(expands)
{
	char words[300];
	wordexp_t expanded;

	snprintf(words, sizeof(words), "$(echo from the shell >&%d)", fd);
	CALL(AS(wordexp)(words, &expanded, 0));
	state(fd);
}

static void carry(void *call, int fd, bool many)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec one = {every_bytes, 1};
	struct mmsghdr messages[1] = {{.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1,
						   .msg_control = &control,
						   .msg_controllen = sizeof(control)}}};
	int ends[2], received;

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	if (many)
		CALL(AS(sendmmsg)(ends[0], messages, 1, 0));
	else
		CALL(AS(sendmsg)(ends[0], &messages[0].msg_hdr, 0));
	CALL(recvmsg(ends[1], &messages[0].msg_hdr, 0));
	memcpy(&received, CMSG_DATA(&control.header), sizeof(received));
	CALL(write(received, every_bytes, 250));
	state(received);
	close(received);
	close(ends[0]);
	close(ends[1]);
}

TEST(sends) { carry(call, fd, false); }
TEST(sends_many) { carry(call, fd, true); }
TEST(ends) { (void)fd; AS(_exit)(5); }

static sigjmp_buf there;

TEST(jumps)
{
	if (sigsetjmp(there, 1) == 0)
		AS(siglongjmp)(there, 3);
	EXTENDED(fd);
}
TEST(controls)
{
	CALL(AS(prctl)(PR_SET_DUMPABLE, 1, 0, 0, 0));
	CALL(write(fd, every_bytes, 90));
	EXTENDED(fd);
	CALL(AS(prctl)(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	EXTENDED(fd);
}

/* Who it is stays the same, so that what comes after may be done. */
static void became(int fd)
{
	state(fd);
	CALL(write(fd, every_bytes, 90));
	CALL(getuid() + geteuid() + getgid() + getegid() == 2 * (getuid() + getgid()));
	EXTENDED(fd);
}

#define BECOMES(name, function, ...) \
	TEST(name) \
	{ \
		errno = 0; \
		CALL(AS(function)(__VA_ARGS__)); \
		CALL(errno); \
		became(fd); \
	}

int capset(void *header, const void *data);

BECOMES(becomes_user, setuid, getuid())
BECOMES(becomes_users, setreuid, (uid_t)-1, getuid())
BECOMES(becomes_user_of_three, setresuid, (uid_t)-1, getuid(), (uid_t)-1)
BECOMES(becomes_groups, setgroups, 0, NULL)
BECOMES(becomes_members, initgroups, "root", getgid())
BECOMES(becomes_capable, capset, NULL, NULL)
BECOMES(becomes_rooted, chroot, "/")
BECOMES(becomes_apart, unshare, CLONE_FS)
BECOMES(becomes_elsewhere, setns, fd, 0)

/* What says goes to descriptor 1 again. */
static void tell(int kept)
{
	dup2(kept, STDOUT_FILENO);
	close(kept);
	CALL(fcntl(STDIN_FILENO, F_GETFL) & O_APPEND);
}

/* Its descriptor 0 is the file, until the call puts another there. */
static int file_as_stdin(int fd)
{
	int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);

	CALL(fcntl(fd, F_SETFL, O_APPEND));
	CALL(dup2(fd, STDIN_FILENO));
	return kept;
}

TEST(logs_in)
{
	int kept = file_as_stdin(fd);
	int controller, terminal;

	CALL(openpty(&controller, &terminal, NULL, NULL, NULL));
	CALL(AS(login_tty)(terminal));
	tell(kept);
}
TEST(forks_with_terminal)
{
	int kept = file_as_stdin(fd);
	int terminal = -1;
	pid_t pid = AS(forkpty)(&terminal, NULL, NULL, NULL);

	if (pid == 0) {
		tell(kept);
		in_child(fd);
	}
	ended(pid);
	close(kept);
	close(terminal);
	dup2(fd, STDIN_FILENO);
	state(fd);
}
TEST(becomes_daemon)
{
	int kept = file_as_stdin(fd);
	int ends[2];
	pid_t pid;
	char c;

	CALL(pipe(ends));
	pid = fork();
	if (pid == 0) {
		int result = AS(daemon)(1, 0);

		tell(kept);
		CALL(result);
		in_child(fd);
	}
	close(ends[1]);
	waitpid(pid, NULL, 0);
	CALL(read(ends[0], &c, 1));
	close(ends[0]);
	close(kept);
	state(fd);
}

const struct every_row every_process_rows[] = {
	{"fork __fork _Fork", forks},
	{"clone __clone", clones},
	{"vfork __vfork", vforks},
	{"execl", execls},
	{"execlp", execlps},
	{"execle", execles},
	{"execv", execvs},
	{"execvp", execvps},
	{"execve", execves},
	{"execvpe", execvpes},
	{"fexecve", fexecves},
	{"execveat", execveats},
	{"posix_spawn posix_spawnp", spawns},
	{"pidfd_spawn pidfd_spawnp", spawns_by_pidfd},
	{"posix_spawn_file_actions_adddup2", adds_dup2},
	{"system", systems},
	{"popen _IO_popen", popens},
	{"_IO_proc_open", proc_opens},
	{"wordexp", expands},
	{"sendmsg", sends},
	{"sendmmsg", sends_many},
	{"_exit _Exit quick_exit", ends},
	{"longjmp _longjmp siglongjmp __longjmp_chk", jumps},
	{"prctl", controls},
	{"setuid seteuid setgid setegid setfsuid setfsgid", becomes_user},
	{"setreuid setregid", becomes_users},
	{"setresuid setresgid", becomes_user_of_three},
	{"setgroups", becomes_groups},
	{"initgroups", becomes_members},
	{"capset", becomes_capable},
	{"chroot", becomes_rooted},
	{"unshare", becomes_apart},
	{"setns", becomes_elsewhere},
	{"login_tty", logs_in},
	{"forkpty", forks_with_terminal},
	{"daemon", becomes_daemon},
	{NULL, NULL},
};

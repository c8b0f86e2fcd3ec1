/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command/command.h"
#include "command/paths.h"

/* execve(2) follows four scripts, each the other's interpreter, and fails at the fifth. */
#define SCRIPT_DEPTH_MAX 5

/* The kernel reads this much of a script's first line (BINPRM_BUF_SIZE). */
#define SCRIPT_LINE_MAX 256

static int executable_error(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? EISDIR : EACCES;
	return eaccess(path, X_OK) < 0 ? errno : 0;
}

static int complain_not_executable(const char *path, int error)
{
	if (error == ENOENT || error == ENOTDIR) {
		complain("%s: no such command; check its spelling", path);
		return STATUS_NOT_FOUND;
	}
	complain("%s: can't be executed: %s%s", path, strerror(error),
		 error == EACCES ? "; see its mode and its directory's" : "");
	return STATUS_NOT_EXECUTABLE;
}

static int search_path(const char *name, char *path, size_t size)
{
	const char *list = getenv("PATH");
	const char *refused = NULL;
	char *found = NULL;
	int refused_error = 0;

	for (const char *entry = list ? list : "/bin:/usr/bin"; entry;) {
		size_t length = strcspn(entry, ":");
		const char *directory = length ? entry : ".";
		int error;

		if ((size_t)snprintf(path, size, "%.*s/%s", length ? (int)length : 1, directory,
				     name) < size) {
			error = executable_error(path);
			if (!error)
				return 0;
			if (error != ENOENT && error != ENOTDIR && error != EISDIR && !refused_error) {
				refused_error = error;
				found = strdup(path);
				refused = found ? found : name;
			}
		}
		entry = entry[length] ? entry + length + 1 : NULL;
	}
	if (!refused) {
		complain("%s: no such command in PATH; check its spelling or give its path", name);
		return STATUS_NOT_FOUND;
	}
	complain_not_executable(refused, refused_error);
	free(found);
	return STATUS_NOT_EXECUTABLE;
}

int program_find(const char *name, char *path, size_t size)
{
	int error;

	if (!*name) {
		complain("the command's name is empty; write preallocate run -m '*.log' -- COMMAND");
		return STATUS_NOT_FOUND;
	}
	if (!strchr(name, '/'))
		return search_path(name, path, size);
	error = executable_error(name);
	if (!error && (size_t)snprintf(path, size, "%s", name) >= size)
		error = ENAMETOOLONG;
	return error ? complain_not_executable(name, error) : 0;
}

static bool privileges_are_ignored(const char *path)
{
	struct statvfs fs;

	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
	       (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOSUID);
}

/* With AT_SECURE (ld.so(8)) only libraries that are set-user-ID themselves are preloaded. */
static int check_privileges(const char *path)
{
	struct stat status;
	const char *what = NULL;

	if (stat(path, &status) < 0 || privileges_are_ignored(path))
		return 0;
	if (status.st_mode & S_ISUID && status.st_uid != getuid())
		what = "set-user-ID";
	else if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		 status.st_gid != getgid())
		what = "set-group-ID";
	else if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		what = "privileged by file capabilities";
	if (!what)
		return 0;
	complain("%s: is %s, so no library can be preloaded into it; run preallocate as its user, "
		 "or run an unprivileged copy", path, what);
	return STATUS_TROUBLE;
}

static int check_loader(const char *path, const char *loader)
{
	if (!strstr(loader, "ld-musl"))
		return 0;
	complain("%s: is linked with musl, but libpreallocate.so with glibc; run a build for glibc",
		 path);
	return STATUS_TROUBLE;
}

/* Where the file's program headers name its loader, that; otherwise "". False: it is no whole ELF file. */
static bool read_loader(int fd, char *loader, size_t size)
{
	ElfW(Ehdr) header;
	ElfW(Phdr) segment;

	*loader = '\0';
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return false;
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		off_t at = (off_t)header.e_phoff + (off_t)i * header.e_phentsize;
		ssize_t got;

		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			break;
		if (segment.p_type != PT_INTERP)
			continue;
		got = pread(fd, loader, size - 1, (off_t)segment.p_offset);
		loader[got < 0 ? 0 : got] = '\0';
		return true;
	}
	return true;
}

/* The dynamic linker itself, which loads what its arguments name: that of this program. */
static bool is_own_loader(int fd)
{
	char loader[PATH_MAX];
	struct stat own, st;
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool is = self >= 0 && read_loader(self, loader, sizeof(loader)) && stat(loader, &own) == 0 &&
		  fstat(fd, &st) == 0 && st.st_dev == own.st_dev && st.st_ino == own.st_ino;

	if (self >= 0)
		close(self);
	return is;
}

/* The program headers say who loads the program; a static one, even a static PIE, names nobody. */
static int check_elf(const char *path, int fd)
{
	char loader[PATH_MAX];

	if (!read_loader(fd, loader, sizeof(loader)) || is_own_loader(fd))
		return 0;
	if (*loader)
		return check_loader(path, loader);
	complain("%s: is statically linked, so no library can be preloaded into it; run a dynamically "
		 "linked build", path);
	return STATUS_TROUBLE;
}

/* Ours is the machine that the library is built for. */
static bool is_for_our_machine(const unsigned char *head, size_t length)
{
	unsigned char own[EI_NIDENT + 4] = { 0 };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool same = true;

	/* e_machine follows e_ident and e_type, at the same place for 32 and 64 bits. */
	if (fd >= 0 && pread(fd, own, sizeof(own), 0) == (ssize_t)sizeof(own) && length >= sizeof(own))
		same = own[EI_CLASS] == head[EI_CLASS] && own[EI_DATA] == head[EI_DATA] &&
		       !memcmp(own + EI_NIDENT + 2, head + EI_NIDENT + 2, 2);
	if (fd >= 0)
		close(fd);
	return same;
}

/* The interpreter in a #! line, or NULL. Cuts the line in place. */
static char *script_interpreter(char *line)
{
	char *start = line + 2 + strspn(line + 2, " \t");

	start[strcspn(start, " \t\r\n")] = '\0';
	return *start ? start : NULL;
}

static int check_file(const char *path, int depth);

static int check_script(const char *path, char *line, int depth)
{
	char *interpreter = script_interpreter(line);
	int error = interpreter ? executable_error(interpreter) : ENOEXEC;

	if (error || depth == SCRIPT_DEPTH_MAX) {
		complain("%s: can't be executed: its interpreter '%s': %s", path,
			 interpreter ? interpreter : "", strerror(error ? error : ELOOP));
		return STATUS_NOT_EXECUTABLE;
	}
	return check_file(interpreter, depth + 1);
}

static int check_open_file(const char *path, int fd, int depth)
{
	char head[SCRIPT_LINE_MAX + 1] = "";
	ssize_t length = pread(fd, head, SCRIPT_LINE_MAX, 0);
	int status;

	if (length >= 2 && !memcmp(head, "#!", 2))
		return check_script(path, head, depth);
	/* Neither: execvp(3) gives it to /bin/sh. */
	if (length < SELFMAG || memcmp(head, ELFMAG, SELFMAG))
		return depth ? 0 : check_file("/bin/sh", 1);
	if (!is_for_our_machine((const unsigned char *)head, (size_t)length)) {
		complain("%s: is for another kind of machine than libpreallocate.so (32 against 64 bits "
			 "perhaps); use a preallocate built like it", path);
		return STATUS_TROUBLE;
	}
	status = check_privileges(path);
	return status ? status : check_elf(path, fd);
}

static int check_file(const char *path, int depth)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int status;

	/* May be executed but not read: the kernel will tell. */
	if (fd < 0)
		return check_privileges(path);
	status = check_open_file(path, fd, depth);
	close(fd);
	return status;
}

int program_check(const char *path)
{
	return check_file(path, 0);
}

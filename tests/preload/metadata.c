/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mode, times, owner, attributes and names given to an extended file hold after close. */
#include "transcript.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

static const struct timespec old_times[2] = {{1000000000, 5000}, {1100000000, 7000}};

static void tell(const char *name)
{
	char value[64] = "";
	struct stat st;

	if (stat(name, &st) < 0) {
		say("  %s: none\n", name);
		return;
	}
	say("  %s: mode %o uid %u gid %u links %u old %d\n", name, st.st_mode, st.st_uid, st.st_gid,
	    (unsigned int)st.st_nlink, st.st_mtim.tv_sec == old_times[1].tv_sec &&
					       st.st_mtim.tv_nsec / 1000 == 7);
	say("  attribute %zd %s\n", getxattr(name, "user.test", value, sizeof(value)), value);
}

static void modes(void)
{
	int fd = start("fchmod", O_RDWR);
	struct stat st;

	CALL(fchmod(fd, 06755));
	tell(file);
	/* Nothing is left to be done to it at the end, when it may be another's. */
	CALL(fstat(fd, &st));
	CALL(st.st_blocks < 2048);
	finish(fd);
	tell(file);

	fd = start("chmod", O_RDWR);
	CALL(chmod(file, 06711));
	finish(fd);
	tell(file);

	fd = start("fchmodat", O_RDWR);
	CALL(fchmodat(AT_FDCWD, file, 02750, 0));
	finish(fd);
	tell(file);

	fd = start("fchownat-empty-path", O_RDWR);
	CALL(fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH));
	CALL(real_size(fd));
	finish(fd);
	tell(file);

	/* Somebody else's doing, which nobody tells us of. */
	fd = start("chmod-unseen", O_RDWR);
	CALL(raw_syscall(SYS_chmod, file, 06755));
	tell(file);
	finish(fd);
	tell(file);

	/* A write strips them, if the caller may not keep them; closing after it does nothing. */
	fd = start("chmod-then-write", O_RDWR);
	CALL(fchmod(fd, 06755));
	append(fd);
	tell(file);
	finish(fd);
	tell(file);
}

static void times(void)
{
	struct timeval values[2] = {{1000000000, 5}, {1100000000, 7}};
	struct utimbuf whole = {1000000000, 1100000000};
	int fd = start("futimens", O_RDWR);

	CALL(futimens(fd, old_times));
	tell(file);
	finish(fd);
	tell(file);

	fd = start("utimensat", O_RDWR);
	CALL(utimensat(AT_FDCWD, file, old_times, 0));
	finish(fd);
	tell(file);

	fd = start("utimensat-fd", O_RDWR);
	CALL(utimensat(fd, NULL, old_times, 0));
	finish(fd);
	tell(file);

	fd = start("futimes", O_RDWR);
	CALL(futimes(fd, values));
	finish(fd);
	tell(file);

	fd = start("utimes", O_RDWR);
	CALL(utimes(file, values));
	finish(fd);
	tell(file);

	fd = start("utime", O_RDWR);
	CALL(utime(file, &whole));
	finish(fd);

	fd = start("times-then-write", O_RDWR);
	CALL(futimens(fd, old_times));
	append(fd);
	tell(file);
	finish(fd);
	tell(file);

	fd = start("times-then-read", O_RDWR);
	CALL(futimens(fd, old_times));
	state(fd);
	finish(fd);
	tell(file);
}

static void owners(void)
{
	int fd = start("fchown", O_RDWR);

	CALL(fchown(fd, (uid_t)-1, (gid_t)-1));
	CALL(fchown(fd, geteuid() ? geteuid() : 1234, (gid_t)-1));
	CALL(fchmod(fd, 04755));
	finish(fd);
	tell(file);

	fd = start("chown", O_RDWR);
	CALL(chown(file, geteuid() ? geteuid() : 1234, (gid_t)-1));
	CALL(lchown(file, (uid_t)-1, (gid_t)-1));
	append(fd);
	finish(fd);
	tell(file);
}

static void attributes(void)
{
	int fd = start("fsetxattr", O_RDWR);

	CALL(fsetxattr(fd, "user.test", "one", 3, 0));
	append(fd);
	CALL(fsetxattr(fd, "user.test", "two", 3, XATTR_CREATE));
	CALL(setxattr(file, "user.test", "three", 5, XATTR_REPLACE));
	append(fd);
	CALL(lsetxattr(file, "user.more", "four", 4, 0));
	CALL(fremovexattr(fd, "user.more"));
	CALL(removexattr(file, "user.more"));
	finish(fd);
	tell(file);
}

static void names(void)
{
	char moved[sizeof(file) + 8];
	int fd = start("rename", O_RDWR);

	snprintf(moved, sizeof(moved), "%.60s.new", file);
	CALL(rename(file, moved));
	tell(moved);
	again(fd);
	CALL(link(moved, file));
	tell(file);
	again(fd);
	CALL(unlink(moved));
	again(fd);
	state(fd);
	finish(fd);

	/* Over another extended file. */
	fd = start("renamed-over", O_RDWR);
	strcpy(moved, file);
	{
		int over = start("renames", O_RDWR);

		CALL(rename(file, moved));
		state(fd);
		state(over);
		again(fd);
		again(over);
		CALL(close(over));
	}
	CALL(close(fd));
	state_of(moved);

	fd = start("linkat", O_RDWR);
	snprintf(moved, sizeof(moved), "%.60s.two", file);
	CALL(linkat(AT_FDCWD, file, AT_FDCWD, moved, 0));
	state_of(moved);
	append(fd);
	CALL(renameat(AT_FDCWD, moved, AT_FDCWD, file));
	append(fd);
	CALL(unlink(moved));
	CALL(rename("none.dat", file));
	CALL(renameat2(AT_FDCWD, file, AT_FDCWD, ".", RENAME_NOREPLACE));
	finish(fd);
}

static void failures(void)
{
	int fd = start("failures", O_RDWR);

	CALL(fchmod(-1, 0600));
	CALL(fchmod(999, 0600));
	CALL(chmod("none.dat", 0600));
	CALL(chmod(NULL, 0600));
	CALL(fsetxattr(fd, "nonsense", "x", 1, 0));
	CALL(utimensat(AT_FDCWD, "none.dat", NULL, 0));
	CALL(futimens(fd, (const struct timespec[2]){{0, 2000000000}, {0, 0}}));
	CALL(rename(file, "none/none.dat"));
	again(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	modes();
	times();
	owners();
	attributes();
	names();
	failures();
}

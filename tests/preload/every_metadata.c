/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mode, owner, times, attributes, names; and walks, which report what they find of it. */
#include "every.h"

#include <fts.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#define TEST(name) static void name(void *call, int fd)

static const struct timespec old[2] = {{1000000000, 0}, {1100000000, 0}};
static const struct timeval old_us[2] = {{1000000000, 0}, {1100000000, 0}};
static const char other[] = "900-every.dat";

TEST(fchmods) { CALL(AS(fchmod)(fd, 06755)); }
TEST(chmods) { (void)fd; CALL(AS(chmod)(file, 06755)); }
TEST(fchmodats) { (void)fd; CALL(AS(fchmodat)(AT_FDCWD, file, 06755, 0)); }
TEST(fchowns) { CALL(AS(fchown)(fd, (uid_t)-1, (gid_t)-1)); }
TEST(chowns) { (void)fd; CALL(AS(chown)(file, (uid_t)-1, (gid_t)-1)); }
TEST(fchownats) { (void)fd; CALL(AS(fchownat)(AT_FDCWD, file, (uid_t)-1, (gid_t)-1, 0)); }

/* And the time stays when the file is closed. */
static void aged(int fd)
{
	struct stat st;

	CALL(close(fd));
	CALL(stat(file, &st));
	CALL(st.st_mtime);
}

TEST(futimenss) { CALL(AS(futimens)(fd, old)); aged(fd); }
TEST(futimess) { CALL(AS(futimes)(fd, old_us)); aged(fd); }
TEST(utimess) { CALL(AS(utimes)(file, old_us)); aged(fd); }
TEST(utimes_) { CALL(AS(utime)(file, (&(struct utimbuf){1000000000, 1100000000}))); aged(fd); }
TEST(futimesats) { CALL(AS(futimesat)(AT_FDCWD, file, old_us)); aged(fd); }
TEST(utimensats) { CALL(AS(utimensat)(AT_FDCWD, file, old, 0)); aged(fd); }
TEST(setxattrs) { (void)fd; CALL(AS(setxattr)(file, "user.a", "1", 1, 0)); }
TEST(fsetxattrs) { CALL(AS(fsetxattr)(fd, "user.a", "1", 1, 0)); }
TEST(removexattrs) { (void)fd; CALL(AS(removexattr)(file, "user.a")); }
TEST(fremovexattrs) { CALL(AS(fremovexattr)(fd, "user.a")); }

/* Nothing is shown that the program hasn't set. */
static char names[200];
TEST(getxattrs) { (void)fd; CALL(AS(getxattr)(file, "user.preallocate", names, sizeof(names))); }
TEST(fgetxattrs) { CALL(AS(fgetxattr)(fd, "user.preallocate", names, sizeof(names))); }

static bool is_listed(ssize_t size, const char *name)
{
	for (const char *at = names; at < names + size; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

TEST(listxattrs)
{
	(void)fd;
	CALL(is_listed(AS(listxattr)(file, names, sizeof(names)), "user.preallocate"));
}
TEST(flistxattrs)
{
	CALL(is_listed(AS(flistxattr)(fd, names, sizeof(names)), "user.preallocate"));
}
TEST(renames)
{
	(void)fd;
	CALL(AS(rename)(file, other));
	state_of(other);
	CALL(AS(rename)(other, file));
}
TEST(renameats)
{
	(void)fd;
	CALL(AS(renameat)(AT_FDCWD, file, AT_FDCWD, other));
	state_of(other);
	CALL(AS(renameat)(AT_FDCWD, other, AT_FDCWD, file));
}
TEST(renameat2s)
{
	int second = open(other, O_RDWR | O_CREAT, 0600);

	CALL(write(second, every_bytes, 50));
	EXTENDED(second);
	CALL(AS(renameat2)(AT_FDCWD, file, AT_FDCWD, other, RENAME_EXCHANGE));
	CALL(AS(renameat2)(AT_FDCWD, file, AT_FDCWD, other, RENAME_EXCHANGE));
	state(fd);
	state(second);
	CALL(close(second));
	CALL(unlink(other));
}
TEST(links) { (void)fd; CALL(AS(link)(file, other)); state_of(other); CALL(unlink(other)); }
TEST(linkats)
{
	(void)fd;
	CALL(AS(linkat)(AT_FDCWD, file, AT_FDCWD, other, 0));
	state_of(other);
	CALL(unlink(other));
}
static int visit(const char *path, const struct stat *st, int flag)
{
	(void)flag;
	if (strcmp(path + 2, file) == 0)
		say("  visited: %lld\n", (long long)st->st_size);
	return 0;
}

static int visit_more(const char *path, const struct stat *st, int flag, struct FTW *where)
{
	(void)where;
	return visit(path, st, flag);
}

TEST(walks) { (void)fd; CALL(AS(ftw)(".", visit, 5)); }
TEST(walks_more) { (void)fd; CALL(AS(nftw)(".", visit_more, 5, FTW_PHYS)); }

static char *roots[] = {file, NULL};

TEST(fts_opens)
{
	FTS *walk = AS(fts_open)(roots, FTS_PHYSICAL, NULL);
	FTSENT *entry = fts_read(walk);

	(void)fd;
	CALL(entry->fts_statp->st_size);
	fts_close(walk);
}
TEST(fts_reads)
{
	FTS *walk = fts_open((char *[]){".", NULL}, FTS_PHYSICAL, NULL);
	FTSENT *entry;

	again(fd);
	while ((entry = AS(fts_read)(walk)))
		if (strcmp(entry->fts_name, file) == 0)
			CALL(entry->fts_statp->st_size);
	fts_close(walk);
}
TEST(fts_lists)
{
	FTS *walk = fts_open((char *[]){".", NULL}, FTS_PHYSICAL, NULL);
	FTSENT *entry = fts_read(walk);

	again(fd);
	for (entry = AS(fts_children)(walk, 0); entry; entry = entry->fts_link)
		if (strcmp(entry->fts_name, file) == 0)
			CALL(entry->fts_statp->st_size);
	fts_close(walk);
}

const struct every_row every_metadata_rows[] = {
	{"fchmod", fchmods},
	{"chmod lchmod", chmods},
	{"fchmodat", fchmodats},
	{"fchown", fchowns},
	{"chown lchown", chowns},
	{"fchownat", fchownats},
	{"futimens", futimenss},
	{"futimes", futimess},
	{"utimes lutimes", utimess},
	{"utime", utimes_},
	{"futimesat", futimesats},
	{"utimensat", utimensats},
	{"setxattr lsetxattr", setxattrs},
	{"fsetxattr", fsetxattrs},
	{"removexattr lremovexattr", removexattrs},
	{"fremovexattr", fremovexattrs},
	{"getxattr lgetxattr", getxattrs},
	{"fgetxattr", fgetxattrs},
	{"listxattr llistxattr", listxattrs},
	{"flistxattr", flistxattrs},
	{"rename", renames},
	{"renameat", renameats},
	{"renameat2", renameat2s},
	{"link", links},
	{"linkat", linkats},
	{"ftw ftw64", walks},
	{"nftw nftw64", walks_more},
	{"fts_open fts64_open", fts_opens},
	{"fts_read fts64_read", fts_reads},
	{"fts_children fts64_children", fts_lists},
	{NULL, NULL},
};

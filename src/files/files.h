/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What src/libc does with managed files: one verb for each kind of call. Functions that make the
 * program's own call return what it returned, with its errno; the others leave errno alone.
 */
#ifndef FILES_FILES_H
#define FILES_FILES_H

#include "files/description.h"
#include "files/table.h"

#include <sys/stat.h>
#include <sys/uio.h>

/*
 * The description that a verb is told of is what the caller has seen behind the descriptor. Verbs
 * hold it and look again, since another thread may have put another one there, or none.
 */

/* One call of the read or write family. */
struct transfer {
	int fd;
	bool at_offset;	    /* else at the description's offset */
	bool to_end;	    /* RWF_APPEND: like O_APPEND, for this call */
	bool apart;	    /* to be made on an ordinary file */
	int64_t offset;	    /* valid with at_offset */
	const struct iovec *iov;
	int count;
	int flags;	    /* of preadv2 and pwritev2 */
	size_t bytes;	    /* all of iov, at most what one call transfers */
	ssize_t (*call)(const struct transfer *transfer); /* makes the real call */
};

/* rules: NULL: nothing is managed. find_guardian: as claim_init has it. */
void files_init(const struct rules *rules, const char *(*find_guardian)(char *path, size_t size));

/* --- lifecycle.c: descriptors come and go --- */

/* After a successful open of name. */
void files_opened(int fd, int flags, const char *name);
/* The same for a descriptor of a stream: mode keep. */
void files_stream_opened(int fd, int flags, const char *name);
/* fd came from somewhere else and isn't ours: forgets what the number stood for. */
void files_forget(int fd);
/* Before fd is closed or replaced: settles if it is the last one. */
void files_closing(int fd);
void files_closing_range(unsigned int first, unsigned int last);
/* After dup and its kin. */
void files_duplicated(int from, int to);
/* reasons hold for every managed file, and for those still to be opened. */
void files_keep_all(uint32_t reasons);
/* There are rules, and nothing has put an end to it. */
bool files_are_managed(void);
/* From now on no file is managed: every call is passed on as it is. */
void files_leave(void);
bool files_have_left(void);
/* At exit: settles everything; nothing is extended any more. */
void files_exit(void);
/* The guardian was lost: settles what it held, if so. */
void files_check_guardian(void);
/* The same for one description, which nobody claims meanwhile. */
void files_settle_lost(struct description *description, int fd);

/* A rule says that the file is to be managed. */
bool files_matches(int fd, const char *name);
/* False: none does. Without a system call. */
bool files_may_match(const char *name);

/* --- revive.c --- */
/*
 * After a successful open of name: a descriptor of our own, if the file was left extended by a crash;
 * else -1. Then fd is to be closed, files_revive_end recovers the file, and name is opened once more.
 */
int files_revive_begin(int fd, int flags, const char *name);
void files_revive_end(int place, const char *name);

/* --- patience.c --- */
/* How often a call has been made again: zeroes before the first. */
struct patience {
	int tries, unseen;
};

/*
 * After an open or a truncate of path that failed. True: a signal has interrupted its wait for a
 * guardian's lease, which it would not have met without us: it is to be made again.
 */
bool files_had_to_wait(int dirfd, const char *path, struct patience *patience);

/*
 * After an open with O_NONBLOCK that failed. True: for a guardian's lease, and some time has passed; it is to be made
 * again.
 */
bool files_should_wait(int dirfd, const char *path, struct patience *patience);

/* --- reclaim.c --- */
/* Gives back all that this process holds. True: there was something. */
bool files_give_back_all(void);

/* --- jump.c --- */
/* Before a longjmp: gives up what this thread's frames hold, which may be left by it. */
void files_before_jump(void);

/* --- write.c, read.c --- */
ssize_t files_write(struct description *description, struct transfer *transfer);
/*
 * After an overwrite that a glance (glance.h) has let through, and that failed, came short, or came after
 * the data was cut: written is what it has returned. Returns what the program is to be told.
 */
struct glance;
ssize_t files_overwrote(struct description *description, struct transfer *transfer,
			const struct glance *glance, ssize_t written);
/* After a call that has passed by (glance.h) and failed, or come short: the same. before: the errno of then. */
ssize_t files_passed(struct description *description, struct transfer *transfer, ssize_t written,
		     int before);
/* The same of an ordinary file's, whose size may have changed meanwhile. */
ssize_t files_overwrote_ordinary(struct description *description, struct transfer *transfer,
				 ssize_t written);
ssize_t files_read(struct description *description, struct transfer *transfer);

/* --- sync.c --- */
/* fsync and fdatasync. */
int files_sync(int fd, int (*call)(int fd));
/* sync and syncfs, of the filesystem that fd is on. */
int files_sync_all(int fd, int (*call)(int fd));

/* --- size.c --- */
/* F_GETFL as the program has set them. */
int files_flags(struct description *description, int fd);

off_t files_lseek(struct description *description, int fd, off_t offset, int whence);
/*
 * After a stat, which call(argument) repeats. *size is set where its answer must be another one.
 */
int files_stat_path(int (*call)(void *argument), void *argument, dev_t (*dev)(void *argument),
		    ino_t (*ino)(void *argument), int64_t *size, int result);
int files_fallocate(struct description *description, int fd, int mode, off_t offset, off_t bytes,
		    int (*call)(int fd, int mode, off_t offset, off_t bytes));
/* FIONREAD; available: what the kernel has said, which holds where the number leads to another file. */
int64_t files_available(struct description *description, int fd, int64_t available);

/* --- plain.c: everything rare settles the file, then makes the real call --- */
struct plain {
	struct description *description; /* NULL: nothing to do */
	struct gate_pass pass;
	int fd;
	int cancel; /* of cancel_disable: a cancelled thread would never leave the gate */
};

/* The file is an ordinary one until plain_end. reasons: keeps it so, until closed. */
void plain_begin(struct plain *plain, int fd, uint32_t reasons);
void plain_begin_path(struct plain *plain, int dirfd, const char *path, int flags);
/* Also gives back the blocks past the end. */
void plain_give_back(struct plain *plain);
/* Before a call that may skip blocks past the end, at its offset or anywhere: none of ours are there then. */
void plain_leave_hole(struct plain *plain, bool anywhere);
/* Of the settled file; -1: unknown. */
int64_t plain_size(const struct plain *plain);
/* After a truncate of the program's own, from the one size to the other. */
void plain_truncated(struct plain *plain, int64_t size_before, int64_t size);
void plain_end(struct plain *plain);
void description_settle(struct description *description);

/* --- share.c: descriptions that other processes hold --- */
enum share_kind {
	SHARE_ALL,	  /* the child has every descriptor */
	SHARE_INHERITED,  /* it has those that aren't close-on-exec */
};
void share_begin(void);
/* Before a fork whose pid share_end will be told: the child is watched until it is gone. */
void share_prepare_watch(void);
/* succeeded: a child may hold descriptions now. pid > 0: watched until it is gone. */
void share_end(bool succeeded, enum share_kind kind, pid_t pid);
void share_in_child(void);
/*
 * Around an open and the making of its description: what another thread handed over meanwhile, a
 * fork's child say, may have had the descriptor already.
 */
void share_opening(void);
void share_opened(struct description *description, bool close_on_exec);
/* Lets go of one share_begin. */
void share_unbar(void);
/* exec closes and passes on descriptors unseen. When it has failed: share_end(false). */
void share_before_exec(void);
/* The program has closed descriptors of ours, by their numbers. */
void share_descriptors_gone(unsigned int first, unsigned int last);
void share_description(struct description *description);
/* Nobody else has it, as far as can be known. */
bool description_is_exclusive(struct description *description);

/* --- control.c --- */

/* 0; -EBUSY: a write has been under way for too long, and the old ones hold; -EBADF: not managed. */
int files_set_options(int fd, const struct rule_options *options);

/* --- keep.c --- */
/* Where one of the reasons in KEEP_TOPPED_UP holds. */
/* False: blocks of ours stand where it leaves a hole. */
bool keep_before_write(struct description *description, const struct transfer *transfer);
/* Of one that is kept, without the gate: gives back when the filesystem is nearly full. */
void keep_after_write(struct description *description, int fd);
/* Bytes that go into a stream on fd. */
void keep_count(int fd, size_t bytes);
void keep_give_back(struct description *description, int fd);
/* The last time: also what the filesystem won't free at close because of us. */
void keep_give_back_last(struct description *description, int fd);

#endif

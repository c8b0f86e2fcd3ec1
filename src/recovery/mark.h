/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mark: an extended attribute that a file has for as long as it may be longer than its data. It
 * goes through the same journal as the allocation, before that, and is removed after the cut.
 */
#ifndef RECOVERY_MARK_H
#define RECOVERY_MARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define MARK_NAME "user.preallocate"

/* As it is stored: little endian. It fits behind an ext4 inode of 256 bytes, without a block. */
#define MARK_BYTES 56

enum mark_flags {
	/* What follows data_end isn't ours alone: whole blocks count (the lease was broken by force). */
	MARK_DOUBTED = 1,
	/* The file is being cut, from file_end to data_end: what follows is of the one size or the other. */
	MARK_SETTLED = 2,
	/* The data may end in zero bytes at data_end, and no record tells of it: the blocks that are written do. */
	MARK_ZEROES = 4,
};

/* Positions in bytes, all >= 0 and in this order: floor, data_end, size_before, file_end. */
struct mark {
	uint32_t key;	     /* random, not 0: the records of this extension have the same */
	uint32_t generation; /* of the inode number; 0 where the filesystem tells none */
	uint16_t flags;	     /* enum mark_flags */
	uint64_t ino;
	/* There when the program opened the file, or synced by it: holds after a power loss, too. */
	int64_t floor;
	int64_t data_end;    /* where the data ended */
	int64_t size_before; /* the real size before the allocation */
	int64_t file_end;    /* and after it */
};

void mark_encode(const struct mark *mark, unsigned char bytes[static MARK_BYTES]);

/* Any bytes at all. -EINVAL: not a mark, not a whole one, or of another version. */
int mark_decode(struct mark *mark, const void *bytes, int64_t size);

/* Key, inode and generation, for a file that is about to be marked; nothing else. */
int mark_identify(struct mark *mark, int fd);

/*
 * 0, or -errno of fsetxattr(2), fgetxattr(2), fremovexattr(2): -ENODATA: there is none;
 * -EOPNOTSUPP: the filesystem takes none. mark_read also -EINVAL, as mark_decode.
 */
int mark_write(int fd, const struct mark *mark);
int mark_read(int fd, struct mark *mark);
int mark_remove(int fd);

/*
 * Before a cut from size to end, whose proof is made: without it, who finds the file cut and the mark
 * still there couldn't tell its last zeroes from what was allocated ahead.
 */
int mark_settle(int fd, struct mark *mark, int64_t end, int64_t size);

/*
 * The mark is this file's own (not a copy's, as made by cp -a), and nobody has changed the size
 * since. In the middle of an allocation ext4 may have come to any size between the two.
 */
bool mark_agrees(const struct mark *mark, int fd, const struct stat *st);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/mark.h"

#include "base/clock.h"
#include "base/sys.h"
#include "recovery/digest.h"

#include <endian.h>
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MAGIC UINT16_C(0x6171)
#define MOST_TRIES 3

/* The names of the fields say what stands there; all little endian. */
struct stored {
	uint16_t magic;
	uint16_t flags;
	uint32_t digest; /* of the rest */
	uint32_t key;
	uint32_t generation;
	uint32_t ino_low, ino_high;
	uint32_t positions[4][2];
};

_Static_assert(sizeof(struct stored) == MARK_BYTES, "no gaps");

static void put(uint32_t halves[2], int64_t value)
{
	halves[0] = htole32((uint32_t)value);
	halves[1] = htole32((uint32_t)((uint64_t)value >> 32));
}

static int64_t get(const uint32_t halves[2])
{
	return (int64_t)(le32toh(halves[0]) | (uint64_t)le32toh(halves[1]) << 32);
}

static uint32_t digest_of(const struct stored *stored)
{
	struct stored copy = *stored;

	copy.digest = 0;
	return digest(&copy, sizeof(copy));
}

void mark_encode(const struct mark *mark, unsigned char bytes[static MARK_BYTES])
{
	struct stored stored = {
		.magic = htole16(MAGIC),
		.flags = htole16(mark->flags),
		.key = htole32(mark->key),
		.generation = htole32(mark->generation),
		.ino_low = htole32((uint32_t)mark->ino),
		.ino_high = htole32((uint32_t)(mark->ino >> 32)),
	};

	put(stored.positions[0], mark->floor);
	put(stored.positions[1], mark->data_end);
	put(stored.positions[2], mark->size_before);
	put(stored.positions[3], mark->file_end);
	stored.digest = htole32(digest_of(&stored));
	memcpy(bytes, &stored, sizeof(stored));
}

int mark_decode(struct mark *mark, const void *bytes, int64_t size)
{
	struct stored stored;

	if (size != sizeof(stored))
		return -EINVAL;
	memcpy(&stored, bytes, sizeof(stored));
	if (le16toh(stored.magic) != MAGIC || le32toh(stored.digest) != digest_of(&stored))
		return -EINVAL;
	*mark = (struct mark){
		.key = le32toh(stored.key),
		.generation = le32toh(stored.generation),
		.flags = le16toh(stored.flags),
		.ino = le32toh(stored.ino_low) | (uint64_t)le32toh(stored.ino_high) << 32,
		.floor = get(stored.positions[0]),
		.data_end = get(stored.positions[1]),
		.size_before = get(stored.positions[2]),
		.file_end = get(stored.positions[3]),
	};
	/* Somebody may have made it up. */
	if (!mark->key || mark->floor < 0 || mark->data_end < mark->floor ||
	    mark->size_before < mark->data_end || mark->file_end < mark->size_before)
		return -EINVAL;
	return 0;
}

/* A filesystem that has none (overlayfs, tmpfs) doesn't use a number anew soon. */
static uint32_t generation_of(int fd)
{
	/* FS_IOC_GETVERSION is declared with a long, and stores an int (ioctl_iflags(2), BUGS). */
	long version = 0;
	int generation;

	if (sys.ioctl(fd, FS_IOC_GETVERSION, &version) < 0)
		return 0;
	memcpy(&generation, &version, sizeof(generation));
	return (uint32_t)generation;
}

static uint32_t random_key(void)
{
	uint32_t key = 0;

	/* Not to be told is no reason to do without: it is to be another one, not a secret. */
	if (sys.getrandom(&key, sizeof(key), GRND_NONBLOCK) != sizeof(key)) {
		struct {
			int64_t now, pid;
		} seed = {clock_now(), getpid()};

		key = digest(&seed, sizeof(seed));
	}
	return key ? key : 1;
}

int mark_identify(struct mark *mark, int fd)
{
	struct stat st;

	if (sys.fstat(fd, &st) < 0)
		return -errno;
	mark->key = random_key();
	mark->generation = generation_of(fd);
	mark->ino = st.st_ino;
	return 0;
}

int mark_write(int fd, const struct mark *mark)
{
	unsigned char bytes[MARK_BYTES];

	mark_encode(mark, bytes);
	return sys.fsetxattr(fd, MARK_NAME, bytes, sizeof(bytes), 0) < 0 ? -errno : 0;
}

int mark_read(int fd, struct mark *mark)
{
	unsigned char bytes[MARK_BYTES];
	ssize_t size = sys.fgetxattr(fd, MARK_NAME, bytes, sizeof(bytes));

	/* Longer than ours. */
	if (size < 0 && errno == ERANGE)
		return -EINVAL;
	return size < 0 ? -errno : mark_decode(mark, bytes, size);
}

/* Again, if it fails once: nobody would look after it until the next crash. */
int mark_remove(int fd)
{
	int ret = -EAGAIN;

	for (int tries = 0; ret < 0 && ret != -ENODATA && tries < MOST_TRIES; tries++)
		ret = sys.fremovexattr(fd, MARK_NAME) < 0 ? -errno : 0;
	return ret;
}

int mark_settle(int fd, struct mark *mark, int64_t end, int64_t size)
{
	mark->flags = MARK_SETTLED;
	mark->floor = mark->data_end = end;
	/* A record behind the end stays known by it. */
	if (mark->size_before < end)
		mark->size_before = end;
	mark->file_end = size;
	return mark_write(fd, mark);
}

bool mark_agrees(const struct mark *mark, int fd, const struct stat *st)
{
	uint32_t generation = generation_of(fd);

	/* Not to be told once (0) makes it nobody else's. */
	if (st->st_ino != mark->ino ||
	    (generation && mark->generation && generation != mark->generation))
		return false;
	if (mark->flags & MARK_SETTLED)
		return st->st_size == mark->data_end || st->st_size == mark->file_end;
	return st->st_size >= mark->size_before && st->st_size <= mark->file_end;
}

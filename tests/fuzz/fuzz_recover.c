/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery of a file in memory, whatever its mark, its records and its content: no byte that isn't zero
 * is changed or cut, but a record of the mark's key in its place; the file never grows; killed at
 * any call, or with any call failing, it may be run again and comes to the same end.
 */
#define FUZZ_NAME "recover"
#include "fuzz.h"

#include <endian.h>
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>

#include "base/sys.h"
#include "recovery/digest.h"
#include "recovery/recover.h"

#define PAGE RECORD_BYTES
#define PAGES 40 /* more than FIEMAP tells of at once */
#define LONGEST (PAGES * PAGE)
#define FILE_FD 1000000 /* closed: what doesn't go through the table fails */
#define INO 4711
#define GENERATION 42


enum fault { NO_FAULT, KILLED, FAILS_WITH_EIO, FAILS_WITH_EINTR };

/* A filesystem with one file. */
static struct model {
	uint8_t content[LONGEST]; /* zeroes behind size */
	bool written[PAGES];
	int64_t size;
	off_t offset;
	uint8_t mark[MARK_BYTES + 8];
	ssize_t mark_size; /* -1: it has none */
	bool has_generation, has_extents, has_zero_range;
} now;

static enum fault fault;
static int fault_at, calls; /* the call that fails, 1: the first; 0: none */
static jmp_buf killed;

static bool fails(void)
{
	if (++calls != fault_at || fault == NO_FAULT)
		return false;
	if (fault == KILLED)
		longjmp(killed, 1);
	errno = fault == FAILS_WITH_EIO ? EIO : EINTR;
	return true;
}

static int fake_fstat(int fd, struct stat *st)
{
	require(fd == FILE_FD, "fstat of something else");
	if (fails())
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_ino = INO;
	st->st_mode = S_IFREG | S_ISUID | 0644;
	st->st_size = now.size;
	return 0;
}

static int map_extents(struct fiemap *map)
{
	uint64_t end = map->fm_start + map->fm_length;
	uint32_t count = 0;

	for (int64_t i = (int64_t)map->fm_start / PAGE;
	     i < PAGES && (uint64_t)(i * PAGE) < end && count < map->fm_extent_count; i++) {
		/* Every third page that wasn't written to is a hole. */
		if (!now.written[i] && i % 3 == 0)
			continue;
		map->fm_extents[count++] = (struct fiemap_extent){
			.fe_logical = (uint64_t)(i * PAGE),
			.fe_length = (uint64_t)PAGE,
			.fe_flags = now.written[i] ? 0 : FIEMAP_EXTENT_UNWRITTEN,
		};
	}
	map->fm_mapped_extents = count;
	return 0;
}

static int fake_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	int generation = GENERATION;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	require(fd == FILE_FD, "ioctl of something else");
	if (fails())
		return -1;
	if (request == FS_IOC_GETVERSION && now.has_generation) {
		memcpy(argument, &generation, sizeof(generation));
		return 0;
	}
	if (request == FS_IOC_FIEMAP && now.has_extents)
		return map_extents(argument);
	errno = request == FS_IOC_FIEMAP ? EOPNOTSUPP : ENOTTY;
	return -1;
}

/* What is read is read by pread(2) then. */
static void *no_mapping(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	(void)address, (void)bytes, (void)protection, (void)flags, (void)fd, (void)offset;
	errno = ENODEV;
	return (void *)-1; /* MAP_FAILED */
}

static ssize_t fake_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	int64_t left = now.size - offset;

	if (fails())
		return -1;
	require(fd == FILE_FD && offset >= 0, "a read of something else");
	if (left <= 0)
		return 0;
	if ((int64_t)bytes > left)
		bytes = (size_t)left;
	memcpy(buffer, now.content + offset, bytes);
	return (ssize_t)bytes;
}

static off_t fake_lseek(int fd, off_t offset, int whence)
{
	require(fd == FILE_FD, "lseek of something else");
	if (fails())
		return -1;
	if (whence == SEEK_CUR || whence == SEEK_SET)
		return now.offset = whence == SEEK_SET ? offset : now.offset + offset;
	if (offset < 0 || offset >= now.size) {
		errno = ENXIO;
		return -1;
	}
	for (; offset < now.size; offset = (offset / PAGE + 1) * PAGE)
		if (now.written[offset / PAGE] == (whence == SEEK_DATA))
			return now.offset = offset;
	if (whence == SEEK_HOLE)
		return now.offset = now.size;
	errno = ENXIO;
	return -1;
}

static void zero(int64_t from, int64_t to)
{
	memset(now.content + from, 0, (size_t)(to - from));
}

static ssize_t fake_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	require(fd == FILE_FD && count == 1 && offset >= 0, "a write to something else");
	require(offset + (off_t)iov->iov_len <= now.size, "a write makes the file grow");
	if (fails())
		return -1;
	memcpy(now.content + offset, iov->iov_base, iov->iov_len);
	for (int64_t i = offset / PAGE; i * PAGE < offset + (off_t)iov->iov_len; i++)
		now.written[i] = true;
	return (ssize_t)iov->iov_len;
}

static int fake_ftruncate(int fd, off_t length)
{
	require(fd == FILE_FD, "something else is cut");
	require(length >= 0 && length <= now.size, "the file grows");
	if (fails())
		return -1;
	zero(length, now.size);
	for (int64_t i = (length + PAGE - 1) / PAGE; i < PAGES; i++)
		now.written[i] = false;
	now.size = length;
	return 0;
}

static int fake_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	require(fd == FILE_FD && mode == (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE),
		"another fallocate");
	require(offset >= 0 && offset % PAGE == 0 && bytes == PAGE && offset + bytes <= now.size,
		"zeroes elsewhere");
	if (fails())
		return -1;
	if (!now.has_zero_range) {
		errno = EOPNOTSUPP;
		return -1;
	}
	zero(offset, offset + bytes);
	now.written[offset / PAGE] = false;
	return 0;
}

static int fake_futimens(int fd, const struct timespec times[2])
{
	(void)times;
	require(fd == FILE_FD, "another file's times");
	return fails() ? -1 : 0;
}

static int fake_fchmod(int fd, mode_t mode)
{
	require(fd == FILE_FD && mode == (S_ISUID | 0644), "another mode");
	return fails() ? -1 : 0;
}

static bool is_marked(const char *name)
{
	require(!strcmp(name, MARK_NAME), "another xattr");
	if (now.mark_size < 0)
		errno = ENODATA;
	return now.mark_size >= 0;
}

static ssize_t fake_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	require(fd == FILE_FD, "another file's mark");
	if (fails() || !is_marked(name))
		return -1;
	if ((size_t)now.mark_size > size) {
		errno = ERANGE;
		return -1;
	}
	memcpy(value, now.mark, (size_t)now.mark_size);
	return now.mark_size;
}

static int fake_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	require(fd == FILE_FD && size == MARK_BYTES && flags == 0, "another file is marked");
	if (fails() || !is_marked(name))
		return -1;
	memcpy(now.mark, value, size);
	now.mark_size = (ssize_t)size;
	return 0;
}

static int fake_fremovexattr(int fd, const char *name)
{
	require(fd == FILE_FD, "another file's mark");
	if (fails())
		return -1;
	if (strcmp(name, "user.preallocate.thawed") == 0) {
		errno = ENODATA;
		return -1;
	}
	if (!is_marked(name))
		return -1;
	now.mark_size = -1;
	return 0;
}

static void fake_calls(void)
{
	memset(&sys, 0, sizeof(sys));
	sys.fstat = fake_fstat;
	sys.ioctl = fake_ioctl;
	sys.mmap = no_mapping;
	sys.pread = fake_pread;
	sys.lseek = fake_lseek;
	sys.pwritev = fake_pwritev;
	sys.ftruncate = fake_ftruncate;
	sys.fallocate = fake_fallocate;
	sys.futimens = fake_futimens;
	sys.fchmod = fake_fchmod;
	sys.fgetxattr = fake_fgetxattr;
	sys.fsetxattr = fake_fsetxattr;
	sys.fremovexattr = fake_fremovexattr;
}

/* The input, as numbers; zeroes behind its end. */
struct source {
	const uint8_t *data;
	size_t size;
};

static uint8_t next(struct source *source)
{
	if (source->size == 0)
		return 0;
	source->size--;
	return *source->data++;
}

/* Of [from, to]; often at a page's edge. */
static int64_t next_position(struct source *source, int64_t from, int64_t to)
{
	uint8_t page = next(source);
	int64_t in_page = page & 64 ? (int64_t)next(source) << 8 | next(source) : 0;
	int64_t position = page % 64 * PAGE + in_page % PAGE - (page >> 7);

	return position < from ? from : position > to ? to : position;
}

static void make_content(struct source *source)
{
	now.size = next_position(source, 0, LONGEST);
	for (int runs = next(source) % 6; runs > 0; runs--) {
		int64_t from = next_position(source, 0, now.size);
		int64_t to = next_position(source, from, now.size);

		/* A long run is zero but for its last byte. */
		if (to == from)
			continue;
		now.content[to - 1] = next(source) & 1 ? 0 : 'x';
		now.content[from] = next(source) & 1 ? 0 : 'x';
		for (int64_t i = from / PAGE; i * PAGE < to; i++)
			now.written[i] = true;
	}
}

static void make_mark(struct source *source, struct mark *mark)
{
	uint8_t bits = next(source);

	*mark = (struct mark){.key = 1 + bits % 2, .ino = INO};
	mark->generation = now.has_generation ? GENERATION : 0;
	mark->flags = bits & 8 ? next(source) : 0;
	if ((bits & 0x30) == 0x30)
		mark->ino++;
	if ((bits & 0xc0) == 0xc0)
		mark->generation++;
	mark->floor = next_position(source, 0, LONGEST);
	mark->data_end = next_position(source, mark->floor, LONGEST);
	mark->size_before = next_position(source, mark->data_end, LONGEST);
	mark->file_end = next_position(source, mark->size_before, LONGEST);
	mark_encode(mark, now.mark);
	now.mark_size = MARK_BYTES;
	if ((bits & 0x28) == 0x28) {
		now.mark[next(source) % sizeof(now.mark)] ^= next(source);
		now.mark_size += (int8_t)next(source) % 9;
	}
}

static void make_records(struct source *source, const struct mark *mark)
{
	for (int records = next(source) % 4; records > 0; records--) {
		uint8_t bits = next(source);
		struct record record = {.key = mark->key, .ino = INO, .open = bits & 4};
		int64_t at = record_place(bits & 1   ? now.size
					  : bits & 2 ? mark->size_before
						     : next_position(source, 0, now.size));

		if (at < 0 || at + PAGE > now.size)
			continue;
		if ((bits & 0x30) == 0x30)
			record.key++;
		if ((bits & 0xc0) == 0xc0)
			record.ino++;
		record.end = next_position(source, 0, LONGEST);
		record.synced_end = next_position(source, 0, record.end);
		record.nonzero_end = next_position(source, 0, record.end);
		/* The order of what was there before stays, for the inputs that are kept. */
		if ((bits & 0x22) == 0x22)
			record.zeroes = next(source);
		else if ((bits & 0x82) == 0x82)
			record.stride = next(source) * 64;
		record_encode(&record, now.content + at);
		if (bits & 8)
			now.content[at + next_position(source, 0, PAGE - 1)] ^= next(source);
		now.written[at / PAGE] = true;
	}
}

static struct certainty vouched = {.vouched = true};

static void make_model(struct source *source, struct recover_options *options)
{
	uint8_t bits = next(source);
	struct mark mark;

	memset(&now, 0, sizeof(now));
	now.mark_size = -1;
	now.offset = 7;
	now.has_generation = bits & 1;
	now.has_extents = bits & 2;
	now.has_zero_range = bits & 4;
	*options = (struct recover_options){.certainty = &vouched, .strip_zeros = bits & 8, .dry_run = (bits & 0x30) == 0x30};
	make_content(source);
	make_mark(source, &mark);
	make_records(source, &mark);
	if ((bits & 0xc0) == 0xc0)
		now.mark_size = -1;
}

/* The byte is part of a record that recovery is to take for ours. */
static bool is_in_record(const struct model *was, int64_t at)
{
	struct record record;
	struct mark mark;
	int64_t page = at / PAGE * PAGE;

	if (was->mark_size < 0 || mark_decode(&mark, was->mark, was->mark_size) < 0 ||
	    (page != record_place(was->size) && page != record_place(mark.size_before)) ||
	    page + PAGE > was->size)
		return false;
	return record_decode(&record, was->content + page) == 0 && record.key == mark.key &&
	       record.ino == mark.ino;
}

static void nothing_is_lost(const struct model *was)
{
	require(now.size <= was->size, "the file has grown");
	require(now.offset == 7 || fault != NO_FAULT, "the offset has moved");
	for (int64_t i = 0; i < was->size; i++) {
		/* Page by page where nothing is. */
		if (i % PAGE == 0 && i + PAGE <= now.size &&
		    !memcmp(was->content + i, now.content + i, PAGE)) {
			i += PAGE - 1;
			continue;
		}
		if (was->content[i] && (i >= now.size || now.content[i] != was->content[i]))
			require(is_in_record(was, i), "a byte is lost");
	}
}

/* A record among somebody's bytes, which is to be zeroed before the cut. */
static bool has_record_before(const struct model *was, int64_t end)
{
	for (int64_t at = 0; at < end && at + PAGE <= was->size; at += PAGE)
		if (is_in_record(was, at))
			return true;
	return false;
}

static void recover_once(const struct recover_options *options, struct recovery *recovery,
			 const struct model *was)
{
	struct mark mark;
	int ret;

	fault = NO_FAULT;
	calls = 0;
	ret = recover_file(FILE_FD, options, recovery);
	require(ret == 0, "an error out of nothing");
	nothing_is_lost(was);
	if (options->dry_run) {
		require(!memcmp(&now, was, sizeof(now)), "a dry run has changed something");
		return;
	}
	require(now.mark_size < 0, "the mark is still there");
	require(recovery->outcome == RECOVER_UNMARKED || recovery->size == now.size,
		"another size than told");
	require(recovery->size_before == was->size, "another size before");
	if (mark_decode(&mark, was->mark, was->mark_size) == 0 && now.size < was->size)
		require(now.size >= mark.floor, "below what was there at the beginning");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model was, clean;
	struct source source = {data, size};
	struct recover_options options;
	struct recovery recovery;
	uint8_t which = next(&source);
	uint8_t at = next(&source);
	volatile int ret = -1;

	fake_calls();
	make_model(&source, &options);
	was = now;
	recover_once(&options, &recovery, &was);
	clean = now;
	if (options.dry_run || calls == 0)
		return 0;
	fault_at = 1 + at % calls;
	fault = (enum fault)(which % 4);
	calls = 0;
	now = was;
	if (setjmp(killed) == 0)
		ret = recover_file(FILE_FD, &options, &recovery);
	nothing_is_lost(&was);
	require(ret != 0 || now.mark_size < 0, "done, and the mark is still there");
	require(ret >= 0 || fault == KILLED || was.mark_size < 0 || now.mark_size >= 0,
		"failed, and the mark is gone");
	now.offset = 7;
	fault = NO_FAULT;
	recover_file(FILE_FD, &options, &recovery);
	nothing_is_lost(&was);
	/* What a call is told with EIO may have been needed to know more. */
	if ((fault_at && ret == 0) || has_record_before(&was, clean.size))
		return 0;
	require(now.size == clean.size, "once more, and another size");
	return 0;
}

#ifndef WITH_LIBFUZZER
static size_t fuzz_make(unsigned int *random, uint8_t *data, size_t size)
{
	size_t bytes = 8 + (size_t)rand_r(random) % 56;

	require(bytes <= size, "no room");
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)rand_r(random);
	return bytes;
}
#endif

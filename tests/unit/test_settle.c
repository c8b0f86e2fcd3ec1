/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extending and settling a claimed file: real files, in every directory of
 * PREALLOCATE_TEST_DIRECTORIES (separated by colons; default: TMPDIR or /tmp, and /dev/shm), and
 * every system call failing in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim/settle.h"
#include "recovery/tail.h"
#include "test_failing.h"

#define MIB INT64_C(1048576)
#define STEP (4 * MIB)
#define START 1234 /* the data of a new file ends here */
#define FAULTS_AFTER 65536

static char directory[PATH_MAX / 2];

struct file {
	char path[PATH_MAX];
	int second; /* another description, for what nobody sees */
	struct claim_slot slot;
	struct claimed claimed;
	struct timespec mtime; /* the program's last change */
	int64_t data_end;      /* what the program has written */
};

static void byte_at(int64_t position, char *byte)
{
	*byte = (char)('a' + position % 23);
}

static void file_new(struct file *file, int flags)
{
	static const struct timespec then[2] = {{1000000000, 111}, {1100000000, 222}};
	char bytes[START];
	int fd;

	memset((void *)file, 0, sizeof(*file));
	snprintf(file->path, sizeof(file->path), "%s/preallocate-settle.XXXXXX", directory);
	fd = mkstemp(file->path);
	assert_true(fd >= 0);
	close(fd);
	file->second = open(file->path, O_RDWR | O_CLOEXEC);
	fd = open(file->path, flags | O_CLOEXEC);
	assert_true(fd >= 0 && file->second >= 0);
	for (int64_t i = 0; i < START; i++)
		byte_at(i, &bytes[i]);
	assert_int_equal(pwrite(file->second, bytes, START, 0), START);
	assert_int_equal(futimens(file->second, then), 0);
	file->mtime = then[1];
	file->data_end = START;
	filter_disengage(&file->slot.positions);
	file->claimed = (struct claimed){
		.certainty = {.vouched = true},
		.fd = fd,
		.readable = (flags & O_ACCMODE) != O_WRONLY,
		.append = flags & O_APPEND,
		.options = {STEP, MIB},
		.slot = &file->slot,
	};
	filter_disengage(&file->claimed.positions);
}

static void file_delete(struct file *file)
{
	close(file->claimed.fd);
	close(file->second);
	unlink(file->path);
}

/* As the library does it: where the program's data ends, then told to the filter. */
static void append(struct file *file, int64_t count)
{
	for (int64_t i = 0; i < count; i++) {
		char byte;

		byte_at(file->data_end, &byte);
		assert_int_equal(pwrite(file->second, &byte, 1, file->data_end), 1);
		file->data_end++;
	}
	slot_wrote(&file->slot, file->data_end);
}

static void remember_mtime(struct file *file)
{
	struct stat st;

	assert_int_equal(fstat(file->second, &st), 0);
	file->mtime = st.st_mtim;
}

static int64_t size_of(const struct file *file)
{
	struct stat st;

	assert_int_equal(fstat(file->second, &st), 0);
	return st.st_size;
}

static void assert_mtime_kept(const struct file *file)
{
	struct stat st;

	assert_int_equal(fstat(file->second, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, file->mtime.tv_sec);
	assert_int_equal(st.st_mtim.tv_nsec, file->mtime.tv_nsec);
}

/* The program's bytes, then nothing but zeroes. */
static void assert_nothing_lost(const struct file *file)
{
	int64_t size = size_of(file);
	char *bytes = malloc((size_t)size + 1);

	assert_true(size >= file->data_end);
	assert_int_equal(pread(file->second, bytes, (size_t)size, 0), size);
	for (int64_t i = 0; i < file->data_end; i++) {
		char byte;

		byte_at(i, &byte);
		if (bytes[i] != byte)
			fail_msg("byte %lld is lost", (long long)i);
	}
	bytes[size] = 0;
	assert_int_equal(bytes[file->data_end], 0);
	assert_memory_equal(bytes + file->data_end, bytes + file->data_end + 1,
			    (size_t)(size - file->data_end));
	free(bytes);
}

static void assert_ordinary(const struct file *file)
{
	assert_int_equal(atomic_load(&file->slot.positions.data_end), FILTER_UNKNOWN);
	assert_int_equal(atomic_load(&file->slot.positions.file_end), FILTER_UNKNOWN);
	assert_int_equal(atomic_load(&file->slot.sequence) & 1, 0);
}

static bool appends(const struct file *file)
{
	return fcntl(file->claimed.fd, F_GETFL) & O_APPEND;
}

static void a_file_is_extended_and_settled(void **state)
{
	struct file file;
	struct stat st;

	(void)state;
	file_new(&file, O_RDWR);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	assert_true(slot_is_extended(&file.slot));
	assert_int_equal(atomic_load(&file.slot.positions.data_end), START);
	assert_int_equal(atomic_load(&file.slot.positions.file_end), STEP + MIB);
	assert_int_equal(size_of(&file), STEP + MIB);
	assert_int_equal(atomic_load(&file.slot.sequence), 2);
	assert_int_equal(atomic_load(&file.slot.extensions), 1);
	assert_int_equal(atomic_load(&file.slot.bytes_extended), STEP + MIB - START);
	assert_mtime_kept(&file);
	assert_int_equal(fstat(file.second, &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000000000);

	append(&file, 10);
	remember_mtime(&file);
	assert_int_equal(claimed_extend(&file.claimed, STEP + MIB, STEP + MIB + 1, INT64_MAX), 0);
	assert_int_equal(size_of(&file), 2 * STEP + 2 * MIB);
	assert_int_equal(atomic_load(&file.slot.positions.data_end), START + 10);
	assert_int_equal(atomic_load(&file.slot.extensions), 2);
	assert_int_equal(atomic_load(&file.slot.bytes_extended), 2 * STEP + 2 * MIB - START);
	assert_mtime_kept(&file);

	assert_int_equal(claimed_settle(&file.claimed, SETTLED_IDLE), 0);
	assert_int_equal(size_of(&file), START + 10);
	assert_int_equal(atomic_load(&file.slot.settles), 1);
	assert_int_equal(atomic_load(&file.slot.reason), SETTLED_IDLE);
	assert_true(atomic_load(&file.slot.settled_at) > 0);
	assert_int_equal(atomic_load(&file.slot.covered), 0);
	assert_ordinary(&file);
	assert_mtime_kept(&file);
	assert_nothing_lost(&file);

	/* Nothing to do any more. */
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_DEATH), 0);
	assert_int_equal(atomic_load(&file.slot.settles), 1);
	assert_int_equal(atomic_load(&file.slot.reason), SETTLED_IDLE);
	file_delete(&file);
}

static void o_append_is_cleared_and_comes_back(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR | O_APPEND | O_NONBLOCK);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	assert_false(appends(&file));
	assert_true(fcntl(file.claimed.fd, F_GETFL) & O_NONBLOCK);
	append(&file, 10);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
	assert_true(appends(&file));
	assert_true(fcntl(file.claimed.fd, F_GETFL) & O_NONBLOCK);
	assert_nothing_lost(&file);
	file_delete(&file);
}

/* --- what passes for a btrfs --- */

#define SYSFS "/sys/fs/btrfs/01020304-0506-0708-090a-0b0c0d0e0f10"

static struct {
	int filesystem, directory, quotas; /* what asking for each says: 0 or an errno */
} btrfs;

static int answer(int error)
{
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

static int btrfs_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request != BTRFS_IOC_FS_INFO)
		return real.ioctl(fd, request, argument);
	for (int i = 0; i < BTRFS_FSID_SIZE; i++)
		((struct btrfs_ioctl_fs_info_args *)argument)->fsid[i] = (uint8_t)(i + 1);
	return answer(btrfs.filesystem);
}

static int btrfs_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	bool quotas = strcmp(path, SYSFS "/qgroups") == 0;

	if (!quotas)
		assert_string_equal(path, SYSFS);
	if (answer(quotas ? btrfs.quotas : btrfs.directory) < 0)
		return -1;
	return real.fstatat(dirfd, "/", st, flags);
}

static void pass_for_btrfs(struct file *file, int quotas)
{
	file->claimed.piecemeal = true;
	memset(&btrfs, 0, sizeof(btrfs));
	btrfs.quotas = quotas;
	sys.ioctl = btrfs_ioctl;
	sys.fstatat = btrfs_fstatat;
}

/* btrfs gives nothing back of what is cut from a preallocated extent. */
static void piecemeal_means_no_step(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	pass_for_btrfs(&file, ENOENT);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	assert_int_equal(size_of(&file), MIB);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
	assert_int_equal(size_of(&file), START);
	file_delete(&file);
}

/* They may be used up when the cut comes, and it would fail. */
static void with_quotas_on_btrfs_nothing_is_extended(void **state)
{
	static const struct {
		int filesystem, directory, quotas;
	} answers[] = {{0, 0, 0}, {0, 0, EACCES}, {0, ENOENT, ENOENT}, {ENOTTY, 0, ENOENT}};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct file file;

		file_new(&file, O_RDWR | O_APPEND);
		pass_for_btrfs(&file, answers[i].quotas);
		btrfs.directory = answers[i].directory;
		btrfs.filesystem = answers[i].filesystem;
		assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX),
				 -EOPNOTSUPP);
		assert_int_equal(size_of(&file), START);
		assert_true(appends(&file));
		assert_ordinary(&file);
		assert_mtime_kept(&file);
		file_delete(&file);
	}
}

static void quotas_that_come_later_end_it(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	pass_for_btrfs(&file, ENOENT);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	append(&file, 10);
	btrfs.quotas = 0;
	assert_int_equal(claimed_extend(&file.claimed, MIB, MIB + 1, INT64_MAX), -EOPNOTSUPP);
	assert_int_equal(size_of(&file), MIB);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_FAILED), 0);
	assert_int_equal(size_of(&file), START + 10);
	assert_nothing_lost(&file);
	file_delete(&file);
}

static void a_refused_extension_leaves_no_trace(void **state)
{
	static const struct {
		int64_t offset, end, max_end;
		int result;
	} refusals[] = {
		{START, START + 10, START + 9, -EFBIG},
		{START + STEP + 1, START + STEP + 2, INT64_MAX, -EDOM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct file file;

		file_new(&file, O_RDWR | O_APPEND);
		assert_int_equal(claimed_extend(&file.claimed, refusals[i].offset,
						refusals[i].end, refusals[i].max_end),
				 refusals[i].result);
		assert_int_equal(size_of(&file), START);
		assert_true(appends(&file));
		assert_int_equal(atomic_load(&file.slot.extensions), 0);
		assert_int_equal(atomic_load(&file.slot.bytes_extended), 0);
		assert_ordinary(&file);
		assert_mtime_kept(&file);
		file_delete(&file);
	}
}

static void a_filesystem_keeps_its_last_percents(void **state)
{
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	file.claimed.min_free = 100;
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), -ENOSPC);
	assert_int_equal(size_of(&file), START);
	file_delete(&file);
}

static void an_unseen_byte_is_kept(void **state)
{
	static const int64_t places[] = {START + 10, START + 11, 4095, 4096, MIB, STEP + MIB - 1,
					 STEP + MIB, STEP + 3 * MIB};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct file file;
		char byte = 0;

		file_new(&file, O_RDWR);
		assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
		append(&file, 10);
		assert_int_equal(pwrite(file.second, "U", 1, places[i]), 1);
		remember_mtime(&file);
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
		assert_int_equal(size_of(&file), places[i] + 1);
		assert_int_equal(atomic_load(&file.slot.covered), places[i] + 1 - START - 10);
		assert_int_equal(pread(file.second, &byte, 1, places[i]), 1);
		assert_int_equal(byte, 'U');
		assert_mtime_kept(&file);
		file_delete(&file);
	}
}

static void the_programs_own_keep_comes_back(void **state)
{
	const int64_t keep_end = 3 * MIB;
	struct stat before, after;
	struct file file;

	(void)state;
	file_new(&file, O_RDWR);
	if (fallocate(file.second, FALLOC_FL_KEEP_SIZE, START, keep_end - START) < 0) {
		file_delete(&file);
		print_message("# skipped: no KEEP_SIZE in %s\n", directory);
		return;
	}
	atomic_store(&file.slot.program_keep_end, keep_end);
	fstat(file.second, &before);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	append(&file, 10);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
	assert_int_equal(size_of(&file), START + 10);
	fstat(file.second, &after);
	assert_true(after.st_blocks * 512 >= keep_end - 65536);
	assert_true(after.st_blocks <= before.st_blocks + 128);
	file_delete(&file);
}

/* The program's data goes on; what it was copied from ends in a page that can't be read. */
static void append_and_fault(struct file *file)
{
	char *bytes = mmap(NULL, FAULTS_AFTER + 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t written;

	assert_true(bytes != MAP_FAILED);
	assert_int_equal(mprotect(bytes + FAULTS_AFTER, 4096, PROT_NONE), 0);
	for (int64_t i = 0; i < FAULTS_AFTER; i++)
		byte_at(file->data_end + i, &bytes[i]);
	written = pwrite(file->second, bytes, (size_t)2 * FAULTS_AFTER, file->data_end);
	assert_true(written > 0 && written <= FAULTS_AFTER);
	file->data_end += written;
	remember_mtime(file);
	munmap(bytes, FAULTS_AFTER + 4096);
}

/* Zeroes in the cache, behind the end of an ordinary file (ext4, large folios). */
static void what_a_fault_has_left_behind_the_end_is_no_data(void **state)
{
	static const int modes[] = {O_RDWR, O_WRONLY};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct file file;

		file_new(&file, modes[i]);
		if (!tail_is_provable(file.claimed.fd, file.claimed.readable)) {
			file_delete(&file);
			continue;
		}
		append_and_fault(&file);
		assert_int_equal(claimed_extend(&file.claimed, file.data_end, file.data_end + 10,
						INT64_MAX), 0);
		assert_int_equal(atomic_load(&file.slot.positions.data_end), file.data_end);
		assert_mtime_kept(&file);
		append(&file, 10);
		remember_mtime(&file);
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
		assert_int_equal(size_of(&file), file.data_end);
		assert_nothing_lost(&file);
		assert_mtime_kept(&file);
		file_delete(&file);
	}
}

/* It goes with what the fault has left, whether the file gets extended after that or not. */
static void the_programs_own_keep_outlives_a_fault(void **state)
{
	const int64_t keep_end = 3 * MIB;

	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		struct stat st;
		struct file file;

		file_new(&file, O_WRONLY);
		append_and_fault(&file);
		if (!tail_is_provable(file.claimed.fd, false) ||
		    fallocate(file.second, FALLOC_FL_KEEP_SIZE, file.data_end,
			      keep_end - file.data_end) < 0) {
			file_delete(&file);
			return;
		}
		atomic_store(&file.slot.program_keep_end, keep_end);
		remember_mtime(&file);
		assert_int_equal(claimed_extend(&file.claimed, file.data_end, file.data_end + 10,
						refused ? file.data_end : INT64_MAX),
				 refused ? -EFBIG : 0);
		assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
		assert_int_equal(size_of(&file), file.data_end);
		assert_int_equal(fstat(file.second, &st), 0);
		assert_true(st.st_blocks * 512 >= keep_end - 65536);
		assert_mtime_kept(&file);
		file_delete(&file);
	}
}

static void headroom_is_what_may_be_taken(void **state)
{
	static const struct {
		uint64_t blocks, available;
		int64_t block_size;
		uint32_t min_free;
		int64_t headroom;
	} rows[] = {
		{1000, 500, 4096, 5, 450 * 4096},
		{1000, 500, 4096, 0, 500 * 4096},
		{1000, 51, 4096, 5, 4096},
		{1000, 50, 4096, 5, 0},
		{1000, 49, 4096, 5, 0},
		{1000, 0, 4096, 0, 0},
		{1000, 1000, 4096, 100, 0},
		{99, 50, 4096, 5, 50 * 4096},
		{0, 0, 4096, 5, INT64_MAX}, /* a filesystem that doesn't say */
		{UINT64_MAX, UINT64_MAX, 4096, 5, INT64_MAX},
		{UINT64_C(1) << 52, UINT64_C(1) << 51, 4096, 0, INT64_MAX},
		{UINT64_C(1) << 52, (UINT64_C(1) << 51) - 1, 4096, 0, INT64_MAX - 4095},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct statfs fs = {.f_blocks = rows[i].blocks, .f_bavail = rows[i].available};

		fs.f_bsize = (__typeof__(fs.f_bsize))rows[i].block_size;
		assert_int_equal(space_headroom(&fs, rows[i].min_free), rows[i].headroom);
	}
}

/* What a thread that stands still inside its append has done: the slot's intent, and the file. */
static void catch_up(enum slot_intent intent, int64_t start, int64_t end, int64_t position,
		     bool readable, int64_t written, int64_t wanted)
{
	static const char text[2 * 4096] = "stopped";
	struct file file;

	file_new(&file, readable ? O_RDWR : O_WRONLY);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	append(&file, 10);
	if (written)
		assert_int_equal(pwrite(file.second, text, (size_t)written, start), written);
	lseek(file.claimed.fd, position, SEEK_SET);
	atomic_store(&file.slot.intent, intent);
	atomic_store(&file.slot.intent_start, start);
	atomic_store(&file.slot.intent_end, end);
	claimed_catch_up(&file.claimed);
	assert_int_equal(atomic_load(&file.slot.positions.data_end), wanted);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
	assert_int_equal(size_of(&file), wanted);
	file_delete(&file);
}

static void an_interrupted_append_is_caught_up_with(void **state)
{
	const int64_t end = START + 10;

	(void)state;
	catch_up(INTENT_NONE, end, end + 7, end + 7, true, 0, end);
	catch_up(INTENT_AT_POSITION, end, end + 7, end, true, 0, end);
	catch_up(INTENT_AT_POSITION, end, end + 7, end + 3, true, 3, end + 3);
	catch_up(INTENT_AT_POSITION, end, end + 7, end + 7, true, 7, end + 7);
	/* The offset isn't the write's any more. */
	catch_up(INTENT_AT_POSITION, end, end + 7, end + 1000, true, 7, end + 7);
	catch_up(INTENT_AT_POSITION, end, end + 7, 0, true, 0, end);
	catch_up(INTENT_AT_OFFSET, end, end + 7, 0, true, 0, end);
	catch_up(INTENT_AT_OFFSET, end, end + 7, 0, true, 3, end + 3);
	catch_up(INTENT_AT_OFFSET, end, end + 7, 0, true, 7, end + 7);
	/* Not to be read: it doesn't count, be it written or not, nor for somebody else's. */
	catch_up(INTENT_AT_OFFSET, end, end + 7, 0, false, 7, end);
	catch_up(INTENT_AT_OFFSET, end, end + 7, 0, false, 0, end);
	catch_up(INTENT_AT_OFFSET, end, end + 3 * 4096, 0, false, 2 * 4096, end);
	catch_up(INTENT_AT_OFFSET, end, end + 2 * MIB, 0, false, 7, end);
	/* A write that begins inside the data, and one that ends there. */
	catch_up(INTENT_AT_OFFSET, end - 3, end + 4, 0, true, 7, end + 4);
	catch_up(INTENT_AT_OFFSET, end - 3, end, 0, true, 3, end);
}

/* ---- The stopped thread goes on while the tail is proved to be empty ---- */

static struct {
	struct file *file;
	int in; /* the write comes in the so-manyth question for the offset from now */
} late;

static off_t lseek_and_write(int fd, off_t offset, int whence)
{
	if (whence == SEEK_CUR && --late.in == 0) {
		assert_int_equal(lseek(fd, late.file->data_end, SEEK_SET), late.file->data_end);
		assert_int_equal(write(fd, "late", 4), 4);
	}
	return lseek(fd, offset, whence);
}

/* in: before the cut it is looked at, after it too late; then the writer has to be told. */
static void write_late(int in, int64_t kept, int64_t told)
{
	const int64_t end = START + 10;
	struct sys before = sys;
	struct file file;

	file_new(&file, O_RDWR);
	assert_int_equal(claimed_extend(&file.claimed, START, end, INT64_MAX), 0);
	append(&file, 10);
	lseek(file.claimed.fd, end, SEEK_SET);
	atomic_store(&file.slot.intent, INTENT_AT_POSITION);
	atomic_store(&file.slot.intent_start, end);
	atomic_store(&file.slot.intent_end, end + 4);
	atomic_store(&file.slot.robbed, 1);
	claimed_catch_up(&file.claimed);
	/* As the thread does when its call has returned. */
	atomic_store(&file.slot.intent, INTENT_NONE);
	late.file = &file;
	late.in = in;
	sys.lseek = lseek_and_write;
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_ASKED), 0);
	sys = before;
	assert_int_equal(size_of(&file), end + kept);
	if (told < 0)
		assert_true(atomic_load(&file.slot.robbed_end) == INT64_MAX);
	else
		assert_int_equal(atomic_load(&file.slot.robbed_end), end + told);
	file_delete(&file);
}

static void a_write_that_comes_before_the_cut_is_kept(void **state)
{
	(void)state;
	write_late(1, 4, -1);
	/* After the cut: an ordinary file, and it is there, wherever others move the offset before its thread looks. */
	write_late(2, 4, -1);
	/* Not at all. */
	write_late(9, 0, -1);
}

static int cut_and_write(int fd, off_t length)
{
	assert_int_equal(lseek(fd, late.file->data_end, SEEK_SET), late.file->data_end);
	assert_int_equal(write(fd, "late", 4), 4);
	return ftruncate(fd, length);
}

static void what_the_cut_takes_away_is_told(void **state)
{
	struct sys before = sys;

	(void)state;
	sys.ftruncate = cut_and_write;
	write_late(9, 0, 0);
	sys = before;
}

/* ---- Every system call failing in turn ---- */

static struct {
	int call; /* this one fails, 0: the first; -1: none */
	int error;
	int calls;
	const char *failed; /* the name of the one that did */
} fault;

static bool fails(const char *name)
{
	if (fault.calls++ != fault.call)
		return false;
	fault.failed = name;
	errno = fault.error;
	return true;
}

static int failing_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return fails("ioctl") ? -1 : real.ioctl(fd, request, argument);
}

static off_t failing_lseek(int fd, off_t offset, int whence)
{
	return fails("lseek") ? -1 : real.lseek(fd, offset, whence);
}

static ssize_t failing_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	return fails("pread") ? -1 : real.pread(fd, buffer, bytes, offset);
}

static int failing_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	if (!fails("fallocate"))
		return real.fallocate(fd, mode, offset, bytes);
	/* As ext4 does it: the size stays grown. */
	if (!(mode & FALLOC_FL_KEEP_SIZE) && fault.error == ENOSPC)
		real.ftruncate(fd, offset + bytes / 2);
	errno = fault.error;
	return -1;
}

static void arm(void)
{
	sys.fcntl = failing_fcntl;
	sys.ioctl = failing_ioctl;
	sys.fstat = failing_fstat;
	sys.lseek = failing_lseek;
	sys.mmap = no_mapping;
	sys.pread = failing_pread;
	sys.ftruncate = failing_ftruncate;
	sys.fallocate = failing_fallocate;
	sys.futimens = failing_futimens;
}

static int disarm(int ret)
{
	sys = real;
	return ret;
}

static bool failed(const char *name)
{
	return fault.failed && strcmp(fault.failed, name) == 0;
}

static bool is_retried(void)
{
	return fault.error == EINTR &&
	       (failed("fallocate") || failed("ftruncate") || failed("pread"));
}

static void assert_as_the_program_left_it(const struct file *file, int flags)
{
	const int settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC;
	int kept = failed("fcntl") ? settable & ~O_APPEND : settable;

	assert_int_equal(fcntl(file->claimed.fd, F_GETFL) & kept, flags & kept);
	if (!failed("futimens"))
		assert_mtime_kept(file);
}

/* A file's whole life. */
static void live_through(int flags, int64_t unseen)
{
	struct file file;
	int64_t end;
	int ret;

	file_new(&file, flags);
	arm();
	ret = disarm(claimed_extend(&file.claimed, START, START + 10, INT64_MAX));
	assert_true(ret == 0 || !is_retried());
	if (ret == 0) {
		assert_int_equal(size_of(&file), atomic_load(&file.slot.positions.file_end));
		if (!failed("futimens"))
			assert_mtime_kept(&file);
	} else {
		assert_int_equal(size_of(&file), START);
		assert_ordinary(&file);
		assert_as_the_program_left_it(&file, flags);
	}
	append(&file, 10);
	remember_mtime(&file);

	if (ret == 0) {
		end = atomic_load(&file.slot.positions.file_end);
		arm();
		ret = disarm(claimed_extend(&file.claimed, end, end + 1, INT64_MAX));
		assert_true(ret == 0 || !is_retried());
		end = atomic_load(&file.slot.positions.file_end);
		assert_true(slot_is_extended(&file.slot));
		assert_int_equal(atomic_load(&file.slot.positions.data_end), file.data_end);
		assert_int_equal(size_of(&file), end);
		if (unseen) {
			assert_int_equal(pwrite(file.second, "U", 1, unseen), 1);
			remember_mtime(&file);
		}
		arm();
		ret = disarm(claimed_settle(&file.claimed, SETTLED_ASKED));
		assert_true(ret == 0 || !is_retried());
		/* Not cut, and in a way that is told; or cut right. */
		assert_int_equal(size_of(&file), ret < 0 ? end : unseen ? unseen + 1 : file.data_end);
		if (unseen) {
			char byte = 0;

			assert_int_equal(pread(file.second, &byte, 1, unseen), 1);
			assert_int_equal(byte, 'U');
			assert_int_equal(pwrite(file.second, "", 1, unseen), 1);
			remember_mtime(&file);
		}
	}
	assert_ordinary(&file);
	assert_nothing_lost(&file);
	assert_as_the_program_left_it(&file, flags);
	file_delete(&file);
}

static void whatever_fails_nothing_is_lost(void **state)
{
	static const int errors[] = {EIO, EINTR, ENOSPC, EDQUOT, EPERM, EOPNOTSUPP, EFBIG, ENOMEM};
	static const struct {
		int flags;
		int64_t unseen;
	} lives[] = {{O_RDWR, 0}, {O_RDWR | O_APPEND, 0}, {O_RDWR, MIB}, {O_WRONLY | O_APPEND, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		for (size_t j = 0; j < sizeof(errors) / sizeof(errors[0]); j++) {
			int call = -1;

			do {
				memset(&fault, 0, sizeof(fault));
				fault.call = ++call;
				fault.error = errors[j];
				live_through(lives[i].flags, lives[i].unseen);
			} while (fault.failed);
			assert_true(call > 8);
		}
	}
}

static int grow_and_fail(int fd, int mode, off_t offset, off_t bytes)
{
	(void)mode;
	real.ftruncate(fd, offset + bytes / 2);
	errno = EIO;
	return -1;
}

static int fail_to_cut(int fd, off_t length)
{
	(void)fd;
	(void)length;
	errno = EIO;
	return -1;
}

/* The size stays grown and can't be put back: told, and made good by the settle. */
static void a_grown_size_is_known_until_it_is_settled(void **state)
{
	struct file file;
	int64_t end;

	(void)state;
	file_new(&file, O_RDWR);
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), 0);
	append(&file, 10);
	remember_mtime(&file);
	end = atomic_load(&file.slot.positions.file_end);
	sys.fallocate = grow_and_fail;
	sys.ftruncate = fail_to_cut;
	assert_int_equal(claimed_extend(&file.claimed, end, end + 1, INT64_MAX), -EIO);
	sys = real;
	assert_true(size_of(&file) > end);
	assert_int_equal(atomic_load(&file.slot.positions.file_end), size_of(&file));
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_FAILED), 0);
	assert_int_equal(size_of(&file), START + 10);
	assert_mtime_kept(&file);
	file_delete(&file);
}

/* chattr +a: O_APPEND can't be cleared. */
static void an_append_only_file_is_left_alone(void **state)
{
	struct file file;
	long attributes = 0; /* by the number of the ioctl; the kernel uses an int */

	(void)state;
	file_new(&file, O_WRONLY | O_APPEND);
	if (ioctl(file.second, FS_IOC_GETFLAGS, &attributes) < 0 ||
	    ioctl(file.second, FS_IOC_SETFLAGS, &(long){attributes | FS_APPEND_FL}) < 0) {
		file_delete(&file);
		print_message("# skipped: no chattr +a in %s\n", directory);
		return; /* cmocka 1.1.7 prints skip() as a failure in TAP */
	}
	assert_int_equal(claimed_extend(&file.claimed, START, START + 10, INT64_MAX), -EPERM);
	assert_int_equal(size_of(&file), START);
	assert_true(appends(&file));
	assert_ordinary(&file);
	ioctl(file.second, FS_IOC_SETFLAGS, &attributes);
	file_delete(&file);
}

static int enter_directory(void **state)
{
	snprintf(directory, sizeof(directory), "%s", (const char *)*state);
	return 0;
}

static int restore_sys(void **state)
{
	(void)state;
	sys = real;
	return 0;
}

#define test(function) {#function, function, enter_directory, restore_sys, NULL}

static const struct CMUnitTest tests[] = {
	test(a_file_is_extended_and_settled),
	test(o_append_is_cleared_and_comes_back),
	test(piecemeal_means_no_step),
	test(with_quotas_on_btrfs_nothing_is_extended),
	test(quotas_that_come_later_end_it),
	test(a_refused_extension_leaves_no_trace),
	test(a_filesystem_keeps_its_last_percents),
	test(an_unseen_byte_is_kept),
	test(the_programs_own_keep_comes_back),
	test(what_a_fault_has_left_behind_the_end_is_no_data),
	test(the_programs_own_keep_outlives_a_fault),
	test(headroom_is_what_may_be_taken),
	test(an_interrupted_append_is_caught_up_with),
	test(a_write_that_comes_before_the_cut_is_kept),
	test(what_the_cut_takes_away_is_told),
	test(whatever_fails_nothing_is_lost),
	test(a_grown_size_is_known_until_it_is_settled),
	test(an_append_only_file_is_left_alone),
};

#define TESTS (sizeof(tests) / sizeof(tests[0]))
#define DIRECTORIES 16

int main(void)
{
	static struct CMUnitTest all[TESTS * DIRECTORIES];
	const char *wanted = getenv("PREALLOCATE_TEST_DIRECTORIES");
	const char *tmp = getenv("TMPDIR");
	size_t count = 0;
	char *list, *name;

	if (asprintf(&list, "%s:/dev/shm", tmp ? tmp : "/tmp") < 0)
		return 1;
	real = sys;
	for (char *next = strtok(wanted ? strdup(wanted) : list, ":");
	     next && count < TESTS * DIRECTORIES; next = strtok(NULL, ":")) {
		for (size_t i = 0; i < TESTS; i++) {
			if (asprintf(&name, "%s in %s", tests[i].name, next) < 0)
				return 1;
			all[count] = tests[i];
			all[count].name = name;
			all[count++].initial_state = next;
		}
	}
	return _cmocka_run_group_tests("settle", all, count, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program scribbles over its memory, and with it over the slot that it shares with its guardian:
 * whatever stands there, the guardian cuts no byte of data, and becomes done with the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim/settle.h"

#define MIB INT64_C(1048576)
#define STEP MIB
#define START 1234  /* the data of the file, when it is extended */
#define SEEN 2345   /* and when the guardian looks at it */
#define END 3456    /* and at last, */
#define ZEROES 10   /* so many of which are zeroes: nothing but the slot tells of them */

static struct file {
	int fd;
	struct claim_slot slot;
	struct claimed claimed;
} file;

static char data[END];

/* Extended by a first write at START, and more written since. */
static void file_new(int flags)
{
	char path[] = "/tmp/preallocate-garbage.XXXXXX";

	memset((void *)&file, 0, sizeof(file));
	memset(data, 'a', END - ZEROES);
	file.fd = mkstemp(path);
	assert_true(file.fd >= 0);
	assert_int_equal(pwrite(file.fd, data, START, 0), START);
	filter_disengage(&file.slot.positions);
	file.claimed = (struct claimed){
		.certainty = {.vouched = true},
		.fd = open(path, flags | O_CLOEXEC),
		.readable = (flags & O_ACCMODE) != O_WRONLY,
		.append = flags & O_APPEND,
		.options = {STEP, MIB},
		.slot = &file.slot,
	};
	filter_disengage(&file.claimed.positions);
	assert_true(file.claimed.fd >= 0);
	unlink(path);
	assert_int_equal(claimed_extend(&file.claimed, START, SEEN, INT64_MAX), 0);
	assert_int_equal(pwrite(file.fd, data + START, SEEN - START, START), SEEN - START);
	slot_wrote(&file.slot, SEEN);
	claimed_note_end(&file.claimed);
	assert_int_equal(pwrite(file.fd, data + SEEN, END - SEEN, SEEN), END - SEEN);
	slot_wrote(&file.slot, END);
}

static int64_t size(void)
{
	struct stat st;

	assert_int_equal(fstat(file.fd, &st), 0);
	return st.st_size;
}

static void file_delete(void)
{
	close(file.claimed.fd);
	close(file.fd);
}

/* By a guardian that sees an owner in an append, is asked for more, or neither. */
static void assert_whole_after(int how)
{
	char bytes[END];

	if (how & 1)
		claimed_catch_up(&file.claimed);
	if (how & 2)
		claimed_extend(&file.claimed, END, 2 * STEP, INT64_MAX);
	claimed_settle(&file.claimed, SETTLED_DEATH);
	assert_false(claimed_is_extended(&file.claimed));
	assert_false(slot_is_extended(&file.slot));
	assert_int_equal(atomic_load(&file.slot.sequence) & 1, 0);
	assert_true(size() >= END);
	assert_int_equal(pread(file.fd, bytes, END, 0), END);
	assert_memory_equal(bytes, data, END);
}

static void one_word(void **state)
{
	static const int64_t garbage[] = {0, 1, 2, -1, INT64_MIN, INT64_MAX, 0x4141414141414141,
					  START - 1, START, SEEN, SEEN + 1, END - ZEROES, END - 1,
					  END + 1, STEP, 2 * MIB, 2 * MIB + 1, INT64_C(1) << 50};

	(void)state;
	for (size_t at = 0; at + 8 <= sizeof(file.slot); at += 4)
		for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
			file_new(i % 3 == 0   ? O_RDWR
				 : i % 3 == 1 ? O_RDWR | O_APPEND
					      : O_WRONLY);
			memcpy((char *)&file.slot + at, &garbage[i], at % 8 ? 4 : 8);
			assert_whole_after((int)(at / 4 + i) % 4);
			file_delete();
		}
}

static void a_whole_slot(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		file_new(O_RDWR);
		memset((void *)&file.slot, byte, sizeof(file.slot));
		assert_whole_after(byte % 4);
		file_delete();
	}
}

/* Bytes of any value, or words of small ones. */
static void here_and_there(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 500; i++) {
		file_new(O_RDWR);
		for (size_t at = 0; at < sizeof(file.slot); at++)
			if (rand() % 3)
				((char *)&file.slot)[at] =
					(char)(i % 2 && at % 8 > 1 ? 0 : rand());
		assert_whole_after(i / 2 % 4);
		file_delete();
	}
}

/* Where the end is still known, the tail goes; where it isn't, it stays. */
static void what_is_known_is_used(void **state)
{
	(void)state;
	file_new(O_RDWR);
	atomic_store(&file.slot.positions.data_end, SEEN + 1);
	assert_false(slot_is_sound(&file.slot));
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_DEATH), 0);
	assert_int_equal(size(), END);
	file_delete();

	/* Killed before the check was written. */
	file_new(O_RDWR);
	atomic_store(&file.slot.data_end_check, ~(int64_t)SEEN);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_DEATH), 0);
	assert_int_equal(size(), END);
	file_delete();

	file_new(O_RDWR | O_APPEND);
	atomic_store(&file.slot.positions.data_end, SEEN - 1);
	assert_int_equal(claimed_extend(&file.claimed, END, 2 * STEP, INT64_MAX), -EUCLEAN);
	assert_int_equal(claimed_settle(&file.claimed, SETTLED_DEATH), -EUCLEAN);
	assert_int_equal(size(), 2 * MIB);
	assert_true(fcntl(file.claimed.fd, F_GETFL) & O_APPEND);
	file_delete();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_word),
		cmocka_unit_test(a_whole_slot),
		cmocka_unit_test(here_and_there),
		cmocka_unit_test(what_is_known_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

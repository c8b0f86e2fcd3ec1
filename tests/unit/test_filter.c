/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extending: filter_engage, filter_handle_write. */
#include "test_filter_fake.h"

#include <string.h>

static const struct filter_options defaults = {128 * MIB, MIB};

static void disengaged_positions_are_unknown(void **state)
{
	struct filter_positions positions;

	(void)state;
	atomic_init(&positions.data_end, 5);
	atomic_init(&positions.file_end, 7);
	filter_disengage(&positions);
	assert_positions(&positions, FILTER_UNKNOWN, FILTER_UNKNOWN);
}

static void engaging_reads_the_size(void **state)
{
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	filter_disengage(&positions);
	fake_init(&fake, 4711);
	assert_int_equal(filter_engage(&positions, &fake_ops, &fake), 0);
	assert_positions(&positions, 4711, 4711);
	assert_int_equal(fake.calls[OP_GETLENGTH], 1);
}

static void engaging_that_fails_leaves_everything_unknown(void **state)
{
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	filter_disengage(&positions);
	fake_init(&fake, 4711);
	fake.error[OP_GETLENGTH] = -EIO;
	assert_int_equal(filter_engage(&positions, &fake_ops, &fake), -EIO);
	assert_positions(&positions, FILTER_UNKNOWN, FILTER_UNKNOWN);
}

static void a_write_inside_file_end_costs_nothing(void **state)
{
	static const int64_t ends[] = {0, 1, 99, 100, 101, 4095, 4096};
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	fake_extended(&fake, &positions, 100, 4096);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		assert_int_equal(filter_handle_write(&positions, &defaults, &fake_ops, &fake, 0,
						     ends[i], INT64_MAX), 0);
	assert_positions(&positions, 100, 4096);
	for (int op = 0; op < OPS; op++)
		assert_int_equal(fake.calls[op], 0);
}

#define MAX INT64_MAX

static const struct {
	const char *what;
	int64_t size, offset, end, prealloc_size, prealloc_align, max_end;
	int result;
	int64_t file_end;
} extensions[] = {
	{"an empty file, one byte", 0, 0, 1, 128 * MIB, MIB, MAX, 0, 129 * MIB},
	{"an aligned end stays", 0, 0, MIB, 128 * MIB, MIB, MAX, 0, 129 * MIB},
	{"one more byte, one more step", 0, 0, MIB + 1, 128 * MIB, MIB, MAX, 0, 130 * MIB},
	{"unaligned everything", 777, 777, 800, 1000, 512, MAX, 0, 2048},
	{"QEMU's 20M and 5M", 0, 0, MIB, 20 * MIB, 5 * MIB, MAX, 0, 25 * MIB},
	{"align above size", 0, 0, 1, 1, MIB, MAX, 0, MIB},
	{"size 0: to the next border", 0, 0, 1, 0, MIB, MAX, 0, MIB},
	{"size 0, write on the border", 0, 0, MIB, 0, MIB, MAX, 0, MIB},
	{"size 0, size and write odd", 513, 513, 514, 0, 512, MAX, 0, 1024},
	{"from inside the data", 1000, 10, 1001, 0, 512, MAX, 0, 1024},
	{"a write larger than the step", 0, 0, GIB, MIB, MIB, MAX, 0, GIB + MIB},
	{"a gap as large as the step", 0, MIB, MIB + 1, MIB, MIB, MAX, 0, 3 * MIB},
	{"a larger gap", 0, MIB + 1, MIB + 2, MIB, MIB, MAX, -EDOM, 0},
	{"a gap, size 0", 0, 1, 2, 0, MIB, MAX, -EDOM, 0},
	{"a seek over 1 TiB", 0, INT64_C(1) << 40, (INT64_C(1) << 40) + 1, 128 * MIB, MIB, MAX,
	 -EDOM, 0},
	{"limit right at the end", 0, 0, 100, MIB, MIB, 100, 0, 100},
	{"limit one below", 0, 0, 100, MIB, MIB, 99, -EFBIG, 0},
	{"limit inside the step", 0, 0, 100, MIB, MIB, 1000000, 0, 1000000},
	{"limit at the aligned end", 0, 0, 100, MIB, MIB, 2 * MIB, 0, 2 * MIB},
	{"limit below the file", 500, 500, 600, MIB, MIB, 400, -EFBIG, 500},
	{"limit 0", 0, 0, 1, MIB, MIB, 0, -EFBIG, 0},
	{"the limit before the gap", 0, 3 * MIB, 3 * MIB + 1, MIB, MIB, MIB, -EFBIG, 0},
	{"the very last byte", MAX - 1, MAX - 1, MAX, 0, 512, MAX, 0, MAX},
	{"the sum overflows", MAX - 10, MAX - 10, MAX - 5, 128 * MIB, MIB, MAX, 0, MAX},
	{"only the alignment overflows", MAX - MIB, MAX - MIB, MAX - MIB + 1, 0, 2 * MIB, MAX, 0,
	 MAX},
	{"nothing overflows by a byte", MAX - MIB - 511, MAX - MIB - 511, MAX - MIB - 510, 0, 512,
	 MAX, 0, MAX - MIB + 1},
	{"the largest step there is", 0, 0, 1, MAX, 512, MAX, 0, MAX},
	{"the largest step, a far gap", 0, MAX - 1, MAX, MAX, 512, MAX, 0, MAX},
	{"the largest step, from one byte on", 1, 1, 2, MAX, 512, MAX, 0, MAX},
};

static void the_new_end_is_computed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		struct filter_options options = {extensions[i].prealloc_size,
						 extensions[i].prealloc_align};
		struct filter_positions positions;
		struct fake fake;

		print_message("# %s\n", extensions[i].what);
		fake_engage(&fake, &positions, extensions[i].size);
		assert_int_equal(filter_handle_write(&positions, &options, &fake_ops, &fake,
						     extensions[i].offset, extensions[i].end,
						     extensions[i].max_end),
				 extensions[i].result);
		/* data_end moves only over what was really written. */
		assert_positions(&positions, extensions[i].size, extensions[i].file_end);
		assert_int_equal(fake.size, extensions[i].file_end);
		assert_int_equal(fake.calls[OP_ALLOCATE], extensions[i].result == 0);
		assert_int_equal(fake.calls[OP_TRUNCATE], 0);
	}
}

/* QEMU's arithmetic as its block/preallocate.c describes it, for a file with no alignment. */
struct seed {
	int64_t data_end, file_end;
};

static int64_t seed_align_up(int64_t value, int64_t align)
{
	return (value + align - 1) / align * align;
}

static void seed_handle_write(struct seed *seed, const struct filter_options *options, int64_t end)
{
	int64_t start;

	if (end <= seed->data_end)
		return;
	seed->data_end = end;
	if (end <= seed->file_end)
		return;
	start = seed->file_end > end ? seed->file_end : end;
	seed->file_end = seed_align_up(start + options->prealloc_size, options->prealloc_align);
}

static uint64_t random_state;

static int64_t random_below(int64_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int64_t)((random_state >> 20) % (uint64_t)limit);
}

static void every_step_is_the_seeds(void **state)
{
	(void)state;
	for (int round = 0; round < 500; round++) {
		int64_t align = FILTER_SECTOR * (1 + random_below(64));
		struct filter_options options = {random_below(3) ? random_below(MIB) : 0, align};
		int64_t size = random_below(2) ? random_below(100000) : 0;
		struct filter_positions positions;
		struct seed seed = {size, size};
		struct fake fake;
		int64_t covered;

		fake_engage(&fake, &positions, size);
		for (int step = 0; step < 50; step++) {
			int64_t room = seed.file_end + options.prealloc_size + 1;
			int64_t offset = random_below(4) ? seed.data_end : random_below(room);
			int64_t end = offset + random_below(random_below(8) ? 9000 : 2 * MIB);

			seed_handle_write(&seed, &options, end);
			assert_int_equal(filter_handle_write(&positions, &options, &fake_ops,
							     &fake, offset, end, INT64_MAX), 0);
			fake.calls[OP_ALLOCATE] = 0;
			filter_wrote(&positions, end);
			assert_positions(&positions, seed.data_end, seed.file_end);
			assert_int_equal(fake.size, seed.file_end);
		}
		assert_int_equal(filter_settle(&positions, &fake_ops, &fake, &covered), 0);
		assert_int_equal(fake.size, seed.data_end);
	}
}

static int handle_one_byte(struct fake *fake, struct filter_positions *positions,
			   const struct filter_options *options)
{
	int64_t end = atomic_load(&positions->file_end);

	return filter_handle_write(positions, options, &fake_ops, fake, end, end + 1, INT64_MAX);
}

static void without_room_the_step_is_halved(void **state)
{
	static const int errors[] = {-ENOSPC, -EDQUOT};
	static const struct filter_options options = {8 * MIB, MIB};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct filter_positions positions;
		struct fake fake;

		fake_engage(&fake, &positions, 0);
		fake.space = 3 * MIB;
		fake.space_error = errors[i];
		assert_int_equal(handle_one_byte(&fake, &positions, &options), 0);
		assert_positions(&positions, 0, 3 * MIB);
		assert_int_equal(fake.calls[OP_ALLOCATE], 3);
		assert_int_equal(fake.ends[0], 9 * MIB);
		assert_int_equal(fake.ends[1], 5 * MIB);
		assert_int_equal(fake.ends[2], 3 * MIB);
	}
}

static void halving_ends_at_the_alignment(void **state)
{
	static const struct filter_options options = {4 * MIB, MIB};
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	fake_engage(&fake, &positions, 0);
	fake.space = 0;
	fake.space_error = -ENOSPC;
	assert_int_equal(handle_one_byte(&fake, &positions, &options), -ENOSPC);
	assert_positions(&positions, 0, 0);
	/* 4, 2, 1, 0.5 MiB ahead: the last one asks for nothing but the write's own border. */
	assert_int_equal(fake.calls[OP_ALLOCATE], 4);
	assert_int_equal(fake.ends[3], MIB);
}

static void size_0_is_tried_once(void **state)
{
	static const struct filter_options options = {0, MIB};
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	fake_engage(&fake, &positions, 0);
	fake.error[OP_ALLOCATE] = -ENOSPC;
	assert_int_equal(handle_one_byte(&fake, &positions, &options), -ENOSPC);
	assert_int_equal(fake.calls[OP_ALLOCATE], 1);
}

static void any_other_error_is_final(void **state)
{
	static const int errors[] = {-EIO,	  -EOPNOTSUPP, -EFBIG, -EINTR, -EPERM,
				     -ETXTBSY, -EINVAL,	   -EBADF, -ENODEV, -ESTALE};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct filter_positions positions;
		struct fake fake;

		fake_extended(&fake, &positions, 10, 20);
		fake.error[OP_ALLOCATE] = errors[i];
		assert_int_equal(handle_one_byte(&fake, &positions, &defaults), errors[i]);
		assert_positions(&positions, 10, 20);
		assert_int_equal(fake.size, 20);
		assert_int_equal(fake.calls[OP_ALLOCATE], 1);
		assert_int_equal(fake.calls[OP_TRUNCATE], 0);
	}
}

static void headroom_is_never_exceeded(void **state)
{
	static const struct filter_options options = {8 * MIB, MIB};
	static const struct {
		int64_t headroom;
		int result;
		int64_t file_end;
	} rows[] = {
		{9 * MIB, 0, 9 * MIB},	 {9 * MIB - 1, 0, 5 * MIB}, {2 * MIB, 0, 2 * MIB},
		{MIB, 0, MIB},		 {MIB - 1, -ENOSPC, 0},	    {0, -ENOSPC, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct filter_positions positions;
		struct fake fake;

		fake_engage(&fake, &positions, 0);
		fake.headroom = rows[i].headroom;
		assert_int_equal(handle_one_byte(&fake, &positions, &options), rows[i].result);
		assert_positions(&positions, 0, rows[i].file_end);
		/* What can't be had isn't asked for. */
		assert_int_equal(fake.calls[OP_ALLOCATE], rows[i].result == 0);
		assert_int_equal(fake.calls[OP_HEADROOM], 1);
	}
}

static void unknown_headroom_is_none(void **state)
{
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	fake_engage(&fake, &positions, 0);
	fake.error[OP_HEADROOM] = -EIO;
	assert_int_equal(handle_one_byte(&fake, &positions, &defaults), -ENOSPC);
	assert_int_equal(fake.calls[OP_ALLOCATE], 0);
}

/* ext4 leaves the size grown on ENOSPC. */
static void a_failed_extension_is_put_back(void **state)
{
	static const struct filter_options options = {2 * MIB, MIB};
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	fake_extended(&fake, &positions, 5, 5);
	fake.space = 2 * MIB;
	fake.space_error = -ENOSPC;
	fake.grown_by = 12345;
	assert_int_equal(handle_one_byte(&fake, &positions, &options), 0);
	assert_int_equal(fake.calls[OP_TRUNCATE], 1);
	assert_int_equal(fake.cut_to, 5);
	assert_positions(&positions, 5, 2 * MIB);

	fake_extended(&fake, &positions, 5, 5);
	fake.error[OP_ALLOCATE] = -EIO;
	fake.grown_by = 12345;
	assert_int_equal(handle_one_byte(&fake, &positions, &options), -EIO);
	assert_positions(&positions, 5, 5);
	assert_int_equal(fake.size, 5);
}

static void a_size_that_cant_be_put_back_is_told(void **state)
{
	static const struct {
		enum op op;
		int error;
	} faults[] = {{OP_TAIL, -EIO}, {OP_TRUNCATE, -EIO}, {OP_TRUNCATE, -EPERM}};
	static const int errors[] = {-ENOSPC, -EDQUOT, -EIO};

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		for (size_t j = 0; j < sizeof(errors) / sizeof(errors[0]); j++) {
			struct filter_positions positions;
			struct fake fake;

			fake_extended(&fake, &positions, 5, 7);
			fake.error[OP_ALLOCATE] = errors[j];
			fake.grown_by = 1000;
			fake.error[faults[i].op] = faults[i].error;
			assert_int_equal(handle_one_byte(&fake, &positions, &defaults), errors[j]);
			/* And not tried again from there. */
			assert_int_equal(fake.calls[OP_ALLOCATE], 1);
			assert_int_equal(fake.size, 1007);
			assert_positions(&positions, 5, 1007);
		}
	}
}

static void nobodys_byte_is_cut_after_a_failed_extension(void **state)
{
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	fake_extended(&fake, &positions, 5, 7);
	fake.error[OP_ALLOCATE] = -ENOSPC;
	fake.grown_by = 1000;
	fake.unseen_end = 300;
	assert_int_equal(handle_one_byte(&fake, &positions, &defaults), -ENOSPC);
	assert_int_equal(fake.calls[OP_TRUNCATE], 0);
	assert_int_equal(fake.size, 1007);
	assert_positions(&positions, 5, 1007);
}

static void a_size_that_cant_be_read_is_left_alone(void **state)
{
	struct filter_positions positions;
	struct fake fake;

	(void)state;
	fake_extended(&fake, &positions, 5, 7);
	fake.error[OP_ALLOCATE] = -EIO;
	fake.error[OP_GETLENGTH] = -EIO;
	fake.grown_by = 1000;
	assert_int_equal(handle_one_byte(&fake, &positions, &defaults), -EIO);
	assert_int_equal(fake.calls[OP_TRUNCATE], 0);
	assert_positions(&positions, 5, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disengaged_positions_are_unknown),
		cmocka_unit_test(engaging_reads_the_size),
		cmocka_unit_test(engaging_that_fails_leaves_everything_unknown),
		cmocka_unit_test(a_write_inside_file_end_costs_nothing),
		cmocka_unit_test(the_new_end_is_computed),
		cmocka_unit_test(every_step_is_the_seeds),
		cmocka_unit_test(without_room_the_step_is_halved),
		cmocka_unit_test(halving_ends_at_the_alignment),
		cmocka_unit_test(size_0_is_tried_once),
		cmocka_unit_test(any_other_error_is_final),
		cmocka_unit_test(headroom_is_never_exceeded),
		cmocka_unit_test(unknown_headroom_is_none),
		cmocka_unit_test(a_failed_extension_is_put_back),
		cmocka_unit_test(a_size_that_cant_be_put_back_is_told),
		cmocka_unit_test(nobodys_byte_is_cut_after_a_failed_extension),
		cmocka_unit_test(a_size_that_cant_be_read_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

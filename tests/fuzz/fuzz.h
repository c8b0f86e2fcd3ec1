/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every fuzzer has. Its own: LLVMFuzzerTestOneInput, and for `make check`, where there is no
 * libFuzzer, FUZZ_NAME and fuzz_make: replays tests/fuzz/corpus/NAME, then goes on with inputs made or
 * mutated for so many seconds.
 *
 *	NAME [SECONDS [SEED]]		seconds: else PREALLOCATE_TEST_SECONDS, else 60
 *
 * With libFuzzer (in an empty directory, with the sources in $SRC):
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -DWITH_LIBFUZZER -D_GNU_SOURCE= -I$SRC/src \
 *		-DSYSCONFDIR='"/etc"' $SRC/tests/fuzz/NAME.c $SRC/src/{rules,recovery,base}/?*.c -o NAME
 *	./NAME -max_total_time=3600 NEW $SRC/tests/fuzz/corpus/NAME
 *	./NAME -merge=1 SMALL NEW $SRC/tests/fuzz/corpus/NAME
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *fuzz_input; /* what is being tried, printed when it fails */
static size_t fuzz_input_size;

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	printf("Bail out! %s\n# the input:", what);
	for (size_t i = 0; i < fuzz_input_size; i++)
		printf(" %02x", fuzz_input[i]);
	printf("\n");
	fflush(stdout);
	abort();
}

#ifndef WITH_LIBFUZZER

#define FUZZ_LONGEST 8192

/* An input for a beginning. At most size bytes. */
static size_t fuzz_make(unsigned int *random, uint8_t *data, size_t size);

struct fuzz_corpus {
	size_t count;
	struct {
		uint8_t *data;
		size_t size;
	} *inputs;
};

static void fuzz_try(const uint8_t *data, size_t size)
{
	/* Of its exact size: a read behind it is to be seen. */
	uint8_t *exact = malloc(size ? size : 1);

	require(exact != NULL, "no memory");
	memcpy(exact, data, size);
	fuzz_input = exact;
	fuzz_input_size = size;
	LLVMFuzzerTestOneInput(exact, size);
	fuzz_input_size = 0;
	free(exact);
}

static void fuzz_load(struct fuzz_corpus *corpus, const char *path)
{
	uint8_t data[FUZZ_LONGEST];
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file)
		return;
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	corpus->inputs = reallocarray(corpus->inputs, corpus->count + 1, sizeof(*corpus->inputs));
	require(corpus->inputs != NULL, "no memory");
	corpus->inputs[corpus->count].data = malloc(size ? size : 1);
	require(corpus->inputs[corpus->count].data != NULL, "no memory");
	memcpy(corpus->inputs[corpus->count].data, data, size);
	corpus->inputs[corpus->count++].size = size;
}

static void fuzz_load_all(struct fuzz_corpus *corpus)
{
	const char *source = getenv("PREALLOCATE_SRCDIR");
	char directory[PATH_MAX / 2], path[PATH_MAX];
	struct dirent *entry;
	DIR *all;

	snprintf(directory, sizeof(directory), "%s/tests/fuzz/corpus/" FUZZ_NAME,
		 source ? source : ".");
	all = opendir(directory);
	while (all && (entry = readdir(all)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		fuzz_load(corpus, path);
	}
	if (all)
		closedir(all);
}

static size_t fuzz_mutate(unsigned int *random, uint8_t *data, size_t size)
{
	for (int changes = rand_r(random) % 6; changes >= 0 && size > 0; changes--) {
		size_t at = (size_t)rand_r(random) % size;

		switch (rand_r(random) % 5) {
		case 0:
			data[at] ^= (uint8_t)(1 << rand_r(random) % 8);
			break;
		case 1:
			data[at] = (uint8_t)rand_r(random);
			break;
		case 2:
			data[at] = (uint8_t)(data[at] + rand_r(random) % 3 - 1);
			break;
		case 3:
			memmove(data + at, data + at + 1, --size - at);
			break;
		default:
			if (size == FUZZ_LONGEST)
				break;
			memmove(data + at + 1, data + at, size++ - at);
			data[at] = (uint8_t)rand_r(random);
		}
	}
	return size;
}

static size_t fuzz_next(const struct fuzz_corpus *corpus, unsigned int *random, uint8_t *data)
{
	size_t size, which;

	if (corpus->count == 0 || rand_r(random) % 4 == 0)
		return fuzz_make(random, data, FUZZ_LONGEST);
	which = (size_t)rand_r(random) % corpus->count;
	size = corpus->inputs[which].size;
	memcpy(data, corpus->inputs[which].data, size);
	return fuzz_mutate(random, data, size);
}

int main(int argc, char **argv)
{
	const char *seconds = getenv("PREALLOCATE_TEST_SECONDS");
	time_t end = time(NULL) + atol(argc > 1 ? argv[1] : seconds ? seconds : "60");
	unsigned int seed = argc > 2 ? (unsigned int)atol(argv[2]) : (unsigned int)time(NULL);
	struct fuzz_corpus corpus = {0};
	uint8_t data[FUZZ_LONGEST];
	unsigned long tried = 0;

	printf("1..1\n# seed %u\n", seed);
	fflush(stdout);
	fuzz_load_all(&corpus);
	for (size_t i = 0; i < corpus.count; i++)
		fuzz_try(corpus.inputs[i].data, corpus.inputs[i].size);
	for (; tried % 256 != 0 || time(NULL) < end; tried++)
		fuzz_try(data, fuzz_next(&corpus, &seed, data));
	printf("ok 1 - " FUZZ_NAME ": %zu inputs of the corpus, %lu new ones\n", corpus.count, tried);
	for (size_t i = 0; i < corpus.count; i++)
		free(corpus.inputs[i].data);
	free(corpus.inputs);
	return 0;
}

#endif
#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread-mix SECONDS DIRECTORY: 8 threads append, pwrite, ftruncate, fstat, dup, open and close on
 * the same three files, and every byte is known at the end:
 *
 *	log	O_APPEND, one description: each thread's records in order
 *	slots	each thread pwrites its own slots; one grows the file, while no other writes
 *	model	one operation at a time, compared with the same in memory
 */
#include "records.h"

#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define SLOT 200
#define SLOTS 20000 /* of a thread */
#define LOGGED 16000 /* records of a thread */
#define MODEL (4 << 20)

static struct acknowledged *ack;
static int log_fd, slots_fd, model_fd;
static double started, seconds;
static pthread_rwlock_t slots_lock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic uint64_t grown;
static unsigned written[THREADS];

static pthread_mutex_t model_lock = PTHREAD_MUTEX_INITIALIZER;
static char model[MODEL];
static size_t model_size;

static double elapsed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9 - started;
}

/* Spreads what fits into the filesystem over the whole time. */
static int is_due(uint64_t done, uint64_t of)
{
	return (double)done < (double)of * elapsed() / seconds && done < of;
}

static void append_to_log(unsigned thread)
{
	struct writer *writer = &ack->writers[thread];
	size_t length = record_length(ack, thread, writer->records);
	char record[4096];
	struct stat st;

	if (!is_due(writer->records, LOGGED))
		return;
	record_make(record, length, thread, writer->records);
	if (write(log_fd, record, length) != (ssize_t)length)
		err(98, "log");
	writer->bytes += length;
	writer->records++;
	if (fstat(log_fd, &st) < 0 || (uint64_t)st.st_size < writer->bytes)
		errx(97, "log: size %lld after %llu bytes", (long long)st.st_size,
		     (unsigned long long)writer->bytes);
}

static void raise_to(off_t end)
{
	uint64_t known = grown;

	while (known < (uint64_t)end && !atomic_compare_exchange_weak(&grown, &known,
								       (uint64_t)end))
		;
}

static void write_slot(unsigned thread)
{
	unsigned number = written[thread];
	off_t at = ((off_t)number * THREADS + thread) * SLOT;
	char record[SLOT], back[SLOT];
	struct stat st;
	int fd;

	if (!is_due(number, SLOTS))
		return;
	fd = dup(slots_fd);
	record_make(record, SLOT, thread, number);
	pthread_rwlock_rdlock(&slots_lock);
	raise_to(at + SLOT);
	if (pwrite(fd, record, SLOT, at) != SLOT)
		err(98, "slots");
	pthread_rwlock_unlock(&slots_lock);
	written[thread]++;
	if (fstat(fd, &st) < 0 || st.st_size < at + SLOT)
		errx(97, "slots: size %lld after a write up to %lld", (long long)st.st_size,
		     (long long)at + SLOT);
	if (pread(fd, back, SLOT, at) != SLOT || memcmp(record, back, SLOT))
		errx(97, "slots: other bytes read than written at %lld", (long long)at);
	close(fd);
}

static void grow_slots(unsigned *seed)
{
	pthread_rwlock_wrlock(&slots_lock);
	grown += (uint64_t)rand_r(seed) % 9000;
	if (ftruncate(slots_fd, (off_t)grown) < 0)
		err(98, "ftruncate");
	pthread_rwlock_unlock(&slots_lock);
}

/* Under the lock nobody else is in the file, whichever of its descriptions is used. */
static void change_model(unsigned *seed)
{
	int what = rand_r(seed) % 8, fd;
	size_t at = (size_t)rand_r(seed) % MODEL, length = (size_t)rand_r(seed) % 9000;
	struct stat st;
	static char back[MODEL];

	pthread_mutex_lock(&model_lock);
	fd = what == 7 ? dup(model_fd) : model_fd;
	if (at > model_size + 20000)
		at = model_size;
	if (what < 4)
		at = model_size;
	if (length > MODEL - at)
		length = MODEL - at;
	if (what == 6) {
		at = at < model_size ? model_size - at % 50000 % (model_size + 1) : at;
		if (ftruncate(fd, (off_t)at) < 0)
			err(98, "ftruncate");
		if (at < model_size)
			memset(model + at, 0, model_size - at);
		model_size = at;
	} else if (length) {
		memset(model + at, 'a' + rand_r(seed) % 26, length);
		if (pwrite(fd, model + at, length, (off_t)at) != (ssize_t)length)
			err(98, "model");
		if (at + length > model_size)
			model_size = at + length;
	}
	if (model_size > MODEL - 20000) {
		if (ftruncate(fd, 0) < 0)
			err(98, "ftruncate");
		memset(model, 0, MODEL);
		model_size = 0;
	}
	if (fstat(fd, &st) < 0 || (size_t)st.st_size != model_size)
		errx(97, "model: size %lld instead of %zu", (long long)st.st_size, model_size);
	at = model_size > 30000 ? model_size - 30000 : 0;
	if (pread(fd, back, 40000, (off_t)at) != (ssize_t)(model_size - at) ||
	    memcmp(back, model + at, model_size - at))
		errx(97, "model: other bytes read than written");
	if (fd != model_fd)
		close(fd);
	pthread_mutex_unlock(&model_lock);
}

static void *mix(void *number)
{
	unsigned thread = (unsigned)(uintptr_t)number, seed = thread;

	while (elapsed() < seconds) {
		for (int i = 0; i < 50; i++) {
			append_to_log(thread);
			write_slot(thread);
			change_model(&seed);
		}
		if (thread == 0 && rand_r(&seed) % 8 == 0)
			grow_slots(&seed);
	}
	return NULL;
}

static int slots_verify(const char *path)
{
	int fd = open(path, O_RDONLY), wrong = 0;
	struct stat st;
	char record[SLOT], back[SLOT];

	if (fd < 0 || fstat(fd, &st) < 0)
		err(98, "%s", path);
	if ((uint64_t)st.st_size != grown) {
		warnx("slots: size %lld instead of %llu", (long long)st.st_size,
		      (unsigned long long)grown);
		wrong = 1;
	}
	for (unsigned thread = 0; thread < THREADS; thread++) {
		for (unsigned i = 0; i < written[thread]; i++) {
			off_t at = ((off_t)i * THREADS + thread) * SLOT;

			record_make(record, SLOT, thread, i);
			if (pread(fd, back, SLOT, at) != SLOT || memcmp(record, back, SLOT)) {
				warnx("slots: thread %u's slot %u is wrong", thread, i);
				wrong = 1;
			}
		}
	}
	close(fd);
	return wrong;
}

static int open_in(const char *directory, const char *name, char *path, int flags)
{
	int fd;

	snprintf(path, 4096, "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0666);
	if (fd < 0)
		err(98, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	char log_path[4096], slots_path[4096], model_path[4096], ack_path[4096];
	pthread_t threads[THREADS];
	struct stat st;
	int wrong;

	if (argc != 3)
		errx(99, "usage: thread-mix SECONDS DIRECTORY");
	started = elapsed();
	seconds = atof(argv[1]);
	snprintf(ack_path, sizeof(ack_path), "%s/acknowledged", argv[2]);
	ack = acknowledged_map(ack_path);
	ack->shortest = 40;
	ack->longest = 3000;
	log_fd = open_in(argv[2], "log.data", log_path, O_APPEND);
	slots_fd = open_in(argv[2], "slots.data", slots_path, 0);
	model_fd = open_in(argv[2], "model.data", model_path, 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, mix, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (fstat(model_fd, &st) < 0)
		err(98, "fstat");
	close(log_fd);
	close(slots_fd);
	close(model_fd);
	wrong = file_verify(log_path, ack, ack, NOTHING_IN_FLIGHT) |
		slots_verify(slots_path);
	printf("log %llu bytes, model %lld\n", (unsigned long long)acknowledged_bytes(ack),
	       (long long)st.st_size);
	return wrong;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of the end. Behind data whose last byte isn't zero there is nothing but zeroes: that
 * byte tells by itself, after any crash, where the data ends. Only of data that ends in a zero byte
 * something has to be written down: in the last page of what is allocated ahead, so that it goes to
 * the disk with the program's own sync, as data. The guardian alone writes it: it alone cuts, so it
 * can't write behind the end of a file that has just been cut. Most such programs have a habit, as
 * records of one size or strings; that is recorded, too, and what keeps to it isn't recorded any more.
 */
#ifndef RECOVERY_RECORD_H
#define RECOVERY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#define RECORD_BYTES INT64_C(4096) /* a page: also an O_DIRECT description may write it */
#define RECORD_LONGEST_STRIDE (INT64_C(1) << 20)

/* Positions in bytes, >= 0. */
struct record {
	uint32_t key;	     /* the mark's */
	bool open;	     /* appends that end in zero bytes may follow, unrecorded */
	uint64_t ino;
	int64_t synced_end;  /* what the program has synced, at most end */
	int64_t end;	     /* where the data ended */
	int64_t nonzero_end; /* behind the last byte of it that isn't zero; 0: not known */
	/*
	 * Where data end that come behind `end`: so many zeroes behind their last byte that isn't one; or
	 * at the next multiple of stride, counted from `end`; both 0: at that byte. One of them at most,
	 * neither above RECORD_LONGEST_STRIDE.
	 */
	int64_t zeroes, stride;
};

/* Where data end whose last byte that isn't zero is before nonzero_end. */
int64_t record_told_end(const struct record *record, int64_t nonzero_end);

/* Where the record of a file of this real size is; -1: it has no room for one. */
int64_t record_place(int64_t file_end);

void record_encode(const struct record *record, unsigned char page[static RECORD_BYTES]);

/* Any page. -EINVAL: no record, not a whole one, or with bytes behind it. */
int record_decode(struct record *record, const unsigned char page[static RECORD_BYTES]);

/* 0 or -errno. */
int record_write(int fd, int64_t at, const struct record *record);

/* Zeroes in its place again, by the filesystem's journal where it can. */
int record_clear(int fd, int64_t at);

/* Does the page at `at` hold a record of this key? 1, 0 or -errno. */
int record_read(int fd, int64_t at, uint32_t key, uint64_t ino, struct record *record);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof of emptiness: has anybody put a byte into a tail that should hold none? */
#ifndef RECOVERY_TAIL_H
#define RECOVERY_TAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The end of the last byte in [from, to) that isn't zero, or from when there is none; -errno when
 * it can't be found out. Where the description isn't readable, a page that the filesystem reports
 * as data counts whole, and the rest of the page that holds `from` isn't looked at (nobody can:
 * every open would break our own lease).
 *
 * may_seek: may move the description's offset for a moment; the caller keeps other users of the offset
 * out. Otherwise a readable one is read instead, from end to end; for one that isn't there is no other way.
 */
int64_t tail_data_end(int fd, bool readable, bool may_seek, int64_t from, int64_t to);

/*
 * Can tail_data_end tell for this description? Not where it isn't readable and the filesystem has
 * no extent map: tmpfs reports a large folio that was once written to as data, up to its end.
 */
bool tail_is_provable(int fd, bool readable);

/*
 * Nothing of the pages behind the one that holds `from` is in the cache, nor written to the disk: what comes
 * to be there is written from now on. False also where the filesystem can't tell.
 */
bool tail_is_vacant(int fd, int64_t from);

/*
 * The end of the last block in [from, to) that was ever written to, or from; -errno. Where the
 * filesystem has no extent map: of the last data that SEEK_DATA reports, perhaps more than was written.
 * Writes out what is in the cache, and may move the description's offset for a moment.
 */
int64_t tail_block_end(int fd, int64_t from, int64_t to);

/*
 * Brings the bytes in [from, to) to the disk before any size that is set after this. 0 or -errno, which the
 * description's next sync isn't told any more.
 */
int tail_write_out(int fd, int64_t from, int64_t to);

/* How much before `to` has yet to come to the disk; -errno: that can't be told. */
int64_t tail_dirty_bytes(int fd, int64_t to);

#endif

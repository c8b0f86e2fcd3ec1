/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One ring of liburing's, linked by a program or brought in by a plugin. */
#ifndef TESTS_PRELOAD_RING_H
#define TESTS_PRELOAD_RING_H

#include <stdint.h>

/* 'w'rite, 'r'ead, 's'ync, 'c'lose; fixed: fd is an index. Returns its result, or below -1000. */
int ring_request(int what, int fd, int fixed, void *buffer, unsigned int bytes, uint64_t offset);

/* 0 or -errno. */
int ring_new(int polled);
int ring_register(int fd);
int ring_update(int fd);
void ring_end(void);

/* Two writes one after the other in one submission: the sum of what they returned. */
int ring_pair(int fd, void *buffer, unsigned int bytes, uint64_t offset);

#endif

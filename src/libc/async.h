/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is about to be submitted reaches the files at its own time: keep from then on. */
#ifndef LIBC_ASYNC_H
#define LIBC_ASYNC_H

#include "libc/real.h"

/* Before io_submit(2). */
void async_submitting(long count, struct iocb **iocbs);
/* The same for one descriptor. */
void async_release(int fd);

/* A ring that we can't look into is set up, or used. */
void uring_unwatched(void);
/* Before io_uring_register(2). */
void uring_registering(unsigned int opcode, const void *argument, unsigned int count);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIBC_PROCESS_H
#define LIBC_PROCESS_H

#include <stdbool.h>

/* Registers with pthread_atfork(3). */
void process_init(void);

/*
 * The program may be about to forbid itself system calls: prctl(PR_SET_SECCOMP, mode, filter). A
 * filter of NULL is a question only.
 */
void process_before_seccomp(long mode, long filter);

/* prctl(option) is one of the calls in identity.c. */
bool process_changes_identity(long option);

/* Descriptors on their way to another process. */
struct msghdr;
void process_sending(const struct msghdr *message);

/* Makes a system call that forks. */
long process_fork_by(long (*call)(long number, const long *a), long number, const long *a);

#endif

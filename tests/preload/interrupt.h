/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libinterrupt.so stands between the library and libc: its write and pwrite call this first, once, as a signal
 * handler would that comes right before the system call.
 */
extern void (*interrupt)(void);

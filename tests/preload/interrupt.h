/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libinterrupt.so stands between the library and libc: its write and pwrite call this first, once, as a signal
 * handler would that comes right before the system call. Of libc's cancellation points that nobody but the library
 * calls, sendmsg, recv and poll, it counts the calls.
 */
extern void (*interrupt)(void);
extern volatile int cancellation_points;

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIBC_IDENTITY_H
#define LIBC_IDENTITY_H

/*
 * Around a call that changes who the program is: nothing is extended, and there is no guardian, until it
 * has returned. errno is kept behind it.
 */
void identity_begin(void);
void identity_end(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter of system calls that was there before the program (seccomp(2)): a service manager's, a container's.
 * It may kill for a call that it doesn't know, so what isn't among the calls of an ordinary service (systemd's
 * @system-service, tests/lib/system-service.txt) is made only where there is none.
 */
#ifndef BASE_SECCOMP_H
#define BASE_SECCOMP_H

#include <stdbool.h>

/* Asked once: one that the program itself sets up later has us leave first (files_leave). */
bool seccomp_is_in_force(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLAIM_SPAWN_H
#define CLAIM_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts the program that is open as `program` (helper_open), by the name, with fd as its GUARDIAN_SOCKET and nothing
 * else open, so that neither wait(2) nor SIGCHLD ever tell the caller of it; *spawned is its id. 0 or -errno
 * (of execveat too).
 */
int spawn_hidden(int program, const char *name, int fd, pid_t *spawned);

/*
 * Would a child of a child of ours be seen by this process after all, or be left with somebody? It is adopted
 * by the nearest subreaper, or by a namespace's PID 1, which has to be one that looks after strangers; and a
 * process whose children are in another PID namespace would make it PID 1 there.
 */
bool spawn_would_show(void);

/* Gives fd a number that is out of the program's way, close-on-exec; fd itself is closed. */
int fd_out_of_the_way(int fd);

#endif

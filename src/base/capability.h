/* SPDX-License-Identifier: GPL-2.0-or-later */
/* capabilities(7) of the calling thread, as far as files and ptrace(2) go by them. */
#ifndef BASE_CAPABILITY_H
#define BASE_CAPABILITY_H

#include <stdint.h>

/* A bit for each capability. */
struct capabilities {
	uint64_t permitted, effective;
};

/* 0 or -errno. */
int capabilities_get(struct capabilities *now);

/* Gives up what isn't in most, for good. 0 or -errno. *now: what is left. */
int capabilities_lower(const struct capabilities *most, struct capabilities *now);

#endif

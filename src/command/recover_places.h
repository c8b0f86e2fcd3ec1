/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directories and files that a configuration's rules name. */
#ifndef COMMAND_RECOVER_PLACES_H
#define COMMAND_RECOVER_PLACES_H

#include <stddef.h>

struct places {
	char **list;
	size_t count;
};

/*
 * Of each rule but those with mode=off what its pattern has before the first wildcard. Names on
 * standard error the patterns without a directory. config: NULL: as the library finds it. 0 or an
 * exit status, after a message.
 */
int places_load(struct places *places, const char *config);

void places_free(struct places *places);

#endif

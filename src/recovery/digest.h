/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FNV-1a, 32 bits (draft-eastlake-fnv): tells a torn or foreign piece from one of ours. */
#ifndef RECOVERY_DIGEST_H
#define RECOVERY_DIGEST_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t digest(const void *data, size_t bytes)
{
	const unsigned char *byte = data;
	uint32_t hash = UINT32_C(2166136261);

	while (bytes--)
		hash = (hash ^ *byte++) * UINT32_C(16777619);
	return hash;
}

#endif

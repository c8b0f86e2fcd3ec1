/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record-check [-i] ACKNOWLEDGED FILE
 *
 * Succeeds if FILE holds every acknowledged record, whole and in order, and nothing else; with -i
 * a write may have been in flight.
 */
#include "records.h"

#include <err.h>
#include <string.h>

int main(int argc, char **argv)
{
	int in_flight = argc == 4 && !strcmp(argv[1], "-i");

	if (argc != 3 + in_flight)
		errx(99, "usage: record-check [-i] ACKNOWLEDGED FILE");
	argv += in_flight;
	return file_verify(argv[2], acknowledged_map(argv[1]),
			   in_flight ? WRITE_IN_FLIGHT : NOTHING_IN_FLIGHT);
}

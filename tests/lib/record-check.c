/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record-check [-i] [-s SNAPSHOT] [-f FILES] ACKNOWLEDGED FILE
 *
 * Succeeds if FILE holds every acknowledged record, whole and in order, and nothing else. With -i
 * a write may have been in flight; with -s only what the older copy SNAPSHOT acknowledges must be
 * there, and more may be. With -f the files are FILE.0 ... of an appender -f.
 *
 * record-check -b ACKNOWLEDGED prints the acknowledged bytes.
 */
#include "records.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	enum in_flight in_flight = NOTHING_IN_FLIGHT;
	const struct acknowledged *snapshot = NULL, *ack;
	int option, print_bytes = 0;
	unsigned files = 0;

	while ((option = getopt(argc, argv, "ibf:s:")) != -1) {
		switch (option) {
		case 'i': in_flight = WRITE_IN_FLIGHT; break;
		case 'b': print_bytes = 1; break;
		case 'f': files = (unsigned)atoi(optarg); break;
		case 's': snapshot = acknowledged_map(optarg); break;
		default: return 99;
		}
	}
	if (argc - optind != 2 - print_bytes)
		errx(99, "usage: record-check [-i] [-s SNAPSHOT] [-f FILES] ACKNOWLEDGED FILE");
	ack = acknowledged_map(argv[optind]);
	if (print_bytes) {
		printf("%llu\n", (unsigned long long)acknowledged_bytes(ack));
		return 0;
	}
	return files_verify(argv[optind + 1], files, snapshot ? snapshot : ack, ack, in_flight);
}

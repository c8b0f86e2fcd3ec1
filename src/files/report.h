/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was done for each file, for people and for machines (PREALLOCATE_REPORT). */
#ifndef FILES_REPORT_H
#define FILES_REPORT_H

#include "files/description.h"

/* destination: "stderr", or a path (JSON if it ends in .json); NULL: no report. */
void report_init(const char *destination);

/* The description's last descriptor is closed, or the program exits: its line. */
void report_closed(struct description *description);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On standard output: an array of flat objects, or one object that may hold such arrays. */
#ifndef COMMAND_JSON_H
#define COMMAND_JSON_H

#include <stdbool.h>
#include <stdint.h>

void json_begin(void);			/* the array */
void json_end(void);
void json_object_begin(void);
void json_object_end(void);

void json_single_begin(void);		/* the one object */
void json_single_end(void);
void json_list_begin(const char *name);
void json_list_end(void);

/* Bytes that aren't UTF-8 become lone surrogates U+DC80 to U+DCFF, as Python's os.fsencode takes. */
void json_string(const char *name, const char *value);
void json_number(const char *name, int64_t value);
void json_bool(const char *name, bool value);
void json_decimal(const char *name, double value);
void json_decimals(const char *name, const double *values, int number);

#endif

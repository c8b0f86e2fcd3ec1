/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command/json.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static struct {
	bool any_object;
	bool any_member;
} written;

void json_begin(void)
{
	written.any_object = false;
	putchar('[');
}

void json_end(void)
{
	puts(written.any_object ? "\n]" : "]");
}

void json_object_begin(void)
{
	fputs(written.any_object ? ",\n  {" : "\n  {", stdout);
	written.any_object = true;
	written.any_member = false;
}

void json_object_end(void)
{
	putchar('}');
}

void json_single_begin(void)
{
	written.any_member = false;
	putchar('{');
}

void json_single_end(void)
{
	puts("}");
}

static void put_text(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	putchar('"');
	while (*p) {
		size_t length = utf8_length(p);

		if (length == 0)
			printf("\\udc%02x", *p++);
		else if (*p == '"' || *p == '\\')
			printf("\\%c", *p++);
		else if (*p < ' ' || *p == 0x7f)
			printf("\\u%04x", *p++);
		else
			p += fwrite(p, 1, length, stdout);
	}
	putchar('"');
}

static void put_name(const char *name)
{
	if (written.any_member)
		fputs(", ", stdout);
	written.any_member = true;
	put_text(name);
	fputs(": ", stdout);
}

void json_list_begin(const char *name)
{
	put_name(name);
	written.any_object = false;
	putchar('[');
}

void json_list_end(void)
{
	fputs(written.any_object ? "\n]" : "]", stdout);
	written.any_member = true;
}

void json_string(const char *name, const char *value)
{
	put_name(name);
	put_text(value);
}

void json_number(const char *name, int64_t value)
{
	put_name(name);
	printf("%" PRId64, value);
}

void json_bool(const char *name, bool value)
{
	put_name(name);
	fputs(value ? "true" : "false", stdout);
}

void json_decimal(const char *name, double value)
{
	put_name(name);
	printf("%.4f", value);
}

void json_decimals(const char *name, const double *values, int number)
{
	put_name(name);
	for (int i = 0; i < number; i++)
		printf("%s%.4f", i ? ", " : "[", values[i]);
	putchar(']');
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sequence as a reader of C expects it, with the numbers of the last run. */
#include "differ.h"

#include <fcntl.h>

static void print_flags(FILE *to, const struct call *call, int flags)
{
	static const struct {
		int flag;
		const char *name;
	} names[] = {
		{O_APPEND, "O_APPEND"},	    {O_TRUNC, "O_TRUNC"},     {O_CREAT, "O_CREAT"},
		{O_EXCL, "O_EXCL"},	    {O_DIRECT, "O_DIRECT"},   {O_SYNC, "O_SYNC"},
		{O_DSYNC, "O_DSYNC"},	    {O_CLOEXEC, "O_CLOEXEC"}, {O_NONBLOCK, "O_NONBLOCK"},
		{O_NOATIME, "O_NOATIME"},   {O_PATH, "O_PATH"},	      {O_DIRECTORY, "O_DIRECTORY"},
		{O_NOFOLLOW, "O_NOFOLLOW"},
	};
	static const char *const access[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "3"};

	if (call->kind == CHILD || (call->kind == RARE && call->words_count)) {
		fprintf(to, "%d", flags);
		return;
	}
	fputs(access[flags & O_ACCMODE], to);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((flags & names[i].flag) != names[i].flag)
			continue;
		fprintf(to, "|%s", names[i].name);
		flags &= ~names[i].flag;
	}
}

static void print_number(FILE *to, int64_t number, const struct value *value)
{
	static const char *const bases[] = {"", "data_end", "file_end", "offset", "limit"};

	fprintf(to, "%lld", (long long)number);
	if (value->base == ABSOLUTE)
		return;
	fprintf(to, " [%s", bases[value->base]);
	if (value->delta != 0)
		fprintf(to, "%+lld", (long long)value->delta);
	fputc(']', to);
}

static void print_buffer(FILE *to, const struct operation *op)
{
	switch (op->buffer) {
	case ZEROES:
		fputs("zeroes", to);
		break;
	case BAD:
		fputs("bad", to);
		break;
	case HALF_BAD:
		fputs("half_bad", to);
		break;
	default:
		fprintf(to, "data + %u", op->from);
	}
}

static void print_form(FILE *to, const struct operation *op, const char *form)
{
	const struct call *call = call_of(op);

	for (; *form; form++) {
		if (*form != '%') {
			fputc(*form, to);
			continue;
		}
		switch (*++form) {
		case 'f':
			fprintf(to, "fd%u", op->slot);
			break;
		case 'g':
			fprintf(to, "fd%u", op->other);
			break;
		case 'n':
			fprintf(to, "name%u", op->name);
			break;
		case 'N':
			fprintf(to, "name%u", (op->name + 1U) % NAMES);
			break;
		case 'a':
			print_number(to, op->at_was, &op->at);
			break;
		case 'l':
			print_number(to, op->length_was, &op->length);
			break;
		case 'b':
			print_buffer(to, op);
			break;
		case 'o':
			fprintf(to, "%u", op->from);
			break;
		case 'F':
			print_flags(to, call, op->flags);
			break;
		case 'w':
			print_form(to, op, call->words[op->word]);
			break;
		default:
			fputc(*form, to);
		}
	}
}

void print_operation(FILE *to, const struct operation *op)
{
	print_form(to, op, call_of(op)->form);
	fputc(';', to);
	if (op->checks)
		fprintf(to, " /* then%s%s%s%s */", op->checks & CHECK_STAT ? " fstat" : "",
			op->checks & CHECK_OFFSET ? " offset" : "",
			op->checks & CHECK_FLAGS ? " F_GETFL" : "",
			op->checks & CHECK_BYTES ? " all bytes" : "");
	fputc('\n', to);
}

void print_sequence(FILE *to, const struct shared *shared)
{
	for (uint32_t i = 0; i < shared->count; i++) {
		fputs(i == shared->current ? "# ->	" : "#	", to);
		print_operation(to, &shared->operations[i]);
	}
	if (shared->current == shared->count)
		fputs("# ->	/* the end: all descriptors are closed */\n", to);
}

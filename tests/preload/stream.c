/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stdio and dprintf: libc writes from the inside, so streams are never extended. */
#include "transcript.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char bytes[50000];

static void with_mode(const char *name, const char *mode)
{
	FILE *stream;
	char line[100] = "";

	section(name);
	CALL(close(open(file, O_RDWR | O_CREAT, 0640)));
	stream = fopen(file, mode);
	CALL(stream != NULL);
	CALL(fileno(stream));
	CALL(fprintf(stream, "%d %s\n", 42, "words"));
	CALL(fputs("a line\n", stream));
	CALL(fputc('c', stream));
	CALL(putc('d', stream));
	CALL(putc_unlocked('e', stream));
	CALL(fwrite(bytes, 100, 7, stream));
	state(fileno(stream));
	CALL(fflush(stream));
	state(fileno(stream));
	CALL(fwrite(bytes, 1, sizeof(bytes), stream));
	CALL(ftell(stream));
	CALL(fseek(stream, -10, SEEK_END));
	CALL(fgets(line, sizeof(line), stream) != NULL);
	CALL(fseek(stream, 3, SEEK_SET));
	CALL(fwrite(bytes, 1, 10, stream));
	CALL(fseek(stream, 0, SEEK_END));
	CALL(ftell(stream));
	CALL(ferror(stream));
	CALL(fclose(stream));
	state_of(file);
}

static int print_to(FILE *stream, int fd, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = stream ? vfprintf(stream, format, arguments) : vdprintf(fd, format, arguments);
	va_end(arguments);
	return length;
}

/* The descriptor was extended before it became a stream's. */
static void of_a_descriptor(const char *mode, int flags)
{
	int fd = start("fdopen", O_RDWR | flags);
	FILE *stream = fdopen(fd, mode);

	CALL(stream != NULL);
	if (!stream)
		return;
	CALL(print_to(stream, -1, "%s %d\n", "printed", 7));
	CALL(fwrite(bytes, 1, 20000, stream));
	state(fd);
	CALL(write(fd, "past the stream", 15));
	state(fd);
	CALL(fflush(stream));
	CALL(write(fd, "again", 5));
	CALL(fclose(stream));
	state_of(file);
}

static void printed_directly(int flags)
{
	int fd = start("dprintf", O_RDWR | flags);

	CALL(dprintf(fd, "%s %d %f\n", "printed", 7, 1.5));
	CALL(print_to(NULL, fd, "%s %d\n", "printed", 7));
	CALL(dprintf(fd, "%30000s|", "wide"));
	CALL(dprintf(fd, "%s", ""));
	EXTENDED(fd);
	CALL(dprintf(999, "nothing"));
	CALL(dprintf(-1, "nothing"));
	state(fd);
	EXTENDED(fd);
	finish(fd);
}

static void reopened(void)
{
	FILE *stream;
	char first[sizeof(file)];

	section("freopen");
	strcpy(first, file);
	stream = fopen(file, "w");
	CALL(fputs("first file", stream));
	section("freopened");
	stream = freopen(file, "a", stream);
	CALL(stream != NULL);
	state_of(first);
	CALL(fputs("second file", stream));
	stream = freopen(file, "r+", stream);
	CALL(fputs("SECOND", stream));
	stream = freopen(NULL, "a", stream);
	CALL(stream != NULL);
	if (stream) {
		CALL(fputs("more", stream));
		CALL(fclose(stream));
	}
	state_of(file);
}

/* Standard output in a file, as a shell leaves it to its child. */
static void standard_output(void)
{
	int fd = start("stdout", O_WRONLY | O_APPEND);
	int saved = fcntl(1, F_DUPFD_CLOEXEC, 10);
	int results[3];

	dup2(fd, 1);
	close(fd);
	results[0] = printf("%d lines\n", 3);
	results[1] = puts("a line");
	for (int i = 0; i < 3000; i++)
		printf("line %d\n", i);
	results[2] = fflush(stdout);
	dup2(saved, 1);
	close(saved);
	for (int i = 0; i < 3; i++)
		CALL(results[i]);
	state_of(file);
}

static void not_closed(void)
{
	FILE *stream;

	section("not-closed");
	stream = fopen(file, "w");
	CALL(fwrite(bytes, 1, 12345, stream));
	say("%d\n", (int)ferror(stream));
}

static void temporary(void)
{
	FILE *stream = tmpfile();

	CALL(fwrite(bytes, 1, 12345, stream));
	state(fileno(stream));
	CALL(fclose(stream));
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	with_mode("w", "w");
	with_mode("w-plus", "w+");
	with_mode("a", "a");
	with_mode("a-plus", "a+");
	with_mode("r-plus", "r+");
	with_mode("exclusive", "we");
	of_a_descriptor("w", 0);
	of_a_descriptor("a", 0);
	of_a_descriptor("r+", O_APPEND);
	of_a_descriptor("nonsense", 0);
	printed_directly(0);
	printed_directly(O_APPEND);
	reopened();
	standard_output();
	temporary();
	not_closed();
}

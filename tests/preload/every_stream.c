/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stream's file is never extended: it was, until the stream came. */
#include "every.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEST(name) static void name(void *call, int fd)

static void filled(FILE *stream)
{
	CALL(fwrite(every_bytes, 1, 3000, stream));
	CALL(fflush(stream));
	CALL(ftell(stream));
	CALL(fclose(stream));
}

TEST(fopens) { (void)fd; filled(AS(fopen)(file, "a+")); }
TEST(freopens) { (void)fd; filled(AS(freopen)(file, "r+", fopen("/dev/null", "r"))); }
TEST(fdopens) { filled(AS(fdopen)(fd, "r+")); }
TEST(attaches)
{
	FILE *stream = fopen("/dev/null", "r");

	/* It refuses a stream that is open. */
	CALL(((FILE *(*)(FILE *, int))call)(stream, fd) == NULL);
	fclose(stream);
}
TEST(fcloses)
{
	FILE *stream = fdopen(fd, "r+");

	CALL(fwrite(every_bytes, 1, 3000, stream));
	CALL(AS(fclose)(stream));
}

static FILE *stream_on(int fd)
{
	return fdopen(dup(fd), "r+");
}

static void put(FILE *stream, long long result)
{
	CALL(result);
	CALL(fflush(stream));
	CALL(ftell(stream));
	CALL(fclose(stream));
}

TEST(fwrites) { FILE *s = stream_on(fd); put(s, (long long)AS(fwrite)(every_bytes, 1, 3000, s)); }
TEST(fputss) { FILE *s = stream_on(fd); put(s, AS(fputs)("some text", s) >= 0); }
TEST(fputcs) { FILE *s = stream_on(fd); put(s, AS(fputc)('x', s)); }
TEST(fprintfs) { FILE *s = stream_on(fd); put(s, AS(fprintf)(s, "%s %d\n", "text", 7)); }
TEST(fprintfs_chk)
{
	FILE *s = stream_on(fd);

	put(s, ((int (*)(FILE *, int, const char *, ...))call)(s, 1, "%s %d\n", "text", 7));
}

static void with_list(void *call, int fd, bool flagged, const char *format, ...)
{
	FILE *s = stream_on(fd);
	va_list list;

	va_start(list, format);
	if (flagged)
		put(s, ((int (*)(FILE *, int, const char *, va_list))call)(s, 1, format, list));
	else
		put(s, AS(vfprintf)(s, format, list));
	va_end(list);
}

TEST(vfprintfs) { with_list(call, fd, false, "%s %d\n", "text", 7); }
TEST(vfprintfs_chk) { with_list(call, fd, true, "%s %d\n", "text", 7); }

const struct every_row every_stream_rows[] = {
	{"fopen fopen64 _IO_fopen", fopens},
	{"freopen freopen64", freopens},
	{"fdopen _IO_fdopen", fdopens},
	{"_IO_file_attach", attaches},
	{"fclose _IO_fclose", fcloses},
	{"fwrite fwrite_unlocked _IO_fwrite", fwrites},
	{"fputs fputs_unlocked _IO_fputs", fputss},
	{"fputc fputc_unlocked putc putc_unlocked _IO_putc", fputcs},
	{"fprintf _IO_fprintf", fprintfs},
	{"__fprintf_chk", fprintfs_chk},
	{"vfprintf _IO_vfprintf", vfprintfs},
	{"__vfprintf_chk", vfprintfs_chk},
	{NULL, NULL},
};

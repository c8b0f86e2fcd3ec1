/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stdio: libc writes a stream's buffer from the inside, where no preload reaches. So streams are
 * in mode keep: topped up by counting what goes into them, trimmed at fclose.
 */
#include "base/sys.h"
#include "libc/export.h"
#include "recovery/mark.h"

#include <stdio.h>
#include <string.h>

/* Macros in some headers, functions here. */
#undef putc
#undef putc_unlocked
#undef fputc_unlocked
#undef fputs_unlocked
#undef fwrite_unlocked

/* fopen(3): what each mode opens with. */
static int flags_of(const char *mode)
{
	int access = strchr(mode, '+') ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;

	return access | (mode[0] == 'a' ? O_APPEND : 0);
}

/* A stream in memory has none (-1), and the program isn't told of that by errno. */
static int descriptor_of(FILE *stream)
{
	int saved_errno = errno;
	int fd = fileno(stream);

	errno = saved_errno;
	return fd;
}

static FILE *note(FILE *stream, const char *mode, const char *name)
{
	if (stream && !thread_state.vforked)
		files_stream_opened(fileno(stream), flags_of(mode), name);
	return stream;
}

/* What a crash has left extended is recovered, and opened again. */
static FILE *open_stream(FILE *(*call)(const char *, const char *), const char *path,
			 const char *mode)
{
	FILE *stream = call(path, mode);
	int flags = flags_of(mode) | (mode[0] == 'w' ? O_TRUNC : 0);
	int again = stream && !thread_state.vforked
			    ? files_revive_begin(fileno(stream), flags, path) : -1;

	if (again >= 0) {
		REAL(fclose)(stream);
		files_revive_end(again, path);
		stream = call(path, mode);
	}
	return note(stream, mode, path);
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	return open_stream(REAL(fopen), path, mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	return open_stream(REAL(fopen64), path, mode);
}

/* What the stream holds goes out first, so that what is closed is complete. */
static int closing(FILE *stream)
{
	int fd = stream ? descriptor_of(stream) : -1;
	int result;

	if (!managed(fd))
		return 0;
	result = fflush(stream);
	files_closing(fd);
	return result;
}

/* A stream can't be opened again without closing what it has been: so before. */
static void revive(const char *path)
{
	if (!path || thread_state.vforked || sys.getxattr(path, MARK_NAME, NULL, 0) <= 0)
		return;
	close(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	closing(stream);
	revive(path);
	stream = REAL(freopen)(path, mode, stream);
	return path ? note(stream, mode, path) : stream;
}

EXPORT FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
	closing(stream);
	revive(path);
	stream = REAL(freopen64)(path, mode, stream);
	return path ? note(stream, mode, path) : stream;
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
	if (!managed(fd))
		return REAL(fdopen)(fd, mode);
	return PLAIN(FILE *, REAL(fdopen)(fd, mode), fd, KEEP_STREAM);
}

EXPORT int fclose(FILE *stream)
{
	/* The real one has nothing left to fail with. */
	int flushed = closing(stream);
	int saved_errno = errno;
	int closed = REAL(fclose)(stream);

	if (flushed != 0)
		errno = saved_errno;
	return flushed != 0 ? flushed : closed;
}

static void count(FILE *stream, size_t bytes)
{
	int fd;

	/* Of nothing libc doesn't look at the stream. */
	if (bytes == 0 || !descriptions_exist() || thread_state.vforked)
		return;
	fd = descriptor_of(stream);
	if (fd >= 0)
		keep_count(fd, bytes);
}

EXPORT size_t fwrite(const void *buffer, size_t size, size_t items, FILE *stream)
{
	count(stream, size * items);
	return REAL(fwrite)(buffer, size, items, stream);
}

EXPORT size_t fwrite_unlocked(const void *buffer, size_t size, size_t items, FILE *stream)
{
	count(stream, size * items);
	return REAL(fwrite_unlocked)(buffer, size, items, stream);
}

EXPORT int fputs(const char *text, FILE *stream)
{
	if (descriptions_exist())
		count(stream, __builtin_strlen(text));
	return REAL(fputs)(text, stream);
}

EXPORT int fputs_unlocked(const char *text, FILE *stream)
{
	if (descriptions_exist())
		count(stream, __builtin_strlen(text));
	return REAL(fputs_unlocked)(text, stream);
}

EXPORT int fputc(int c, FILE *stream)
{
	count(stream, 1);
	return REAL(fputc)(c, stream);
}

EXPORT int putc(int c, FILE *stream)
{
	count(stream, 1);
	return REAL(putc)(c, stream);
}

EXPORT int fputc_unlocked(int c, FILE *stream)
{
	count(stream, 1);
	return REAL(fputc_unlocked)(c, stream);
}

EXPORT int putc_unlocked(int c, FILE *stream)
{
	count(stream, 1);
	return REAL(putc_unlocked)(c, stream);
}

/* Counted afterwards: the length isn't known before. */
static int printed(FILE *stream, int length)
{
	if (length > 0)
		count(stream, (size_t)length);
	return length;
}

EXPORT int vfprintf(FILE *stream, const char *format, va_list arguments)
{
	return printed(stream, REAL(vfprintf)(stream, format, arguments));
}

EXPORT int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list arguments)
{
	return printed(stream, REAL(__vfprintf_chk)(stream, flag, format, arguments));
}

EXPORT int fprintf(FILE *stream, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vfprintf(stream, format, arguments);
	va_end(arguments);
	return length;
}

EXPORT int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = __vfprintf_chk(stream, flag, format, arguments);
	va_end(arguments);
	return length;
}

/* Names that glibc's libio gives the same functions, for old programs. */
ALIAS(_IO_fopen, fopen);
ALIAS(_IO_fdopen, fdopen);
ALIAS(_IO_fclose, fclose);
ALIAS(_IO_fwrite, fwrite);
ALIAS(_IO_fputs, fputs);
ALIAS(_IO_putc, putc);
ALIAS(_IO_fprintf, fprintf);

ALIAS(_IO_vfprintf, vfprintf);

FILE *_IO_file_attach(FILE *stream, int fd);

EXPORT FILE *_IO_file_attach(FILE *stream, int fd)
{
	return PLAIN(FILE *, OF_LIBRARY(_IO_file_attach, NULL, stream, fd), fd, KEEP_STREAM);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams in the forms that stream.c leaves out: buffering, wide ones, odd modes and odd endings. */
#include "transcript.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <wchar.h>

static char bytes[50000];

static void exclusive(void)
{
	FILE *stream;

	section("x");
	stream = fopen(file, "wx");
	CALL(fwrite(bytes, 1, 5000, stream));
	CALL(fclose(stream));
	CALL(fopen(file, "wx") != NULL);
	stream = fopen(file, "w+x");
	CALL(stream != NULL);
	stream = fopen(file, "a+e");
	CALL(fcntl(fileno(stream), F_GETFD));
	CALL(fwrite(bytes, 1, 5000, stream));
	CALL(fclose(stream));
	stream = fopen(file, "rb+");
	CALL(fseek(stream, 0, SEEK_END));
	CALL(fwrite(bytes, 1, 5000, stream));
	CALL(fclose(stream));
	state_of(file);
	CALL(fopen(file, "q") != NULL);
	CALL(fopen("none/none.dat", "w") != NULL);
}

static void buffered(const char *name, int how, size_t size)
{
	static char buffer[100000];
	FILE *stream;

	section(name);
	stream = fopen(file, "w+");
	CALL(setvbuf(stream, size ? buffer : NULL, how, size));
	for (int i = 0; i < 300; i++) {
		fprintf(stream, "line %d of a stream\n", i);
		fputs("and half a line", stream);
		fputs_unlocked("and more;", stream);
		fwrite_unlocked(bytes, 3, 7, stream);
		putc_unlocked('\n', stream);
	}
	state(fileno(stream));
	CALL(fflush(stream));
	state(fileno(stream));
	CALL(fputc('x', stream));
	CALL(fclose(stream));
	state_of(file);
}

static int print_wide(FILE *stream, const wchar_t *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vfwprintf(stream, format, arguments);
	va_end(arguments);
	return length;
}

static void wide(void)
{
	wchar_t line[100];
	FILE *stream;

	section("wide");
	stream = fopen(file, "w+");
	CALL(fwide(stream, 1) > 0);
	for (int i = 0; i < 2000; i++) {
		fwprintf(stream, L"%d wide %ls\n", i, L"words");
		fputws(L"a wide line\n", stream);
		fputwc(L'w', stream);
		putwc(L'\n', stream);
		fputws_unlocked(L"unlocked", stream);
		print_wide(stream, L"%d\n", i);
	}
	CALL(fflush(stream));
	state(fileno(stream));
	CALL(fseek(stream, 0, SEEK_SET));
	CALL(fgetws(line, 100, stream) != NULL);
	CALL(line[0]);
	CALL(fclose(stream));
	state_of(file);
}

static void sought(void)
{
	FILE *stream;

	section("seek");
	stream = fopen(file, "w+");
	CALL(fwrite(bytes, 1, 5000, stream));
	CALL(fseeko(stream, 100000, SEEK_END));
	CALL(fwrite(bytes, 1, 100, stream));
	CALL(ftello(stream));
	CALL(fseek(stream, 1000000, SEEK_SET));
	CALL(fputc('e', stream));
	CALL(fseek(stream, -3, SEEK_SET));
	rewind(stream);
	CALL(fgetc(stream));
	CALL(fseek(stream, 2000000, SEEK_SET));
	CALL(fflush(stream));
	state(fileno(stream));
	CALL(ftruncate(fileno(stream), 30));
	CALL(fseek(stream, 0, SEEK_END));
	CALL(fputs("behind the cut", stream));
	CALL(fclose(stream));
	state_of(file);
}

/* An extended descriptor becomes a stream's, by every mode, and is closed under it or by it. */
static void adopted(const char *mode, int flags)
{
	int fd = start("fdopen", O_RDWR | flags);
	FILE *stream = fdopen(fd, mode);

	CALL(stream != NULL);
	if (!stream)
		return;
	CALL(fputs("a few words", stream));
	CALL(pwrite(fd, "past it", 7, START_BYTES + 5));
	state(fd);
	CALL(fflush(stream));
	CALL(fseek(stream, 0, SEEK_END));
	CALL(ftell(stream));
	CALL(fputs("left in the buffer", stream));
	/* The stream's buffer has nowhere to go. */
	CALL(close(fd));
	CALL(fclose(stream));
	state_of(file);
}

static void away(void)
{
	char first[sizeof(file)];
	FILE *stream;

	section("away");
	memcpy(first, file, sizeof(first));
	stream = fopen(file, "w");
	CALL(fwrite(bytes, 1, 20000, stream));
	stream = freopen("/dev/null", "w", stream);
	CALL(fwrite(bytes, 1, 20000, stream));
	state_of(first);
	stream = freopen(first, "a", stream);
	CALL(fwrite(bytes, 1, 2000, stream));
	CALL(fflush(stream));
	state_of(first);
	/* Fails, and has closed what there was. */
	CALL(fputs("buffered", stream));
	CALL(freopen("none/none.dat", "w", stream) != NULL);
	state_of(first);
}

static void by_a_child(const char *name, void (*end)(FILE *stream))
{
	int status;
	pid_t child;

	section(name);
	child = fork();
	if (child == 0) {
		FILE *stream = fopen(file, "w");

		fwrite(bytes, 1, 12345, stream);
		fputs("buffered", stream);
		end(stream);
	}
	CALL(waitpid(child, &status, 0) == child);
	CALL(status);
	state_of(file);
}

static void by_exit(FILE *stream)
{
	(void)stream;
	exit(3);
}

static void by__exit(FILE *stream)
{
	(void)stream;
	_exit(4);
}

static void by_exec(FILE *stream)
{
	(void)stream;
	execl("/bin/true", "true", NULL);
}

static void by_fcloseall(FILE *stream)
{
	(void)stream;
	fcloseall();
	_exit(5);
}

static void by_abort(FILE *stream)
{
	fflush(stream);
	raise(SIGKILL);
}

static void piped(void)
{
	char command[200], line[100] = "";
	int fd = start("popen", O_RDWR | O_APPEND | O_CLOEXEC);
	FILE *pipe;

	snprintf(command, sizeof(command), "cat >>%s; echo done >>%s", file, file);
	pipe = popen(command, "w");
	CALL(fputs("through a pipe\n", pipe));
	CALL(write(fd, "meanwhile\n", 10));
	CALL(pclose(pipe));
	state(fd);
	append(fd);
	snprintf(command, sizeof(command), "stat -c %%s %s; tail -c 5 %s | od -c", file, file);
	pipe = popen(command, "re");
	while (fgets(line, sizeof(line), pipe))
		say("  %s", line);
	CALL(pclose(pipe));
	append(fd);
	finish(fd);
}

/* stdin, stdout and stderr by their streams, put onto one file. */
static void standard_streams(void)
{
	int fd = start("standard", O_RDWR | O_APPEND);
	int saved[3];

	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
	fflush(stdout);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	printf("to stdout\n");
	fprintf(stderr, "to stderr\n");
	perror("perror");
	psignal(SIGALRM, "psignal");
	fflush(stdout);
	write(0, "to stdin\n", 9);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	state(fd);
	CALL(write(fd, bytes, 700));
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	exclusive();
	buffered("unbuffered", _IONBF, 0);
	buffered("lines", _IOLBF, 0);
	buffered("lines-given", _IOLBF, 100);
	buffered("full", _IOFBF, 0);
	buffered("full-given", _IOFBF, 100000);
	buffered("full-odd", _IOFBF, 777);
	wide();
	sought();
	adopted("w", 0);
	adopted("a", O_APPEND);
	adopted("a", 0);
	adopted("r+", 0);
	adopted("w+", O_APPEND);
	away();
	by_a_child("exit", by_exit);
	by_a_child("_exit", by__exit);
	by_a_child("exec", by_exec);
	by_a_child("fcloseall", by_fcloseall);
	by_a_child("killed", by_abort);
	piped();
	standard_streams();
}

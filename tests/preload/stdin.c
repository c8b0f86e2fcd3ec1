/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams that read what is extended, or was: they never come upon zeroes that nobody wrote. The
 * rarer calls that put a character, every kind of buffer, and streams without a file.
 */
#include "transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static char bytes[5000];

/* To the end of file: how much, of that zeroes, and what it was. */
static void say_rest(FILE *stream)
{
	uint64_t sum = 0;
	long count = 0, zeroes = 0;
	int c;

	while ((c = count % 3 ? getc_unlocked(stream) : fgetc(stream)) != EOF) {
		char byte = (char)c;

		sum = digest(&byte, 1, sum);
		count++;
		zeroes += c == 0;
	}
	say("  read %ld, %ld zeroes, %016llx, eof %d\n", count, zeroes, (unsigned long long)sum,
	    !!feof(stream));
	clearerr(stream);
}

static void say_blocks(FILE *stream)
{
	char buffer[3000];
	size_t got;

	while ((got = fread(buffer, 1, sizeof(buffer), stream)) > 0)
		say("  %zu %016llx\n", got, (unsigned long long)digest(buffer, got, 0));
	CALL(feof(stream) != 0);
	clearerr(stream);
}

static void by_stdin(int flags)
{
	int fd = start("stdin", O_RDWR | flags), saved = fcntl(0, F_DUPFD_CLOEXEC, 20);

	CALL(dup2(fd, 0));
	CALL(lseek(fd, 100, SEEK_SET));
	say_rest(stdin);
	append(fd);
	CALL(lseek(fd, START_BYTES - 10, SEEK_SET));
	say_rest(stdin);
	append(0);
	append(fd);
	CALL(fseek(stdin, 500, SEEK_SET));
	say_blocks(stdin);
	CALL(fseek(stdin, -20, SEEK_END));
	say_rest(stdin);
	dup2(saved, 0);
	append(fd);
	state(fd);
	finish(fd);
	/* Its only descriptor. */
	section("stdin-alone");
	close(0);
	CALL(open(file, O_RDWR | O_CREAT | flags, 0640));
	append(0);
	append(0);
	CALL(lseek(0, 0, SEEK_SET));
	say_blocks(stdin);
	append(0);
	CALL(fseek(stdin, 10, SEEK_SET));
	say_rest(stdin);
	dup2(saved, 0);
	close(saved);
	state_of(file);
}

static void by_fdopen(const char *mode, int flags)
{
	int fd = start("fdopen", O_RDWR | flags), number;
	FILE *stream = fdopen(fd, mode);
	char *line = NULL, word[100];
	size_t room = 0;

	rewind(stream);
	say_rest(stream);
	CALL(fputs("12345 words\nand a line\n", stream));
	CALL(fseek(stream, START_BYTES, SEEK_SET));
	CALL(fscanf(stream, "%d%99s", &number, word));
	CALL(getline(&line, &room, stream));
	CALL(getline(&line, &room, stream));
	CALL(getline(&line, &room, stream));
	free(line);
	CALL(write(fd, bytes, 3000));
	CALL(fseek(stream, -4, SEEK_END));
	CALL(getw(stream));
	CALL(getw(stream));
	CALL(ungetc('u', stream));
	say_rest(stream);
	/* Written past the stream, by another descriptor of the same description. */
	number = dup(fd);
	append(number);
	CALL(close(number));
	say_blocks(stream);
	rewind(stream);
	say_blocks(stream);
	CALL(fclose(stream));
	state_of(file);
}

/* Extended, while a stream of its own description reads it. */
static void by_another(void)
{
	int fd = start("another", O_RDWR | O_APPEND);
	FILE *stream = fopen(file, "r");

	for (int i = 0; i < 5; i++) {
		say_blocks(stream);
		append(fd);
	}
	CALL(fclose(stream));
	append(fd);
	stream = fopen(file, "r+");
	say_blocks(stream);
	append(fd);
	say_rest(stream);
	CALL(fclose(stream));
	finish(fd);
}

static void put(FILE *stream)
{
	CALL(putw(0x31323334, stream));
	CALL(putc_unlocked('p', stream));
	CALL(fputc_unlocked('q', stream));
	CALL(fwrite_unlocked(bytes, 10, 100, stream));
	CALL(fputs_unlocked("unlocked\n", stream));
	CALL(fflush_unlocked(stream));
	state(fileno(stream));
	for (int i = 0; i < 3000; i++) {
		putw(0x41424344, stream);
		putc_unlocked('p', stream);
		fputs_unlocked("unlocked\n", stream);
	}
	state(fileno(stream));
	CALL(fflush(stream));
	state(fileno(stream));
	rewind(stream);
	say_blocks(stream);
	CALL(fclose(stream));
	state_of(file);
}

static void put_wide(void)
{
	FILE *stream;

	section("wide");
	stream = fopen(file, "w+");
	for (int i = 0; i < 3000; i++) {
		fputwc_unlocked(L'w', stream);
		putwc_unlocked(L'x', stream);
		fputws_unlocked(L"wide\n", stream);
	}
	CALL(fflush(stream));
	state(fileno(stream));
	CALL(fclose(stream));
	state_of(file);
}

static void with_buffer(int how)
{
	static char buffer[BUFSIZ > 10000 ? BUFSIZ : 10000];
	int fd = start("buffer", O_RDWR);
	FILE *stream = fdopen(fd, "r+");

	switch (how) {
	case 0:
		setbuf(stream, NULL);
		break;
	case 1:
		setbuf(stream, buffer);
		break;
	case 2:
		setbuffer(stream, buffer, 777);
		break;
	case 3:
		setlinebuf(stream);
		break;
	default:
		CALL(setvbuf(stream, NULL, how - 4, 0));
	}
	put(stream);
}

static void without_file(void)
{
	char memory[200] = "", *text = NULL;
	size_t size = 0;
	/* Meanwhile some file is managed. */
	int fd = start("memory", O_RDWR);
	FILE *stream = fmemopen(memory, sizeof(memory), "w+");

	CALL(fileno(stream));
	CALL(fprintf(stream, "%d words", 42));
	CALL(putw(0x31323334, stream));
	CALL(fflush(stream));
	CALL(fseek(stream, 1, SEEK_SET));
	say_rest(stream);
	CALL(fclose(stream));
	say("  %016llx\n", (unsigned long long)digest(memory, sizeof(memory), 0));
	stream = open_memstream(&text, &size);
	CALL(fwrite(bytes, 1, sizeof(bytes), stream));
	CALL(fputs_unlocked("more", stream));
	CALL(fclose(stream));
	CALL(size);
	free(text);
	EXTENDED(fd);
	finish(fd);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	by_stdin(0);
	by_stdin(O_APPEND);
	by_fdopen("r+", 0);
	by_fdopen("a+", O_APPEND);
	by_another();
	put_wide();
	for (int how = 0; how < 7; how++)
		with_buffer(how);
	without_file();
}

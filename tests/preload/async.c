/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asynchronous writes to an extended file: POSIX aio, and the system calls behind libaio. */
#include "transcript.h"

#include <aio.h>
#include <dlfcn.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/syscall.h>

static char bytes[50000], back[5000];

static void wait_for(struct aiocb *request)
{
	const struct aiocb *list[] = {request};

	while (aio_error(request) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	CALL(aio_error(request));
	CALL(aio_return(request));
}

static void posix_aio(int flags)
{
	int fd = start("aio", O_RDWR | flags);
	struct aiocb request = {.aio_fildes = fd, .aio_buf = bytes, .aio_nbytes = 3000,
				.aio_offset = START_BYTES};

	CALL(aio_write(&request));
	wait_for(&request);
	state(fd);
	append(fd);
	/* For good: another one may be under way at any time. */
	CALL(real_size(fd) == lseek(fd, 0, SEEK_END));
	state(fd);
	request.aio_offset = START_BYTES + 1000;
	request.aio_buf = back;
	request.aio_nbytes = sizeof(back);
	CALL(aio_read(&request));
	wait_for(&request);
	say("  %016llx\n", (unsigned long long)digest(back, sizeof(back), 1));
	CALL(aio_fsync(O_DSYNC, &request));
	wait_for(&request);
	request.aio_fildes = 999;
	if (CALL(aio_write(&request)) == 0)
		wait_for(&request);
	finish(fd);
}

static void a_list(void)
{
	int fd = start("lio", O_RDWR);
	int other = open("920-lio.dat", O_RDWR | O_CREAT | O_TRUNC, 0640);
	struct aiocb requests[4];
	struct aiocb *list[5] = {&requests[0], &requests[1], NULL, &requests[2], &requests[3]};

	CALL(write(other, bytes, 100));
	EXTENDED(other);
	memset(requests, 0, sizeof(requests));
	for (int i = 0; i < 4; i++)
		requests[i] = (struct aiocb){.aio_fildes = i % 2 ? other : fd, .aio_buf = bytes,
					     .aio_nbytes = 1000, .aio_offset = 9000 + i * 1000,
					     .aio_lio_opcode = LIO_WRITE};
	CALL(lio_listio(LIO_WAIT, list, 5, NULL));
	state(fd);
	state(other);
	append(fd);
	CALL(close(other));
	finish(fd);
}

/* libaio's library, where it is installed: only through it can we be in front. */
static void kernel_aio(void)
{
	void *library = dlopen("libaio.so.1", RTLD_NOW | RTLD_GLOBAL);
	int (*submit)(aio_context_t, long, struct iocb **) = NULL;
	struct iocb request, *list[] = {&request};
	struct io_event event;
	aio_context_t context = 0;
	int fd;

	if (library)
		submit = (__typeof__(submit))dlsym(RTLD_DEFAULT, "io_submit");
	if (!submit) {
		say("no libaio\n");
		return;
	}
	fd = start("libaio", O_RDWR);
	CALL(syscall(SYS_io_setup, 4, &context));
	memset(&request, 0, sizeof(request));
	request.aio_lio_opcode = IOCB_CMD_PWRITE;
	request.aio_fildes = (uint32_t)fd;
	request.aio_buf = (uint64_t)(uintptr_t)bytes;
	request.aio_nbytes = 4000;
	request.aio_offset = START_BYTES + 100;
	CALL(submit(context, 1, list));
	CALL(syscall(SYS_io_getevents, context, 1, 1, &event, NULL));
	CALL(event.res);
	state(fd);
	append(fd);
	request.aio_lio_opcode = IOCB_CMD_PREAD;
	request.aio_buf = (uint64_t)(uintptr_t)back;
	request.aio_nbytes = sizeof(back);
	CALL(submit(context, 1, list));
	CALL(syscall(SYS_io_getevents, context, 1, 1, &event, NULL));
	CALL(event.res);
	CALL(submit(context, 0, NULL));
	CALL(syscall(SYS_io_destroy, context));
	state(fd);
	finish(fd);
}

/* Past libc altogether: what is not seen is neither lost nor overwritten. */
static void raw_system_calls(void)
{
	int fd = start("raw", O_RDWR);

	CALL(raw_syscall(SYS_pwrite64, fd, bytes, 500, START_BYTES - 100));
	CALL(close(fd));
	state_of(file);
}

void transcript(int argc, char **argv)
{
	(void)argc, (void)argv;
	fill(bytes, sizeof(bytes), 1);
	posix_aio(0);
	posix_aio(O_APPEND);
	a_list();
	kernel_aio();
	raw_system_calls();
}

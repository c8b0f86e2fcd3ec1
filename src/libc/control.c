/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The public control interface (preallocate.h), in the place of libc for once. */
#define PREALLOCATE_API __attribute__((visibility("default")))
#include "libc/export.h"
#include "preallocate.h"

#include <stdio.h>
#include <string.h>

/* The alignment that files opened with O_DIRECT get, too. */
#define DIRECT_ALIGN 4096

#define OPTIONS_LENGTH 1024
#define BLANKS " \t\n"

static int fail(int error)
{
	errno = error;
	return -1;
}

/* NULL, with errno: there is nothing to be controlled. */
static struct description *find(int fd)
{
	struct description *description = managed(fd);

	if (!description && REAL(fcntl)(fd, F_GETFD) >= 0)
		errno = ENOENT;
	return description;
}

EXPORT int preallocate_settle(int fd)
{
	struct plain plain;

	if (!find(fd))
		return -1;
	plain_begin(&plain, fd, 0);
	plain_give_back(&plain);
	plain_end(&plain);
	return 0;
}

static int set_word(struct rule_options *options, char *word, struct rules_error *error)
{
	char *value = strchr(word, '=');

	if (!value)
		return rule_options_set(options, word, "", error);
	*value = '\0';
	return rule_options_set(options, word, value + 1, error);
}

static int parse(struct rule_options *options, const char *words, struct rules_error *error)
{
	char copy[OPTIONS_LENGTH];
	char *rest = copy;
	char *word;

	if (strlen(words) >= sizeof(copy)) {
		snprintf(error->message, sizeof(error->message),
			 "options of more than %d bytes; name fewer", OPTIONS_LENGTH - 1);
		return -EINVAL;
	}
	strcpy(copy, words);
	while ((word = strsep(&rest, BLANKS)))
		if (*word && set_word(options, word, error) < 0)
			return -EINVAL;
	return 0;
}

EXPORT int preallocate_set_options(int fd, const char *options, char *message, size_t size)
{
	struct description *description = find(fd);
	struct rules_error error = {""};
	struct rule_options changed;
	int ret;

	if (!description)
		return -1;
	description_options(description, &changed);
	ret = parse(&changed, options, &error);
	if (ret == 0 && atomic_load(&description->direct))
		ret = rule_options_check_alignment(&changed, DIRECT_ALIGN, &error);
	if (ret < 0) {
		if (message && size > 0)
			snprintf(message, size, "%s", error.message);
		return fail(EINVAL);
	}
	ret = files_set_options(fd, &changed);
	return ret < 0 ? fail(-ret) : 0;
}

EXPORT int preallocate_get_statistics(int fd, struct preallocate_statistics *statistics)
{
	struct description *description = find(fd);
	struct preallocate_statistics now = {.size = sizeof(now)};
	struct claim_slot *slot;
	size_t room;

	if (!description)
		return -1;
	room = statistics->size;
	if (room < sizeof(statistics->size))
		return fail(EINVAL);
	slot = atomic_load(&description->slot);
	now.data_end = atomic_load(&slot->positions.data_end);
	now.file_end = atomic_load(&slot->positions.file_end);
	now.appends = atomic_load(&description->appends);
	now.appended_bytes = atomic_load(&description->bytes_appended);
	now.extensions = atomic_load(&slot->extensions);
	now.extended_bytes = atomic_load(&slot->bytes_extended);
	now.extension_ns = atomic_load(&slot->extend_ns);
	now.keep_extensions = atomic_load(&description->keep_extensions);
	now.keep_bytes = atomic_load(&description->keep_bytes);
	now.settles = atomic_load(&slot->settles);
	now.challenges = atomic_load(&slot->challenges);

	if (room < now.size)
		now.size = room;
	memset(statistics, 0, room);
	memcpy(statistics, &now, now.size);
	return 0;
}

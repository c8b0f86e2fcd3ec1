/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/error.h"
#include "rules/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG SYSCONFDIR "/preallocate.conf"

/* Thousands of rules; more is a file given by mistake, such as a log or a device. */
#define CONFIG_SIZE_MAX (64 * 1024)

static int read_all(int fd, char *buffer, size_t size, size_t *length)
{
	ssize_t got;

	*length = 0;
	do {
		got = read(fd, buffer + *length, size - *length);
		if (got > 0)
			*length += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		return -errno;
	return *length == size ? -EFBIG : 0;
}

static int load_open_file(struct rules **rules, int fd, const char *path,
			  struct rules_error *error)
{
	char *text = malloc(CONFIG_SIZE_MAX + 1);
	size_t length;
	size_t mark = 0;
	int result = text ? read_all(fd, text, CONFIG_SIZE_MAX + 1, &length) : -ENOMEM;

	/* Editors on Windows put a byte order mark at the start of UTF-8. */
	if (!result && length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		mark = 3;
	if (!result)
		result = rules_parse(rules, text + mark, length - mark, path, error);
	else if (result == -EFBIG)
		rules_error_set(error, "%.200s: larger than %d KiB; is this a file of rules?", path,
				CONFIG_SIZE_MAX / 1024);
	else
		rules_error_set(error, "%.200s: can't be read: %s; name a readable file of rules", path,
				strerrordesc_np(-result));
	free(text);
	return result;
}

static int load_file(struct rules **rules, const char *path, bool required,
		     struct rules_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int result;

	if (fd < 0) {
		int reason = errno;

		if (reason == ENOENT && !required)
			return 0;
		rules_error_set(error, "%.200s: can't be opened: %s; name a readable file of rules",
				path, strerrordesc_np(reason));
		return -reason;
	}
	result = load_open_file(rules, fd, path, error);
	close(fd);
	return result;
}

int rules_load(struct rules **rules, const char *config_path, const char *environment_rules,
	       struct rules_error *error)
{
	struct rules *list = NULL;
	const char *path = config_path ? config_path : DEFAULT_CONFIG;
	int result = *path ? load_file(&list, path, config_path != NULL, error) : 0;

	if (!result && environment_rules)
		result = rules_parse(&list, environment_rules, strlen(environment_rules),
				     "PREALLOCATE_RULES", error);
	if (result) {
		rules_free(list);
		return result;
	}
	rules_free(*rules);
	*rules = list;
	return 0;
}

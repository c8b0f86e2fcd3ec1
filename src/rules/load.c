/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/layout.h"
#include "base/memory.h"
#include "base/sys.h"
#include "rules/error.h"
#include "rules/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_CONFIG SYSCONFDIR "/preallocate.conf"

/* Thousands of rules; more is a file given by mistake, such as a log or a device. */
#define CONFIG_SIZE_MAX (64 * 1024)

/* What a few rules take. */
#define FEW 640

/* The texts, before they are parsed: copies, since a program may write over its environment. */
struct sources {
	struct rules unparsed;		/* what the caller holds */
	size_t mapped;			/* bytes, of it and its texts; 0: they are the static ones */
	void (*failed)(const struct rules_error *error);
	struct rules *_Atomic parsed;	/* NULL: not yet */
	const char *path;		/* of the config file; "": none */
	const char *environment;	/* NULL: none */
	const char *config;
	size_t config_length;
};

/* For rules_load_later, once: a mapping, and its page, would cost each process's start more. */
static struct sources static_sources;
static char static_text[FEW];

/* What parsing has come to where there is no rule. */
static struct rules no_rules;

/* Behind the *length bytes that are there. -EFBIG: there may be more. */
AT_START static int read_all(int fd, char *buffer, size_t size, size_t *length)
{
	ssize_t got;

	do {
		got = sys.read(fd, buffer + *length, size - *length);
		if (got > 0)
			*length += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		return -errno;
	return *length == size ? -EFBIG : 0;
}

static void cannot_read(const char *path, int result, struct rules_error *error)
{
	if (result == -EFBIG)
		rules_error_set(error, "%.200s: larger than %d KiB; is this a file of rules?", path,
				CONFIG_SIZE_MAX / 1024);
	else
		rules_error_set(error, "%.200s: can't be read: %s; name a readable file of rules", path,
				strerrordesc_np(-result));
}

/* *fd: -1: there is none, nor has there to be one. */
AT_START static int open_config(int *fd, const char *path, bool required, struct rules_error *error)
{
	int reason;

	*fd = -1;
	if (!*path)
		return 0;
	*fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (*fd >= 0 || (errno == ENOENT && !required))
		return 0;
	reason = errno;
	rules_error_set(error, "%.200s: can't be opened: %s; name a readable file of rules", path,
			strerrordesc_np(reason));
	return -reason;
}

/* With room for the texts. Of a mapping, only what is filled takes memory. */
AT_START static struct sources *sources_new(size_t room, bool is_static)
{
	size_t size = sizeof(struct sources) + room;
	struct sources *sources = is_static ? &static_sources : memory_new(size);

	if (!sources)
		return NULL;
	if (!is_static)
		sources->mapped = size;
	sources->unparsed.sources = sources;
	return sources;
}

void rules_free_sources(struct sources *sources)
{
	struct rules *parsed = atomic_load(&sources->parsed);

	if (parsed != &no_rules)
		rules_free(parsed);
	if (sources->mapped)
		munmap(sources, sources->mapped);
	else
		*sources = (struct sources){.mapped = 0};
}

/* The room that the config file didn't take: address space may be short. */
static void trim(struct sources *sources)
{
	size_t page = getauxval(AT_PAGESZ);
	size_t used = (size_t)(sources->config + sources->config_length - (const char *)sources);

	used = (used + page - 1) / page * page;
	if (used < sources->mapped && munmap((char *)sources + used, sources->mapped - used) == 0)
		sources->mapped = used;
}

/* Editors on Windows put a byte order mark at the start of UTF-8. */
AT_START static void set_config(struct sources *sources, const char *text, size_t length)
{
	static const char mark[] = {'\xef', '\xbb', '\xbf'};
	bool has_mark = length >= sizeof(mark) && !memcmp(text, mark, sizeof(mark));

	sources->config = has_mark ? text + sizeof(mark) : text;
	sources->config_length = has_mark ? length - sizeof(mark) : length;
}

/*
 * fd: -1: no config file. What has room in the static place stays there, the config file's text behind the
 * others; what hasn't goes on in a mapping.
 */
AT_START static int fill(struct sources **filled, int fd, const char *path, const char *environment,
			 bool may_be_static, struct rules_error *error)
{
	size_t path_size = strlen(path) + 1;
	size_t before = path_size + (environment ? strlen(environment) + 1 : 0);
	bool is_static = may_be_static && before <= FEW && !static_sources.unparsed.sources;
	struct sources *sources;
	size_t length = 0;
	int result = 0;
	char *text;

	if (is_static && fd >= 0) {
		result = read_all(fd, static_text + before, FEW - before, &length);
		is_static = result != -EFBIG;
	}
	sources = sources_new(before + (fd >= 0 ? CONFIG_SIZE_MAX + 1 : 0), is_static);
	if (!sources) {
		rules_error_set(error, "%.200s: out of memory", path);
		return -ENOMEM;
	}
	text = is_static ? static_text : (char *)(sources + 1);
	if (!is_static && fd >= 0) {
		if (length > 0)
			memcpy(text + before, static_text + before, length);
		result = read_all(fd, text + before, CONFIG_SIZE_MAX + 1, &length);
	}
	sources->path = memcpy(text, path, path_size);
	if (environment)
		sources->environment = memcpy(text + path_size, environment, before - path_size);
	set_config(sources, text + before, length);
	if (result) {
		cannot_read(path, result, error);
		rules_free_sources(sources);
		return result;
	}
	if (!is_static && fd >= 0)
		trim(sources);
	*filled = sources;
	return 0;
}

AT_START static int read_sources(struct sources **sources, const char *config_path,
				 const char *environment, bool may_be_static,
				 struct rules_error *error)
{
	const char *path = config_path ? config_path : START_STRING(DEFAULT_CONFIG);
	int fd, result = open_config(&fd, path, config_path != NULL, error);

	if (result)
		return result;
	result = fill(sources, fd, path, environment, may_be_static, error);
	if (fd >= 0)
		sys.close(fd);
	return result;
}

static int parse_sources(const struct sources *sources, struct rules **rules,
			 struct rules_error *error)
{
	struct rules *list = NULL;
	int result = 0;

	if (sources->config_length > 0)
		result = rules_parse(&list, sources->config, sources->config_length, sources->path,
				     error);
	if (!result && sources->environment)
		result = rules_parse(&list, sources->environment, strlen(sources->environment),
				     "PREALLOCATE_RULES", error);
	if (result)
		rules_free(list);
	else
		*rules = list;
	return result;
}

int rules_load(struct rules **rules, const char *config_path, const char *environment_rules,
	       struct rules_error *error)
{
	struct rules *parsed;
	struct sources *sources;
	int result = read_sources(&sources, config_path, environment_rules, false, error);

	if (result)
		return result;
	result = parse_sources(sources, &parsed, error);
	rules_free_sources(sources);
	if (result)
		return result;
	rules_free(*rules);
	*rules = parsed;
	return 0;
}

AT_START int rules_load_later(struct rules **rules, const char *config_path, const char *environment_rules,
		     void (*failed)(const struct rules_error *error), struct rules_error *error)
{
	struct sources *sources;
	int result = read_sources(&sources, config_path, environment_rules, true, error);

	if (result)
		return result;
	*rules = NULL;
	if (sources->config_length == 0 && !sources->environment) {
		rules_free_sources(sources);
		return 0;
	}
	sources->failed = failed;
	*rules = &sources->unparsed;
	return 0;
}

/*
 * Without a lock, which a signal handler's open or a fork's child could wait for in vain: who comes
 * second throws away what it has parsed.
 */
static const struct rules *parse_now(struct sources *sources)
{
	struct rules *parsed, *published = NULL, *list = NULL;
	struct rules_error error;
	int saved_errno = errno;
	int result = parse_sources(sources, &list, &error);

	parsed = list ? list : &no_rules;
	if (!atomic_compare_exchange_strong(&sources->parsed, &published, parsed)) {
		rules_free(list);
		parsed = published;
	} else if (result) {
		sources->failed(&error);
	}
	errno = saved_errno;
	return parsed;
}

const struct rules *rules_parsed(const struct rules *rules)
{
	const struct rules *parsed;

	if (!rules || !rules->sources)
		return rules;
	parsed = atomic_load_explicit(&rules->sources->parsed, memory_order_acquire);
	return parsed ? parsed : parse_now(rules->sources);
}

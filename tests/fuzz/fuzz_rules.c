/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any text is either rules that print and read back the same, or one line of complaint.
 */
#define FUZZ_NAME "rules"
#include "fuzz.h"

#include "rules/glob.h"
#include "rules/rules.h"

static int resolve(void *context, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s", (const char *)context);
	return 0;
}

static void match_some(const struct rules *rules)
{
	static const char *const paths[] = {
		"/var/lib/redis/appendonly/a.aof", "/a", "/aa/a/aaa/aaa", "/\xff/[x]", "/a b/#;c\"",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct rule *rule = rules_match(rules, paths[i], resolve, (void *)paths[i]);

		/* The name alone must not have kept a later rule from being asked. */
		for (size_t j = rules_count(rules); j-- > 0;) {
			const struct rule *other = rules_get(rules, j);

			if (glob_matches(other->pattern, other->has_slash ? paths[i] :
								strrchr(paths[i], '/') + 1)) {
				require(rule == other, "another rule should have matched");
				break;
			}
			require(rule != other, "a rule matched that shouldn't");
		}
	}
}

static void print_and_read_back(const struct rule *rule)
{
	static char text[4 * PATH_MAX + 300];
	char options[300];
	struct rules *again = NULL;
	struct rules_error error;
	size_t length;

	/* A carriage return or line break in a pattern can only be read, inside quotes. */
	if (rules_quote_pattern(rule->pattern, text, sizeof(text) - 300))
		return;
	length = strlen(text);
	text[length++] = ' ';
	rule_options_format(&rule->options, text + length, sizeof(text) - length);
	require(rules_parse(&again, text, strlen(text), "again", &error) == 0, error.message);
	require(rules_count(again) == 1, "one rule became several");
	rule_options_format(&rules_get(again, 0)->options, options, sizeof(options));
	require(!strcmp(options, text + length), "options changed");
	for (const char *path = "/x/abc[]\\!-.\xff"; *path; path++)
		require(glob_matches(rules_get(again, 0)->pattern, path) ==
			glob_matches(rule->pattern, path), "the pattern changed");
	rules_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rules *rules = NULL;
	struct rules_error error = { "" };
	char *exact = malloc(size ? size : 1);

	require(exact != NULL, "no memory");
	if (size)
		memcpy(exact, data, size);
	if (rules_parse(&rules, exact, size, "fuzz", &error)) {
		require(!rules, "a list in spite of an error");
		require(!strncmp(error.message, "fuzz:", 5), "no place in the message");
		require(!strpbrk(error.message, "\n\r\x1b"), "more than a line");
	} else {
		require(!error.message[0], "a message without an error");
		for (size_t i = 0; i < rules_count(rules); i++)
			print_and_read_back(rules_get(rules, i));
		match_some(rules);
	}
	rules_free(rules);
	free(exact);
	return 0;
}

#ifndef WITH_LIBFUZZER
static const char *const seeds[] = {
	"# comment\n*.qcow2 prealloc-size=128M prealloc-align=1M\n",
	"/var/lib/redis/**/*.aof mode=keep idle=500ms; *.tmp mode=off min-free=10%\r\n",
	"\"a b\"\\ c[!x-z]?\\; exclusive=assume prealloc-size=1.5G",
	"**/[]a]*\\**b mode=zero",
};

static size_t fuzz_make(unsigned int *random, uint8_t *text, size_t size)
{
	static const char alphabet[] = "*?[]!-\\\"#; \t\r\n/=.0aMk%\x80\xff";
	const char *source = seeds[(size_t)rand_r(random) % (sizeof(seeds) / sizeof(seeds[0]))];
	size_t length = strlen(source);

	memcpy(text, source, length);
	for (int changes = rand_r(random) % 8; changes >= 0 && length; changes--) {
		size_t at = (size_t)rand_r(random) % length;

		switch (rand_r(random) % 3) {
		case 0:
			text[at] = (uint8_t)alphabet[(size_t)rand_r(random) % sizeof(alphabet)];
			break;
		case 1:
			memmove(text + at, text + at + 1, --length - at);
			break;
		default:
			if (length == size)
				break;
			memmove(text + at + 1, text + at, length++ - at);
			text[at] = (uint8_t)alphabet[(size_t)rand_r(random) % sizeof(alphabet)];
		}
	}
	return length;
}
#endif

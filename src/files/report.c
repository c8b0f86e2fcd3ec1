/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files/report.h"

#include "base/destination.h"
#include "base/layout.h"
#include "base/log.h"
#include "base/utf8.h"
#include "files/auto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct destination destination = {.fd = -1}; /* path NULL: none */
FAR static char path_kept[DESTINATION_NAME_BYTES];
static bool json;
static atomic_bool told;

static const struct {
	enum keep_reason reason;
	const char *text;
} reasons[] = {
	{KEEP_RULE, "rule"},	       {KEEP_MAPPED, "mapped"},	      {KEEP_STREAM, "stream"},
	{KEEP_ASYNC, "async"},	       {KEEP_OWN, "own-lease"},	      {KEEP_SHARED, "shared"},
	{KEEP_UNSUPPORTED, "no-lease"}, {KEEP_CHALLENGED, "challenged"},
	{KEEP_OFF, "off"},	       {KEEP_APART, "gap"},	      {KEEP_REFUSED, "also-open"},
	{KEEP_FAILED, "no-space"},     {KEEP_UNGUARDED, "no-guardian"}, {KEEP_GAINLESS, "no-gain-here"},
};

AT_START void report_init(const char *wanted)
{
	size_t length = wanted ? strlen(wanted) : 0;

	if (length == 0)
		return;
	if (destination_named(&destination, wanted, path_kept) < 0)
		log_warn("PREALLOCATE_REPORT: its path is too long; nothing is reported");
	json = length > 5 && strcmp(wanted + length - 5, ".json") == 0;
}

/* JSON's string escapes; a byte that is in no character as Python's surrogateescape. */
static void quote(char *to, size_t size, const char *from)
{
	size_t used = 0;

	while (*from && used + 8 < size) {
		size_t length = utf8_length((const unsigned char *)from);
		unsigned char c = (unsigned char)*from;

		if (c == '"' || c == '\\')
			used += (size_t)snprintf(to + used, size - used, "\\%c", c);
		else if (length == 0)
			used += (size_t)snprintf(to + used, size - used, "\\udc%02x", c);
		else if (c < 0x20 || c == 0x7f)
			used += (size_t)snprintf(to + used, size - used, "\\u%04x", c);
		else
			for (size_t i = 0; i < length; i++)
				to[used++] = from[i];
		from += length > 0 ? length : 1;
	}
	to[used] = '\0';
}

static void list_reasons(char *to, size_t size, uint32_t set)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if ((set & reasons[i].reason) && used + 16 < size)
			used += (size_t)snprintf(to + used, size - used, "%s%s", used ? "," : "",
						 reasons[i].text);
}

/* It was extended, but the zeroes of mode write couldn't be told from data there. */
static bool lacks_zeroes(struct description *description)
{
	const struct claim_slot *slot = atomic_load(&description->slot);

	return !description->readable && atomic_load(&slot->extensions) > 0 && auto_wants_zeroes(description);
}

static int format_line(char *line, size_t size, struct description *description)
{
	struct claim_slot *slot = atomic_load(&description->slot);
	uint64_t extensions = atomic_load(&slot->extensions);
	char path[1024], why[160], pid[16];
	const char *mode = atomic_load(&slot->bytes_zeroed)		  ? "write"
			   : extensions					  ? "zero"
			   : atomic_load(&description->keep_extensions) ? "keep"
									  : "none";

	/* Where getpid(2) is refused (seccomp). */
	if (getpid() > 0)
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
	else
		strcpy(pid, json ? "null" : "?");
	quote(path, sizeof(path), description->path);
	list_reasons(why, sizeof(why), atomic_load(&description->reasons));
	if (lacks_zeroes(description) && strlen(why) + 16 < sizeof(why))
		strcat(why, why[0] ? ",write-only" : "write-only");
	return snprintf(
		line, size,
		json ? "{\"pid\":%s,\"path\":\"%s\",\"mode\":\"%s\",\"appends\":%" PRIu64
		       ",\"appended_bytes\":%" PRIu64 ",\"extensions\":%" PRIu64
		       ",\"extended_bytes\":%" PRIu64 ",\"extension_ns\":%" PRIu64
		       ",\"keep_extensions\":%" PRIu64 ",\"keep_bytes\":%" PRIu64
		       ",\"settles\":%" PRIu64 ",\"challenges\":%" PRIu64 ",\"fallback\":\"%s\"}\n"
		     : "preallocate[%s]: %s: mode %s, %" PRIu64 " appends of %" PRIu64
		       " bytes, %" PRIu64 " extensions of %" PRIu64 " bytes in %" PRIu64
		       " ns, keep %" PRIu64 " of %" PRIu64 " bytes, settled %" PRIu64
		       " times, challenged %" PRIu64 " times, fallback: %s\n",
		pid, path, mode, atomic_load(&description->appends),
		atomic_load(&description->bytes_appended), extensions,
		atomic_load(&slot->bytes_extended), atomic_load(&slot->extend_ns),
		atomic_load(&description->keep_extensions), atomic_load(&description->keep_bytes),
		atomic_load(&slot->settles), atomic_load(&slot->challenges),
		why[0]				  ? why
		: !auto_has_earned(description) ? "not-synced-enough"
		: json				  ? ""
						  : "none");
}

void report_closed(struct description *description)
{
	char line[2048];
	int saved_errno = errno;
	int length, ret;

	if ((!destination.path && destination.fd < 0) || atomic_exchange(&description->reported, true))
		return;
	length = format_line(line, sizeof(line), description);
	ret = length > 0 ? destination_write(&destination, line, (size_t)length) : 0;
	if (ret < 0 && destination.path && !atomic_exchange(&told, true))
		log_warn("PREALLOCATE_REPORT=%s: %s; entries are lost", destination.path, strerrordesc_np(-ret));
	errno = saved_errno;
}

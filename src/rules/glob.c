/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/glob.h"

#include <stddef.h>

/* Classes: the functions below return NULL where the pattern ends before the class does. */

static const char *class_begin(const char *p, bool *inverted)
{
	*inverted = p[1] == '!' || p[1] == '^';
	return p + 1 + *inverted;
}

static const char *class_byte(const char *p, unsigned char *byte)
{
	if (*p == '\\')
		p++;
	*byte = (unsigned char)*p;
	return *p ? p + 1 : NULL;
}

/* One byte, or a range low-high. A '-' at the class's end is itself. */
static const char *class_member(const char *p, unsigned char *low, unsigned char *high)
{
	p = class_byte(p, low);
	*high = *low;
	if (p && p[0] == '-' && p[1] && p[1] != ']')
		p = class_byte(p + 1, high);
	return p;
}

/* Does the class at p hold c, and where does it end? A ']' that comes first is a member, as in sh. */
static bool class_holds(const char *p, unsigned char c, const char **end)
{
	bool inverted;
	bool held = false;

	p = class_begin(p, &inverted);
	do {
		unsigned char low;
		unsigned char high;

		p = class_member(p, &low, &high);
		held |= low <= c && c <= high;
	} while (p && *p != ']');
	*end = p ? p + 1 : NULL;
	return held != inverted && c != '/';
}

static const char *check_class(const char *p, const char **end)
{
	bool inverted;

	p = class_begin(p, &inverted);
	do {
		unsigned char low;
		unsigned char high;

		if (p[0] == '[' && p[1] == ':')
			return "names a class of bytes; write [0-9] for [[:digit:]]";
		p = class_member(p, &low, &high);
		if (!p)
			return "has a [ without its ]; write \\[ for a plain bracket";
		if (low > high)
			return "has a range that ends before it begins; write it the other way round";
		if (low == '/' && high == '/')
			return "has a / between [ and ]; no class matches a slash";
	} while (*p != ']');
	*end = p + 1;
	return NULL;
}

const char *glob_check(const char *pattern)
{
	const char *p = pattern;

	if (!*p)
		return "is empty; write * to match every name";
	while (*p) {
		if (*p == '[') {
			const char *problem = check_class(p, &p);

			if (problem)
				return problem;
			continue;
		}
		if (*p == '\\' && !*++p)
			return "ends in a backslash; write \\\\ for a plain one";
		p++;
	}
	return NULL;
}

/* The pattern's next element: one byte, a wildcard, a class or an escaped byte. */
static const char *element_end(const char *p)
{
	const char *end;

	if (*p == '[') {
		class_holds(p, 'x', &end);
		return end;
	}
	return p + (*p == '\\' ? 2 : 1);
}

static bool element_is_slash(const char *p)
{
	return *p == '/' || (*p == '\\' && p[1] == '/');
}

bool glob_has_slash(const char *pattern)
{
	for (const char *p = pattern; *p; p = element_end(p)) {
		if (element_is_slash(p))
			return true;
	}
	return false;
}

const char *glob_last(const char *pattern)
{
	const char *last = pattern;

	for (const char *p = pattern; *p; p = element_end(p)) {
		if (element_is_slash(p))
			last = element_end(p);
		else if (p[0] == '*' && p[1] == '*')
			last = p;
	}
	return last;
}

static bool element_matches(const char *p, unsigned char c)
{
	const char *end;

	switch (*p) {
	case '?':
		return c != '/';
	case '[':
		return class_holds(p, c, &end);
	case '\\':
		return (unsigned char)p[1] == c;
	default:
		return (unsigned char)*p == c;
	}
}

/* Where matching resumes when it fails: behind the star, which then takes one byte more. */
struct star {
	const char *pattern;		/* behind the star; NULL: none seen yet */
	const char *text;		/* where the star's match ends so far */
	bool whole;			/* a component **: its match ends behind a slash, or is empty */
};

/*
 * Whatever the last ** takes, the ones before it needn't take more than they have, since it can
 * take that too; the same holds for * within a component. So one place to come back to for each
 * kind is enough, and the time is bounded by a power of the lengths.
 */
bool glob_matches(const char *pattern, const char *text)
{
	struct star star = { 0 };
	struct star crossing = { 0 };
	const char *p = pattern;

	for (;;) {
		if (p[0] == '*' && p[1] == '*') {
			bool starts_component = p == pattern || p[-1] == '/';

			while (*p == '*')
				p++;
			crossing.whole = starts_component && *p == '/';
			if (crossing.whole)
				p++;
			crossing.pattern = p;
			crossing.text = text;
			star.pattern = NULL;
		} else if (*p == '*') {
			star.pattern = ++p;
			star.text = text;
		} else if (*p && *text && element_matches(p, (unsigned char)*text)) {
			p = element_end(p);
			text++;
		} else if (!*p && !*text) {
			return true;
		} else if (star.pattern && *star.text != '/') {
			/* All of the rest was tried: a longer ** would only leave less of it. */
			if (!*star.text)
				return false;
			p = star.pattern;
			text = ++star.text;
		} else if (crossing.pattern) {
			do {
				if (!*crossing.text)
					return false;
				crossing.text++;
			} while (crossing.whole && crossing.text[-1] != '/');
			star.pattern = NULL;
			p = crossing.pattern;
			text = crossing.text;
		} else {
			return false;
		}
	}
}

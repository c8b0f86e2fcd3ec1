/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines: to the file named at start, else, or where that can't be written, to standard error
 * (base/destination.h). They leave errno alone.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_NONE, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* level: error, warn, info or debug; NULL: warn. file: NULL: standard error. -EINVAL: neither. */
int log_init(const char *level, const char *file);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern enum log_level log_threshold;

#define log_at(level, ...) \
	do { \
		if (__builtin_expect(log_threshold >= (level), 0)) \
			log_line(level, __VA_ARGS__); \
	} while (0)

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif

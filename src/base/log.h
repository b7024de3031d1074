/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING, LOG_NOTHING };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Where lines go: a path, or "" for standard output. Any thread may log; a line is one write(2). */
void log_open(const char *path, enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_current_level(void);

/* Writes one line: time, level, the constant 'event' text, then pairs by a printf format of the form
 * "key=%d other=%s"; values with blanks must be quoted by the format (key=\"%s\"). */
void log_event(enum log_level level, const char *event, const char *pairs, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)
#define log_verbose(event, ...) log_event(LOG_VERBOSE, event, __VA_ARGS__)
#define log_notice(event, ...) log_event(LOG_NOTICE, event, __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_WARNING, event, __VA_ARGS__)

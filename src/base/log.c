/* SPDX-License-Identifier: BSD-3-Clause */
/* A line is put together on the stack and leaves by one write(2), so lines of several threads do not mix and
 * logging takes no lock and no heap. What does not fit the stack's buffer is cut.
 *
 * Opening again (a changed path, or the same one after a rotation) puts the new file under the old descriptor
 * number, so that a thread in the midst of a line writes to the one or the other, never to a stranger's file. */
#define _GNU_SOURCE
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

#define LINE_MAX_BYTES 4096

/* A line that grows up to its room and then stays as it is; one byte is kept for the newline. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t length;
};

static _Atomic int log_fd = STDOUT_FILENO;
static _Atomic int current_level = LOG_NOTICE;
static _Atomic int current_format = LOG_LOGFMT;

static const char *const level_names[] = {"debug", "verbose", "notice", "warning"};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_current_level(void)
{
    return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_open(const char *path, enum log_level level, enum log_format format)
{
    log_set_level(level);
    atomic_store(&current_format, (int)format);
    int old = atomic_load(&log_fd);
    if (path[0] == '\0') {
        atomic_store(&log_fd, STDOUT_FILENO);
        if (old != STDOUT_FILENO)
            close(old);
        return;
    }
    int opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (opened < 0) {
        log_warning("log file cannot be opened", "path=\"%s\" error=\"%s\"", path, strerror(errno));
    } else if (old == STDOUT_FILENO) {
        atomic_store(&log_fd, opened);
    } else {
        dup3(opened, old, O_CLOEXEC);
        close(opened);
    }
}

static void line_add(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof(line->text) - 1 - line->length;
    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void line_add_text(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

static void line_add_time(struct line *line)
{
    char text[48];
    struct timespec now;
    struct tm date;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &date);
    length += (size_t)snprintf(text + length, sizeof(text) - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
    line_add(line, text, length);
}

static void line_add_json_string(struct line *line, const char *text, size_t length)
{
    line_add(line, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        char escaped[8];
        if (c == '"' || c == '\\')
            line_add(line, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\%c", c));
        else if (c < ' ' || c == 127)
            line_add(line, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", c));
        else
            line_add(line, text + i, 1);
    }
    line_add(line, "\"", 1);
}

/* Whether the text begins with another pair. */
static bool is_pair(const char *text)
{
    size_t key = strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789");
    return key > 0 && text[key] == '=';
}

/* Finds the end of the value that starts at 'text': a quoted one ends with the quote that another pair or the end
 * follows, so that stray quotes inside it do no harm. */
static size_t value_length(const char *text)
{
    size_t length = 1;
    if (text[0] != '"')
        return strcspn(text, " ");
    for (; text[length] != '\0'; length++) {
        const char *next = text + length + 1;
        if (text[length] == '"' && (next[0] == '\0' || (next[0] == ' ' && is_pair(next + 1))))
            return length + 1;
    }
    return length;
}

static void line_add_json_value(struct line *line, const char *text, size_t length)
{
    int64_t number;
    if (bytes_to_int64(bytes_of(text, length), &number))
        line_add(line, text, length);
    else if (length >= 2 && text[0] == '"' && text[length - 1] == '"')
        line_add_json_string(line, text + 1, length - 2);
    else
        line_add_json_string(line, text, length);
}

/* Turns key=value pairs into members of the object. */
static void line_add_json_pairs(struct line *line, const char *pairs)
{
    while (*pairs != '\0') {
        pairs += strspn(pairs, " ");
        size_t key = strcspn(pairs, "= ");
        if (pairs[key] != '=') {
            pairs += key;
            continue;
        }
        size_t value = value_length(pairs + key + 1);
        line_add(line, ",", 1);
        line_add_json_string(line, pairs, key);
        line_add(line, ":", 1);
        line_add_json_value(line, pairs + key + 1, value);
        pairs += key + 1 + value;
    }
}

static void line_build_json(struct line *line, enum log_level level, const char *event, const char *pairs)
{
    line_add_text(line, "{\"ts\":\"");
    line_add_time(line);
    line_add_text(line, "\",\"level\":\"");
    line_add_text(line, level_names[level]);
    line_add_text(line, "\",\"event\":");
    line_add_json_string(line, event, strlen(event));
    line_add_json_pairs(line, pairs);
    line_add_text(line, "}");
}

static void line_build_logfmt(struct line *line, enum log_level level, const char *event, const char *pairs)
{
    line_add_text(line, "ts=");
    line_add_time(line);
    line_add_text(line, " level=");
    line_add_text(line, level_names[level]);
    line_add_text(line, " event=\"");
    line_add_text(line, event);
    line_add_text(line, pairs[0] ? "\" " : "\"");
    line_add_text(line, pairs);
    /* A client's text must not be able to start a line of its own. */
    for (size_t i = 0; i < line->length; i++)
        if ((unsigned char)line->text[i] < ' ' || line->text[i] == 127)
            line->text[i] = '?';
}

void log_event(enum log_level level, const char *event, const char *pairs, ...)
{
    char text[LINE_MAX_BYTES / 2];
    struct line line;
    int saved_errno = errno;
    if (level < log_current_level() || level >= LOG_NOTHING)
        return;
    va_list arguments;
    va_start(arguments, pairs);
    if (vsnprintf(text, sizeof(text), pairs, arguments) < 0)
        text[0] = '\0';
    va_end(arguments);
    line.length = 0;
    if (atomic_load_explicit(&current_format, memory_order_relaxed) == LOG_JSON)
        line_build_json(&line, level, event, text);
    else
        line_build_logfmt(&line, level, event, text);
    line.text[line.length++] = '\n';
    if (write(atomic_load_explicit(&log_fd, memory_order_relaxed), line.text, line.length) < 0) {
        /* Nobody is left to tell. */
    }
    errno = saved_errno;
}

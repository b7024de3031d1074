/* SPDX-License-Identifier: BSD-3-Clause */
/* A text that an option holds may be read by any thread without a lock; a replaced one is therefore kept for the life of
 * the process (texts change a few times in it). */
#include "command/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/memory.h"

#define TABLES_MAX 32
#define INCLUDE_DEPTH_MAX 8

static const struct option *tables[TABLES_MAX];
static uint32_t table_count;
static char file_path[4096];
static struct lock settings_lock = {.rank = LOCK_LEAF};

void settings_register(const struct option *table)
{
    check(table_count < TABLES_MAX);
    tables[table_count++] = table;
    option_reset(table);
}

const struct option *settings_find(struct bytes name)
{
    for (uint32_t i = 0; i < table_count; i++)
        for (const struct option *option = tables[i]; option->name; option++)
            if (bytes_equal_text(name, option->name))
                return option;
    return NULL;
}

void settings_each(void (*visit)(void *context, const struct option *option), void *context)
{
    for (uint32_t i = 0; i < table_count; i++)
        for (const struct option *option = tables[i]; option->name; option++)
            visit(context, option);
}

static void put_back(const struct setting *settings, size_t set_count, size_t applied_count)
{
    char ignored[128];
    for (size_t i = 0; i < set_count; i++)
        option_set(settings[i].option, buffer_bytes(&settings[i].before), ignored, sizeof(ignored));
    for (size_t i = 0; i < applied_count; i++)
        if (settings[i].option->apply)
            settings[i].option->apply(settings[i].option, ignored, sizeof(ignored));
}

/* Under the lock. */
static bool change_all(struct setting *settings, size_t count, size_t *failed, char *error, size_t error_size)
{
    for (size_t i = 0; i < count; i++) {
        option_print(settings[i].option, &settings[i].before);
        if (option_set(settings[i].option, settings[i].value, error, error_size))
            continue;
        put_back(settings, i, 0);
        *failed = i;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct option *option = settings[i].option;
        if (!option->apply || option->apply(option, error, error_size))
            continue;
        put_back(settings, count, i);
        *failed = i;
        return false;
    }
    return true;
}

bool settings_change(struct setting *settings, size_t count, size_t *failed, char *error, size_t error_size)
{
    for (*failed = 0; *failed < count; (*failed)++)
        if (settings[*failed].option->flags & OPTION_STARTUP) {
            snprintf(error, error_size, "can't set immutable config");
            return false;
        }
    lock_acquire(&settings_lock);
    bool set = change_all(settings, count, failed, error, error_size);
    lock_release(&settings_lock);
    return set;
}

bool settings_set(const struct option *option, struct bytes text, bool running, char *error, size_t error_size)
{
    if (!running)
        return option_set(option, text, error, error_size);
    struct setting setting = {.option = option, .value = text};
    size_t failed;
    bool set = settings_change(&setting, 1, &failed, error, error_size);
    buffer_deinit(&setting.before);
    return set;
}

void settings_set_file(const char *path)
{
    char resolved[PATH_MAX];
    snprintf(file_path, sizeof(file_path), "%s", realpath(path, resolved) ? resolved : path);
}

const char *settings_file(void)
{
    return file_path;
}

/* ---- reading a file ---- */

/* After a backslash in double quotes: n, r, t, a, b, xHH; anything else stands for itself. */
static char unescape(const char **place)
{
    static const char letters[] = "nrtab", meanings[] = "\n\r\t\a\b";
    const char *p = *place;
    char digits[3] = {0};
    if (*p == 'x' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
        memcpy(digits, p + 1, 2);
        *place = p + 3;
        return (char)strtol(digits, NULL, 16);
    }
    const char *letter = strchr(letters, *p);
    *place = p + 1;
    return letter ? meanings[letter - letters] : *p;
}

/* The next word of a line, quotes undone; false at the end, *broken if a quote is not closed. */
static bool next_word(const char **place, struct buffer *word, bool *broken)
{
    const char *p = *place;
    while (*p == ' ' || *p == '\t')
        p++;
    if (*p == '\0' || *p == '\n' || *p == '\r')
        return false;
    buffer_reserve(word, 1); /* an empty word has an address, too */
    char quote = *p == '"' || *p == '\'' ? *p++ : 0;
    word->length = 0;
    while (*p && (quote ? *p != quote : *p != ' ' && *p != '\t' && *p != '\n' && *p != '\r')) {
        char character = *p++;
        if (quote == '"' && character == '\\' && *p)
            character = unescape(&p);
        buffer_append(word, &character, 1);
    }
    *broken = quote && *p != quote;
    *place = quote && *p ? p + 1 : p;
    return true;
}

static bool settings_load_at(const char *path, int depth, char *error, size_t error_size);

static bool settings_load_line(const char *path, int number, const char *line, int depth, char *error,
                               size_t error_size)
{
    struct buffer name = {0}, word = {0}, value = {0};
    bool broken = false, loaded = true;
    char why[256] = "unbalanced quotes";
    const char *place = line;
    if (next_word(&place, &name, &broken) && name.data[0] != '#') {
        bool first = true;
        while (!broken && next_word(&place, &word, &broken)) {
            if (!first)
                buffer_append(&value, " ", 1);
            buffer_append_bytes(&value, buffer_bytes(&word));
            first = false;
        }
        const struct option *option = settings_find(buffer_bytes(&name));
        if (!broken && bytes_equal_text(buffer_bytes(&name), "include")) {
            buffer_append(&value, "", 1);
            loaded = settings_load_at(value.data, depth + 1, error, error_size);
        } else if (broken || !option || !settings_set(option, buffer_bytes(&value), false, why, sizeof(why))) {
            if (!broken && !option)
                snprintf(why, sizeof(why), "unknown directive '%.*s'", (int)name.length, name.data);
            snprintf(error, error_size, "%s, line %d: %s", path, number, why);
            loaded = false;
        }
    }
    buffer_deinit(&name);
    buffer_deinit(&word);
    buffer_deinit(&value);
    return loaded;
}

static bool settings_load_at(const char *path, int depth, char *error, size_t error_size)
{
    FILE *file = depth <= INCLUDE_DEPTH_MAX ? fopen(path, "r") : NULL;
    if (!file) {
        snprintf(error, error_size, "cannot read the configuration file '%s': %s", path,
                 depth > INCLUDE_DEPTH_MAX ? "includes are nested too deep" : strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t size = 0;
    bool loaded = true;
    for (int number = 1; loaded && getline(&line, &size, file) >= 0; number++)
        loaded = settings_load_line(path, number, line, depth, error, error_size);
    free(line);
    fclose(file);
    return loaded;
}

bool settings_load(const char *path, char *error, size_t error_size)
{
    return settings_load_at(path, 0, error, error_size);
}

/* ---- rewriting it ---- */

struct rewriting {
    struct buffer out;
    const struct option *done[512];
    size_t done_count;
};

static bool rewriting_has(const struct rewriting *rewriting, const struct option *option)
{
    for (size_t i = 0; i < rewriting->done_count; i++)
        if (rewriting->done[i] == option)
            return true;
    return false;
}

static void append_quoted(struct buffer *out, struct bytes value)
{
    bool plain = value.length > 0;
    for (size_t i = 0; i < value.length; i++)
        plain = plain && value.data[i] > 32 && value.data[i] != '"' && value.data[i] != '#' && value.data[i] != '\'' &&
                value.data[i] != 127;
    if (plain) {
        buffer_append_bytes(out, value);
        return;
    }
    buffer_append(out, "\"", 1);
    for (size_t i = 0; i < value.length; i++) {
        unsigned char character = (unsigned char)value.data[i];
        if (character < ' ' || character == 127)
            buffer_append_format(out, "\\x%02x", character);
        else
            buffer_append_format(out, character == '"' || character == '\\' ? "\\%c" : "%c", character);
    }
    buffer_append(out, "\"", 1);
}

static void rewriting_append(struct rewriting *rewriting, const struct option *option)
{
    struct buffer value = {0};
    if (rewriting_has(rewriting, option) || rewriting->done_count == sizeof(rewriting->done) / sizeof(*rewriting->done))
        return;
    rewriting->done[rewriting->done_count++] = option;
    option_print(option, &value);
    for (size_t start = 0; start < value.length || start == 0;) {
        const char *end = value.length ? memchr(value.data + start, '\n', value.length - start) : NULL;
        size_t length =
            end && (option->flags & OPTION_REPEATED) ? (size_t)(end - value.data) - start : value.length - start;
        if (!(option->flags & OPTION_REPEATED) || length > 0) {
            buffer_append_text(&rewriting->out, option->name);
            buffer_append(&rewriting->out, " ", 1);
            /* Values of several words stand as words; a text is quoted where it must be. */
            if (option->type == OPTION_SPECIAL && length > 0)
                buffer_append(&rewriting->out, value.data + start, length);
            else
                append_quoted(&rewriting->out, bytes_of(value.data + start, length));
            buffer_append(&rewriting->out, "\n", 1);
        }
        start += length + 1;
    }
    buffer_deinit(&value);
}

/* A size may be written in several ways. */
static bool is_initial_size(const struct option *option)
{
    int64_t initial = 0;
    char ignored[128];
    struct option copy = *option;
    copy.value = &initial;
    return option->type == OPTION_BYTES &&
           option_set(&copy, bytes_of_text(option->initial), ignored, sizeof(ignored)) &&
           initial == __atomic_load_n((int64_t *)option->value, __ATOMIC_RELAXED);
}

static void rewriting_append_changed(void *context, const struct option *option)
{
    struct rewriting *rewriting = context;
    struct buffer value = {0};
    option_print(option, &value);
    if (!bytes_equal(buffer_bytes(&value), bytes_of_text(option->initial)) && !is_initial_size(option) &&
        !(option->flags & (OPTION_COMPAT | OPTION_HIDDEN)))
        rewriting_append(rewriting, option);
    buffer_deinit(&value);
}

static void rewriting_copy_line(struct rewriting *rewriting, const char *line)
{
    struct buffer name = {0};
    bool broken;
    const char *place = line;
    const struct option *option = NULL;
    if (next_word(&place, &name, &broken) && name.data[0] != '#')
        option = settings_find(buffer_bytes(&name));
    if (option)
        rewriting_append(rewriting, option);
    else
        buffer_append_text(&rewriting->out, line);
    buffer_deinit(&name);
}

/* The name of a file lasts when its folder is synced. */
static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", path);
    char *end = strrchr(folder, '/');
    if (!end)
        strcpy(folder, ".");
    else
        end[end == folder] = '\0';
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        close(file);
    return synced;
}

/* Whoever could not read the old file, cannot read the new one. */
static bool write_file_atomically(const char *path, struct bytes content)
{
    char temporary[PATH_MAX + 16];
    struct stat old;
    mode_t mode = stat(path, &old) == 0 ? old.st_mode & 0777 : 0600;
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    unlink(temporary);
    int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = file >= 0 && fchmod(file, mode) == 0;
    for (size_t done = 0; written && done < content.length;) {
        ssize_t step = write(file, content.data + done, content.length - done);
        written = step > 0;
        done += written ? (size_t)step : 0;
    }
    written = written && fsync(file) == 0;
    if (file >= 0)
        close(file);
    return written && rename(temporary, path) == 0 && sync_folder_of(path);
}

bool settings_rewrite(char *error, size_t error_size)
{
    if (file_path[0] == '\0') {
        snprintf(error, error_size, "The server is running without a config file");
        return false;
    }
    struct rewriting rewriting = {.done_count = 0};
    FILE *file = fopen(file_path, "r");
    char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) >= 0)
        rewriting_copy_line(&rewriting, line);
    free(line);
    if (file)
        fclose(file);
    settings_each(rewriting_append_changed, &rewriting);
    bool written = write_file_atomically(file_path, buffer_bytes(&rewriting.out));
    if (!written)
        snprintf(error, error_size, "Rewriting config file: %s", strerror(errno));
    buffer_deinit(&rewriting.out);
    return written;
}

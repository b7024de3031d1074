/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing and printing of option rows, one pair of functions a type.
 *
 * Workers read values without a lock, so a value changes by one atomic store. A text is replaced as a whole, and
 * the old one stays readable for RETIRED_US, far longer than any reader looks at it.
 * Setting is for one thread at a time; the caller sees to that. */
#include "base/option.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/memory.h"

#define RETIRED_US 10000000

struct retired_text {
    struct list node;
    int64_t retired_at_us;
    char *text;
};
static struct list retired_texts = {&retired_texts, &retired_texts};

__attribute__((format(printf, 3, 4))) static bool refuse(char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error_size > 0)
        vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return false;
}

static bool set_bounded(const struct option *option, int64_t value, char *error, size_t error_size)
{
    bool bounded = option->minimum != 0 || option->maximum != 0;
    if (bounded && (value < option->minimum || value > option->maximum))
        return refuse(error, error_size, "argument must be between %lld and %lld inclusive", (long long)option->minimum,
                      (long long)option->maximum);
    __atomic_store_n((int64_t *)option->value, value, __ATOMIC_RELAXED);
    return true;
}

static bool set_integer(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    int64_t value;
    if (!bytes_to_int64(text, &value))
        return refuse(error, error_size, "argument couldn't be parsed into an integer");
    return set_bounded(option, value, error, error_size);
}

/* As Redis reads sizes: k, m and g are decimal, kb, mb and gb binary. */
static bool parse_size(struct bytes text, int64_t *value)
{
    static const struct {
        const char *name;
        int64_t factor;
    } units[] = {
        {"", 1},         {"b", 1},          {"k", 1000},       {"kb", 1 << 10},      {"m", 1000000},
        {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1LL << 30}, {"t", 1000000000000}, {"tb", 1LL << 40},
    };
    size_t digits = 0;
    if (text.length > 0 && text.data[0] == '-')
        digits++;
    while (digits < text.length && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    struct bytes unit = bytes_of(text.data + digits, text.length - digits);
    if (!bytes_to_int64(bytes_of(text.data, digits), value))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (bytes_equal_text(unit, units[i].name))
            return !__builtin_mul_overflow(*value, units[i].factor, value);
    return false;
}

static bool set_size(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    int64_t value = 0;
    if (text.length > 0 && !parse_size(text, &value))
        return refuse(error, error_size, "argument must be a memory value");
    return set_bounded(option, value, error, error_size);
}

static bool set_bool(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    bool yes = bytes_equal_text(text, "yes");
    if (!yes && !bytes_equal_text(text, "no"))
        return refuse(error, error_size, "argument must be 'yes' or 'no'");
    __atomic_store_n((bool *)option->value, yes, __ATOMIC_RELAXED);
    return true;
}

static void retire_text(char *text)
{
    int64_t now_us = clock_monotonic_us();
    while (!list_is_empty(&retired_texts)) {
        struct retired_text *oldest = list_entry(retired_texts.next, struct retired_text, node);
        if (now_us - oldest->retired_at_us < RETIRED_US)
            break;
        list_remove(&oldest->node);
        memory_free(oldest->text);
        memory_free(oldest);
    }
    if (!text)
        return;
    struct retired_text *retired = memory_allocate(sizeof(*retired));
    *retired = (struct retired_text){.retired_at_us = now_us, .text = text};
    list_append(&retired_texts, &retired->node);
}

static bool set_text(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    char **value = option->value, *old = *value;
    if (text.length > 0 && memchr(text.data, '\0', text.length))
        return refuse(error, error_size, "argument must not contain a zero byte");
    if (old && bytes_equal(text, bytes_of_text(old)))
        return true;
    char *copy = memory_allocate(text.length + 1);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    __atomic_store_n(value, copy, __ATOMIC_RELEASE);
    retire_text(old);
    return true;
}

static bool set_enum(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    for (int i = 0; option->names[i]; i++) {
        if (bytes_equal_text(text, option->names[i])) {
            __atomic_store_n((int *)option->value, i, __ATOMIC_RELAXED);
            return true;
        }
    }
    struct buffer names = {0};
    for (int i = 0; option->names[i]; i++)
        buffer_append_format(&names, "%s%s", i ? ", " : "", option->names[i]);
    refuse(error, error_size, "argument(s) must be one of the following: %s", names.data ? names.data : "");
    buffer_deinit(&names);
    return false;
}

bool option_set(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    switch (option->type) {
    case OPTION_INTEGER:
        return set_integer(option, text, error, error_size);
    case OPTION_BYTES:
        return set_size(option, text, error, error_size);
    case OPTION_BOOL:
        return set_bool(option, text, error, error_size);
    case OPTION_TEXT:
        return set_text(option, text, error, error_size);
    case OPTION_ENUM:
        return set_enum(option, text, error, error_size);
    case OPTION_SPECIAL:
        return option->parse(option, text, error, error_size);
    }
    return refuse(error, error_size, "unknown type of option");
}

void option_print(const struct option *option, struct buffer *out)
{
    switch (option->type) {
    case OPTION_INTEGER:
    case OPTION_BYTES:
        buffer_append_int64(out, __atomic_load_n((int64_t *)option->value, __ATOMIC_RELAXED));
        break;
    case OPTION_BOOL:
        buffer_append_text(out, __atomic_load_n((bool *)option->value, __ATOMIC_RELAXED) ? "yes" : "no");
        break;
    case OPTION_TEXT:
        buffer_append_text(out, __atomic_load_n((char **)option->value, __ATOMIC_ACQUIRE));
        break;
    case OPTION_ENUM:
        buffer_append_text(out, option->names[__atomic_load_n((int *)option->value, __ATOMIC_RELAXED)]);
        break;
    case OPTION_SPECIAL:
        option->print(option, out);
        break;
    }
}

void option_reset(const struct option *table)
{
    char error[160];
    for (const struct option *option = table; option->name; option++) {
        if (!option_set(option, bytes_of_text(option->initial ? option->initial : ""), error, sizeof(error))) {
            char text[256];
            snprintf(text, sizeof(text), "the default of option %s is valid (%s)", option->name, error);
            check_failed(__FILE__, __LINE__, __func__, text);
        }
    }
}

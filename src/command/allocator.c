/* SPDX-License-Identifier: BSD-3-Clause */
/* jemalloc's functions are weak here: whether it is there is known when the program is linked. */
#include "command/allocator.h"

#include <stdio.h>

#include "base/memory.h"

extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size) __attribute__((weak));
extern void malloc_stats_print(void (*write)(void *context, const char *text), void *context, const char *options)
    __attribute__((weak));

const char *allocator_name(void)
{
    static char name[64];
    const char *version;
    size_t size = sizeof(version);
    if (name[0])
        return name;
    if (!mallctl || mallctl("version", &version, &size, NULL, 0) != 0)
        return "libc";
    /* "5.3.0-0-g54eaed1d..." without what follows the number. */
    snprintf(name, sizeof(name), "jemalloc-%.*s", (int)strcspn(version, "-"), version);
    return name;
}

static size_t read_size(const char *name, size_t otherwise)
{
    size_t value, size = sizeof(value);
    return mallctl && mallctl(name, &value, &size, NULL, 0) == 0 ? value : otherwise;
}

struct allocator_state allocator_read(void)
{
    size_t allocated = memory_allocated();
    return (struct allocator_state){.allocated = read_size("stats.allocated", allocated),
                                    .active = read_size("stats.active", allocated),
                                    .resident = read_size("stats.resident", memory_resident())};
}

static void append(void *context, const char *text)
{
    buffer_append_text(context, text);
}

void allocator_report(struct buffer *out)
{
    if (malloc_stats_print)
        malloc_stats_print(append, out, "");
    else
        buffer_append_text(out, "Stats not supported for the current allocator");
}

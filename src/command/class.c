/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes are few and read on every request, so they stand in an array that is replaced as a whole, at start only:
 * class lines are a start-up directive. */
#include "command/class.h"

#include <stddef.h>
#include <stdio.h>

#include "base/memory.h"

#define CLASSES_MAX 64

static struct keyspace_class classes[CLASSES_MAX];
static uint32_t class_count;

struct keyspace_class *class_find(struct bytes name)
{
    struct keyspace_class *best = NULL;
    for (uint32_t i = 0; i < class_count; i++) {
        struct keyspace_class *class = &classes[i];
        if (name.length >= class->prefix_length && memcmp(name.data, class->prefix, class->prefix_length) == 0 &&
            (!best || class->prefix_length > best->prefix_length))
            best = class;
    }
    return best;
}

static enum stream_level level_of_node(const struct engine *engine)
{
    if (engine->durability == DURABILITY_THROUGH)
        return STREAM_SYNCED;
    return engine->durability == DURABILITY_BEHIND ? STREAM_WRITTEN : STREAM_APPENDED;
}

void class_prepare(struct execution *x)
{
    x->wait_level = level_of_node(x->engine);
    if (class_count == 0)
        return;
    bool writes = x->command->flags & COMMAND_WRITE;
    for (size_t i = 0; i < x->key_count; i++) {
        struct keyspace_class *class = class_find(x->keys[i].name);
        if (!class)
            continue;
        atomic_fetch_add_explicit(writes ? &class->writes : &class->reads, 1, memory_order_relaxed);
        if (class->through && x->engine->durability != DURABILITY_NONE) {
            x->wait_level = STREAM_SYNCED;
            x->waits_for_reads = true;
        }
    }
}

void class_note_evicted(struct bytes name)
{
    struct keyspace_class *class = class_find(name);
    if (class)
        atomic_fetch_add_explicit(&class->evicted, 1, memory_order_relaxed);
}

bool class_any_optional(void)
{
    for (uint32_t i = 0; i < class_count; i++)
        if (classes[i].optional)
            return true;
    return false;
}

void class_each(void (*visit)(void *context, const struct keyspace_class *class), void *context)
{
    for (uint32_t i = 0; i < class_count; i++)
        visit(context, &classes[i]);
}

static char *copy_word(struct bytes word)
{
    char *copy = memory_allocate(word.length + 1);
    memcpy(copy, word.data, word.length);
    copy[word.length] = '\0';
    return copy;
}

static bool class_set(struct keyspace_class *class, struct bytes word, struct bytes value)
{
    static const struct {
        const char *word, *yes, *no;
        size_t field;
    } switches[] = {
        {"durability", "through", "behind", offsetof(struct keyspace_class, through)},
        {"admission", "optional", "always", offsetof(struct keyspace_class, optional)},
    };
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        if (!bytes_equal_text(word, switches[i].word))
            continue;
        bool yes = bytes_equal_text(value, switches[i].yes);
        *(bool *)((char *)class + switches[i].field) = yes;
        return yes || bytes_equal_text(value, switches[i].no);
    }
    return false;
}

/* class NAME prefix P [durability through|behind] [admission always|optional] */
static bool class_parse(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    (void)option;
    if (text.length == 0) {
        class_count = 0;
        return true;
    }
    struct keyspace_class class = {0};
    struct bytes name = bytes_take_word(&text), prefix = {0};
    for (struct bytes word = bytes_take_word(&text); word.length > 0; word = bytes_take_word(&text)) {
        struct bytes value = bytes_take_word(&text);
        if (bytes_equal_text(word, "prefix"))
            prefix = value;
        else if (!class_set(&class, word, value)) {
            snprintf(error, error_size,
                     "unknown class setting '%.*s %.*s': use prefix P, durability through|behind, "
                     "admission always|optional",
                     (int)word.length, word.data, (int)value.length, value.data);
            return false;
        }
    }
    if (name.length == 0 || prefix.length == 0) {
        snprintf(error, error_size, "a class needs a name and a prefix: class NAME prefix P [durability through]");
        return false;
    }
    if (class_count == CLASSES_MAX) {
        snprintf(error, error_size, "at most %d classes are possible", CLASSES_MAX);
        return false;
    }
    class.name = copy_word(name);
    class.prefix = copy_word(prefix);
    class.prefix_length = prefix.length;
    classes[class_count++] = class;
    return true;
}

static void class_print(const struct option *option, struct buffer *out)
{
    (void)option;
    for (uint32_t i = 0; i < class_count; i++)
        buffer_append_format(out, "%s%s prefix %s durability %s admission %s", i ? "\n" : "", classes[i].name,
                             classes[i].prefix, classes[i].through ? "through" : "behind",
                             classes[i].optional ? "optional" : "always");
}

const struct option class_options[] = {
    {.name = "class",
     .type = OPTION_SPECIAL,
     .flags = OPTION_STARTUP | OPTION_REPEATED,
     .initial = "",
     .help = "a keyspace class: NAME prefix P [durability through|behind] [admission always|optional]; replies about "
             "its keys wait accordingly, and optional ones may be deleted when memory is short",
     .parse = class_parse,
     .print = class_print},
    {.name = NULL},
};

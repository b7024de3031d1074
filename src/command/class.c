/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes are few and read on every request, so they stand in an array that is replaced as a whole, at start only:
 * class lines are a start-up directive. */
#include "command/class.h"

#include <stddef.h>
#include <stdio.h>

#include "base/memory.h"
#include "command/gates.h"
#include "command/transaction.h"
#include "resp/error_text.h"

#define CLASSES_MAX 64

static struct keyspace_class classes[CLASSES_MAX];
static uint32_t class_count;

static const char *const ack_words[] = {"none", "quorum", "all"};
static const char *const ack_meaning_words[] = {"received", "synced", NULL};
int ack_meaning;

const char *class_ack_word(const struct keyspace_class *class)
{
    return ack_words[class->ack];
}

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

static uint8_t needs_of_node(const struct engine *engine)
{
    if (engine->durability == DURABILITY_THROUGH)
        return NEEDS_WRITTEN | NEEDS_SYNCED;
    return engine->durability == DURABILITY_BEHIND ? NEEDS_WRITTEN : 0;
}

static void require(struct execution *x, const struct keyspace_class *class)
{
    uint8_t needs = class->through ? NEEDS_SYNCED : 0;
    if (class->ack != ACK_NONE && !engine_is_following(x->engine)) {
        needs |= NEEDS_WRITTEN | (class->ack == ACK_ALL ? NEEDS_ALL : NEEDS_QUORUM);
        if (__atomic_load_n(&ack_meaning, __ATOMIC_RELAXED) == ACK_MEANS_SYNCED)
            needs |= NEEDS_SYNCED;
    }
    if (x->engine->durability == DURABILITY_NONE)
        needs &= (uint8_t)~NEEDS_SYNCED;
    x->needs |= needs;
    x->waits_for_reads |= needs != 0;
}

void class_prepare(struct execution *x)
{
    x->needs = needs_of_node(x->engine);
    if (class_count == 0)
        return;
    uint32_t flags = x->command->flags | transaction_flags(x);
    bool writes = flags & COMMAND_WRITE;
    bool any_key = writes && flags & COMMAND_ALL_KEYS && (x->key_count == 0 || transaction_is_executed(x));
    for (uint32_t i = 0; i < class_count && any_key; i++)
        require(x, &classes[i]);
    if (flags & COMMAND_SCRIPT && !transaction_is_executed(x))
        return; /* each command that it calls comes here itself */
    for (size_t i = 0; i < x->key_count; i++) {
        struct keyspace_class *class = class_find(x->keys[i].name);
        if (!class)
            continue;
        atomic_fetch_add_explicit(writes ? &class->writes : &class->reads, 1, memory_order_relaxed);
        require(x, class);
    }
}

/* What others have decided already is not refused. */
bool class_refuses(struct execution *x)
{
    const struct stream *stream = x->engine->stream;
    bool writes = (x->command->flags | transaction_flags(x)) & COMMAND_WRITE;
    bool few = (x->needs & NEEDS_QUORUM && !stream_copies_are_possible(stream, STREAM_QUORUM)) ||
               (x->needs & NEEDS_ALL && !stream_copies_are_possible(stream, STREAM_ALL));
    if (!writes || !few || (x->session->flags & SESSION_FEED))
        return false;
    gate_refuse(x, ERROR_NO_REPLICAS);
    x->needs = 0;
    x->waits_for_reads = false;
    return true;
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

bool class_any_ack(void)
{
    for (uint32_t i = 0; i < class_count; i++)
        if (classes[i].ack != ACK_NONE)
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
        const char *word, *values[3];
        size_t field;
    } settings[] = {
        {"durability", {"behind", "through"}, offsetof(struct keyspace_class, through)},
        {"ack", {"none", "quorum", "all"}, offsetof(struct keyspace_class, ack)},
        {"admission", {"always", "optional"}, offsetof(struct keyspace_class, optional)},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        for (uint8_t n = 0; n < 3 && settings[i].values[n] && bytes_equal_text(word, settings[i].word); n++)
            if (bytes_equal_text(value, settings[i].values[n])) {
                *((uint8_t *)class + settings[i].field) = n;
                return true;
            }
    return false;
}

/* class NAME prefix P [durability through|behind] [ack none|quorum|all] [admission always|optional] */
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
                     "ack none|quorum|all, admission always|optional",
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
        buffer_append_format(out, "%s%s prefix %s durability %s ack %s admission %s", i ? "\n" : "", classes[i].name,
                             classes[i].prefix, classes[i].through ? "through" : "behind", class_ack_word(&classes[i]),
                             classes[i].optional ? "optional" : "always");
}

const struct option class_options[] = {
    {.name = "class",
     .type = OPTION_SPECIAL,
     .flags = OPTION_STARTUP | OPTION_REPEATED,
     .initial = "",
     .help = "a keyspace class: NAME prefix P [durability through|behind] [ack none|quorum|all] "
             "[admission always|optional]; replies about its keys wait accordingly, and optional ones may be deleted "
             "when memory is short",
     .parse = class_parse,
     .print = class_print},
    {.name = "ack-means",
     .type = OPTION_ENUM,
     .value = &ack_meaning,
     .initial = "received",
     .names = ack_meaning_words,
     .help = "what classes with ack wait for at each node: that its log file has a write, or that this is synced"},
    {.name = NULL},
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* OBJECT: how a value is kept, and how often and lately its key was used. It counts as a hit or a miss, but is no use of the
 * key. */
#include "command/args.h"
#include "command/effects.h"
#include "command/key_commands.h"

static struct entry *object_lookup(struct execution *x)
{
    struct entry *entry = key_lookup_quietly(x, x->keys);
    if (!entry)
        reply_null(x->reply);
    return entry;
}

static void object_encoding_command(struct execution *x)
{
    struct entry *entry = object_lookup(x);
    if (!entry)
        return;
    struct object value = entry_object(entry);
    reply_bulk_text(x->reply, object_encoding_name(&value));
}

static bool policy_is_lfu(const struct engine *engine)
{
    return engine->eviction == EVICT_ALLKEYS_LFU || engine->eviction == EVICT_VOLATILE_LFU;
}

#define ERROR_AFTER_SWITCH                                                                                             \
    " Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."

static void object_freq_command(struct execution *x)
{
    struct entry *entry = object_lookup(x);
    if (!entry)
        return;
    if (policy_is_lfu(x->engine))
        reply_integer(x->reply, keyspace_frequency(x->keyspace, entry));
    else
        reply_error(x->reply,
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked." ERROR_AFTER_SWITCH);
}

static void object_idletime_command(struct execution *x)
{
    struct entry *entry = object_lookup(x);
    if (!entry)
        return;
    if (policy_is_lfu(x->engine))
        reply_error(x->reply, "ERR An LFU maxmemory policy is selected, idle time not tracked." ERROR_AFTER_SWITCH);
    else
        reply_integer(x->reply, keyspace_idle_seconds(x->keyspace, entry));
}

/* A value has one key; that replies and captures hold a block, too, is nobody's business. */
static void object_refcount_command(struct execution *x)
{
    if (object_lookup(x))
        reply_integer(x->reply, 1);
}

static void object_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Tell how the value of <key> is represented in memory.",
        "FREQ <key>",
        "    Tell how often <key> was used lately, on a logarithmic scale. Needs an LFU",
        "    eviction policy.",
        "IDLETIME <key>",
        "    Tell for about how many seconds <key> has not been used. Not with an LFU",
        "    eviction policy.",
        "REFCOUNT <key>",
        "    Tell how many references there are to the value of <key>.",
        NULL,
    };
    reply_help(x, lines);
}

/* ---- the table ---- */

static const struct command object_subcommands[] = {
    {
        .name = "ENCODING",
        .run = object_encoding_command,
        .arity = 3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(2, KEY_RO)},
        .group = "generic",
        .since = "2.2.3",
        .complexity = "O(1)",
        .summary = "Tells how a value is represented in memory.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "FREQ",
        .run = object_freq_command,
        .arity = 3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(2, KEY_RO)},
        .group = "generic",
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Tells how often a key was used lately, on a logarithmic scale.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "HELP",
        .run = object_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "generic",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Explains the subcommands.",
    },
    {
        .name = "IDLETIME",
        .run = object_idletime_command,
        .arity = 3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(2, KEY_RO)},
        .group = "generic",
        .since = "2.2.3",
        .complexity = "O(1)",
        .summary = "Tells for how many seconds a key has not been used.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "REFCOUNT",
        .run = object_refcount_command,
        .arity = 3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(2, KEY_RO)},
        .group = "generic",
        .since = "2.2.3",
        .complexity = "O(1)",
        .summary = "Tells how many references there are to a value.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {.name = NULL},
};

const struct command object_commands[] = {
    {
        .name = "OBJECT",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "generic",
        .since = "2.2.3",
        .complexity = "Depends on the subcommand.",
        .summary = "Tells about the value at a key.",
        .subcommands = object_subcommands,
    },
    {.name = NULL},
};

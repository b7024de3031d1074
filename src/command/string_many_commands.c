/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings at several keys. */
#include "command/string_commands.h"

#include "command/args.h"

static void mget_command(struct execution *x)
{
    reply_array(x->reply, x->key_count);
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *entry = lookup_read(x, &x->keys[i]);
        string_reply_or_null(x, entry && entry_type(entry) == OBJECT_STRING ? entry : NULL);
    }
}

static bool mset_store(struct execution *x, size_t first_value, const struct string_options *options)
{
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *old = lookup_write(x, &x->keys[i]);
        int64_t expire_at_ms = options->ttl == TTL_KEEP && old ? entry_expire_at_ms(old) : options->expire_at_ms;
        if (!string_store(x, &x->keys[i], old, x->argv[first_value + i * 2], expire_at_ms))
            return false;
        string_notify_set(x, &x->keys[i], options);
    }
    return true;
}

static bool any_exists(struct execution *x)
{
    for (size_t i = 0; i < x->key_count; i++)
        if (lookup_write(x, &x->keys[i]))
            return true;
    return false;
}

static bool all_exist(struct execution *x)
{
    for (size_t i = 0; i < x->key_count; i++)
        if (!lookup_write(x, &x->keys[i]))
            return false;
    return true;
}

static void mset_command(struct execution *x)
{
    struct string_options options = {.expire_at_ms = ENTRY_NO_EXPIRE};
    if (x->argc % 2 == 0)
        reply_arity_error(x);
    else if (mset_store(x, 2, &options))
        reply_status(x->reply, "OK");
}

static void msetnx_command(struct execution *x)
{
    struct string_options options = {.expire_at_ms = ENTRY_NO_EXPIRE};
    if (x->argc % 2 == 0)
        reply_arity_error(x);
    else if (any_exists(x))
        reply_integer(x->reply, 0);
    else if (mset_store(x, 2, &options))
        reply_integer(x->reply, 1);
}

/* MSETEX numkeys key value ... [NX | XX] [EX s | PX ms | EXAT t | PXAT t | KEEPTTL] */
static void msetex_command(struct execution *x)
{
    struct string_options options;
    int64_t count;
    if (!arg_int64_in(x, x->argv[1], 1, INT32_MAX, "ERR invalid numkeys value", &count))
        return;
    if ((uint64_t)count > (x->argc - 2) / 2 || x->key_count != (size_t)count) {
        reply_arity_error(x);
        return;
    }
    if (!string_options_parse(x, 2 + (size_t)count * 2, "ck", &options) || !string_options_parse_expire(x, &options))
        return;
    bool refused =
        (options.condition == SET_IF_ABSENT && any_exists(x)) || (options.condition == SET_IF_PRESENT && !all_exist(x));
    if (refused)
        reply_integer(x->reply, 0);
    else if (mset_store(x, 3, &options))
        reply_integer(x->reply, 1);
}

static bool msetex_keys(const struct bytes *argv, size_t argc, void (*add)(void *context, size_t index, uint16_t flags),
                        void *context)
{
    int64_t count;
    if (argc < 4 || !bytes_to_int64(argv[1], &count) || count < 1 || (uint64_t)count > (argc - 2) / 2)
        return false;
    for (int64_t i = 0; i < count; i++)
        add(context, 2 + (size_t)i * 2, KEY_OW | KEY_UPDATE);
    return true;
}

/* ---- the table ---- */

#define KEY_VALUE_PAIRS                                                                                                \
    {                                                                                                                  \
        .name = "data", .type = ARGUMENT_BLOCK, .flags = ARGUMENT_MULTIPLE,                                            \
        .children = ARGUMENTS(ARG_KEY("key"), ARG_STRING("value"))                                                     \
    }

const struct command string_many_commands[] = {
    {
        .name = "MGET",
        .run = mget_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of keys to retrieve.",
        .summary = "Returns the strings at several keys, as they are at one moment.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "MSET",
        .run = mset_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_RANGE(1, -1, 2, KEY_OW | KEY_UPDATE)},
        .group = "string",
        .since = "1.0.1",
        .complexity = "O(N) where N is the number of keys to set.",
        .summary = "Stores several strings at once.",
        .arguments = ARGUMENTS(KEY_VALUE_PAIRS),
    },
    {
        .name = "MSETEX",
        .run = msetex_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MOVABLEKEYS,
        .group = "string",
        .since = "8.4.0",
        .complexity = "O(N) where N is the number of keys to set.",
        .summary = "Stores several strings at once, with one condition and one time to live for all.",
        .arguments = ARGUMENTS(ARG_INTEGER("numkeys"), KEY_VALUE_PAIRS,
                               {.name = "condition",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"))},
                               {.name = "expiration",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(EXPIRY_CHOICES, ARG_TOKEN("keepttl", "KEEPTTL"))}),
        .more_keys = msetex_keys,
    },
    {
        .name = "MSETNX",
        .run = msetnx_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_RANGE(1, -1, 2, KEY_OW | KEY_INSERT)},
        .group = "string",
        .since = "1.0.1",
        .complexity = "O(N) where N is the number of keys to set.",
        .summary = "Stores several strings at once, if none of the keys exists.",
        .arguments = ARGUMENTS(KEY_VALUE_PAIRS),
    },
    {.name = NULL},
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings: reading and storing whole ones. A value is stored as an integer where it is one, inline in its entry when short,
 * else in a counted block that replies and captures may hold on to. */
#include "command/string_commands.h"

#include "command/args.h"
#include "command/claims.h"

/* Bytes to copy that are as much work as an element. */
#define BYTES_AN_ELEMENT 64

/* A long one is copied while others have the key's partition; but one of many may not leave the first ones alone. */
static bool object_of_bytes(struct execution *x, struct bytes bytes, struct object *value)
{
    if (x->key_count == 1)
        execution_let_go(x, bytes.length / BYTES_AN_ELEMENT);
    bool fits = string_object_from_bytes(bytes, value);
    execution_hold_again(x);
    if (!fits)
        reply_error(x->reply, "OOM the value does not fit in memory");
    return fits;
}

bool string_store(struct execution *x, const struct key *key, struct entry *old, struct bytes bytes,
                  int64_t expire_at_ms)
{
    struct object value;
    if (!object_of_bytes(x, bytes, &value))
        return false;
    store(x, key, old, &value, expire_at_ms);
    return true;
}

void string_notify_set(struct execution *x, const struct key *key, const struct string_options *options)
{
    notify(x, NOTIFY_STRING, "set", key);
    if (set_has_expire(options))
        notify(x, NOTIFY_GENERIC, "expire", key);
}

static void get_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = string_lookup_read(x, x->keys, &wrong_type);
    if (!wrong_type)
        string_reply_or_null(x, entry);
}

static bool set_condition_holds(const struct string_options *options, struct entry *old)
{
    if (options->condition == SET_ALWAYS)
        return true;
    if (options->condition == SET_IF_ABSENT)
        return !old;
    if (!old || options->condition == SET_IF_PRESENT)
        return old;
    char digits[BYTES_INTEGER_MAX];
    struct object value = entry_object(old);
    return bytes_equal(string_object_bytes(&value, digits), options->comparison);
}

static void set_store(struct execution *x, const struct string_options *options, struct bytes value)
{
    struct entry *old = lookup_write(x, x->keys);
    if ((options->get || options->condition == SET_IF_EQUAL) && !require_type(x, old, OBJECT_STRING))
        return;
    if (options->get) {
        string_reply_or_null(x, old);
        if (!old)
            notify(x, NOTIFY_MISSED, "keymiss", x->keys);
    }
    if (!set_condition_holds(options, old)) {
        if (!options->get)
            reply_null(x->reply);
        return;
    }
    int64_t expire_at_ms = options->ttl == TTL_KEEP && old ? entry_expire_at_ms(old) : options->expire_at_ms;
    bool born_dead = set_has_expire(options) && expire_at_ms <= x->expiry_ms;
    /* As if it had been set and had expired at once. */
    if (born_dead && old)
        delete_key(x, x->keys, old);
    else if (!born_dead && !string_store(x, x->keys, old, value, expire_at_ms))
        return;
    string_notify_set(x, x->keys, options);
    if (born_dead)
        notify(x, NOTIFY_EXPIRED, "expired", x->keys);
    if (!options->get)
        reply_status(x->reply, "OK");
}

static void set_command(struct execution *x)
{
    struct string_options options = {.expire_at_ms = ENTRY_NO_EXPIRE};
    if (x->argc > 3 && (!string_options_parse(x, 3, "cegk", &options) || !string_options_parse_expire(x, &options)))
        return;
    set_store(x, &options, x->argv[2]);
}

static uint16_t set_call_flags(const struct bytes *argv, size_t argc)
{
    for (size_t i = 3; i < argc; i++)
        if (arg_is(argv[i], "GET"))
            return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return KEY_OW | KEY_UPDATE;
}

static void setnx_command(struct execution *x)
{
    struct entry *old = lookup_write(x, x->keys);
    if (!old && !string_store(x, x->keys, NULL, x->argv[2], ENTRY_NO_EXPIRE))
        return;
    if (!old)
        notify(x, NOTIFY_STRING, "set", x->keys);
    reply_integer(x->reply, old ? 0 : 1);
}

static void set_with_ttl(struct execution *x, bool in_seconds)
{
    struct string_options options = {.ttl = in_seconds ? TTL_EX : TTL_PX};
    if (arg_expire(x, x->argv[2], in_seconds, true, true, &options.expire_at_ms))
        set_store(x, &options, x->argv[3]);
}

static void setex_command(struct execution *x)
{
    set_with_ttl(x, true);
}

static void psetex_command(struct execution *x)
{
    set_with_ttl(x, false);
}

static void getset_command(struct execution *x)
{
    struct string_options options = {.get = true, .expire_at_ms = ENTRY_NO_EXPIRE};
    set_store(x, &options, x->argv[2]);
}

static void getdel_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = string_lookup_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    string_reply_or_null(x, entry);
    if (!entry)
        return;
    delete_key(x, x->keys, entry);
    notify(x, NOTIFY_GENERIC, "del", x->keys);
}

static void getex_command(struct execution *x)
{
    struct string_options options;
    bool wrong_type;
    if (!string_options_parse(x, 2, "p", &options))
        return;
    struct entry *entry = string_lookup_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    if (!entry) {
        reply_null(x->reply);
        return;
    }
    if (!string_options_parse_expire(x, &options))
        return;
    string_reply_or_null(x, entry);
    if (set_has_expire(&options)) {
        bool lives = store_expire(x, x->keys, entry, options.expire_at_ms);
        notify(x, NOTIFY_GENERIC, lives ? "expire" : "del", x->keys);
    } else if (options.ttl == TTL_PERSIST && entry_expire_at_ms(entry) != ENTRY_NO_EXPIRE) {
        store_expire(x, x->keys, entry, ENTRY_NO_EXPIRE);
        notify(x, NOTIFY_GENERIC, "persist", x->keys);
    }
}

static void delifeq_command(struct execution *x)
{
    bool wrong_type;
    struct string_options options = {.condition = SET_IF_EQUAL, .comparison = x->argv[2]};
    struct entry *entry = string_lookup_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    bool equal = set_condition_holds(&options, entry);
    if (equal) {
        delete_key(x, x->keys, entry);
        notify(x, NOTIFY_GENERIC, "del", x->keys);
    }
    reply_integer(x->reply, equal);
}

/* ---- the table ---- */

const struct command string_commands[] = {
    {
        .name = "DELIFEQ",
        .run = delifeq_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RM | KEY_DELETE)},
        .group = "string",
        .since = "9.0.0",
        .complexity = "O(1)",
        .summary = "Deletes a string if it holds exactly this value.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("value")),
    },
    {
        .name = "GET",
        .run = get_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the string at a key.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "GETDEL",
        .run = getdel_command,
        .arity = 2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "string",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns the string at a key and deletes the key.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "GETEX",
        .run = getex_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_UPDATE,
                  .first = 1,
                  .step = 1,
                  .notes = "RW and UPDATE because it changes the TTL"}},
        .group = "string",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns the string at a key and sets or removes its time to live.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), {.name = "expiration",
                                       .type = ARGUMENT_ONEOF,
                                       .flags = ARGUMENT_OPTIONAL,
                                       .children = ARGUMENTS(EXPIRY_CHOICES, ARG_TOKEN("persist", "PERSIST"))}),
    },
    {
        .name = "GETSET",
        .run = getset_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the string at a key and stores a new one.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("value")),
        .deprecated_since = "6.2.0",
        .replaced_by = "`SET` with the `!GET` argument",
    },
    {
        .name = "PSETEX",
        .run = psetex_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE)},
        .group = "string",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Stores a string with a time to live in milliseconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("milliseconds"), ARG_STRING("value")),
    },
    {
        .name = "SET",
        .run = set_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE,
                  .first = 1,
                  .step = 1,
                  .notes = "RW and ACCESS due to the optional `GET` argument"}},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Stores a string, whatever the key held before.",
        .call_flags = set_call_flags,
        .history =
            HISTORY({"2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."},
                    {"6.0.0", "Added the `KEEPTTL` option."}, {"6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."},
                    {"7.0.0", "Allowed the `NX` and `GET` options to be used together."},
                    {"8.1.0", "Added the `IFEQ` option."}),
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("value"),
            {.name = "condition",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .since = "2.6.12",
             .children = ARGUMENTS(
                 ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"),
                 {.name = "comparison-value", .type = ARGUMENT_STRING, .token = "IFEQ", .since = "8.1.0"})},
            {.name = "get", .type = ARGUMENT_PURE_TOKEN, .token = "GET", .flags = ARGUMENT_OPTIONAL, .since = "6.2.0"},
            {.name = "expiration",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(EXPIRY_CHOICES, ARG_TOKEN("keepttl", "KEEPTTL"))}),
    },
    {
        .name = "SETEX",
        .run = setex_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE)},
        .group = "string",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Stores a string with a time to live in seconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("seconds"), ARG_STRING("value")),
    },
    {
        .name = "SETNX",
        .run = setnx_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_OW | KEY_INSERT)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Stores a string if the key is missing.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("value")),
    },
    {.name = NULL},
};

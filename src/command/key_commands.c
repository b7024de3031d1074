/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be done to a key whatever it holds: whether it is there, how long it lives, what type it has.
 *
 * TYPE, TTL, OBJECT and EXISTS count as hits or misses, but are no use of the key: they leave its order of use alone. */
#include "command/key_commands.h"

#include "base/metric.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"

struct entry *key_lookup_quietly(struct execution *x, const struct key *key)
{
    struct entry *entry = lookup_peek(x, key);
    metric_add(entry ? METRIC_keyspace_hits : METRIC_keyspace_misses, 1);
    return entry;
}

static struct entry *lookup_untouched(struct execution *x, const struct key *key)
{
    struct entry *entry = key_lookup_quietly(x, key);
    if (!entry)
        notify(x, NOTIFY_MISSED, "keymiss", key);
    return entry;
}

/* ---- there or not ---- */

/* DEL and UNLINK are one: memory of a large value is given back in the background in either case. */
static void del_command(struct execution *x)
{
    int64_t count = 0;
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *entry = lookup_peek(x, &x->keys[i]);
        if (!entry)
            continue;
        delete_key(x, &x->keys[i], entry);
        notify(x, NOTIFY_GENERIC, "del", &x->keys[i]);
        count++;
    }
    reply_integer(x->reply, count);
}

static void exists_command(struct execution *x)
{
    int64_t count = 0;
    for (size_t i = 0; i < x->key_count; i++)
        count += lookup_untouched(x, &x->keys[i]) != NULL;
    reply_integer(x->reply, count);
}

/* Touches even for a client that asked not to (CLIENT NO-TOUCH): that is what the command is for. */
static void touch_command(struct execution *x)
{
    int64_t count = 0;
    x->touch = true;
    for (size_t i = 0; i < x->key_count; i++)
        count += lookup_read(x, &x->keys[i]) != NULL;
    reply_integer(x->reply, count);
}

static void type_command(struct execution *x)
{
    struct entry *entry = lookup_untouched(x, x->keys);
    reply_status(x->reply, entry ? object_type_name(entry_type(entry)) : "none");
}

/* ---- how long ---- */

struct expire_conditions {
    bool nx, xx, gt, lt;
};

static bool expire_parse_conditions(struct execution *x, struct expire_conditions *conditions)
{
    *conditions = (struct expire_conditions){0};
    for (size_t i = 3; i < x->argc; i++) {
        struct bytes word = x->argv[i];
        bool nx = arg_is(word, "NX"), xx = arg_is(word, "XX"), gt = arg_is(word, "GT"), lt = arg_is(word, "LT");
        conditions->nx |= nx;
        conditions->xx |= xx;
        conditions->gt |= gt;
        conditions->lt |= lt;
        if (!nx && !xx && !gt && !lt) {
            reply_error_format(x->reply, "ERR Unsupported option %.*s", reply_quoted(word), word.data);
            return false;
        }
    }
    const char *error = NULL;
    if (conditions->nx && (conditions->xx || conditions->gt || conditions->lt))
        error = "ERR NX and XX, GT or LT options at the same time are not compatible";
    else if (conditions->gt && conditions->lt)
        error = "ERR GT and LT options at the same time are not compatible";
    if (error)
        reply_error(x->reply, error);
    return !error;
}

/* No expiry is the latest of all. */
static bool expire_conditions_hold(const struct expire_conditions *conditions, int64_t old_ms, int64_t new_ms)
{
    bool has_expiry = old_ms != ENTRY_NO_EXPIRE;
    return !(conditions->nx && has_expiry) && !(conditions->xx && !has_expiry) &&
           !(conditions->gt && (!has_expiry || new_ms <= old_ms)) &&
           !(conditions->lt && has_expiry && new_ms >= old_ms);
}

static void expire_generic(struct execution *x, bool in_seconds, bool relative)
{
    struct expire_conditions conditions;
    int64_t expire_at_ms;
    if (!expire_parse_conditions(x, &conditions) ||
        !arg_expire(x, x->argv[2], in_seconds, relative, false, &expire_at_ms))
        return;
    struct entry *entry = lookup_write(x, x->keys);
    bool changes = entry && expire_conditions_hold(&conditions, entry_expire_at_ms(entry), expire_at_ms);
    /* Not left to store_expire: among the times that have passed is the one that means no expiry. */
    bool passed = expire_at_ms <= x->expiry_ms;
    if (changes && passed)
        delete_key(x, x->keys, entry);
    else if (changes)
        store_expire(x, x->keys, entry, expire_at_ms);
    if (changes)
        notify(x, NOTIFY_GENERIC, passed ? "del" : "expire", x->keys);
    reply_integer(x->reply, changes);
}

static void expire_command(struct execution *x)
{
    expire_generic(x, true, true);
}

static void pexpire_command(struct execution *x)
{
    expire_generic(x, false, true);
}

static void expireat_command(struct execution *x)
{
    expire_generic(x, true, false);
}

static void pexpireat_command(struct execution *x)
{
    expire_generic(x, false, false);
}

static void persist_command(struct execution *x)
{
    struct entry *entry = lookup_write(x, x->keys);
    bool changes = entry && entry_expire_at_ms(entry) != ENTRY_NO_EXPIRE;
    if (changes) {
        store_expire(x, x->keys, entry, ENTRY_NO_EXPIRE);
        notify(x, NOTIFY_GENERIC, "persist", x->keys);
    }
    reply_integer(x->reply, changes);
}

/* Milliseconds are rounded to seconds, so that a TTL read right after EXPIRE is the one that was set. */
static void ttl_generic(struct execution *x, bool in_seconds, bool relative)
{
    struct entry *entry = lookup_untouched(x, x->keys);
    int64_t expire_at_ms = entry ? entry_expire_at_ms(entry) : ENTRY_NO_EXPIRE;
    if (!entry || expire_at_ms == ENTRY_NO_EXPIRE) {
        reply_integer(x->reply, entry ? -1 : -2);
        return;
    }
    int64_t value = expire_at_ms - (relative ? x->now_ms : 0);
    reply_integer(x->reply, in_seconds ? value / 1000 + (value % 1000 >= 500) : value);
}

static void ttl_command(struct execution *x)
{
    ttl_generic(x, true, true);
}

static void pttl_command(struct execution *x)
{
    ttl_generic(x, false, true);
}

static void expiretime_command(struct execution *x)
{
    ttl_generic(x, true, false);
}

static void pexpiretime_command(struct execution *x)
{
    ttl_generic(x, false, false);
}

/* ---- the table ---- */

#define ARG_KEYS                                                                                                       \
    {                                                                                                                  \
        .name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE                                                \
    }
#define ARG_UNIX_TIME(n)                                                                                               \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_UNIX_TIME                                                                        \
    }

#define EXPIRE_CONDITION                                                                                               \
    {                                                                                                                  \
        .name = "condition", .type = ARGUMENT_ONEOF, .flags = ARGUMENT_OPTIONAL, .since = "7.0.0",                     \
        .children =                                                                                                    \
            ARGUMENTS(ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"), ARG_TOKEN("gt", "GT"), ARG_TOKEN("lt", "LT"))      \
    }
#define EXPIRE_HISTORY HISTORY({"7.0.0", "Conditions `NX`, `XX`, `GT` and `LT`."})
#define TTL_HISTORY HISTORY({"2.8.0", "A missing key is told by -2."})

const struct command key_commands[] = {
    {
        .name = "DEL",
        .run = del_command,
        .arity = -2,
        .flags = COMMAND_WRITE,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RM | KEY_DELETE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(N), when N is the number of keys",
        .summary = "Deletes keys.",
        .arguments = ARGUMENTS(ARG_KEYS),
    },
    {
        .name = "EXISTS",
        .run = exists_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RO)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(N), when N is the number of keys",
        .summary = "Counts how many of the keys exist.",
        .arguments = ARGUMENTS(ARG_KEYS),
        .history = HISTORY({"3.0.3", "More than one `key`."}),
    },
    {
        .name = "EXPIRE",
        .run = expire_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Sets how many seconds a key has to live.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("seconds"), EXPIRE_CONDITION),
        .history = EXPIRE_HISTORY,
    },
    {
        .name = "EXPIREAT",
        .run = expireat_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "generic",
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Sets until when a key lives, as a Unix time in seconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_UNIX_TIME("unix-time-seconds"), EXPIRE_CONDITION),
        .history = EXPIRE_HISTORY,
    },
    {
        .name = "EXPIRETIME",
        .run = expiretime_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Tells until when a key lives, as a Unix time in seconds.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "PERSIST",
        .run = persist_command,
        .arity = 2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "generic",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Takes a key's time to live away, so that it stays.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "PEXPIRE",
        .run = pexpire_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "generic",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Sets how many milliseconds a key has to live.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("milliseconds"), EXPIRE_CONDITION),
        .history = EXPIRE_HISTORY,
    },
    {
        .name = "PEXPIREAT",
        .run = pexpireat_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "generic",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Sets until when a key lives, as a Unix time in milliseconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_UNIX_TIME("unix-time-milliseconds"), EXPIRE_CONDITION),
        .history = EXPIRE_HISTORY,
    },
    {
        .name = "PEXPIRETIME",
        .run = pexpiretime_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Tells until when a key lives, as a Unix time in milliseconds.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "PTTL",
        .run = pttl_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Tells how many milliseconds a key has to live.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
        .history = TTL_HISTORY,
    },
    {
        .name = "TOUCH",
        .run = touch_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RO)},
        .group = "generic",
        .since = "3.2.1",
        .complexity = "O(N), when N is the number of keys",
        .summary = "Marks keys as used just now; counts those that exist.",
        .arguments = ARGUMENTS(ARG_KEYS),
    },
    {
        .name = "TTL",
        .run = ttl_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Tells how many seconds a key has to live.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
        .history = TTL_HISTORY,
    },
    {
        .name = "TYPE",
        .run = type_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Tells what type of value a key holds.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "UNLINK",
        .run = del_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RM | KEY_DELETE)},
        .group = "generic",
        .since = "4.0.0",
        .complexity = "O(N), when N is the number of keys; memory is given back in the background",
        .summary = "Deletes keys.",
        .arguments = ARGUMENTS(ARG_KEYS),
    },
    {.name = NULL},
};

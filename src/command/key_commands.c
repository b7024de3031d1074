/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be done to a key whatever it holds: whether it is there, how long it lives, what it is. The rows of the whole
 * generic family are at the foot; handlers in other files are declared in key_commands.h.
 *
 * TYPE, TTL, OBJECT and EXISTS count as hits or misses, but are no use of the key: they leave its order of use alone. */
#include "command/key_commands.h"

#include "base/metric.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "resp/error_text.h"

static struct entry *lookup_quietly(struct execution *x, const struct key *key)
{
    struct entry *entry = lookup_peek(x, key);
    metric_add(entry ? METRIC_keyspace_hits : METRIC_keyspace_misses, 1);
    return entry;
}

static struct entry *lookup_untouched(struct execution *x, const struct key *key)
{
    struct entry *entry = lookup_quietly(x, key);
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
            reply_error_format(x->reply, "ERR Unsupported option %.*s", (int)word.length, word.data);
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

/* ---- what it is ---- */

static struct entry *object_lookup(struct execution *x)
{
    struct entry *entry = lookup_quietly(x, x->keys);
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

#define ARG_KEYS                                                                                                       \
    {                                                                                                                  \
        .name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE                                                \
    }
#define ARG_SECOND_KEY(n)                                                                                              \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_KEY, .key_spec = 1                                                               \
    }
#define ARG_UNIX_TIME(n)                                                                                               \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_UNIX_TIME                                                                        \
    }
#define ARG_OPTION(n, t, k, v)                                                                                         \
    {                                                                                                                  \
        .name = (n), .type = (k), .token = (t), .flags = ARGUMENT_OPTIONAL, .since = (v)                               \
    }
#define ARG_FLAG_SINCE(n, t, v) ARG_OPTION(n, t, ARGUMENT_PURE_TOKEN, v)

#define EXPIRE_CONDITION                                                                                               \
    {                                                                                                                  \
        .name = "condition", .type = ARGUMENT_ONEOF, .flags = ARGUMENT_OPTIONAL, .since = "7.0.0",                     \
        .children =                                                                                                    \
            ARGUMENTS(ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"), ARG_TOKEN("gt", "GT"), ARG_TOKEN("lt", "LT"))      \
    }
#define EXPIRE_HISTORY HISTORY({"7.0.0", "Conditions `NX`, `XX`, `GT` and `LT`."})
#define TTL_HISTORY HISTORY({"2.8.0", "A missing key is told by -2."})
#define RENAME_HISTORY HISTORY({"3.2.0", "Source and destination may be the same."})

#define SORT_ARGUMENTS                                                                                                 \
    ARG_KEY("key"), ARG_OPTION("by-pattern", "BY", ARGUMENT_PATTERN, NULL),                                            \
        {.name = "limit",                                                                                              \
         .type = ARGUMENT_BLOCK,                                                                                       \
         .token = "LIMIT",                                                                                             \
         .flags = ARGUMENT_OPTIONAL,                                                                                   \
         .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))},                                          \
        {.name = "get-pattern",                                                                                        \
         .type = ARGUMENT_PATTERN,                                                                                     \
         .token = "GET",                                                                                               \
         .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE | ARGUMENT_MULTIPLE_TOKEN},                                    \
        {.name = "order",                                                                                              \
         .type = ARGUMENT_ONEOF,                                                                                       \
         .flags = ARGUMENT_OPTIONAL,                                                                                   \
         .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))},                                   \
        ARG_FLAG("sorting", "ALPHA")

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

const struct command key_commands[] = {
    {
        .name = "COPY",
        .run = copy_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS), KEY_ONE(2, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "6.2.0",
        .complexity = "O(1) for strings, O(N) for collections of N elements",
        .summary = "Copies a value and its time to live to another key.",
        .arguments =
            ARGUMENTS(ARG_KEY("source"), ARG_SECOND_KEY("destination"),
                      ARG_OPTION("destination-db", "DB", ARGUMENT_INTEGER, NULL), ARG_FLAG("replace", "REPLACE")),
        .other_db = copy_other_db,
    },
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
        .name = "DUMP",
        .run = dump_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "2.6.0",
        .complexity = "O(N), when N is the size of the value",
        .summary = "Returns the value at a key in the form that RESTORE takes.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
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
        .name = "KEYS",
        .run = keys_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_DANGEROUS | COMMAND_WALKS,
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(N), when N is the number of keys in the database",
        .summary = "Returns all keys whose names match a pattern.",
        .arguments = ARGUMENTS({.name = "pattern", .type = ARGUMENT_PATTERN}),
    },
    {
        .name = "MOVE",
        .run = move_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Moves a key to another database, unless it exists there.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("db")),
        .other_db = move_other_db,
    },
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
        .name = "RANDOMKEY",
        .run = randomkey_command,
        .arity = 1,
        .flags = COMMAND_READONLY | COMMAND_WALKS,
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the name of some key.",
    },
    {
        .name = "RENAME",
        .run = rename_command,
        .arity = 3,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Gives a key another name; what had that name is replaced.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_SECOND_KEY("newkey")),
        .history = RENAME_HISTORY,
    },
    {
        .name = "RENAMENX",
        .run = renamenx_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_OW | KEY_INSERT)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Gives a key another name, unless something has that name.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_SECOND_KEY("newkey")),
        .history = RENAME_HISTORY,
    },
    {
        .name = "RESTORE",
        .run = restore_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_DANGEROUS,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "2.6.0",
        .complexity = "O(N), when N is the size of the value; O(N*log(N)) for sorted sets of N members",
        .summary = "Creates a key from what DUMP returned.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("ttl"), ARG_STRING("serialized-value"),
                      ARG_FLAG_SINCE("replace", "REPLACE", "3.0.0"), ARG_FLAG_SINCE("absttl", "ABSTTL", "5.0.0"),
                      ARG_OPTION("seconds", "IDLETIME", ARGUMENT_INTEGER, "5.0.0"),
                      ARG_OPTION("frequency", "FREQ", ARGUMENT_INTEGER, "5.0.0")),
        .history = HISTORY({"3.0.0", "Option `REPLACE`."}, {"5.0.0", "Option `ABSTTL`."},
                           {"5.0.0", "Options `IDLETIME` and `FREQ`."}),
    },
    {
        .name = "SCAN",
        .run = scan_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_WALKS,
        .group = "generic",
        .since = "2.8.0",
        .complexity = "O(1) for every call; O(N) for all the calls of a walk over N keys",
        .summary = "Walks through the names of all keys, some at a time.",
        .arguments = ARGUMENTS(ARG_INTEGER("cursor"), ARG_OPTION("pattern", "MATCH", ARGUMENT_PATTERN, NULL),
                               ARG_OPTION("count", "COUNT", ARGUMENT_INTEGER, NULL),
                               ARG_OPTION("type", "TYPE", ARGUMENT_STRING, "6.0.0")),
        .history = HISTORY({"6.0.0", "Option `TYPE`."}),
    },
    {
        .name = "SORT",
        .run = sort_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_DANGEROUS | COMMAND_ALL_KEYS,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(N+M*log(M)), when N is the number of elements and M how many are returned; O(N) unsorted",
        .summary = "Sorts the elements of a list, set or sorted set; may store the result.",
        .arguments = ARGUMENTS(
            SORT_ARGUMENTS,
            {.name = "destination", .type = ARGUMENT_KEY, .token = "STORE", .flags = ARGUMENT_OPTIONAL, .key_spec = 2}),
        .more_keys = sort_more_keys,
    },
    {
        .name = "SORT_RO",
        .run = sort_ro_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_DANGEROUS | COMMAND_MOVABLEKEYS | COMMAND_ALL_KEYS,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "7.0.0",
        .complexity = "O(N+M*log(M)), when N is the number of elements and M how many are returned; O(N) unsorted",
        .summary = "Returns the sorted elements of a list, set or sorted set.",
        .arguments = ARGUMENTS(SORT_ARGUMENTS),
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

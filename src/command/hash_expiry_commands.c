/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields that expire: HEXPIRE, HTTL and their kin. */
#include "command/args.h"
#include "command/hash_fields.h"
#include "command/hash_lookup.h"

enum outcome {
    OUTCOME_MISSING = -2,
    OUTCOME_NO_EXPIRY = -1,
    OUTCOME_REFUSED = 0,
    OUTCOME_SET = 1,
    OUTCOME_DELETED = 2
};

/* ---- HEXPIRE and its kin ---- */

enum condition { ALWAYS, IF_NONE, IF_ANY, IF_LATER, IF_EARLIER };

static enum condition condition_of(struct bytes word)
{
    if (arg_is(word, "NX"))
        return IF_NONE;
    if (arg_is(word, "XX"))
        return IF_ANY;
    if (arg_is(word, "GT"))
        return IF_LATER;
    return arg_is(word, "LT") ? IF_EARLIER : ALWAYS;
}

/* No expiry is later than all. */
static bool condition_holds(enum condition condition, int64_t old_ms, int64_t new_ms)
{
    bool has_old = old_ms != HASH_NO_EXPIRE;
    switch (condition) {
    case IF_NONE:
        return !has_old;
    case IF_ANY:
        return has_old;
    case IF_LATER:
        return has_old && new_ms > old_ms;
    case IF_EARLIER:
        return !has_old || new_ms < old_ms;
    default:
        return true;
    }
}

static enum outcome expire_field(struct hash_timing *timing, struct bytes field, int64_t expire_at_ms,
                                 enum condition condition)
{
    struct hash_value value;
    int64_t now_ms = timing->x->expiry_ms;
    if (!hash_object_get(&timing->hash, field, now_ms, &value))
        return OUTCOME_MISSING;
    if (!condition_holds(condition, value.expire_at_ms, expire_at_ms))
        return OUTCOME_REFUSED;
    hash_time_field(timing, field, expire_at_ms);
    return expire_at_ms <= now_ms ? OUTCOME_DELETED : OUTCOME_SET;
}

/* key time [NX | XX | GT | LT] FIELDS count field ... */
static void expire_fields(struct execution *x, bool in_seconds, bool relative)
{
    struct hash_fields fields;
    struct hash_timing timing;
    int64_t expire_at_ms;
    enum condition condition = condition_of(x->argv[3]);
    if (!hash_field_time_parse(x, x->argv[2], in_seconds, relative, &expire_at_ms) ||
        !hash_fields_parse(x, condition == ALWAYS ? 3 : 4, 1, "ERR Parameter `numFields` should be greater than 0",
                           &fields) ||
        !hash_timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++)
        reply_integer(x->reply, expire_field(&timing, fields.words[i], expire_at_ms, condition));
    hash_timing_end(&timing, expire_at_ms, "hexpire");
}

static void hexpire_command(struct execution *x)
{
    expire_fields(x, true, true);
}

static void hpexpire_command(struct execution *x)
{
    expire_fields(x, false, true);
}

static void hexpireat_command(struct execution *x)
{
    expire_fields(x, true, false);
}

static void hpexpireat_command(struct execution *x)
{
    expire_fields(x, false, false);
}

static void hpersist_command(struct execution *x)
{
    struct hash_fields fields;
    struct hash_timing timing;
    struct hash_value value;
    if (!hash_fields_parse(x, 2, 1, FIELDS_NOT_POSITIVE, &fields) || !hash_timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        bool is_there = hash_object_get(&timing.hash, fields.words[i], x->expiry_ms, &value);
        bool expires = is_there && value.expire_at_ms != HASH_NO_EXPIRE;
        if (expires)
            hash_time_field(&timing, fields.words[i], HASH_NO_EXPIRE);
        reply_integer(x->reply, expires ? OUTCOME_SET : is_there ? OUTCOME_NO_EXPIRY : OUTCOME_MISSING);
    }
    hash_timing_end(&timing, HASH_NO_EXPIRE, "hpersist");
}

/* ---- HTTL and its kin ---- */

static int64_t shown_time(const struct execution *x, int64_t expire_at_ms, bool in_seconds, bool relative)
{
    int64_t shown = relative ? expire_at_ms - x->now_ms : expire_at_ms;
    return in_seconds ? (shown + 999) / 1000 : shown;
}

static void show_times(struct execution *x, bool in_seconds, bool relative)
{
    struct entry *entry;
    struct object hash;
    struct hash_fields fields;
    struct hash_value value;
    if (!hash_fields_parse(x, 2, 1, FIELDS_NOT_POSITIVE, &fields) ||
        !hash_lookup_read(x, x->keys, false, &entry, &hash))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        if (!hash_object_get(&hash, fields.words[i], x->expiry_ms, &value))
            reply_integer(x->reply, OUTCOME_MISSING);
        else if (value.expire_at_ms == HASH_NO_EXPIRE)
            reply_integer(x->reply, OUTCOME_NO_EXPIRY);
        else
            reply_integer(x->reply, shown_time(x, value.expire_at_ms, in_seconds, relative));
    }
}

static void httl_command(struct execution *x)
{
    show_times(x, true, true);
}

static void hpttl_command(struct execution *x)
{
    show_times(x, false, true);
}

static void hexpiretime_command(struct execution *x)
{
    show_times(x, true, false);
}

static void hpexpiretime_command(struct execution *x)
{
    show_times(x, false, false);
}

/* ---- the rows ---- */

#define EXPIRY_CONDITION                                                                                               \
    {                                                                                                                  \
        .name = "condition", .type = ARGUMENT_ONEOF, .flags = ARGUMENT_OPTIONAL,                                       \
        .children =                                                                                                    \
            ARGUMENTS(ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"), ARG_TOKEN("gt", "GT"), ARG_TOKEN("lt", "LT"))      \
    }

/* clang-format off */
#define EXPIRE_ROW(word, handler, text, ...) \
    {.name = word, .run = handler, .arity = -6, .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST, \
     .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)}, .group = "hash", .since = "7.4.0", \
     .complexity = "O(N) where N is the number of fields.", .summary = text, \
     .arguments = ARGUMENTS(ARG_KEY("key"), __VA_ARGS__, EXPIRY_CONDITION, FIELDS_OF(FIELD_NAMES))}
#define TIME_ROW(word, handler, text) \
    {.name = word, .run = handler, .arity = -5, .flags = COMMAND_READONLY | COMMAND_FAST, \
     .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)}, .group = "hash", .since = "7.4.0", \
     .complexity = "O(N) where N is the number of fields.", .summary = text, \
     .arguments = ARGUMENTS(ARG_KEY("key"), FIELDS_OF(FIELD_NAMES))}
/* clang-format on */

const struct command hash_expiry_commands[] = {
    EXPIRE_ROW("HEXPIRE", hexpire_command, "Has fields of a hash expire after so many seconds.",
               ARG_INTEGER("seconds")),
    EXPIRE_ROW("HEXPIREAT", hexpireat_command, "Has fields of a hash expire at a time in seconds.",
               {.name = "unix-time-seconds", .type = ARGUMENT_UNIX_TIME}),
    TIME_ROW("HEXPIRETIME", hexpiretime_command, "Returns when fields expire, in seconds."),
    {
        .name = "HPERSIST",
        .run = hpersist_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Ends the expiry of fields.",
        .arguments = ARGUMENTS(ARG_KEY("key"), FIELDS_OF(FIELD_NAMES)),
    },
    EXPIRE_ROW("HPEXPIRE", hpexpire_command, "Has fields of a hash expire after so many milliseconds.",
               ARG_INTEGER("milliseconds")),
    EXPIRE_ROW("HPEXPIREAT", hpexpireat_command, "Has fields of a hash expire at a time in milliseconds.",
               {.name = "unix-time-milliseconds", .type = ARGUMENT_UNIX_TIME}),
    TIME_ROW("HPEXPIRETIME", hpexpiretime_command, "Returns when fields expire, in milliseconds."),
    TIME_ROW("HPTTL", hpttl_command, "Returns how many milliseconds fields have to live."),
    TIME_ROW("HTTL", httl_command, "Returns how many seconds fields have to live."),
    {.name = NULL},
};

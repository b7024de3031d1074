/* SPDX-License-Identifier: BSD-3-Clause */
/* HGETDEL, HGETEX and HSETEX: values, and the times of their fields, at once. */
#include "command/args.h"
#include "command/effects.h"
#include "command/hash_fields.h"
#include "command/hash_lookup.h"
#include "command/notify.h"

static void hgetdel_command(struct execution *x)
{
    struct hash_fields fields;
    struct hash_timing timing;
    struct hash_value value;
    if (!hash_fields_parse(x, 2, 1, FIELDS_NOT_POSITIVE, &fields) || !hash_timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        if (!hash_object_get(&timing.hash, fields.words[i], x->expiry_ms, &value)) {
            reply_null(x->reply);
            continue;
        }
        reply_bulk(x->reply, value.bytes);
        hash_object_remove(&timing.hash, timing.room, fields.words[i], x->expiry_ms);
        word_list_add(&timing.deleted, fields.words[i]);
    }
    hash_timing_end(&timing, HASH_NO_EXPIRE, "hdel");
}

enum new_time { TIME_AS_IT_IS, TIME_NONE, TIME_GIVEN };

/* What stands before FIELDS: conditions and one time. */
struct field_options {
    enum new_time time;
    int64_t expire_at_ms;
    bool if_none, if_all;
};

static bool option_time(struct execution *x, size_t at, struct field_options *options, bool *known)
{
    struct bytes word = x->argv[at];
    bool seconds = arg_is(word, "EX") || arg_is(word, "EXAT"), relative = arg_is(word, "EX") || arg_is(word, "PX");
    *known = (relative || seconds || arg_is(word, "PXAT")) && options->time == TIME_AS_IT_IS && at + 1 < x->argc;
    if (!*known)
        return true;
    options->time = TIME_GIVEN;
    return hash_field_time_parse(x, x->argv[at + 1], seconds, relative, &options->expire_at_ms);
}

/* Words up to FIELDS; 'own' is PERSIST or KEEPTTL, and conditions are HSETEX's. Returns where FIELDS stands, 0 after an
 * error was replied. */
static size_t options_parse(struct execution *x, const char *own, bool conditions, struct field_options *options)
{
    bool known = true, has_own = false;
    size_t at = 2;
    *options = (struct field_options){.time = TIME_AS_IT_IS};
    for (; at < x->argc && !arg_is(x->argv[at], "FIELDS"); at++) {
        struct bytes word = x->argv[at];
        bool has_condition = options->if_none || options->if_all;
        if (!option_time(x, at, options, &known))
            return 0;
        at += known;
        if (!known && arg_is(word, own) && options->time == TIME_AS_IT_IS && !has_own)
            known = has_own = true;
        else if (!known && conditions && !has_condition && (arg_is(word, "FNX") || arg_is(word, "FXX")))
            known = *(arg_is(word, "FNX") ? &options->if_none : &options->if_all) = true;
        if (!known || (has_own && options->time == TIME_GIVEN)) {
            reply_syntax_error(x);
            return 0;
        }
    }
    /* Without a word HGETEX leaves the time, and HSETEX ends it. */
    if (options->time == TIME_AS_IT_IS && has_own != conditions)
        options->time = TIME_NONE;
    return at;
}

static void retime(struct hash_timing *timing, struct bytes field, const struct field_options *options)
{
    struct hash_value value;
    if (options->time == TIME_AS_IT_IS || !hash_object_get(&timing->hash, field, timing->x->expiry_ms, &value))
        return;
    if (options->time == TIME_GIVEN)
        hash_time_field(timing, field, options->expire_at_ms);
    else if (value.expire_at_ms != HASH_NO_EXPIRE)
        hash_time_field(timing, field, HASH_NO_EXPIRE);
}

/* key [EX seconds | PX ms | EXAT time | PXAT time | PERSIST] FIELDS count field ... */
static void hgetex_command(struct execution *x)
{
    struct field_options options;
    struct hash_fields fields;
    struct hash_timing timing;
    struct hash_value value;
    size_t at = options_parse(x, "PERSIST", false, &options);
    if (at == 0 || !hash_fields_parse(x, at, 1, FIELDS_NOT_POSITIVE, &fields) || !hash_timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        if (hash_object_get(&timing.hash, fields.words[i], x->expiry_ms, &value))
            reply_bulk(x->reply, value.bytes);
        else
            reply_null(x->reply);
        retime(&timing, fields.words[i], &options);
    }
    bool gives = options.time == TIME_GIVEN;
    hash_timing_end(&timing, gives ? options.expire_at_ms : HASH_NO_EXPIRE, gives ? "hexpire" : "hpersist");
}

static bool fields_allow(const struct execution *x, const struct object *hash, const struct hash_fields *fields,
                         const struct field_options *options)
{
    struct hash_value value;
    for (size_t i = 0; i < fields->count; i++) {
        bool is_there = hash_object_get(hash, fields->words[i * 2], x->expiry_ms, &value);
        if ((options->if_none && is_there) || (options->if_all && !is_there))
            return false;
    }
    return true;
}

/* Stores one pair and tells of it; the time it keeps is told again, since HSET ends it. */
static void set_pair(struct hash_timing *timing, const struct bytes *pair, bool keeps)
{
    struct execution *x = timing->x;
    struct hash_value value = {.expire_at_ms = HASH_NO_EXPIRE};
    bool is_there = hash_object_get(&timing->hash, pair[0], x->expiry_ms, &value);
    hash_object_set(&timing->hash, timing->room, pair[0], pair[1], keeps, x->expiry_ms);
    bool creates = timing->entry == NULL;
    timing->entry = store_changed(x, x->keys, timing->entry, &timing->hash);
    timing->hash = entry_object(timing->entry);
    stage_change(x, x->keys, creates, "HSET", pair, 2, 2);
    if (keeps && is_there && value.expire_at_ms != HASH_NO_EXPIRE)
        hash_stage_expiry(x, x->keys, pair, 1, value.expire_at_ms);
}

/* key [FNX | FXX] [EX seconds | PX ms | EXAT time | PXAT time | KEEPTTL] FIELDS count field value ... */
static void hsetex_command(struct execution *x)
{
    struct field_options options;
    struct hash_fields fields;
    struct hash_timing timing;
    size_t at = options_parse(x, "KEEPTTL", true, &options);
    if (at == 0 || !hash_fields_parse(x, at, 2, FIELDS_NOT_POSITIVE, &fields) || !hash_timing_begin(x, &timing))
        return;
    bool allowed = fields_allow(x, &timing.hash, &fields, &options);
    for (size_t i = 0; allowed && i < fields.count; i++)
        set_pair(&timing, fields.words + i * 2, options.time == TIME_AS_IT_IS);
    if (allowed)
        notify(x, NOTIFY_HASH, "hset", x->keys);
    for (size_t i = 0; allowed && options.time == TIME_GIVEN && i < fields.count; i++)
        retime(&timing, fields.words[i * 2], &options);
    hash_timing_end(&timing, options.expire_at_ms, "hexpire");
    reply_integer(x->reply, allowed);
}

/* ---- the rows ---- */

#define FIELD_PAIRS                                                                                                    \
    {                                                                                                                  \
        .name = "data", .type = ARGUMENT_BLOCK, .flags = ARGUMENT_MULTIPLE,                                            \
        .children = ARGUMENTS(ARG_STRING("field"), ARG_STRING("value"))                                                \
    }
#define FIELD_TIMES                                                                                                    \
    {.name = "seconds", .type = ARGUMENT_INTEGER, .token = "EX"},                                                      \
        {.name = "milliseconds", .type = ARGUMENT_INTEGER, .token = "PX"},                                             \
        {.name = "unix-time-seconds", .type = ARGUMENT_UNIX_TIME, .token = "EXAT"},                                    \
    {                                                                                                                  \
        .name = "unix-time-milliseconds", .type = ARGUMENT_UNIX_TIME, .token = "PXAT"                                  \
    }

const struct command hash_getex_commands[] = {
    {
        .name = "HGETDEL",
        .run = hgetdel_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "hash",
        .since = "8.0.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Returns the values of fields and deletes them.",
        .arguments = ARGUMENTS(ARG_KEY("key"), FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HGETEX",
        .run = hgetex_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "hash",
        .since = "8.0.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Returns the values of fields and sets or ends their expiry.",
        .arguments = ARGUMENTS(ARG_KEY("key"),
                               {.name = "expiration",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(FIELD_TIMES, ARG_TOKEN("persist", "PERSIST"))},
                               FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HSETEX",
        .run = hsetex_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "8.0.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Stores the values of fields with an expiry, if a condition holds.",
        .arguments = ARGUMENTS(ARG_KEY("key"),
                               {.name = "condition",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_TOKEN("fnx", "FNX"), ARG_TOKEN("fxx", "FXX"))},
                               {.name = "expiration",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(FIELD_TIMES, ARG_TOKEN("keepttl", "KEEPTTL"))},
                               FIELDS_OF(FIELD_PAIRS)),
    },
    {.name = NULL},
};

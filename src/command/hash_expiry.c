/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields that expire. Every command here names its fields behind FIELDS and their number. Times are told to the stream as
 * HPEXPIREAT; a time that has passed deletes the field, with HDEL. */
#include "command/hash_commands.h"

#include "command/args.h"
#include "command/effects.h"
#include "command/hash_lookup.h"
#include "command/notify.h"
#include "command/word_list.h"
#include "resp/error_text.h"

/* Redis refuses later ones, though payloads may hold times up to HASH_TIME_MAX. */
#define FIELD_TIME_MAX ((INT64_C(1) << 46) - 1)

enum outcome {
    OUTCOME_MISSING = -2,
    OUTCOME_NO_EXPIRY = -1,
    OUTCOME_REFUSED = 0,
    OUTCOME_SET = 1,
    OUTCOME_DELETED = 2
};

/* FIELDS count word ...: 'words' words for each field, to the end. */
struct fields {
    const struct bytes *words;
    size_t count;
};

static bool fields_parse(struct execution *x, size_t at, size_t words, const char *count_error, struct fields *fields)
{
    int64_t count;
    if (at + 1 >= x->argc || !arg_is(x->argv[at], "FIELDS")) {
        reply_error(x->reply, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!arg_int64_in(x, x->argv[at + 1], 1, INT64_MAX, count_error, &count))
        return false;
    size_t left = x->argc - at - 2;
    if (left % words != 0 || (uint64_t)count != left / words) {
        reply_error(x->reply, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *fields = (struct fields){x->argv + at + 2, (size_t)count};
    return true;
}

#define FIELDS_NOT_POSITIVE "ERR Number of fields must be a positive integer"

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

/* A hash whose fields' times change, and which fields changed how. */
struct timing {
    struct execution *x;
    struct entry *entry;
    struct object hash;
    struct buffer *room;
    struct word_list timed, deleted;
};

/* False (an error is replied) if the key holds another type. */
static bool timing_begin(struct execution *x, struct timing *timing)
{
    timing->x = x;
    if (!hash_lookup_write(x, x->keys, true, &timing->entry, &timing->hash))
        return false;
    timing->room = edit_room(x);
    word_list_init(&timing->timed);
    word_list_init(&timing->deleted);
    return true;
}

/* Stores and tells what changed; 'event' is that of the times. */
static void timing_end(struct timing *timing, int64_t expire_at_ms, const char *event)
{
    struct execution *x = timing->x;
    struct word_list *timed = &timing->timed, *deleted = &timing->deleted;
    if (timed->count > 0) {
        timing->entry = store_changed(x, x->keys, timing->entry, &timing->hash);
        hash_stage_expiry(x, x->keys, timed->words, timed->count, expire_at_ms);
        notify(x, NOTIFY_HASH, event, x->keys);
    }
    if (deleted->count > 0)
        hash_store_taken(x, x->keys, timing->entry, &timing->hash, deleted->words, deleted->count, "hdel");
    word_list_deinit(timed);
    word_list_deinit(deleted);
}

static void time_field(struct timing *timing, struct bytes field, int64_t expire_at_ms)
{
    if (expire_at_ms != HASH_NO_EXPIRE && expire_at_ms <= timing->x->now_ms) {
        hash_object_remove(&timing->hash, timing->room, field, timing->x->now_ms);
        word_list_add(&timing->deleted, field);
        return;
    }
    hash_object_set_expiry(&timing->hash, timing->room, field, expire_at_ms);
    word_list_add(&timing->timed, field);
}

static enum outcome expire_field(struct timing *timing, struct bytes field, int64_t expire_at_ms,
                                 enum condition condition)
{
    struct hash_value value;
    int64_t now_ms = timing->x->now_ms;
    if (!hash_object_get(&timing->hash, field, now_ms, &value))
        return OUTCOME_MISSING;
    if (!condition_holds(condition, value.expire_at_ms, expire_at_ms))
        return OUTCOME_REFUSED;
    time_field(timing, field, expire_at_ms);
    return expire_at_ms <= now_ms ? OUTCOME_DELETED : OUTCOME_SET;
}

static bool field_time_parse(struct execution *x, struct bytes word, bool in_seconds, bool relative,
                             int64_t *expire_at_ms)
{
    int64_t value;
    if (!arg_int64(x, word, &value))
        return false;
    if (value < 0) {
        reply_error(x->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (!arg_expire(x, word, in_seconds, relative, false, expire_at_ms))
        return false;
    if (*expire_at_ms <= FIELD_TIME_MAX)
        return true;
    reply_error_format(x->reply, ERROR_EXPIRE_FORMAT, x->command->full_name);
    return false;
}

/* key time [NX | XX | GT | LT] FIELDS count field ... */
static void expire_fields(struct execution *x, bool in_seconds, bool relative)
{
    struct fields fields;
    struct timing timing;
    int64_t expire_at_ms;
    enum condition condition = condition_of(x->argv[3]);
    if (!field_time_parse(x, x->argv[2], in_seconds, relative, &expire_at_ms) ||
        !fields_parse(x, condition == ALWAYS ? 3 : 4, 1, "ERR Parameter `numFields` should be greater than 0",
                      &fields) ||
        !timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++)
        reply_integer(x->reply, expire_field(&timing, fields.words[i], expire_at_ms, condition));
    timing_end(&timing, expire_at_ms, "hexpire");
}

void hexpire_command(struct execution *x)
{
    expire_fields(x, true, true);
}

void hpexpire_command(struct execution *x)
{
    expire_fields(x, false, true);
}

void hexpireat_command(struct execution *x)
{
    expire_fields(x, true, false);
}

void hpexpireat_command(struct execution *x)
{
    expire_fields(x, false, false);
}

void hpersist_command(struct execution *x)
{
    struct fields fields;
    struct timing timing;
    struct hash_value value;
    if (!fields_parse(x, 2, 1, FIELDS_NOT_POSITIVE, &fields) || !timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        bool is_there = hash_object_get(&timing.hash, fields.words[i], x->now_ms, &value);
        bool expires = is_there && value.expire_at_ms != HASH_NO_EXPIRE;
        if (expires)
            time_field(&timing, fields.words[i], HASH_NO_EXPIRE);
        reply_integer(x->reply, expires ? OUTCOME_SET : is_there ? OUTCOME_NO_EXPIRY : OUTCOME_MISSING);
    }
    timing_end(&timing, HASH_NO_EXPIRE, "hpersist");
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
    struct fields fields;
    struct hash_value value;
    if (!fields_parse(x, 2, 1, FIELDS_NOT_POSITIVE, &fields) || !hash_lookup_read(x, x->keys, false, &entry, &hash))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        if (!hash_object_get(&hash, fields.words[i], x->now_ms, &value))
            reply_integer(x->reply, OUTCOME_MISSING);
        else if (value.expire_at_ms == HASH_NO_EXPIRE)
            reply_integer(x->reply, OUTCOME_NO_EXPIRY);
        else
            reply_integer(x->reply, shown_time(x, value.expire_at_ms, in_seconds, relative));
    }
}

void httl_command(struct execution *x)
{
    show_times(x, true, true);
}

void hpttl_command(struct execution *x)
{
    show_times(x, false, true);
}

void hexpiretime_command(struct execution *x)
{
    show_times(x, true, false);
}

void hpexpiretime_command(struct execution *x)
{
    show_times(x, false, false);
}

/* ---- HGETDEL, HGETEX, HSETEX ---- */

void hgetdel_command(struct execution *x)
{
    struct fields fields;
    struct timing timing;
    struct hash_value value;
    if (!fields_parse(x, 2, 1, FIELDS_NOT_POSITIVE, &fields) || !timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        if (!hash_object_get(&timing.hash, fields.words[i], x->now_ms, &value)) {
            reply_null(x->reply);
            continue;
        }
        reply_bulk(x->reply, value.bytes);
        hash_object_remove(&timing.hash, timing.room, fields.words[i], x->now_ms);
        word_list_add(&timing.deleted, fields.words[i]);
    }
    timing_end(&timing, HASH_NO_EXPIRE, "hdel");
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
    return field_time_parse(x, x->argv[at + 1], seconds, relative, &options->expire_at_ms);
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

static void retime(struct timing *timing, struct bytes field, const struct field_options *options)
{
    struct hash_value value;
    if (options->time == TIME_AS_IT_IS || !hash_object_get(&timing->hash, field, timing->x->now_ms, &value))
        return;
    if (options->time == TIME_GIVEN)
        time_field(timing, field, options->expire_at_ms);
    else if (value.expire_at_ms != HASH_NO_EXPIRE)
        time_field(timing, field, HASH_NO_EXPIRE);
}

/* key [EX seconds | PX ms | EXAT time | PXAT time | PERSIST] FIELDS count field ... */
void hgetex_command(struct execution *x)
{
    struct field_options options;
    struct fields fields;
    struct timing timing;
    struct hash_value value;
    size_t at = options_parse(x, "PERSIST", false, &options);
    if (at == 0 || !fields_parse(x, at, 1, FIELDS_NOT_POSITIVE, &fields) || !timing_begin(x, &timing))
        return;
    reply_array(x->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        if (hash_object_get(&timing.hash, fields.words[i], x->now_ms, &value))
            reply_bulk(x->reply, value.bytes);
        else
            reply_null(x->reply);
        retime(&timing, fields.words[i], &options);
    }
    bool gives = options.time == TIME_GIVEN;
    timing_end(&timing, gives ? options.expire_at_ms : HASH_NO_EXPIRE, gives ? "hexpire" : "hpersist");
}

static bool fields_allow(const struct execution *x, const struct object *hash, const struct fields *fields,
                         const struct field_options *options)
{
    struct hash_value value;
    for (size_t i = 0; i < fields->count; i++) {
        bool is_there = hash_object_get(hash, fields->words[i * 2], x->now_ms, &value);
        if ((options->if_none && is_there) || (options->if_all && !is_there))
            return false;
    }
    return true;
}

/* Stores one pair and tells of it; the time it keeps is told again, since HSET ends it. */
static void set_pair(struct timing *timing, const struct bytes *pair, bool keeps)
{
    struct execution *x = timing->x;
    struct hash_value value = {.expire_at_ms = HASH_NO_EXPIRE};
    bool is_there = hash_object_get(&timing->hash, pair[0], x->now_ms, &value);
    hash_object_set(&timing->hash, timing->room, pair[0], pair[1], keeps, x->now_ms);
    bool creates = timing->entry == NULL;
    timing->entry = store_changed(x, x->keys, timing->entry, &timing->hash);
    timing->hash = entry_object(timing->entry);
    stage_change(x, x->keys, creates, "HSET", pair, 2, 2);
    if (keeps && is_there && value.expire_at_ms != HASH_NO_EXPIRE)
        hash_stage_expiry(x, x->keys, pair, 1, value.expire_at_ms);
}

/* key [FNX | FXX] [EX seconds | PX ms | EXAT time | PXAT time | KEEPTTL] FIELDS count field value ... */
void hsetex_command(struct execution *x)
{
    struct field_options options;
    struct fields fields;
    struct timing timing;
    size_t at = options_parse(x, "KEEPTTL", true, &options);
    if (at == 0 || !fields_parse(x, at, 2, FIELDS_NOT_POSITIVE, &fields) || !timing_begin(x, &timing))
        return;
    bool allowed = fields_allow(x, &timing.hash, &fields, &options);
    for (size_t i = 0; allowed && i < fields.count; i++)
        set_pair(&timing, fields.words + i * 2, options.time == TIME_AS_IT_IS);
    if (allowed)
        notify(x, NOTIFY_HASH, "hset", x->keys);
    for (size_t i = 0; allowed && options.time == TIME_GIVEN && i < fields.count; i++)
        retime(&timing, fields.words[i * 2], &options);
    timing_end(&timing, options.expire_at_ms, "hexpire");
    reply_integer(x->reply, allowed);
}

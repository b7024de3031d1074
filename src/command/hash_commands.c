/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes. Changes are told as HSET of the values that came of them, and HDEL of the fields that were there. Expiry of fields
 * stands in hash_expiry.c; here it is that an expired field is not there, and that HSET ends an expiry. */
#include "command/hash_commands.h"

#include "base/memory.h"
#include "command/apply.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/hash_lookup.h"
#include "command/member_scan.h"
#include "command/notify.h"
#include "command/sample.h"
#include "command/word_list.h"
#include "resp/error_text.h"

#include <math.h>

/* ---- writing fields ---- */

/* Stores the pairs of words; returns how many fields are new. */
static size_t set_pairs(struct execution *x, struct entry *entry, struct object *hash, const struct bytes *words,
                        size_t count)
{
    struct buffer *room = edit_room(x);
    size_t added = 0;
    for (size_t i = 0; i < count; i += 2)
        added += hash_object_set(hash, room, words[i], words[i + 1], false, x->now_ms);
    store_changed(x, x->keys, entry, hash);
    stage_change(x, x->keys, entry == NULL, "HSET", words, count, 2);
    return added;
}

static void hset_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (x->argc % 2 != 0) {
        reply_arity_error(x);
        return;
    }
    if (!hash_lookup_write(x, x->keys, false, &entry, &hash))
        return;
    size_t added = set_pairs(x, entry, &hash, x->argv + 2, x->argc - 2);
    notify(x, NOTIFY_HASH, "hset", x->keys);
    if (x->command->row->name[1] == 'M')
        reply_status(x->reply, "OK");
    else
        reply_integer(x->reply, (int64_t)added);
}

static void hsetnx_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    struct hash_value old;
    if (!hash_lookup_write(x, x->keys, false, &entry, &hash))
        return;
    bool is_new = !hash_object_get(&hash, x->argv[2], x->now_ms, &old);
    if (is_new) {
        set_pairs(x, entry, &hash, x->argv + 2, 2);
        notify(x, NOTIFY_HASH, "hset", x->keys);
    }
    reply_integer(x->reply, is_new);
}

static void hdel_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    struct word_list removed;
    if (!hash_lookup_write(x, x->keys, false, &entry, &hash))
        return;
    struct buffer *room = edit_room(x);
    word_list_init(&removed);
    for (size_t i = 2; entry && i < x->argc; i++)
        if (hash_object_remove(&hash, room, x->argv[i], x->now_ms))
            word_list_add(&removed, x->argv[i]);
    if (removed.count > 0)
        hash_store_taken(x, x->keys, entry, &hash, removed.words, removed.count, "hdel");
    reply_integer(x->reply, (int64_t)removed.count);
    word_list_deinit(&removed);
}

/* Stores a value that came of the old one, whose expiry stays. */
static void store_computed(struct execution *x, struct entry *entry, struct object *hash, struct bytes value,
                           int64_t expire_at_ms)
{
    struct bytes pair[] = {x->argv[2], value};
    hash_object_set(hash, edit_room(x), pair[0], pair[1], true, x->now_ms);
    store_changed(x, x->keys, entry, hash);
    stage_change(x, x->keys, entry == NULL, "HSET", pair, 2, 2);
    if (expire_at_ms != HASH_NO_EXPIRE)
        hash_stage_expiry(x, x->keys, pair, 1, expire_at_ms);
}

static void hincrby_command(struct execution *x)
{
    struct hash_value old = {.expire_at_ms = HASH_NO_EXPIRE};
    char digits[BYTES_INTEGER_MAX];
    struct entry *entry;
    struct object hash;
    int64_t amount, value = 0;
    if (!arg_int64(x, x->argv[3], &amount) || !hash_lookup_write(x, x->keys, false, &entry, &hash))
        return;
    if (hash_object_get(&hash, x->argv[2], x->now_ms, &old) && !bytes_to_int64(old.bytes, &value)) {
        reply_error(x->reply, ERROR_HASH_NOT_INTEGER);
        return;
    }
    if (__builtin_add_overflow(value, amount, &value)) {
        reply_error(x->reply, ERROR_OVERFLOW);
        return;
    }
    store_computed(x, entry, &hash, bytes_of(digits, bytes_from_int64(digits, value)), old.expire_at_ms);
    notify(x, NOTIFY_HASH, "hincrby", x->keys);
    reply_integer(x->reply, value);
}

static void hincrbyfloat_command(struct execution *x)
{
    struct hash_value old = {.expire_at_ms = HASH_NO_EXPIRE};
    char text[BYTES_LONG_DOUBLE_MAX];
    struct entry *entry;
    struct object hash;
    long double amount, value = 0;
    if (!arg_long_double(x, x->argv[3], &amount))
        return;
    if (isinf(amount)) {
        reply_error(x->reply, "ERR value is NaN or Infinity");
        return;
    }
    if (!hash_lookup_write(x, x->keys, false, &entry, &hash))
        return;
    if (hash_object_get(&hash, x->argv[2], x->now_ms, &old) && !bytes_to_long_double(old.bytes, &value)) {
        reply_error(x->reply, ERROR_HASH_NOT_FLOAT);
        return;
    }
    value += amount;
    if (isnan(value) || isinf(value)) {
        reply_error(x->reply, ERROR_NOT_FINITE);
        return;
    }
    struct bytes result = bytes_of(text, bytes_from_long_double(text, sizeof(text), value));
    store_computed(x, entry, &hash, result, old.expire_at_ms);
    notify(x, NOTIFY_HASH, "hincrbyfloat", x->keys);
    reply_bulk(x->reply, result);
}

/* ---- reading fields ---- */

static void reply_field(struct execution *x, const struct object *hash, struct bytes field)
{
    struct hash_value value;
    if (hash_object_get(hash, field, x->now_ms, &value))
        reply_bulk(x->reply, value.bytes);
    else
        reply_null(x->reply);
}

static void hget_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (hash_lookup_read(x, x->keys, false, &entry, &hash))
        reply_field(x, &hash, x->argv[2]);
}

static void hmget_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (!hash_lookup_read(x, x->keys, false, &entry, &hash))
        return;
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        reply_field(x, &hash, x->argv[i]);
}

static void hexists_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    struct hash_value value;
    if (hash_lookup_read(x, x->keys, false, &entry, &hash))
        reply_integer(x->reply, hash_object_get(&hash, x->argv[2], x->now_ms, &value));
}

static void hstrlen_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    struct hash_value value;
    if (!hash_lookup_read(x, x->keys, false, &entry, &hash))
        return;
    bool is_there = hash_object_get(&hash, x->argv[2], x->now_ms, &value);
    reply_integer(x->reply, is_there ? (int64_t)value.bytes.length : 0);
}

static void hlen_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (hash_lookup_read(x, x->keys, false, &entry, &hash))
        reply_integer(x->reply, (int64_t)object_count(&hash));
}

/* ---- all fields ---- */

enum parts { FIELDS = 1, VALUES = 2 };

static void reply_parts(struct execution *x, const struct hash_walk *walk, unsigned parts)
{
    if (parts & FIELDS)
        reply_bulk(x->reply, walk->field);
    if (parts & VALUES)
        reply_bulk(x->reply, walk->value);
}

static void reply_all(struct execution *x, const struct object *hash, unsigned parts)
{
    struct hash_walk walk;
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk))
        reply_parts(x, &walk, parts);
}

static void hgetall_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (!hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    reply_map(x->reply, object_count(&hash));
    reply_all(x, &hash, FIELDS | VALUES);
}

static void hkeys_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (!hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    reply_array(x->reply, object_count(&hash));
    reply_all(x, &hash, FIELDS);
}

static void hvals_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (!hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    reply_array(x->reply, object_count(&hash));
    reply_all(x, &hash, VALUES);
}

static void hscan_compact(struct execution *x, const struct member_scan *scan, const struct object *hash)
{
    struct hash_walk walk;
    size_t found = 0;
    member_scan_reply_cursor(x, 0);
    size_t handle = reply_deferred_begin(x->reply);
    hash_walk_begin(&walk, hash, x->now_ms);
    while (hash_walk_next(&walk)) {
        if (!member_scan_matches(scan, walk.field))
            continue;
        reply_parts(x, &walk, scan->no_values ? FIELDS : FIELDS | VALUES);
        found++;
    }
    reply_deferred_array(x->reply, handle, scan->no_values ? found : found * 2);
}

static void drop_expired(struct member_list *list, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!hash_member_is_expired(list->members[i], now_ms))
            list->members[kept++] = list->members[i];
    list->count = kept;
}

static void hscan_table(struct execution *x, const struct member_scan *scan, const struct member_table *table)
{
    struct member_list list;
    member_scan_reply_cursor(x, member_scan_table(scan, table, &list));
    drop_expired(&list, x->now_ms);
    reply_array(x->reply, scan->no_values ? list.count : list.count * 2);
    for (size_t i = 0; i < list.count; i++) {
        reply_bulk(x->reply, member_name(list.members[i]));
        if (!scan->no_values)
            reply_bulk(x->reply, member_value(list.members[i]));
    }
    memory_free(list.members);
}

static void hscan_command(struct execution *x)
{
    struct member_scan scan;
    struct entry *entry;
    struct object hash;
    if (!member_scan_parse_cursor(x, &scan) || !hash_lookup_read(x, x->keys, false, &entry, &hash))
        return;
    if (!entry)
        member_scan_reply_empty(x);
    else if (!member_scan_parse_options(x, true, &scan))
        return;
    else if (hash_object_table(&hash))
        hscan_table(x, &scan, hash_object_table(&hash));
    else
        hscan_compact(x, &scan, &hash);
}

/* ---- random fields ---- */

/* RESP3 has each field with its value in an array of their own. */
static void reply_drawn_head(struct execution *x, size_t count, unsigned parts)
{
    reply_array(x->reply, parts == FIELDS || x->reply->protocol > 2 ? count : count * 2);
}

static void reply_drawn(struct execution *x, const struct object *hash, size_t rank, unsigned parts)
{
    struct hash_walk walk;
    hash_walk_at(&walk, hash, rank);
    if (parts != FIELDS && x->reply->protocol > 2)
        reply_array(x->reply, 2);
    reply_parts(x, &walk, parts);
}

static void reply_repeated(struct execution *x, const struct object *hash, uint64_t repeats, unsigned parts)
{
    size_t total = object_count(hash);
    if (!sample_fits(x, hash, repeats))
        return;
    reply_drawn_head(x, repeats, parts);
    for (uint64_t i = 0; i < repeats; i++)
        reply_drawn(x, hash, random_below(&x->worker->random, total), parts);
}

static void reply_sample(struct execution *x, const struct object *hash, size_t count, unsigned parts)
{
    size_t *ranks = memory_allocate(count * sizeof(*ranks));
    sample_ranks(&x->worker->random, object_count(hash), count, ranks);
    reply_drawn_head(x, count, parts);
    for (size_t i = 0; i < count; i++)
        reply_drawn(x, hash, ranks[i], parts);
    memory_free(ranks);
}

static void reply_every(struct execution *x, const struct object *hash, unsigned parts)
{
    struct hash_walk walk;
    reply_drawn_head(x, object_count(hash), parts);
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk)) {
        if (parts != FIELDS && x->reply->protocol > 2)
            reply_array(x->reply, 2);
        reply_parts(x, &walk, parts);
    }
}

/* [count [WITHVALUES]] */
static bool hrandfield_parse(struct execution *x, int64_t *count, unsigned *parts)
{
    *parts = FIELDS;
    if (!arg_int64(x, x->argv[2], count) ||
        !arg_int64_in(x, x->argv[2], -INT64_MAX, INT64_MAX, ERROR_RANGE_SYMMETRIC, count))
        return false;
    if (x->argc > 4 || (x->argc == 4 && !arg_is(x->argv[3], "WITHVALUES"))) {
        reply_syntax_error(x);
        return false;
    }
    if (x->argc == 3)
        return true;
    *parts = FIELDS | VALUES;
    return arg_int64_in(x, x->argv[2], -(INT64_MAX / 2), INT64_MAX / 2, ERROR_OUT_OF_RANGE, count);
}

static void hrandfield_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    int64_t count = 1;
    unsigned parts = FIELDS;
    if ((x->argc > 2 && !hrandfield_parse(x, &count, &parts)) || !hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    if (x->argc == 2 && !entry)
        reply_null(x->reply);
    else if (x->argc == 2)
        reply_drawn(x, &hash, random_below(&x->worker->random, object_count(&hash)), FIELDS);
    else if (!entry || count == 0)
        reply_array(x->reply, 0);
    else if (count < 0)
        reply_repeated(x, &hash, (uint64_t)-count, parts);
    else if ((uint64_t)count >= object_count(&hash))
        reply_every(x, &hash, parts);
    else
        reply_sample(x, &hash, (size_t)count, parts);
}

/* ---- effects ---- */

static bool apply_hset(struct object *hash, struct buffer *room, const struct effect *effect)
{
    for (uint32_t i = 2; i + 1 < effect->count; i += 2)
        hash_object_set(hash, room, effect->words[i], effect->words[i + 1], false, HASH_AT_ANY_TIME);
    return effect->count % 2 == 0;
}

static bool apply_hdel(struct object *hash, struct buffer *room, const struct effect *effect)
{
    for (uint32_t i = 2; i < effect->count; i++)
        hash_object_remove(hash, room, effect->words[i], HASH_AT_ANY_TIME);
    return true;
}

static void apply_expiry(struct object *hash, struct buffer *room, const struct bytes *fields, size_t count,
                         int64_t expire_at_ms)
{
    struct hash_value value;
    for (size_t i = 0; i < count; i++)
        if (hash_object_get(hash, fields[i], HASH_AT_ANY_TIME, &value))
            hash_object_set_expiry(hash, room, fields[i], expire_at_ms);
}

static bool apply_hpexpireat(struct object *hash, struct buffer *room, const struct effect *effect)
{
    int64_t expire_at_ms;
    if (!bytes_to_int64(effect->words[2], &expire_at_ms) || expire_at_ms <= 0 || expire_at_ms > HASH_TIME_MAX)
        return false;
    apply_expiry(hash, room, effect->words + 5, effect->count - 5, expire_at_ms);
    return true;
}

static bool apply_hpersist(struct object *hash, struct buffer *room, const struct effect *effect)
{
    apply_expiry(hash, room, effect->words + 4, effect->count - 4, HASH_NO_EXPIRE);
    return true;
}

const struct effect_form hash_effects[] = {
    {"HSET", OBJECT_HASH, 4, apply_hset},
    {"HDEL", OBJECT_HASH, 3, apply_hdel},
    {"HPEXPIREAT", OBJECT_HASH, 6, apply_hpexpireat},
    {"HPERSIST", OBJECT_HASH, 5, apply_hpersist},
    {.name = NULL},
};

/* ---- the rows ---- */

#define FIELDS_OF(words)                                                                                               \
    {                                                                                                                  \
        .name = "fields", .type = ARGUMENT_BLOCK, .token = "FIELDS",                                                   \
        .children = ARGUMENTS(ARG_INTEGER("numfields"), words)                                                         \
    }
#define FIELD_NAMES                                                                                                    \
    {                                                                                                                  \
        .name = "field", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE                                           \
    }
#define FIELD_PAIRS                                                                                                    \
    {                                                                                                                  \
        .name = "data", .type = ARGUMENT_BLOCK, .flags = ARGUMENT_MULTIPLE,                                            \
        .children = ARGUMENTS(ARG_STRING("field"), ARG_STRING("value"))                                                \
    }
#define EXPIRY_CONDITION                                                                                               \
    {                                                                                                                  \
        .name = "condition", .type = ARGUMENT_ONEOF, .flags = ARGUMENT_OPTIONAL,                                       \
        .children =                                                                                                    \
            ARGUMENTS(ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"), ARG_TOKEN("gt", "GT"), ARG_TOKEN("lt", "LT"))      \
    }
#define FIELD_TIMES                                                                                                    \
    {.name = "seconds", .type = ARGUMENT_INTEGER, .token = "EX"},                                                      \
        {.name = "milliseconds", .type = ARGUMENT_INTEGER, .token = "PX"},                                             \
        {.name = "unix-time-seconds", .type = ARGUMENT_UNIX_TIME, .token = "EXAT"},                                    \
    {                                                                                                                  \
        .name = "unix-time-milliseconds", .type = ARGUMENT_UNIX_TIME, .token = "PXAT"                                  \
    }

const struct command hash_commands[] = {
    {
        .name = "HDEL",
        .run = hdel_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Deletes fields of a hash; a hash without fields is deleted.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "field", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = (const struct command_change[]){{"2.4.0", "Accepts multiple `field` arguments."}, {NULL, NULL}},
    },
    {
        .name = "HEXISTS",
        .run = hexists_command,
        .arity = 3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Says whether a hash has a field.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("field")),
    },
    {
        .name = "HEXPIRE",
        .run = hexpire_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Has fields of a hash expire after so many seconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("seconds"), EXPIRY_CONDITION, FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HEXPIREAT",
        .run = hexpireat_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Has fields of a hash expire at a time in seconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "unix-time-seconds", .type = ARGUMENT_UNIX_TIME},
                               EXPIRY_CONDITION, FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HEXPIRETIME",
        .run = hexpiretime_command,
        .arity = -5,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Returns when fields expire, in seconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HGET",
        .run = hget_command,
        .arity = 3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Returns the value of a field.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("field")),
    },
    {
        .name = "HGETALL",
        .run = hgetall_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Returns all fields of a hash with their values.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
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
        .name = "HINCRBY",
        .run = hincrby_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Adds a number to the integer in a field; a missing field counts as 0.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("field"), ARG_INTEGER("increment")),
    },
    {
        .name = "HINCRBYFLOAT",
        .run = hincrbyfloat_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "hash",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Adds a fraction to the number in a field; a missing field counts as 0.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("field"), {.name = "increment", .type = ARGUMENT_DOUBLE}),
    },
    {
        .name = "HKEYS",
        .run = hkeys_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Returns the names of all fields of a hash.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "HLEN",
        .run = hlen_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Returns how many fields a hash has.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "HMGET",
        .run = hmget_command,
        .arity = -3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Returns the values of several fields.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "field", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "HMSET",
        .run = hset_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Stores the values of several fields.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "field_value",
                                                .type = ARGUMENT_BLOCK,
                                                .flags = ARGUMENT_MULTIPLE,
                                                .children = ARGUMENTS(ARG_STRING("field"), ARG_STRING("value"))}),
        .deprecated_since = "4.0.0",
        .replaced_by = "`HSET` with multiple field-value pairs",
    },
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
    {
        .name = "HPEXPIRE",
        .run = hpexpire_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Has fields of a hash expire after so many milliseconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("milliseconds"), EXPIRY_CONDITION, FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HPEXPIREAT",
        .run = hpexpireat_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Has fields of a hash expire at a time in milliseconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "unix-time-milliseconds", .type = ARGUMENT_UNIX_TIME},
                               EXPIRY_CONDITION, FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HPEXPIRETIME",
        .run = hpexpiretime_command,
        .arity = -5,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Returns when fields expire, in milliseconds.",
        .arguments = ARGUMENTS(ARG_KEY("key"), FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HPTTL",
        .run = hpttl_command,
        .arity = -5,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Returns how many milliseconds fields have to live.",
        .arguments = ARGUMENTS(ARG_KEY("key"), FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HRANDFIELD",
        .run = hrandfield_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "6.2.0",
        .complexity = "O(N)",
        .summary = "Returns random fields of a hash.",
        .arguments = ARGUMENTS(ARG_KEY("key"),
                               {.name = "options",
                                .type = ARGUMENT_BLOCK,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("count"), ARG_FLAG("withvalues", "WITHVALUES"))}),
    },
    {
        .name = "HSCAN",
        .run = hscan_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.8.0",
        .complexity = "O(1)",
        .summary = "Walks over a hash's fields and values, some at each call.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("cursor"),
                      {.name = "pattern", .type = ARGUMENT_PATTERN, .token = "MATCH", .flags = ARGUMENT_OPTIONAL},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL},
                      {.name = "novalues",
                       .type = ARGUMENT_PURE_TOKEN,
                       .token = "NOVALUES",
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "7.4.0"}),
    },
    {
        .name = "HSET",
        .run = hset_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Stores the values of fields; a missing key becomes a hash.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "field_value",
                                                .type = ARGUMENT_BLOCK,
                                                .flags = ARGUMENT_MULTIPLE,
                                                .children = ARGUMENTS(ARG_STRING("field"), ARG_STRING("value"))}),
        .history =
            (const struct command_change[]){{"4.0.0", "Accepts multiple `field` and `value` arguments."}, {NULL, NULL}},
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
    {
        .name = "HSETNX",
        .run = hsetnx_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Stores the value of a field if the hash does not have it.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("field"), ARG_STRING("value")),
    },
    {
        .name = "HSTRLEN",
        .run = hstrlen_command,
        .arity = 3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "hash",
        .since = "3.2.0",
        .complexity = "O(1)",
        .summary = "Returns the length of a field's value.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("field")),
    },
    {
        .name = "HTTL",
        .run = httl_command,
        .arity = -5,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "7.4.0",
        .complexity = "O(N) where N is the number of fields.",
        .summary = "Returns how many seconds fields have to live.",
        .arguments = ARGUMENTS(ARG_KEY("key"), FIELDS_OF(FIELD_NAMES)),
    },
    {
        .name = "HVALS",
        .run = hvals_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Returns the values of all fields of a hash.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {.name = NULL},
};

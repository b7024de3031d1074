/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes, field by field. Changes are told as HSET of the values that came of them, and HDEL of the fields that were there.
 * Expiry of fields stands in hash_expiry_commands.c; here it is that an expired field is not there, and that HSET ends an
 * expiry. */
#include "command/apply.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/claims.h"
#include "command/hash_lookup.h"
#include "command/notify.h"
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
    for (size_t i = 0; i < count; i += 2) {
        added += hash_object_set(hash, room, words[i], words[i + 1], false, x->expiry_ms);
        execution_breathe(x);
    }
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
    bool is_new = !hash_object_get(&hash, x->argv[2], x->expiry_ms, &old);
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
    for (size_t i = 2; entry && i < x->argc; i++) {
        if (hash_object_remove(&hash, room, x->argv[i], x->expiry_ms))
            word_list_add(&removed, x->argv[i]);
        execution_breathe(x);
    }
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
    hash_object_set(hash, edit_room(x), pair[0], pair[1], true, x->expiry_ms);
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
    if (hash_object_get(&hash, x->argv[2], x->expiry_ms, &old) && !bytes_to_int64(old.bytes, &value)) {
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
    if (hash_object_get(&hash, x->argv[2], x->expiry_ms, &old) && !bytes_to_long_double(old.bytes, &value)) {
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
    if (hash_object_get(hash, field, x->expiry_ms, &value))
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
        reply_integer(x->reply, hash_object_get(&hash, x->argv[2], x->expiry_ms, &value));
}

static void hstrlen_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    struct hash_value value;
    if (!hash_lookup_read(x, x->keys, false, &entry, &hash))
        return;
    bool is_there = hash_object_get(&hash, x->argv[2], x->expiry_ms, &value);
    reply_integer(x->reply, is_there ? (int64_t)value.bytes.length : 0);
}

static void hlen_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (hash_lookup_read(x, x->keys, false, &entry, &hash))
        reply_integer(x->reply, (int64_t)object_count(&hash));
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
        .history = HISTORY({"2.4.0", "Accepts multiple `field` arguments."}),
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
        .history = HISTORY({"4.0.0", "Accepts multiple `field` and `value` arguments."}),
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
    {.name = NULL},
};

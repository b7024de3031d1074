/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings. A value is stored as an integer where it is one, inline in its entry when short, else in a counted block that
 * replies and captures may hold on to; string_piece.c changes a part of it. */
#include "base/memory.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/lcs.h"
#include "command/notify.h"
#include "command/string_piece.h"
#include "command/string_reply.h"

#include <math.h>
#include <stdio.h>

static void reply_entry_or_null(struct execution *x, struct entry *entry)
{
    if (!entry) {
        reply_null(x->reply);
        return;
    }
    struct object value = entry_object(entry);
    reply_string(x->reply, &value);
}

static struct entry *lookup_string_read(struct execution *x, const struct key *key, bool *wrong_type)
{
    struct entry *entry = lookup_read(x, key);
    *wrong_type = !require_type(x, entry, OBJECT_STRING);
    return entry;
}

static struct entry *lookup_string_write(struct execution *x, const struct key *key, bool *wrong_type)
{
    struct entry *entry = lookup_write(x, key);
    *wrong_type = !require_type(x, entry, OBJECT_STRING);
    return entry;
}

/* Stores the bytes as SET does; false (an error is replied) when memory is out. */
static bool store_bytes(struct execution *x, const struct key *key, struct entry *old, struct bytes bytes,
                        int64_t expire_at_ms)
{
    struct object value;
    if (!string_object_from_bytes(bytes, &value)) {
        reply_error(x->reply, "OOM the value does not fit in memory");
        return false;
    }
    store(x, key, old, &value, expire_at_ms);
    return true;
}

/* ---- GET and its kin ---- */

static void get_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = lookup_string_read(x, x->keys, &wrong_type);
    if (!wrong_type)
        reply_entry_or_null(x, entry);
}

static void mget_command(struct execution *x)
{
    reply_array(x->reply, x->key_count);
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *entry = lookup_read(x, &x->keys[i]);
        reply_entry_or_null(x, entry && entry_type(entry) == OBJECT_STRING ? entry : NULL);
    }
}

static void strlen_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = lookup_string_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    struct object value;
    if (entry)
        value = entry_object(entry);
    reply_integer(x->reply, entry ? (int64_t)string_object_length(&value) : 0);
}

static void getrange_command(struct execution *x)
{
    int64_t start, end;
    bool wrong_type;
    if (!arg_int64(x, x->argv[2], &start) || !arg_int64(x, x->argv[3], &end))
        return;
    struct entry *entry = lookup_string_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    char digits[BYTES_INTEGER_MAX];
    struct object value;
    struct bytes bytes = {"", 0};
    if (entry) {
        value = entry_object(entry);
        bytes = string_object_bytes(&value, digits);
    }
    int64_t length = (int64_t)bytes.length;
    if (start < 0 && end < 0 && start > end)
        length = 0;
    if (start < 0)
        start = start + length < 0 ? 0 : start + length;
    if (end < 0)
        end = end + length < 0 ? 0 : end + length;
    if (end >= length)
        end = length - 1;
    if (length == 0 || start > end) {
        reply_bulk(x->reply, BYTES(""));
        return;
    }
    struct bytes part = bytes_of(bytes.data + start, (size_t)(end - start + 1));
    if (value.encoding == ENCODING_BLOCK && part.length >= REPLY_REFERENCE_MIN)
        reply_bulk_reference(x->reply, part, block_release, block_acquire(value.block));
    else
        reply_bulk(x->reply, part);
}

/* ---- SET and its options ---- */

enum set_condition { SET_ALWAYS, SET_IF_ABSENT, SET_IF_PRESENT, SET_IF_EQUAL };

enum set_ttl { TTL_NONE, TTL_EX, TTL_PX, TTL_EXAT, TTL_PXAT, TTL_KEEP, TTL_PERSIST };

struct set_options {
    enum set_condition condition;
    struct bytes comparison; /* of SET_IF_EQUAL */
    bool get;
    enum set_ttl ttl;
    struct bytes expire; /* of TTL_EX to TTL_PXAT */
    int64_t expire_at_ms;
};

static enum set_ttl ttl_of_word(struct bytes word, const char *allowed)
{
    static const char *const names[] = {NULL, "EX", "PX", "EXAT", "PXAT", "KEEPTTL", "PERSIST"};
    for (int ttl = TTL_EX; ttl <= TTL_PERSIST; ttl++)
        if (arg_is(word, names[ttl]) && (ttl != TTL_KEEP || strchr(allowed, 'k')) &&
            (ttl != TTL_PERSIST || strchr(allowed, 'p')))
            return (enum set_ttl)ttl;
    return TTL_NONE;
}

static enum set_condition condition_of_word(struct bytes word, const char *allowed)
{
    if (strchr(allowed, 'c') && (arg_is(word, "NX") || arg_is(word, "XX")))
        return arg_is(word, "NX") ? SET_IF_ABSENT : SET_IF_PRESENT;
    return strchr(allowed, 'e') && arg_is(word, "IFEQ") ? SET_IF_EQUAL : SET_ALWAYS;
}

/* Reads the words from 'first' on, of the kinds in 'allowed' (c condition, e IFEQ, g GET, k KEEPTTL, p PERSIST). A word may
 * come again, the last of its kind counts; two kinds of time or of condition do not go together. Replies on failure. */
static bool set_parse_options(struct execution *x, size_t first, const char *allowed, struct set_options *options)
{
    *options = (struct set_options){.expire_at_ms = ENTRY_NO_EXPIRE};
    for (size_t i = first; i < x->argc; i++) {
        struct bytes word = x->argv[i];
        enum set_ttl ttl = ttl_of_word(word, allowed);
        enum set_condition condition = condition_of_word(word, allowed);
        bool has_value = (ttl != TTL_NONE && ttl <= TTL_PXAT) || condition == SET_IF_EQUAL;
        bool fits = !has_value || i + 1 < x->argc;
        if (ttl != TTL_NONE && fits && (options->ttl == TTL_NONE || options->ttl == ttl)) {
            options->ttl = ttl;
            if (has_value)
                options->expire = x->argv[++i];
        } else if (condition != SET_ALWAYS && fits &&
                   (options->condition == SET_ALWAYS || options->condition == condition)) {
            options->condition = condition;
            if (has_value)
                options->comparison = x->argv[++i];
        } else if (strchr(allowed, 'g') && arg_is(word, "GET")) {
            options->get = true;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

static bool set_has_expire(const struct set_options *options)
{
    return options->ttl != TTL_NONE && options->ttl <= TTL_PXAT;
}

/* Makes the time absolute; replies if it is none. */
static bool set_parse_expire(struct execution *x, struct set_options *options)
{
    bool in_seconds = options->ttl == TTL_EX || options->ttl == TTL_EXAT;
    bool relative = options->ttl == TTL_EX || options->ttl == TTL_PX;
    return !set_has_expire(options) ||
           arg_expire(x, options->expire, in_seconds, relative, true, &options->expire_at_ms);
}

static bool set_condition_holds(const struct set_options *options, struct entry *old)
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

static void notify_set(struct execution *x, const struct key *key, const struct set_options *options)
{
    notify(x, NOTIFY_STRING, "set", key);
    if (set_has_expire(options))
        notify(x, NOTIFY_GENERIC, "expire", key);
}

static void set_store(struct execution *x, const struct set_options *options, struct bytes value)
{
    struct entry *old = lookup_write(x, x->keys);
    if ((options->get || options->condition == SET_IF_EQUAL) && !require_type(x, old, OBJECT_STRING))
        return;
    if (options->get) {
        reply_entry_or_null(x, old);
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
    else if (!born_dead && !store_bytes(x, x->keys, old, value, expire_at_ms))
        return;
    notify_set(x, x->keys, options);
    if (born_dead)
        notify(x, NOTIFY_EXPIRED, "expired", x->keys);
    if (!options->get)
        reply_status(x->reply, "OK");
}

static void set_command(struct execution *x)
{
    struct set_options options = {.expire_at_ms = ENTRY_NO_EXPIRE};
    if (x->argc > 3 && (!set_parse_options(x, 3, "cegk", &options) || !set_parse_expire(x, &options)))
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
    if (!old && !store_bytes(x, x->keys, NULL, x->argv[2], ENTRY_NO_EXPIRE))
        return;
    if (!old)
        notify(x, NOTIFY_STRING, "set", x->keys);
    reply_integer(x->reply, old ? 0 : 1);
}

static void set_with_ttl(struct execution *x, bool in_seconds)
{
    struct set_options options = {.ttl = in_seconds ? TTL_EX : TTL_PX};
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
    struct set_options options = {.get = true, .expire_at_ms = ENTRY_NO_EXPIRE};
    set_store(x, &options, x->argv[2]);
}

static void getdel_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = lookup_string_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    reply_entry_or_null(x, entry);
    if (!entry)
        return;
    delete_key(x, x->keys, entry);
    notify(x, NOTIFY_GENERIC, "del", x->keys);
}

static void getex_command(struct execution *x)
{
    struct set_options options;
    bool wrong_type;
    if (!set_parse_options(x, 2, "p", &options))
        return;
    struct entry *entry = lookup_string_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    if (!entry) {
        reply_null(x->reply);
        return;
    }
    if (!set_parse_expire(x, &options))
        return;
    reply_entry_or_null(x, entry);
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
    struct set_options options = {.condition = SET_IF_EQUAL, .comparison = x->argv[2]};
    struct entry *entry = lookup_string_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    bool equal = set_condition_holds(&options, entry);
    if (equal) {
        delete_key(x, x->keys, entry);
        notify(x, NOTIFY_GENERIC, "del", x->keys);
    }
    reply_integer(x->reply, equal);
}

/* ---- several keys ---- */

static bool mset_store(struct execution *x, size_t first_value, const struct set_options *options)
{
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *old = lookup_write(x, &x->keys[i]);
        int64_t expire_at_ms = options->ttl == TTL_KEEP && old ? entry_expire_at_ms(old) : options->expire_at_ms;
        if (!store_bytes(x, &x->keys[i], old, x->argv[first_value + i * 2], expire_at_ms))
            return false;
        notify_set(x, &x->keys[i], options);
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
    struct set_options options = {.expire_at_ms = ENTRY_NO_EXPIRE};
    if (x->argc % 2 == 0)
        reply_arity_error(x);
    else if (mset_store(x, 2, &options))
        reply_status(x->reply, "OK");
}

static void msetnx_command(struct execution *x)
{
    struct set_options options = {.expire_at_ms = ENTRY_NO_EXPIRE};
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
    struct set_options options;
    int64_t count;
    if (!arg_int64_in(x, x->argv[1], 1, INT32_MAX, "ERR invalid numkeys value", &count))
        return;
    if ((uint64_t)count > (x->argc - 2) / 2 || x->key_count != (size_t)count) {
        reply_arity_error(x);
        return;
    }
    if (!set_parse_options(x, 2 + (size_t)count * 2, "ck", &options) || !set_parse_expire(x, &options))
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

/* ---- counters ---- */

static void add_integer(struct execution *x, int64_t amount)
{
    bool wrong_type;
    int64_t value = 0;
    struct entry *entry = lookup_string_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    if (entry) {
        struct object old = entry_object(entry);
        if (!string_object_to_int64(&old, &value)) {
            reply_error(x->reply, "ERR value is not an integer or out of range");
            return;
        }
    }
    if (__builtin_add_overflow(value, amount, &value)) {
        reply_error(x->reply, "ERR increment or decrement would overflow");
        return;
    }
    struct object object = string_object_from_integer(value);
    if (entry && entry_object(entry).encoding == ENCODING_INTEGER) {
        stage_set(x, x->keys, &object, entry_expire_at_ms(entry), false);
        memcpy(entry_value_field(entry), &value, sizeof(value));
        keyspace_written(x->keyspace, x->keys, entry);
    } else {
        store(x, x->keys, entry, &object, entry ? entry_expire_at_ms(entry) : ENTRY_NO_EXPIRE);
    }
    notify(x, NOTIFY_STRING, "incrby", x->keys);
    reply_integer(x->reply, value);
}

static void incr_command(struct execution *x)
{
    add_integer(x, 1);
}

static void decr_command(struct execution *x)
{
    add_integer(x, -1);
}

static void incrby_command(struct execution *x)
{
    int64_t amount;
    if (arg_int64(x, x->argv[2], &amount))
        add_integer(x, amount);
}

static void decrby_command(struct execution *x)
{
    int64_t amount;
    if (!arg_int64(x, x->argv[2], &amount))
        return;
    if (amount == INT64_MIN)
        reply_error(x->reply, "ERR decrement would overflow");
    else
        add_integer(x, -amount);
}

static void incrbyfloat_command(struct execution *x)
{
    bool wrong_type;
    long double value = 0, amount;
    struct entry *entry = lookup_string_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    char digits[BYTES_INTEGER_MAX], text[BYTES_LONG_DOUBLE_MAX];
    if (entry) {
        struct object old = entry_object(entry);
        if (!arg_long_double(x, string_object_bytes(&old, digits), &value))
            return;
    }
    if (!arg_long_double(x, x->argv[2], &amount))
        return;
    value += amount;
    if (isnan(value) || isinf(value)) {
        reply_error(x->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct bytes result = bytes_of(text, bytes_from_long_double(text, sizeof(text), value));
    struct object object = {.type = OBJECT_STRING, .encoding = ENCODING_RAW, .bytes = result};
    if (result.length <= OBJECT_EMBSTR_MAX)
        object.encoding = ENCODING_EMBSTR;
    store(x, x->keys, entry, &object, entry ? entry_expire_at_ms(entry) : ENTRY_NO_EXPIRE);
    notify(x, NOTIFY_STRING, "incrbyfloat", x->keys);
    reply_bulk(x->reply, result);
}

/* ---- pieces of strings ---- */

static void append_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = lookup_string_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    size_t length = string_entry_length(entry);
    struct bytes suffix = x->argv[2];
    if (!string_length_allowed(x, (uint64_t)length + suffix.length))
        return;
    /* A new key is stored as SET would: integer or embstr where it is one. */
    bool stored = entry ? string_write_piece(x, x->keys, entry, length, suffix) != NULL
                        : store_bytes(x, x->keys, NULL, suffix, ENTRY_NO_EXPIRE);
    if (!stored)
        return;
    notify(x, NOTIFY_STRING, "append", x->keys);
    reply_integer(x->reply, (int64_t)(length + suffix.length));
}

static void setrange_command(struct execution *x)
{
    int64_t offset;
    bool wrong_type;
    if (!arg_int64(x, x->argv[2], &offset))
        return;
    if (offset < 0) {
        reply_error(x->reply, "ERR offset is out of range");
        return;
    }
    struct entry *entry = lookup_string_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    struct bytes piece = x->argv[3];
    size_t length = string_entry_length(entry);
    if (piece.length > 0) {
        if (!string_length_allowed(x, (uint64_t)offset + piece.length) ||
            !string_write_piece(x, x->keys, entry, (size_t)offset, piece))
            return;
        notify(x, NOTIFY_STRING, "setrange", x->keys);
        if ((size_t)offset + piece.length > length)
            length = (size_t)offset + piece.length;
    }
    reply_integer(x->reply, (int64_t)length);
}

/* ---- the table ---- */

#define EXPIRY_CHOICES                                                                                                 \
    {.name = "seconds", .type = ARGUMENT_INTEGER, .token = "EX"},                                                      \
        {.name = "milliseconds", .type = ARGUMENT_INTEGER, .token = "PX"},                                             \
        {.name = "unix-time-seconds", .type = ARGUMENT_UNIX_TIME, .token = "EXAT"},                                    \
    {                                                                                                                  \
        .name = "unix-time-milliseconds", .type = ARGUMENT_UNIX_TIME, .token = "PXAT"                                  \
    }

#define KEY_VALUE_PAIRS                                                                                                \
    {                                                                                                                  \
        .name = "data", .type = ARGUMENT_BLOCK, .flags = ARGUMENT_MULTIPLE,                                            \
        .children = ARGUMENTS(ARG_KEY("key"), ARG_STRING("value"))                                                     \
    }

const struct command string_commands[] = {
    {
        .name = "APPEND",
        .run = append_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "string",
        .since = "2.0.0",
        .complexity = "O(1) amortized, as the room of a growing string doubles",
        .summary = "Adds text to the end of a string; creates the key if it is missing.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("value")),
    },
    {
        .name = "DECR",
        .run = decr_command,
        .arity = 2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Subtracts one from an integer; a missing key counts as 0.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "DECRBY",
        .run = decrby_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Subtracts a number from an integer; a missing key counts as 0.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("decrement")),
    },
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
        .name = "GETRANGE",
        .run = getrange_command,
        .arity = 4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "2.4.0",
        .complexity = "O(N), when N is the length of the part returned",
        .summary = "Returns a part of the string at a key.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("end")),
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
        .name = "INCR",
        .run = incr_command,
        .arity = 2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Adds one to an integer; a missing key counts as 0.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "INCRBY",
        .run = incrby_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Adds a number to an integer; a missing key counts as 0.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("increment")),
    },
    {
        .name = "INCRBYFLOAT",
        .run = incrbyfloat_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "string",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Adds a fraction to a number; a missing key counts as 0.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "increment", .type = ARGUMENT_DOUBLE}),
    },
    {
        .name = "LCS",
        .run = lcs_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_RANGE(1, 1, 1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "7.0.0",
        .complexity = "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        .summary = "Finds the longest common subsequence of two strings.",
        .arguments = ARGUMENTS(
            ARG_KEY("key1"), ARG_KEY("key2"), ARG_FLAG("len", "LEN"), ARG_FLAG("idx", "IDX"),
            {.name = "min-match-len", .type = ARGUMENT_INTEGER, .token = "MINMATCHLEN", .flags = ARGUMENT_OPTIONAL},
            ARG_FLAG("withmatchlen", "WITHMATCHLEN")),
    },
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
    {
        .name = "SETRANGE",
        .run = setrange_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "string",
        .since = "2.2.0",
        .complexity = "O(M), with M the length of the value, when the string must grow or is shared; else O(1)",
        .summary = "Overwrites a part of a string from an offset on; fills with zeros up to it.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("offset"), ARG_STRING("value")),
    },
    {
        .name = "STRLEN",
        .run = strlen_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "string",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Returns the length of a string.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "SUBSTR",
        .run = getrange_command,
        .arity = 4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(N), when N is the length of the part returned",
        .summary = "Returns a part of the string at a key.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("end")),
        .deprecated_since = "2.0.0",
        .replaced_by = "`GETRANGE`",
    },
    {.name = NULL},
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings that are numbers. An integer is changed in place. */
#include "command/string_commands.h"

#include "command/args.h"

#include <math.h>

static void add_integer(struct execution *x, int64_t amount)
{
    bool wrong_type;
    int64_t value = 0;
    struct entry *entry = string_lookup_write(x, x->keys, &wrong_type);
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
    struct entry *entry = string_lookup_write(x, x->keys, &wrong_type);
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

/* ---- the table ---- */

const struct command string_counter_commands[] = {
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
    {.name = NULL},
};

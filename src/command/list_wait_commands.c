/* SPDX-License-Identifier: BSD-3-Clause */
/* List commands that can wait for elements, and their kin that do not: a pop from the first of several lists that has
 * something, and a move from one list to another. Each runs the same function; what waits calls execution_block where the
 * other says that there is nothing. */
#include "command/args.h"
#include "command/blocked.h"
#include "command/effects.h"
#include "command/list_commands.h"
#include "resp/error_text.h"

/* ---- popping from several ---- */

/* The first key that has a list; false if none has, or (replied, *refused) one is of another type. */
static bool first_list(struct execution *x, const struct key **key, struct entry **entry, struct object *list,
                       bool *refused)
{
    *refused = false;
    for (size_t i = 0; i < x->key_count; i++) {
        *key = &x->keys[i];
        *refused = !list_find(x, *key, true, entry, list);
        if (*refused || *entry)
            return !*refused;
    }
    return false;
}

/* 'nothing' answers where nobody may wait; who has waited in vain is always told by a null array. */
static void block_for_list(struct execution *x, bool all_keys, int64_t timeout_ms, void (*nothing)(struct reply *reply))
{
    if (execution_may_block(x))
        execution_block(x, OBJECT_LIST, all_keys, timeout_ms, reply_null_array);
    else
        nothing(x->reply);
}

static void pop_or_wait(struct execution *x, enum list_end end)
{
    const struct key *key;
    struct entry *entry;
    struct object list;
    int64_t timeout_ms;
    bool refused;
    if (!arg_block_timeout(x, x->argv[x->argc - 1], &timeout_ms))
        return;
    if (first_list(x, &key, &entry, &list, &refused)) {
        reply_array(x->reply, 2);
        reply_bulk(x->reply, key->name);
        reply_from_end(x, &list, end, 1);
        pop_from(x, key, entry, &list, end, 1);
    } else if (!refused) {
        block_for_list(x, false, timeout_ms, reply_null_array);
    }
}

static void blpop_command(struct execution *x)
{
    pop_or_wait(x, LIST_HEAD);
}

static void brpop_command(struct execution *x)
{
    pop_or_wait(x, LIST_TAIL);
}

static bool parse_end(struct execution *x, struct bytes word, enum list_end *end)
{
    if (!arg_is(word, "LEFT") && !arg_is(word, "RIGHT")) {
        reply_syntax_error(x);
        return false;
    }
    *end = arg_is(word, "LEFT") ? LIST_HEAD : LIST_TAIL;
    return true;
}

/* numkeys key [key ...] LEFT|RIGHT [COUNT n], from argument 'first' on. */
static bool mpop_parse(struct execution *x, size_t first, enum list_end *end, int64_t *count)
{
    int64_t key_count;
    *count = 1;
    if (!arg_int64_in(x, x->argv[first], 1, INT64_MAX, ERROR_NUMKEYS_POSITIVE, &key_count))
        return false;
    if (key_count >= (int64_t)(x->argc - first - 1)) {
        reply_syntax_error(x);
        return false;
    }
    size_t at = first + 1 + (size_t)key_count;
    if (!parse_end(x, x->argv[at++], end))
        return false;
    if (at == x->argc)
        return true;
    bool has_count = at + 1 < x->argc && arg_is(x->argv[at], "COUNT");
    if (has_count && !arg_int64_in(x, x->argv[at + 1], 1, INT64_MAX, ERROR_COUNT_POSITIVE, count))
        return false;
    if (!has_count || at + 2 != x->argc)
        reply_syntax_error(x);
    return has_count && at + 2 == x->argc;
}

/* True if it replied. */
static bool mpop(struct execution *x, enum list_end end, int64_t count)
{
    const struct key *key;
    struct entry *entry;
    struct object list;
    bool refused;
    if (!first_list(x, &key, &entry, &list, &refused))
        return refused;
    size_t length = list_object_length(&list), popped = (uint64_t)count < length ? (size_t)count : length;
    reply_array(x->reply, 2);
    reply_bulk(x->reply, key->name);
    reply_array(x->reply, popped);
    reply_from_end(x, &list, end, popped);
    pop_from(x, key, entry, &list, end, popped);
    return true;
}

static void lmpop_command(struct execution *x)
{
    enum list_end end;
    int64_t count;
    if (mpop_parse(x, 1, &end, &count) && !mpop(x, end, count))
        reply_null_array(x->reply);
}

static void blmpop_command(struct execution *x)
{
    enum list_end end;
    int64_t count, timeout_ms;
    if (mpop_parse(x, 2, &end, &count) && arg_block_timeout(x, x->argv[1], &timeout_ms) && !mpop(x, end, count))
        block_for_list(x, false, timeout_ms, reply_null_array);
}

/* ---- moving ---- */

/* Pops from the first key's list and pushes to the second's, which may be the same. True if it replied. */
static bool move_element(struct execution *x, enum list_end from, enum list_end to)
{
    struct entry *source, *target;
    struct object list, other;
    if (!list_find(x, &x->keys[0], true, &source, &list))
        return true;
    if (!source)
        return false;
    bool is_same = bytes_equal(x->keys[0].name, x->keys[1].name);
    if (!is_same && !list_find(x, &x->keys[1], true, &target, &other))
        return true;
    char digits[BYTES_INTEGER_MAX];
    struct bytes element;
    struct buffer moved = {0};
    list_object_get(&list, from == LIST_HEAD ? 0 : -1, digits, &element);
    buffer_reserve(&moved, 1);
    buffer_append_bytes(&moved, element);
    element = buffer_bytes(&moved);
    reply_bulk(x->reply, element);
    if (is_same) {
        push_to(x, &x->keys[0], source, &list, to, &element, 1);
        list_find(x, &x->keys[0], true, &source, &list);
    } else {
        push_to(x, &x->keys[1], target, &other, to, &element, 1);
    }
    pop_from(x, &x->keys[0], source, &list, from, 1);
    buffer_deinit(&moved);
    return true;
}

static bool parse_ends(struct execution *x, enum list_end *from, enum list_end *to)
{
    return parse_end(x, x->argv[3], from) && parse_end(x, x->argv[4], to);
}

static void lmove_command(struct execution *x)
{
    enum list_end from, to;
    if (parse_ends(x, &from, &to) && !move_element(x, from, to))
        reply_null(x->reply);
}

static void rpoplpush_command(struct execution *x)
{
    if (!move_element(x, LIST_TAIL, LIST_HEAD))
        reply_null(x->reply);
}

static void blmove_command(struct execution *x)
{
    enum list_end from, to;
    int64_t timeout_ms;
    if (parse_ends(x, &from, &to) && arg_block_timeout(x, x->argv[5], &timeout_ms) && !move_element(x, from, to))
        block_for_list(x, true, timeout_ms, reply_null);
}

static void brpoplpush_command(struct execution *x)
{
    int64_t timeout_ms;
    if (arg_block_timeout(x, x->argv[3], &timeout_ms) && !move_element(x, LIST_TAIL, LIST_HEAD))
        block_for_list(x, true, timeout_ms, reply_null);
}

const struct command list_wait_commands[] = {
    {
        .name = "BLMOVE",
        .run = blmove_command,
        .arity = 6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_BLOCKING,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Moves an element between the ends of two lists; waits for one if there is none.",
        .arguments = ARGUMENTS(ARG_KEY("source"), {.name = "destination", .type = ARGUMENT_KEY, .key_spec = 1},
                               {.name = "wherefrom",
                                .type = ARGUMENT_ONEOF,
                                .children = ARGUMENTS(ARG_TOKEN("left", "LEFT"), ARG_TOKEN("right", "RIGHT"))},
                               {.name = "whereto",
                                .type = ARGUMENT_ONEOF,
                                .children = ARGUMENTS(ARG_TOKEN("left", "LEFT"), ARG_TOKEN("right", "RIGHT"))},
                               {.name = "timeout", .type = ARGUMENT_DOUBLE}),
    },
    {
        .name = "BLMPOP",
        .run = blmpop_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_MOVABLEKEYS,
        .keys = {KEY_NUMBERED(2, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "list",
        .since = "7.0.0",
        .complexity = "O(N+M)",
        .summary = "Removes elements from an end of the first of several lists that has some; waits for one.",
        .arguments =
            ARGUMENTS({.name = "timeout", .type = ARGUMENT_DOUBLE}, ARG_INTEGER("numkeys"),
                      {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                      {.name = "where",
                       .type = ARGUMENT_ONEOF,
                       .children = ARGUMENTS(ARG_TOKEN("left", "LEFT"), ARG_TOKEN("right", "RIGHT"))},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "BLPOP",
        .run = blpop_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_BLOCKING,
        .keys = {KEY_RANGE(1, -2, 1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "list",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Removes an element from the head of the first of several lists that has one; waits for it.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                               {.name = "timeout", .type = ARGUMENT_DOUBLE}),
        .history = HISTORY({"6.0.0", "The timeout may have a fraction."}),
    },
    {
        .name = "BRPOP",
        .run = brpop_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_BLOCKING,
        .keys = {KEY_RANGE(1, -2, 1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "list",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Removes an element from the tail of the first of several lists that has one; waits for it.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                               {.name = "timeout", .type = ARGUMENT_DOUBLE}),
        .history = HISTORY({"6.0.0", "The timeout may have a fraction."}),
    },
    {
        .name = "BRPOPLPUSH",
        .run = brpoplpush_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_BLOCKING,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Moves an element from one list's tail to another's head; waits for one if there is none.",
        .arguments = ARGUMENTS(ARG_KEY("source"), {.name = "destination", .type = ARGUMENT_KEY, .key_spec = 1},
                               {.name = "timeout", .type = ARGUMENT_DOUBLE}),
        .deprecated_since = "6.2.0",
        .replaced_by = "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
        .history = HISTORY({"6.0.0", "The timeout may have a fraction."}),
    },
    {
        .name = "LMOVE",
        .run = lmove_command,
        .arity = 5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Moves an element between the ends of two lists.",
        .arguments = ARGUMENTS(ARG_KEY("source"), {.name = "destination", .type = ARGUMENT_KEY, .key_spec = 1},
                               {.name = "wherefrom",
                                .type = ARGUMENT_ONEOF,
                                .children = ARGUMENTS(ARG_TOKEN("left", "LEFT"), ARG_TOKEN("right", "RIGHT"))},
                               {.name = "whereto",
                                .type = ARGUMENT_ONEOF,
                                .children = ARGUMENTS(ARG_TOKEN("left", "LEFT"), ARG_TOKEN("right", "RIGHT"))}),
    },
    {
        .name = "LMPOP",
        .run = lmpop_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_MOVABLEKEYS,
        .keys = {KEY_NUMBERED(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "list",
        .since = "7.0.0",
        .complexity = "O(N+M)",
        .summary = "Removes elements from an end of the first of several lists that has some.",
        .arguments =
            ARGUMENTS(ARG_INTEGER("numkeys"), {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                      {.name = "where",
                       .type = ARGUMENT_ONEOF,
                       .children = ARGUMENTS(ARG_TOKEN("left", "LEFT"), ARG_TOKEN("right", "RIGHT"))},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "RPOPLPUSH",
        .run = rpoplpush_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Moves an element from one list's tail to another's head.",
        .arguments = ARGUMENTS(ARG_KEY("source"), {.name = "destination", .type = ARGUMENT_KEY, .key_spec = 1}),
        .deprecated_since = "6.2.0",
        .replaced_by = "`LMOVE` with the `RIGHT` and `LEFT` arguments",
    },
    {.name = NULL},
};

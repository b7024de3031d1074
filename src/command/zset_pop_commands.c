/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets: members from either end. The stream is told which ones went. */
#include "command/args.h"
#include "command/blocked.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/zset_commands.h"
#include "resp/error_text.h"

/* Whether members of the reply are pairs of their own; bare, they stand in an array that has begun. */
enum pop_nesting { POP_FLAT, POP_NESTED, POP_BARE };

/* Replies with the members at one end, at most 'most' of them, and removes them. The set is not empty. */
static void pop(struct execution *x, const struct key *key, struct entry *entry, struct object *zset, bool highest,
                uint64_t most, enum pop_nesting nesting)
{
    size_t total = object_count(zset), count = most < total ? (size_t)most : total;
    struct zset_cursor cursor;
    if (nesting != POP_BARE)
        reply_array(x->reply, nesting == POP_NESTED ? count : count * 2);
    execution_let_go(x, count);
    zset_seek(zset, highest ? total - 1 : 0, &cursor);
    for (size_t i = 0; i < count; i++, zset_step(&cursor, highest)) {
        if (nesting == POP_NESTED)
            reply_array(x->reply, 2);
        reply_bulk(x->reply, cursor.member);
        reply_double(x->reply, cursor.score);
    }
    execution_hold_again(x);
    if (count > 0)
        zset_remove_range(x, key, entry, zset, highest ? total - count : 0, count, highest ? "zpopmax" : "zpopmin");
}

static void zpop_generic(struct execution *x, bool highest)
{
    int64_t count = 1;
    struct entry *entry;
    struct object zset;
    if (x->argc > 3) {
        reply_syntax_error(x);
        return;
    }
    if (x->argc == 3 && !arg_int64_in(x, x->argv[2], 0, INT64_MAX, ERROR_NOT_POSITIVE, &count))
        return;
    bool nested = x->argc == 3 && x->reply->protocol >= 3;
    if (zset_lookup_write(x, x->keys, &entry, &zset))
        pop(x, x->keys, entry, &zset, highest, (uint64_t)count, nested ? POP_NESTED : POP_FLAT);
    else if (!entry)
        reply_array(x->reply, 0);
}

static void zpopmin_command(struct execution *x)
{
    zpop_generic(x, false);
}

static void zpopmax_command(struct execution *x)
{
    zpop_generic(x, true);
}

/* ---- the first set that has some ---- */

struct zmpop {
    int64_t count;
    bool highest;
};

/* numkeys key ... MIN | MAX [COUNT count], from the word at 'at' on. */
static bool zmpop_parse(struct execution *x, size_t at, struct zmpop *zmpop)
{
    int64_t keys;
    *zmpop = (struct zmpop){.count = 1};
    if (!arg_int64_in(x, x->argv[at], 1, INT64_MAX, ERROR_NUMKEYS_POSITIVE, &keys))
        return false;
    size_t left = x->argc - at - 1;
    const struct bytes *words = x->argv + at + 1;
    bool good = (uint64_t)keys < left;
    if (good) {
        left -= (size_t)keys;
        words += keys;
        good = arg_is(words[0], "MIN") || arg_is(words[0], "MAX");
    }
    bool has_count = good && left >= 3 && arg_is(words[1], "COUNT");
    if (has_count && !arg_int64_in(x, words[2], 1, INT64_MAX, ERROR_COUNT_POSITIVE, &zmpop->count))
        return false;
    if (!good || left != (has_count ? 3 : 1)) {
        reply_syntax_error(x);
        return false;
    }
    zmpop->highest = arg_is(words[0], "MAX");
    return true;
}

/* Whether there has been a reply. */
static bool zmpop_pop(struct execution *x, const struct zmpop *zmpop)
{
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *entry;
        struct object zset;
        if (zset_lookup_write(x, &x->keys[i], &entry, &zset)) {
            reply_array(x->reply, 2);
            reply_bulk(x->reply, x->keys[i].name);
            pop(x, &x->keys[i], entry, &zset, zmpop->highest, (uint64_t)zmpop->count, POP_NESTED);
            return true;
        }
        if (entry)
            return true;
    }
    return false;
}

static void zmpop_command(struct execution *x)
{
    struct zmpop zmpop;
    if (zmpop_parse(x, 1, &zmpop) && !zmpop_pop(x, &zmpop))
        reply_null_array(x->reply);
}

/* ---- the same, and waiting for it ---- */

static void wait_for_zset(struct execution *x, int64_t timeout_ms)
{
    if (execution_may_block(x))
        execution_block(x, OBJECT_ZSET, false, timeout_ms, reply_null_array);
    else
        reply_null_array(x->reply);
}

static void bzmpop_command(struct execution *x)
{
    struct zmpop zmpop;
    int64_t timeout_ms;
    if (zmpop_parse(x, 2, &zmpop) && arg_block_timeout(x, x->argv[1], &timeout_ms) && !zmpop_pop(x, &zmpop))
        wait_for_zset(x, timeout_ms);
}

static void bzpop_generic(struct execution *x, bool highest)
{
    int64_t timeout_ms;
    if (!arg_block_timeout(x, x->argv[x->argc - 1], &timeout_ms))
        return;
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *entry;
        struct object zset;
        if (zset_lookup_write(x, &x->keys[i], &entry, &zset)) {
            reply_array(x->reply, 3);
            reply_bulk(x->reply, x->keys[i].name);
            pop(x, &x->keys[i], entry, &zset, highest, 1, POP_BARE);
            return;
        }
        if (entry)
            return;
    }
    wait_for_zset(x, timeout_ms);
}

static void bzpopmin_command(struct execution *x)
{
    bzpop_generic(x, false);
}

static void bzpopmax_command(struct execution *x)
{
    bzpop_generic(x, true);
}

/* ---- the table ---- */

const struct command zset_pop_commands[] = {
    {
        .name = "BZMPOP",
        .run = bzmpop_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_BLOCKING,
        .keys = {KEY_NUMBERED(2, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "sorted-set",
        .since = "7.0.0",
        .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
                      "the sorted set, and M being the number of elements popped.",
        .summary = "Takes the members with the lowest or highest scores out of the first sorted set that has some; "
                   "waits for one.",
        .arguments =
            ARGUMENTS({.name = "timeout", .type = ARGUMENT_DOUBLE}, ARG_INTEGER("numkeys"),
                      {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                      {.name = "where",
                       .type = ARGUMENT_ONEOF,
                       .children = ARGUMENTS(ARG_TOKEN("min", "MIN"), ARG_TOKEN("max", "MAX"))},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "BZPOPMAX",
        .run = bzpopmax_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_FAST,
        .keys = {KEY_RANGE(1, -2, 1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "sorted-set",
        .since = "5.0.0",
        .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
        .summary = "Takes the member with the highest score out of the first sorted set that has one; waits for it.",
        .history = HISTORY({"6.0.0", "The timeout may have a fraction."}),
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                               {.name = "timeout", .type = ARGUMENT_DOUBLE}),
    },
    {
        .name = "BZPOPMIN",
        .run = bzpopmin_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_FAST,
        .keys = {KEY_RANGE(1, -2, 1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "sorted-set",
        .since = "5.0.0",
        .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
        .summary = "Takes the member with the lowest score out of the first sorted set that has one; waits for it.",
        .history = HISTORY({"6.0.0", "The timeout may have a fraction."}),
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                               {.name = "timeout", .type = ARGUMENT_DOUBLE}),
    },
    {
        .name = "ZMPOP",
        .run = zmpop_command,
        .arity = -4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_NUMBERED(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "sorted-set",
        .since = "7.0.0",
        .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
                      "the sorted set, and M being the number of elements popped.",
        .summary = "Takes the members with the lowest or highest scores out of the first sorted set that has some.",
        .arguments =
            ARGUMENTS(ARG_INTEGER("numkeys"), {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                      {.name = "where",
                       .type = ARGUMENT_ONEOF,
                       .children = ARGUMENTS(ARG_TOKEN("min", "MIN"), ARG_TOKEN("max", "MAX"))},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "ZPOPMAX",
        .run = zpopmax_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "sorted-set",
        .since = "5.0.0",
        .complexity = "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of "
                      "elements popped.",
        .summary = "Takes out the members with the highest scores.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "count", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "ZPOPMIN",
        .run = zpopmin_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "sorted-set",
        .since = "5.0.0",
        .complexity = "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of "
                      "elements popped.",
        .summary = "Takes out the members with the lowest scores.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "count", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL}),
    },
    {.name = NULL},
};

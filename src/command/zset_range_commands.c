/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets: ranges of members, to be returned, counted, removed or stored. A range becomes ranks first, so that the
 * count is known before the first member is. */
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/zset_range.h"
#include "resp/error_text.h"

struct zrange_options {
    struct zset_range range;
    bool with_scores, has_direction;
};

/* The words from 'first' on. What the command's name says already may not be said again. */
static bool zrange_parse_options(struct execution *x, size_t first, bool stores, struct zrange_options *options)
{
    struct zset_range *range = &options->range;
    bool any_kind = range->kind == RANGE_UNKNOWN, any_direction = !options->has_direction;
    for (size_t i = first; i < x->argc; i++) {
        struct bytes word = x->argv[i];
        if (!stores && arg_is(word, "WITHSCORES")) {
            options->with_scores = true;
        } else if (arg_is(word, "LIMIT") && i + 2 < x->argc) {
            if (!arg_int64(x, x->argv[i + 1], &range->offset) || !arg_int64(x, x->argv[i + 2], &range->limit))
                return false;
            i += 2;
        } else if (any_direction && !range->reverse && arg_is(word, "REV")) {
            range->reverse = true;
        } else if (any_kind && range->kind == RANGE_UNKNOWN && (arg_is(word, "BYLEX") || arg_is(word, "BYSCORE"))) {
            range->kind = arg_is(word, "BYLEX") ? RANGE_NAME : RANGE_SCORE;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    if (range->kind == RANGE_UNKNOWN)
        range->kind = RANGE_RANK;
    return true;
}

static const char *zrange_conflict(const struct zrange_options *options)
{
    if (options->range.limit != -1 && options->range.kind == RANGE_RANK)
        return "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    if (options->with_scores && options->range.kind == RANGE_NAME)
        return "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    return NULL;
}

/* The bounds stand at 'at'; where scores and names descend, the larger one first. */
static bool zrange_parse(struct execution *x, size_t at, bool stores, struct zrange_options *options)
{
    struct zset_range *range = &options->range;
    range->limit = -1;
    if (!zrange_parse_options(x, at + 2, stores, options))
        return false;
    const char *error = zrange_conflict(options);
    if (error) {
        reply_error(x->reply, error);
        return false;
    }
    bool swapped = range->reverse && range->kind != RANGE_RANK;
    return zset_range_parse(x, range, x->argv[at + swapped], x->argv[at + !swapped]);
}

static void zrange_reply(struct execution *x, const struct zrange_options *options, const struct object *zset)
{
    size_t first, count;
    struct zset_cursor cursor;
    bool reverse = options->range.reverse;
    zset_range_find(&options->range, zset, &first, &count);
    zset_reply_members(x, count, options->with_scores);
    if (count == 0)
        return;
    execution_let_go(x, count);
    zset_seek(zset, reverse ? first + count - 1 : first, &cursor);
    for (size_t i = 0; i < count; i++, zset_step(&cursor, reverse))
        zset_reply_member(x, cursor.member, cursor.score, options->with_scores);
}

static void zrange_generic(struct execution *x, enum zset_range_kind kind, bool reverse, bool has_direction)
{
    struct zrange_options options = {.range = {.kind = kind, .reverse = reverse}, .has_direction = has_direction};
    struct entry *entry;
    struct object zset;
    if (!zrange_parse(x, 2, false, &options))
        return;
    if (zset_lookup_read(x, x->keys, &entry, &zset))
        zrange_reply(x, &options, &zset);
    else if (!entry)
        reply_array(x->reply, 0);
}

static void zrange_command(struct execution *x)
{
    zrange_generic(x, RANGE_UNKNOWN, false, false);
}

static void zrevrange_command(struct execution *x)
{
    zrange_generic(x, RANGE_RANK, true, true);
}

static void zrangebyscore_command(struct execution *x)
{
    zrange_generic(x, RANGE_SCORE, false, true);
}

static void zrevrangebyscore_command(struct execution *x)
{
    zrange_generic(x, RANGE_SCORE, true, true);
}

static void zrangebylex_command(struct execution *x)
{
    zrange_generic(x, RANGE_NAME, false, true);
}

static void zrevrangebylex_command(struct execution *x)
{
    zrange_generic(x, RANGE_NAME, true, true);
}

/* The source stands in its entry, the result in the room, until it is stored. */
static void zrangestore_command(struct execution *x)
{
    struct zrange_options options = {.range = {.kind = RANGE_UNKNOWN}};
    struct object source, result = object_empty(OBJECT_ZSET);
    struct zset_cursor cursor;
    struct entry *entry;
    size_t first = 0, count = 0;
    if (!zrange_parse(x, 3, true, &options))
        return;
    if (zset_lookup_read(x, &x->keys[1], &entry, &source))
        zset_range_find(&options.range, &source, &first, &count);
    else if (entry)
        return;
    struct buffer *room = edit_room(x);
    execution_let_go(x, count);
    if (count > 0)
        zset_seek(&source, first, &cursor);
    for (size_t i = 0; i < count; i++, zset_step(&cursor, false))
        zset_update(&result, room, cursor.member, 0, &cursor.score);
    execution_hold_again(x);
    zset_store_result(x, &x->keys[0], &result, "zrangestore");
}

/* ---- counting and removing ---- */

static void zcount_generic(struct execution *x, enum zset_range_kind kind)
{
    struct zset_range range = {.kind = kind, .limit = -1};
    struct entry *entry;
    struct object zset;
    size_t first, count = 0;
    if (!zset_range_parse(x, &range, x->argv[2], x->argv[3]))
        return;
    if (zset_lookup_read(x, x->keys, &entry, &zset))
        zset_range_find(&range, &zset, &first, &count);
    else if (entry)
        return;
    reply_integer(x->reply, (int64_t)count);
}

static void zcount_command(struct execution *x)
{
    zcount_generic(x, RANGE_SCORE);
}

static void zlexcount_command(struct execution *x)
{
    zcount_generic(x, RANGE_NAME);
}

static void zremrange_generic(struct execution *x, enum zset_range_kind kind, const char *event)
{
    struct zset_range range = {.kind = kind, .limit = -1};
    struct entry *entry;
    struct object zset;
    size_t first, count = 0;
    if (!zset_range_parse(x, &range, x->argv[2], x->argv[3]))
        return;
    if (zset_lookup_write(x, x->keys, &entry, &zset))
        zset_range_find(&range, &zset, &first, &count);
    else if (entry)
        return;
    if (count > 0)
        zset_remove_range(x, x->keys, entry, &zset, first, count, event);
    reply_integer(x->reply, (int64_t)count);
}

static void zremrangebyrank_command(struct execution *x)
{
    zremrange_generic(x, RANGE_RANK, "zremrangebyrank");
}

static void zremrangebyscore_command(struct execution *x)
{
    zremrange_generic(x, RANGE_SCORE, "zremrangebyscore");
}

static void zremrangebylex_command(struct execution *x)
{
    zremrange_generic(x, RANGE_NAME, "zremrangebylex");
}

/* ---- the table ---- */

const struct command zset_range_commands[] = {
    {
        .name = "ZCOUNT",
        .run = zcount_command,
        .arity = 4,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.0.0",
        .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
        .summary = "Counts the members with scores in a range.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "min", .type = ARGUMENT_DOUBLE},
                               {.name = "max", .type = ARGUMENT_DOUBLE}),
    },
    {
        .name = "ZLEXCOUNT",
        .run = zlexcount_command,
        .arity = 4,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.8.9",
        .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
        .summary = "Counts the members between two strings.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("min"), ARG_STRING("max")),
    },
    {
        .name = "ZRANGE",
        .run = zrange_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity =
            "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
        .summary = "Returns the members in a range of ranks, scores or strings.",
        .history = HISTORY({"6.2.0", "Options `REV`, `BYSCORE`, `BYLEX` and `LIMIT`."}),
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("start"), ARG_STRING("stop"),
            {.name = "sortby",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .since = "6.2.0",
             .children = ARGUMENTS(ARG_TOKEN("byscore", "BYSCORE"), ARG_TOKEN("bylex", "BYLEX"))},
            {.name = "rev", .type = ARGUMENT_PURE_TOKEN, .token = "REV", .flags = ARGUMENT_OPTIONAL, .since = "6.2.0"},
            {.name = "offset_count",
             .type = ARGUMENT_BLOCK,
             .token = "LIMIT",
             .flags = ARGUMENT_OPTIONAL,
             .since = "6.2.0",
             .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))},
            ARG_FLAG("withscores", "WITHSCORES")),
    },
    {
        .name = "ZRANGEBYLEX",
        .run = zrangebylex_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.8.9",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
                      "can consider it O(log(N)).",
        .summary = "Returns the members between two strings.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `BYLEX` argument",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("min"), ARG_STRING("max"),
                               {.name = "offset_count",
                                .type = ARGUMENT_BLOCK,
                                .token = "LIMIT",
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))}),
    },
    {
        .name = "ZRANGEBYSCORE",
        .run = zrangebyscore_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "1.0.5",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
                      "can consider it O(log(N)).",
        .summary = "Returns the members with scores in a range.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `BYSCORE` argument",
        .history = HISTORY({"2.0.0", "Option `WITHSCORES`."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "min", .type = ARGUMENT_DOUBLE},
                               {.name = "max", .type = ARGUMENT_DOUBLE},
                               {.name = "withscores",
                                .type = ARGUMENT_PURE_TOKEN,
                                .token = "WITHSCORES",
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "2.0.0"},
                               {.name = "offset_count",
                                .type = ARGUMENT_BLOCK,
                                .token = "LIMIT",
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))}),
    },
    {
        .name = "ZRANGESTORE",
        .run = zrangestore_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_ONE(2, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "6.2.0",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "stored into the destination key.",
        .summary = "Stores the members in a range of another sorted set.",
        .arguments = ARGUMENTS(ARG_KEY("dst"), {.name = "src", .type = ARGUMENT_KEY, .key_spec = 1}, ARG_STRING("min"),
                               ARG_STRING("max"),
                               {.name = "sortby",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_TOKEN("byscore", "BYSCORE"), ARG_TOKEN("bylex", "BYLEX"))},
                               ARG_FLAG("rev", "REV"),
                               {.name = "offset_count",
                                .type = ARGUMENT_BLOCK,
                                .token = "LIMIT",
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))}),
    },
    {
        .name = "ZREMRANGEBYLEX",
        .run = zremrangebylex_command,
        .arity = 4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "sorted-set",
        .since = "2.8.9",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "removed by the operation.",
        .summary = "Removes the members between two strings.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("min"), ARG_STRING("max")),
    },
    {
        .name = "ZREMRANGEBYRANK",
        .run = zremrangebyrank_command,
        .arity = 4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "sorted-set",
        .since = "2.0.0",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "removed by the operation.",
        .summary = "Removes the members in a range of ranks.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("stop")),
    },
    {
        .name = "ZREMRANGEBYSCORE",
        .run = zremrangebyscore_command,
        .arity = 4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "removed by the operation.",
        .summary = "Removes the members with scores in a range.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "min", .type = ARGUMENT_DOUBLE},
                               {.name = "max", .type = ARGUMENT_DOUBLE}),
    },
    {
        .name = "ZREVRANGE",
        .run = zrevrange_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity =
            "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
        .summary = "Returns the members in a range of ranks, in descending order of scores.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `REV` argument",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("stop"), ARG_FLAG("withscores", "WITHSCORES")),
    },
    {
        .name = "ZREVRANGEBYLEX",
        .run = zrevrangebylex_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.8.9",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
                      "can consider it O(log(N)).",
        .summary = "Returns the members between two strings, in descending order.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `REV` and `BYLEX` arguments",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("max"), ARG_STRING("min"),
                               {.name = "offset_count",
                                .type = ARGUMENT_BLOCK,
                                .token = "LIMIT",
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))}),
    },
    {
        .name = "ZREVRANGEBYSCORE",
        .run = zrevrangebyscore_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.2.0",
        .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
                      "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you "
                      "can consider it O(log(N)).",
        .summary = "Returns the members with scores in a range, in descending order.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`ZRANGE` with the `REV` and `BYSCORE` arguments",
        .history = HISTORY({"2.1.6", "Bounds may be exclusive."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "max", .type = ARGUMENT_DOUBLE},
                               {.name = "min", .type = ARGUMENT_DOUBLE}, ARG_FLAG("withscores", "WITHSCORES"),
                               {.name = "offset_count",
                                .type = ARGUMENT_BLOCK,
                                .token = "LIMIT",
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))}),
    },
    {.name = NULL},
};

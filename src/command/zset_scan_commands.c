/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets: members by chance, and all of them step by step. */
#include "base/memory.h"
#include "base/random.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/member_scan.h"
#include "command/sample.h"
#include "command/zset_commands.h"
#include "resp/error_text.h"

#include <stdio.h>

#define ERROR_RANDOM_COUNT "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"

/* ---- ZRANDMEMBER ---- */

static void reply_at(struct execution *x, const struct object *zset, size_t rank, bool with_scores)
{
    struct zset_cursor cursor;
    zset_seek(zset, rank, &cursor);
    zset_reply_member(x, cursor.member, cursor.score, with_scores);
}

static size_t random_rank(struct execution *x, size_t total)
{
    return (size_t)random_below(&x->worker->random, total);
}

static void reply_repeated(struct execution *x, const struct object *zset, size_t count, bool with_scores)
{
    size_t total = object_count(zset);
    execution_let_go(x, count);
    zset_reply_members(x, count, with_scores);
    for (size_t i = 0; i < count; i++)
        reply_at(x, zset, random_rank(x, total), with_scores);
}

static void reply_few(struct execution *x, const struct object *zset, size_t count, bool with_scores)
{
    size_t *ranks = memory_allocate(count * sizeof(*ranks));
    sample_ranks(&x->worker->random, object_count(zset), count, ranks);
    for (size_t i = 0; i < count; i++)
        reply_at(x, zset, ranks[i], with_scores);
    memory_free(ranks);
}

/* Each member is taken with the chance that it has among those that are left. */
static void reply_most(struct execution *x, const struct object *zset, size_t count, bool with_scores)
{
    size_t left = object_count(zset);
    struct zset_cursor cursor;
    for (zset_seek(zset, 0, &cursor); count > 0; zset_step(&cursor, false))
        if (random_rank(x, left--) < count) {
            zset_reply_member(x, cursor.member, cursor.score, with_scores);
            count--;
        }
}

static void reply_distinct(struct execution *x, const struct object *zset, size_t count, bool with_scores)
{
    size_t total = object_count(zset);
    if (count > total)
        count = total;
    execution_let_go(x, count > total / 4 ? total : count);
    zset_reply_members(x, count, with_scores);
    if (count > total / 4)
        reply_most(x, zset, count, with_scores);
    else if (count > 0)
        reply_few(x, zset, count, with_scores);
}

/* Replies and returns false if the words are not well-formed. */
static bool random_parse(struct execution *x, int64_t *count)
{
    if (!arg_int64(x, x->argv[2], count))
        return false;
    const char *error = *count == INT64_MIN ? ERROR_RANDOM_COUNT : NULL;
    if (!error && (x->argc > 4 || (x->argc == 4 && !arg_is(x->argv[3], "WITHSCORES"))))
        error = ERROR_SYNTAX;
    bool too_many = x->argc == 4 && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2);
    if (!error && too_many)
        error = ERROR_OUT_OF_RANGE;
    if (error)
        reply_error(x->reply, error);
    return !error;
}

static void zrandmember_command(struct execution *x)
{
    int64_t count = 1;
    bool one = x->argc == 2, with_scores = x->argc == 4;
    struct entry *entry;
    struct object zset;
    if (!one && !random_parse(x, &count))
        return;
    if (!zset_lookup_read(x, x->keys, &entry, &zset)) {
        if (!entry && one)
            reply_null(x->reply);
        else if (!entry)
            reply_array(x->reply, 0);
    } else if (one) {
        reply_at(x, &zset, random_rank(x, object_count(&zset)), false);
    } else if (count < 0) {
        if (sample_fits(x, &zset, (uint64_t)-count))
            reply_repeated(x, &zset, (size_t)-count, with_scores);
    } else {
        reply_distinct(x, &zset, (size_t)count, with_scores);
    }
}

/* ---- ZSCAN ---- */

static void scan_small(struct execution *x, const struct member_scan *scan, const struct object *zset)
{
    char text[ZSET_SCORE_TEXT_MAX];
    struct zset_cursor cursor;
    size_t count = 0;
    member_scan_reply_cursor(x, 0);
    size_t elements = reply_deferred_begin(x->reply);
    for (zset_seek(zset, 0, &cursor); !cursor.is_at_end; zset_step(&cursor, false))
        if (member_scan_matches(scan, cursor.member)) {
            reply_bulk(x->reply, cursor.member);
            reply_bulk(x->reply, zset_score_text(cursor.score, text));
            count += 2;
        }
    reply_deferred_array(x->reply, elements, count);
}

static void scan_large(struct execution *x, const struct member_scan *scan, const struct object *zset)
{
    char text[ZSET_SCORE_TEXT_MAX];
    struct member_list list;
    execution_let_go(x, (size_t)scan->count);
    member_scan_reply_cursor(x, member_scan_table(scan, zset_object_table(zset), &list));
    reply_array(x->reply, list.count * 2);
    for (size_t i = 0; i < list.count; i++) {
        int length = snprintf(text, sizeof(text), "%.17g", member_score(list.members[i]));
        reply_bulk(x->reply, member_name(list.members[i]));
        reply_bulk(x->reply, bytes_of(text, (size_t)length));
    }
    memory_free(list.members);
}

static void zscan_command(struct execution *x)
{
    struct member_scan scan;
    struct entry *entry;
    struct object zset;
    if (!member_scan_parse_cursor(x, &scan))
        return;
    bool found = zset_lookup_read(x, x->keys, &entry, &zset);
    if (!found && !entry)
        member_scan_reply_empty(x);
    if (!found || !member_scan_parse_options(x, false, &scan))
        return;
    if (object_is_inline(&zset))
        scan_small(x, &scan, &zset);
    else
        scan_large(x, &scan, &zset);
}

/* ---- the table ---- */

const struct command zset_scan_commands[] = {
    {
        .name = "ZRANDMEMBER",
        .run = zrandmember_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "6.2.0",
        .complexity = "O(N) where N is the number of elements returned",
        .summary = "Returns random members of a sorted set.",
        .arguments = ARGUMENTS(ARG_KEY("key"),
                               {.name = "options",
                                .type = ARGUMENT_BLOCK,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("count"), ARG_FLAG("withscores", "WITHSCORES"))}),
    },
    {
        .name = "ZSCAN",
        .run = zscan_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.8.0",
        .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
                      "cursor to return back to 0. N is the number of elements inside the collection..",
        .summary = "Visits the members of a sorted set step by step.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("cursor"),
                      {.name = "pattern", .type = ARGUMENT_PATTERN, .token = "MATCH", .flags = ARGUMENT_OPTIONAL},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
    },
    {.name = NULL},
};

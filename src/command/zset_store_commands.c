/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets: unions, intersections and differences. Sources are taken from the smallest to the largest, as Redis does:
 * it decides about the last digit of sums. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/zset_source.h"
#include "resp/error_text.h"

enum operation { OPERATION_UNION, OPERATION_INTERSECTION, OPERATION_DIFFERENCE };
enum aggregate { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };
enum purpose { PURPOSE_REPLY, PURPOSE_STORE, PURPOSE_COUNT };

struct combination {
    struct execution *x;
    enum operation operation;
    enum purpose purpose;
    enum aggregate aggregate;
    bool with_scores;
    int64_t limit; /* of PURPOSE_COUNT; 0: none */
    struct zset_source *sources;
    size_t source_count;
    struct object result;
    struct buffer *room;
    int64_t found;
};

/* ---- words ---- */

static bool parse_count(struct execution *x, size_t at, size_t *count)
{
    int64_t keys;
    if (!arg_int64(x, x->argv[at], &keys))
        return false;
    if (keys < 1) {
        reply_error_format(x->reply, "ERR at least 1 input key is needed for '%s' command", x->command->full_name);
        return false;
    }
    if ((uint64_t)keys > x->argc - at - 1) {
        reply_syntax_error(x);
        return false;
    }
    *count = (size_t)keys;
    return true;
}

static bool parse_weights(struct combination *combination, const struct bytes *words)
{
    for (size_t i = 0; i < combination->source_count; i++)
        if (!bytes_to_double(words[i], &combination->sources[i].weight)) {
            reply_error(combination->x->reply, ERROR_WEIGHT_NOT_FLOAT);
            return false;
        }
    return true;
}

static bool parse_aggregate(struct combination *combination, struct bytes word)
{
    static const char *const names[] = {"SUM", "MIN", "MAX"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (arg_is(word, names[i])) {
            combination->aggregate = (enum aggregate)i;
            return true;
        }
    reply_syntax_error(combination->x);
    return false;
}

/* The option at 'at'. How many words it has; 0 if an error has been replied. */
static size_t parse_option(struct combination *combination, size_t at)
{
    struct execution *x = combination->x;
    struct bytes word = x->argv[at];
    size_t left = x->argc - at;
    bool counts = combination->purpose == PURPOSE_COUNT;
    bool has_scores = combination->operation != OPERATION_DIFFERENCE && !counts;
    if (has_scores && left > combination->source_count && arg_is(word, "WEIGHTS"))
        return parse_weights(combination, x->argv + at + 1) ? combination->source_count + 1 : 0;
    if (has_scores && left >= 2 && arg_is(word, "AGGREGATE"))
        return parse_aggregate(combination, x->argv[at + 1]) ? 2 : 0;
    if (counts && left >= 2 && arg_is(word, "LIMIT"))
        return arg_int64_in(x, x->argv[at + 1], 0, INT64_MAX, "ERR LIMIT can't be negative", &combination->limit) ? 2
                                                                                                                  : 0;
    if (combination->purpose == PURPOSE_REPLY && arg_is(word, "WITHSCORES")) {
        combination->with_scores = true;
        return 1;
    }
    reply_syntax_error(x);
    return 0;
}

static bool parse_options(struct combination *combination, size_t first)
{
    for (size_t at = first, words; at < combination->x->argc; at += words) {
        words = parse_option(combination, at);
        if (words == 0)
            return false;
    }
    return true;
}

static bool open_sources(struct combination *combination, const struct key *keys)
{
    for (size_t i = 0; i < combination->source_count; i++)
        if (!zset_source_open(combination->x, &keys[i], &combination->sources[i]))
            return false;
    return true;
}

/* ---- combining ---- */

static double aggregate(const struct combination *combination, double a, double b)
{
    if (combination->aggregate == AGGREGATE_MIN)
        return b < a ? b : a;
    if (combination->aggregate == AGGREGATE_MAX)
        return b > a ? b : a;
    return isnan(a + b) ? 0 : a + b;
}

static void put(struct combination *combination, struct bytes member, double score)
{
    zset_update(&combination->result, combination->room, member, 0, &score);
}

static bool add_to_union(void *context, struct bytes member, double score)
{
    struct combination *combination = context;
    double old;
    if (zset_score(&combination->result, member, &old))
        score = aggregate(combination, old, score);
    put(combination, member, score);
    return true;
}

static bool add_to_intersection(void *context, struct bytes member, double score)
{
    struct combination *combination = context;
    for (size_t i = 1; i < combination->source_count; i++) {
        double other;
        if (!zset_source_score(&combination->sources[i], member, &other))
            return true;
        score = aggregate(combination, score, other);
    }
    combination->found++;
    if (combination->purpose != PURPOSE_COUNT)
        put(combination, member, score);
    return combination->limit == 0 || combination->found < combination->limit;
}

static bool add_to_difference(void *context, struct bytes member, double score)
{
    struct combination *combination = context;
    for (size_t i = 1; i < combination->source_count; i++) {
        double other;
        if (zset_source_score(&combination->sources[i], member, &other))
            return true;
    }
    put(combination, member, score);
    return true;
}

/* Those of equal size keep their order. */
static int compare_sources(const void *a, const void *b)
{
    const struct zset_source *left = a, *right = b;
    if (left->count != right->count)
        return left->count < right->count ? -1 : 1;
    return left->key < right->key ? -1 : 1;
}

static void sort_sources(struct combination *combination)
{
    qsort(combination->sources, combination->source_count, sizeof(combination->sources[0]), compare_sources);
}

static size_t count_members(const struct combination *combination)
{
    size_t count = 0;
    for (size_t i = 0; i < combination->source_count; i++)
        count += combination->sources[i].count;
    return count;
}

static void combine(struct combination *combination)
{
    combination->result = object_empty(OBJECT_ZSET);
    combination->room = edit_room(combination->x);
    if (combination->operation != OPERATION_DIFFERENCE)
        sort_sources(combination);
    if (combination->operation == OPERATION_INTERSECTION)
        zset_source_each(&combination->sources[0], add_to_intersection, combination);
    else if (combination->operation == OPERATION_DIFFERENCE)
        zset_source_each(&combination->sources[0], add_to_difference, combination);
    for (size_t i = 0; combination->operation == OPERATION_UNION && i < combination->source_count; i++)
        zset_source_each(&combination->sources[i], add_to_union, combination);
}

static void reply_result(struct combination *combination)
{
    struct execution *x = combination->x;
    struct zset_cursor cursor;
    zset_reply_members(x, object_count(&combination->result), combination->with_scores);
    for (zset_seek(&combination->result, 0, &cursor); !cursor.is_at_end; zset_step(&cursor, false))
        zset_reply_member(x, cursor.member, cursor.score, combination->with_scores);
    object_release(&combination->result);
}

static void combine_generic(struct execution *x, enum operation operation, enum purpose purpose)
{
    static const char *const events[] = {"zunionstore", "zinterstore", "zdiffstore"};
    struct combination combination = {.x = x, .operation = operation, .purpose = purpose};
    size_t at = purpose == PURPOSE_STORE ? 2 : 1;
    if (!parse_count(x, at, &combination.source_count))
        return;
    combination.sources = memory_allocate(combination.source_count * sizeof(struct zset_source));
    const struct key *keys = x->keys + (purpose == PURPOSE_STORE);
    if (open_sources(&combination, keys) && parse_options(&combination, at + 1 + combination.source_count)) {
        execution_let_go(x, count_members(&combination));
        combine(&combination);
        execution_hold_again(x);
        if (purpose == PURPOSE_STORE)
            zset_store_result(x, x->keys, &combination.result, events[operation]);
        else if (purpose == PURPOSE_COUNT)
            reply_integer(x->reply, combination.found);
        else
            reply_result(&combination);
    }
    memory_free(combination.sources);
}

static void zunion_command(struct execution *x)
{
    combine_generic(x, OPERATION_UNION, PURPOSE_REPLY);
}

static void zunionstore_command(struct execution *x)
{
    combine_generic(x, OPERATION_UNION, PURPOSE_STORE);
}

static void zinter_command(struct execution *x)
{
    combine_generic(x, OPERATION_INTERSECTION, PURPOSE_REPLY);
}

static void zinterstore_command(struct execution *x)
{
    combine_generic(x, OPERATION_INTERSECTION, PURPOSE_STORE);
}

static void zintercard_command(struct execution *x)
{
    combine_generic(x, OPERATION_INTERSECTION, PURPOSE_COUNT);
}

static void zdiff_command(struct execution *x)
{
    combine_generic(x, OPERATION_DIFFERENCE, PURPOSE_REPLY);
}

static void zdiffstore_command(struct execution *x)
{
    combine_generic(x, OPERATION_DIFFERENCE, PURPOSE_STORE);
}

/* ---- the table ---- */

const struct command zset_store_commands[] = {
    {
        .name = "ZDIFF",
        .run = zdiff_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_NUMBERED(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "6.2.0",
        .complexity = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the "
                      "size of the first set, and K is the size of the result set.",
        .summary = "Returns the members of the first sorted set that none of the others has.",
        .arguments =
            ARGUMENTS(ARG_INTEGER("numkeys"), {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                      ARG_FLAG("withscores", "WITHSCORES")),
    },
    {
        .name = "ZDIFFSTORE",
        .run = zdiffstore_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_NUMBERED(2, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "6.2.0",
        .complexity = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the "
                      "size of the first set, and K is the size of the result set.",
        .summary = "Stores the members of the first sorted set that none of the others has.",
        .arguments = ARGUMENTS(ARG_KEY("destination"), ARG_INTEGER("numkeys"),
                               {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE, .key_spec = 1}),
    },
    {
        .name = "ZINTER",
        .run = zinter_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_NUMBERED(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "6.2.0",
        .complexity = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of "
                      "input sorted sets and M being the number of elements in the resulting sorted set.",
        .summary = "Returns the members that all sorted sets have.",
        .arguments = ARGUMENTS(
            ARG_INTEGER("numkeys"), {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
            {.name = "weight",
             .type = ARGUMENT_INTEGER,
             .token = "WEIGHTS",
             .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE},
            {.name = "aggregate",
             .type = ARGUMENT_ONEOF,
             .token = "AGGREGATE",
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("sum", "SUM"), ARG_TOKEN("min", "MIN"), ARG_TOKEN("max", "MAX"))},
            ARG_FLAG("withscores", "WITHSCORES")),
    },
    {
        .name = "ZINTERCARD",
        .run = zintercard_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_NUMBERED(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "7.0.0",
        .complexity =
            "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
        .summary = "Counts the members that all sorted sets have.",
        .arguments =
            ARGUMENTS(ARG_INTEGER("numkeys"), {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                      {.name = "limit", .type = ARGUMENT_INTEGER, .token = "LIMIT", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "ZINTERSTORE",
        .run = zinterstore_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_NUMBERED(2, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.0.0",
        .complexity = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of "
                      "input sorted sets and M being the number of elements in the resulting sorted set.",
        .summary = "Stores the members that all sorted sets have.",
        .arguments = ARGUMENTS(
            ARG_KEY("destination"), ARG_INTEGER("numkeys"),
            {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE, .key_spec = 1},
            {.name = "weight",
             .type = ARGUMENT_INTEGER,
             .token = "WEIGHTS",
             .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE},
            {.name = "aggregate",
             .type = ARGUMENT_ONEOF,
             .token = "AGGREGATE",
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("sum", "SUM"), ARG_TOKEN("min", "MIN"), ARG_TOKEN("max", "MAX"))}),
    },
    {
        .name = "ZUNION",
        .run = zunion_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_NUMBERED(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "6.2.0",
        .complexity = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the "
                      "number of elements in the resulting sorted set.",
        .summary = "Returns the members that any of the sorted sets has.",
        .arguments = ARGUMENTS(
            ARG_INTEGER("numkeys"), {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
            {.name = "weight",
             .type = ARGUMENT_INTEGER,
             .token = "WEIGHTS",
             .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE},
            {.name = "aggregate",
             .type = ARGUMENT_ONEOF,
             .token = "AGGREGATE",
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("sum", "SUM"), ARG_TOKEN("min", "MIN"), ARG_TOKEN("max", "MAX"))},
            ARG_FLAG("withscores", "WITHSCORES")),
    },
    {
        .name = "ZUNIONSTORE",
        .run = zunionstore_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_NUMBERED(2, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.0.0",
        .complexity = "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the "
                      "number of elements in the resulting sorted set.",
        .summary = "Stores the members that any of the sorted sets has.",
        .arguments = ARGUMENTS(
            ARG_KEY("destination"), ARG_INTEGER("numkeys"),
            {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE, .key_spec = 1},
            {.name = "weight",
             .type = ARGUMENT_INTEGER,
             .token = "WEIGHTS",
             .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE},
            {.name = "aggregate",
             .type = ARGUMENT_ONEOF,
             .token = "AGGREGATE",
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("sum", "SUM"), ARG_TOKEN("min", "MIN"), ARG_TOKEN("max", "MAX"))}),
    },
    {.name = NULL},
};

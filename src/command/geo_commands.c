/* SPDX-License-Identifier: BSD-3-Clause */
/* Places: a sorted set whose scores are geohashes. Searches stand in geo_search_commands.c. */
#include "base/memory.h"
#include "command/args.h"
#include "command/geo_shared.h"
#include "command/zset_commands.h"

/* ---- questions about places ---- */

static void geodist_command(struct execution *x)
{
    struct entry *entry;
    struct object zset;
    double unit = 1, a, b;
    if (x->argc > 5) {
        reply_syntax_error(x);
        return;
    }
    if (x->argc == 5 && !geo_read_unit(x, x->argv[4], &unit))
        return;
    bool is_zset = zset_lookup_read(x, x->keys, &entry, &zset);
    if (is_zset && zset_score(&zset, x->argv[2], &a) && zset_score(&zset, x->argv[3], &b))
        geo_reply_distance(x->reply, geo_distance(geohash_point(a), geohash_point(b)) / unit);
    else if (is_zset || !entry)
        reply_null(x->reply);
}

static void geo_each(struct execution *x, void (*reply_one)(struct reply *reply, double score),
                     void (*reply_none)(struct reply *reply))
{
    struct entry *entry;
    struct object zset;
    double score;
    bool is_zset = zset_lookup_read(x, x->keys, &entry, &zset);
    if (!is_zset && entry)
        return;
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        if (is_zset && zset_score(&zset, x->argv[i], &score))
            reply_one(x->reply, score);
        else
            reply_none(x->reply);
}

static void reply_score_point(struct reply *reply, double score)
{
    geo_reply_point(reply, geohash_point(score));
}

static void reply_score_text(struct reply *reply, double score)
{
    char text[GEOHASH_TEXT_LENGTH];
    geohash_text(score, text);
    reply_bulk(reply, bytes_of(text, sizeof(text)));
}

static void geopos_command(struct execution *x)
{
    geo_each(x, reply_score_point, reply_null_array);
}

static void geohash_command(struct execution *x)
{
    geo_each(x, reply_score_text, reply_null);
}

/* ---- GEOADD ---- */

/* As ZADD with scores in place of points: its words are made, and it is called. */
static void geoadd_command(struct execution *x)
{
    size_t first = 2;
    while (first < x->argc &&
           (arg_is(x->argv[first], "NX") || arg_is(x->argv[first], "XX") || arg_is(x->argv[first], "CH")))
        first++;
    size_t count = (x->argc - first) / 3;
    if ((x->argc - first) % 3 != 0 || count == 0) {
        reply_syntax_error(x);
        return;
    }
    struct bytes *words = memory_allocate((first + count * 2) * sizeof(*words));
    char *texts = memory_allocate(count * ZSET_SCORE_TEXT_MAX);
    memcpy(words, x->argv, first * sizeof(*words));
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        struct geo_point point;
        const struct bytes *from = x->argv + first + i * 3;
        good = geo_read_point(x, from, &point);
        if (!good)
            break;
        words[first + i * 2] = zset_score_text(geohash_score(point), texts + i * ZSET_SCORE_TEXT_MAX);
        words[first + i * 2 + 1] = from[2];
    }
    if (good)
        zadd_words(x, words, first + count * 2);
    memory_free(words);
    memory_free(texts);
}

/* ---- the table ---- */

const struct command geo_commands[] = {
    {
        .name = "GEOADD",
        .run = geoadd_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "geo",
        .since = "3.2.0",
        .complexity = "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        .summary = "Adds places to a geospatial index, or moves them.",
        .history = HISTORY({"6.2.0", "Options `CH`, `NX` and `XX`."}),
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "condition",
                       .type = ARGUMENT_ONEOF,
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "6.2.0",
                       .children = ARGUMENTS(ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"))},
                      {.name = "change",
                       .type = ARGUMENT_PURE_TOKEN,
                       .token = "CH",
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "6.2.0"},
                      {.name = "longitude_latitude_member",
                       .type = ARGUMENT_BLOCK,
                       .flags = ARGUMENT_MULTIPLE,
                       .children = ARGUMENTS({.name = "longitude", .type = ARGUMENT_DOUBLE},
                                             {.name = "latitude", .type = ARGUMENT_DOUBLE}, ARG_STRING("member"))}),
    },
    {
        .name = "GEODIST",
        .run = geodist_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "3.2.0",
        .complexity = "O(log(N))",
        .summary = "Returns the distance between two places.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("member1"), ARG_STRING("member2"),
                               {.name = "unit",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"), ARG_TOKEN("ft", "FT"),
                                                      ARG_TOKEN("mi", "MI"))}),
    },
    {
        .name = "GEOHASH",
        .run = geohash_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "3.2.0",
        .complexity = "O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
        .summary = "Returns places as geohash strings.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "member", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "GEOPOS",
        .run = geopos_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "3.2.0",
        .complexity = "O(N) where N is the number of members requested.",
        .summary = "Returns longitude and latitude of places.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "member", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {.name = NULL},
};

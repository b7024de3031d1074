/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/geo_query.h"

#include "command/args.h"
#include "command/geo_shared.h"
#include "command/zset_commands.h"
#include "resp/error_text.h"

static bool read_length(struct execution *x, struct bytes word, const char *error, double *length)
{
    if (bytes_to_double(word, length))
        return true;
    reply_error(x->reply, error);
    return false;
}

static bool refuse(struct geo_query *query, const char *error)
{
    reply_error(query->x->reply, error);
    return false;
}

static bool read_radius(struct geo_query *query, const struct bytes *words)
{
    if (!read_length(query->x, words[0], "ERR need numeric radius", &query->shape.radius))
        return false;
    if (query->shape.radius < 0)
        return refuse(query, "ERR radius cannot be negative");
    query->has_shape = true;
    return geo_read_unit(query->x, words[1], &query->unit);
}

static bool read_box(struct geo_query *query, const struct bytes *words)
{
    if (!read_length(query->x, words[0], "ERR need numeric width", &query->shape.width) ||
        !read_length(query->x, words[1], "ERR need numeric height", &query->shape.height))
        return false;
    if (query->shape.width < 0 || query->shape.height < 0)
        return refuse(query, "ERR height or width cannot be negative");
    query->has_shape = query->shape.is_box = true;
    return geo_read_unit(query->x, words[2], &query->unit);
}

static bool read_center(struct geo_query *query, struct bytes member)
{
    double score;
    query->has_center = true;
    if (query->zset && !zset_score(query->zset, member, &score))
        return refuse(query, "ERR could not decode requested zset member");
    if (query->zset)
        query->shape.center = geohash_point(score);
    return true;
}

static const struct key *key_named(struct execution *x, struct bytes name)
{
    for (size_t i = 1; i < x->key_count; i++)
        if (bytes_equal(x->keys[i].name, name))
            return &x->keys[i];
    return NULL;
}

static bool parse_flag(struct geo_query *query, struct bytes word)
{
    if (arg_is(word, "WITHDIST"))
        query->with_distance = true;
    else if (arg_is(word, "WITHHASH"))
        query->with_hash = true;
    else if (arg_is(word, "WITHCOORD"))
        query->with_point = true;
    else if (arg_is(word, "ANY"))
        query->any = true;
    else if (arg_is(word, "ASC") || arg_is(word, "DESC"))
        query->order = arg_is(word, "ASC") ? ORDER_ASCENDING : ORDER_DESCENDING;
    else if (query->form == FORM_SEARCH_STORE && arg_is(word, "STOREDIST"))
        query->stores_distance = true;
    else
        return false;
    return true;
}

static bool parse_count(struct geo_query *query, struct bytes word)
{
    if (!arg_int64(query->x, word, &query->count))
        return false;
    return query->count > 0 || refuse(query, "ERR COUNT must be > 0");
}

/* An option with words of its own at 'at'; how many there are goes to 'words', 0 if it is none. */
static bool parse_option(struct geo_query *query, size_t at, size_t *words)
{
    struct execution *x = query->x;
    const struct bytes *next = x->argv + at + 1;
    size_t left = x->argc - at - 1;
    bool searches = query->form >= FORM_SEARCH;
    *words = 1;
    if (arg_is(x->argv[at], "COUNT") && left >= 1)
        return parse_count(query, next[0]);
    if (!searches && !query->readonly && left >= 1 &&
        (arg_is(x->argv[at], "STORE") || arg_is(x->argv[at], "STOREDIST"))) {
        query->stores_distance = arg_is(x->argv[at], "STOREDIST");
        query->destination = key_named(x, next[0]);
        return query->destination != NULL;
    }
    if (searches && !query->has_center && arg_is(x->argv[at], "FROMMEMBER") && left >= 1)
        return read_center(query, next[0]);
    *words = 2;
    if (searches && !query->has_center && arg_is(x->argv[at], "FROMLONLAT") && left >= 2) {
        query->has_center = true;
        return geo_read_point(x, next, &query->shape.center);
    }
    if (searches && !query->has_shape && arg_is(x->argv[at], "BYRADIUS") && left >= 2)
        return read_radius(query, next);
    *words = 3;
    if (searches && !query->has_shape && arg_is(x->argv[at], "BYBOX") && left >= 3)
        return read_box(query, next);
    *words = 0;
    return true;
}

static bool parse_options(struct geo_query *query, size_t first)
{
    for (size_t at = first, words; at < query->x->argc; at += 1 + words) {
        words = 0;
        if (parse_flag(query, query->x->argv[at]))
            continue;
        if (!parse_option(query, at, &words))
            return false;
        if (words == 0)
            return refuse(query, ERROR_SYNTAX);
    }
    return true;
}

static bool check_options(struct geo_query *query)
{
    struct reply *reply = query->x->reply;
    struct bytes name = query->x->argv[0];
    bool shows = query->with_distance || query->with_hash || query->with_point;
    if (query->destination && shows)
        return refuse(query, query->form == FORM_SEARCH_STORE
                                 ? "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                                 : "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and "
                                   "WITHCOORD options");
    if (!query->has_center || !query->has_shape) {
        reply_error_format(reply, "ERR exactly one of %s can be specified for %.*s",
                           query->has_center ? "BYRADIUS and BYBOX" : "FROMMEMBER or FROMLONLAT", (int)name.length,
                           name.data);
        return false;
    }
    if (query->any && query->count == 0)
        return refuse(query, "ERR the ANY argument requires COUNT argument");
    if (query->count > 0 && query->order == ORDER_NONE && !query->any)
        query->order = ORDER_ASCENDING;
    query->shape.radius *= query->unit;
    query->shape.width *= query->unit;
    query->shape.height *= query->unit;
    return true;
}

bool geo_query_parse(struct geo_query *query)
{
    const struct bytes *argv = query->x->argv;
    size_t first = query->form == FORM_SEARCH ? 2 : 3;
    if (query->form == FORM_RADIUS) {
        query->has_center = true;
        if (!geo_read_point(query->x, argv + 2, &query->shape.center) || !read_radius(query, argv + 4))
            return false;
        first = 6;
    } else if (query->form == FORM_RADIUS_MEMBER) {
        /* A missing key is empty whatever the distance is. */
        query->has_shape = true;
        if (!read_center(query, argv[2]) || (query->zset && !read_radius(query, argv + 3)))
            return false;
        first = 5;
    }
    return parse_options(query, first) && check_options(query);
}

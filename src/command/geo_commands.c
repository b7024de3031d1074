/* SPDX-License-Identifier: BSD-3-Clause */
/* Places: a sorted set whose scores are geohashes. A search looks at the ranges of scores that cover its shape. */
#include "base/memory.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/zset_commands.h"
#include "object/geohash.h"
#include "resp/error_text.h"

#include <stdio.h>
#include <stdlib.h>

#define ERROR_UNIT "ERR unsupported unit provided. please use M, KM, FT, MI"

enum geo_order { ORDER_NONE, ORDER_ASCENDING, ORDER_DESCENDING };
enum geo_form { FORM_RADIUS, FORM_RADIUS_MEMBER, FORM_SEARCH, FORM_SEARCH_STORE };

struct geo_query {
    struct execution *x;
    enum geo_form form;
    bool readonly;
    const struct object *zset; /* NULL: the key is missing */
    struct geo_shape shape;
    double unit;
    bool has_center, has_shape, with_distance, with_hash, with_point, any, stores_distance;
    enum geo_order order;
    int64_t count; /* 0: all */
    const struct key *destination;
};

struct geo_found {
    struct bytes member;
    double score, distance;
    struct geo_point point;
};

/* ---- words ---- */

static bool read_unit(struct execution *x, struct bytes word, double *unit)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (arg_is(word, units[i].name)) {
            *unit = units[i].metres;
            return true;
        }
    reply_error(x->reply, ERROR_UNIT);
    return false;
}

static bool read_point(struct execution *x, const struct bytes *words, struct geo_point *point)
{
    if (!arg_double(x, words[0], &point->longitude) || !arg_double(x, words[1], &point->latitude))
        return false;
    if (point->longitude >= -GEO_LONGITUDE_MAX && point->longitude <= GEO_LONGITUDE_MAX &&
        point->latitude >= -GEO_LATITUDE_MAX && point->latitude <= GEO_LATITUDE_MAX)
        return true;
    reply_error_format(x->reply, "ERR invalid longitude,latitude pair %f,%f", point->longitude, point->latitude);
    return false;
}

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
    return read_unit(query->x, words[1], &query->unit);
}

static bool read_box(struct geo_query *query, const struct bytes *words)
{
    if (!read_length(query->x, words[0], "ERR need numeric width", &query->shape.width) ||
        !read_length(query->x, words[1], "ERR need numeric height", &query->shape.height))
        return false;
    if (query->shape.width < 0 || query->shape.height < 0)
        return refuse(query, "ERR height or width cannot be negative");
    query->has_shape = query->shape.is_box = true;
    return read_unit(query->x, words[2], &query->unit);
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
        return read_point(x, next, &query->shape.center);
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

static bool parse_query(struct geo_query *query)
{
    const struct bytes *argv = query->x->argv;
    size_t first = query->form == FORM_SEARCH ? 2 : 3;
    if (query->form == FORM_RADIUS) {
        query->has_center = true;
        if (!read_point(query->x, argv + 2, &query->shape.center) || !read_radius(query, argv + 4))
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

/* ---- searching ---- */

struct geo_list {
    struct geo_found *items;
    size_t count, capacity;
};

/* Small sets print names that are integers into the cursor, so members are copied by those who keep them. */
static void list_add(struct geo_list *list, struct geo_found found)
{
    char *copy = memory_allocate(found.member.length ? found.member.length : 1);
    memcpy(copy, found.member.data, found.member.length);
    found.member.data = copy;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 32;
        list->items = memory_resize(list->items, list->capacity * sizeof(list->items[0]));
    }
    list->items[list->count++] = found;
}

static void list_free(struct geo_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        memory_free((char *)list->items[i].member.data);
    memory_free(list->items);
}

static void search(const struct geo_query *query, struct geo_list *list)
{
    struct geo_range ranges[GEO_RANGES_MAX];
    size_t range_count = geo_shape_ranges(&query->shape, ranges);
    size_t most = query->any ? (size_t)query->count : SIZE_MAX;
    for (size_t i = 0; i < range_count; i++) {
        const struct score_cut low = {CUT_BEFORE_SCORE, ranges[i].first, {0}};
        struct zset_cursor cursor;
        zset_seek(query->zset, zset_cut_rank(query->zset, &low, 0), &cursor);
        for (; !cursor.is_at_end && cursor.score < ranges[i].end && list->count < most; zset_step(&cursor, false)) {
            struct geo_found found = {cursor.member, cursor.score, 0, geohash_point(cursor.score)};
            if (geo_shape_contains(&query->shape, found.point, &found.distance))
                list_add(list, found);
        }
    }
}

static int compare_distance(const void *a, const void *b)
{
    double left = ((const struct geo_found *)a)->distance, right = ((const struct geo_found *)b)->distance;
    return (left > right) - (left < right);
}

static int compare_distance_back(const void *a, const void *b)
{
    return compare_distance(b, a);
}

/* How many of the list are wanted. */
static size_t arrange(const struct geo_query *query, struct geo_list *list)
{
    if (query->order != ORDER_NONE && list->count > 1)
        qsort(list->items, list->count, sizeof(list->items[0]),
              query->order == ORDER_ASCENDING ? compare_distance : compare_distance_back);
    return query->count > 0 && (uint64_t)query->count < list->count ? (size_t)query->count : list->count;
}

/* ---- replies ---- */

static void reply_distance(struct reply *reply, double distance)
{
    char text[400];
    int length = snprintf(text, sizeof(text), "%.4f", distance);
    reply_bulk(reply, bytes_of(text, (size_t)length));
}

/* Seventeen digits behind the point, without the zeros at the end. */
static void reply_coordinate(struct reply *reply, double value)
{
    char text[64];
    int length = snprintf(text, sizeof(text), "%.17Lf", (long double)value);
    while (length > 1 && text[length - 1] == '0')
        length--;
    length -= text[length - 1] == '.';
    if (reply->protocol < 3) {
        reply_bulk(reply, bytes_of(text, (size_t)length));
        return;
    }
    char line[80];
    int line_length = snprintf(line, sizeof(line), ",%.*s\r\n", length, text);
    reply_raw(reply, bytes_of(line, (size_t)line_length));
}

static void reply_point(struct reply *reply, struct geo_point point)
{
    reply_array(reply, 2);
    reply_coordinate(reply, point.longitude);
    reply_coordinate(reply, point.latitude);
}

static void reply_found(const struct geo_query *query, const struct geo_list *list, size_t count)
{
    struct reply *reply = query->x->reply;
    size_t shown = (size_t)query->with_distance + query->with_hash + query->with_point;
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++) {
        const struct geo_found *found = &list->items[i];
        if (shown)
            reply_array(reply, shown + 1);
        reply_bulk(reply, found->member);
        if (query->with_distance)
            reply_distance(reply, found->distance / query->unit);
        if (query->with_hash)
            reply_integer(reply, (int64_t)found->score);
        if (query->with_point)
            reply_point(reply, found->point);
    }
}

static void store_found(const struct geo_query *query, const struct geo_list *list, size_t count)
{
    struct object result = object_empty(OBJECT_ZSET);
    struct buffer *room = edit_room(query->x);
    for (size_t i = 0; i < count; i++) {
        const struct geo_found *found = &list->items[i];
        double score = query->stores_distance ? found->distance / query->unit : found->score;
        zset_update(&result, room, found->member, 0, &score);
    }
    zset_store_result(query->x, query->destination, &result,
                      query->form == FORM_SEARCH_STORE ? "geosearchstore" : "georadiusstore");
}

static void search_generic(struct execution *x, enum geo_form form, bool readonly)
{
    struct geo_query query = {.x = x, .form = form, .readonly = readonly, .unit = 1};
    struct geo_list list = {0};
    struct entry *entry;
    struct object zset;
    bool stores = form == FORM_SEARCH_STORE;
    if (zset_lookup_read(x, &x->keys[stores], &entry, &zset))
        query.zset = &zset;
    else if (entry)
        return;
    query.destination = stores ? &x->keys[0] : NULL;
    if (!parse_query(&query))
        return;
    if (query.zset)
        search(&query, &list);
    size_t count = arrange(&query, &list);
    if (query.destination)
        store_found(&query, &list, count);
    else
        reply_found(&query, &list, count);
    list_free(&list);
}

static void georadius_command(struct execution *x)
{
    search_generic(x, FORM_RADIUS, false);
}

static void georadius_ro_command(struct execution *x)
{
    search_generic(x, FORM_RADIUS, true);
}

static void georadiusbymember_command(struct execution *x)
{
    search_generic(x, FORM_RADIUS_MEMBER, false);
}

static void georadiusbymember_ro_command(struct execution *x)
{
    search_generic(x, FORM_RADIUS_MEMBER, true);
}

static void geosearch_command(struct execution *x)
{
    search_generic(x, FORM_SEARCH, true);
}

static void geosearchstore_command(struct execution *x)
{
    search_generic(x, FORM_SEARCH_STORE, false);
}

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
    if (x->argc == 5 && !read_unit(x, x->argv[4], &unit))
        return;
    bool is_zset = zset_lookup_read(x, x->keys, &entry, &zset);
    if (is_zset && zset_score(&zset, x->argv[2], &a) && zset_score(&zset, x->argv[3], &b))
        reply_distance(x->reply, geo_distance(geohash_point(a), geohash_point(b)) / unit);
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
    reply_point(reply, geohash_point(score));
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
        good = read_point(x, from, &point);
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
    {
        .name = "GEORADIUS",
        .run = georadius_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS),
                 {.flags = KEY_OW | KEY_UPDATE, .first = 6, .keyword = "STORE", .last = 0, .step = 1},
                 {.flags = KEY_OW | KEY_UPDATE, .first = 6, .keyword = "STOREDIST", .last = 0, .step = 1}},
        .group = "geo",
        .since = "3.2.0",
        .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
                      "delimited by center and radius and M is the number of items inside the index.",
        .summary = "Returns the places within a distance of a point; may store them.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        .history = HISTORY({"6.2.0", "Option `ANY` for `COUNT`."}, {"7.0.0", "Units in upper case."}),
        .arguments = ARGUMENTS(
            ARG_KEY("key"), {.name = "longitude", .type = ARGUMENT_DOUBLE},
            {.name = "latitude", .type = ARGUMENT_DOUBLE}, {.name = "radius", .type = ARGUMENT_DOUBLE},
            {.name = "unit",
             .type = ARGUMENT_ONEOF,
             .children =
                 ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"), ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))},
            ARG_FLAG("withcoord", "WITHCOORD"), ARG_FLAG("withdist", "WITHDIST"), ARG_FLAG("withhash", "WITHHASH"),
            {.name = "count",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children =
                 ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT"}, {.name = "any",
                                                                                           .type = ARGUMENT_PURE_TOKEN,
                                                                                           .token = "ANY",
                                                                                           .flags = ARGUMENT_OPTIONAL,
                                                                                           .since = "6.2.0"})},
            {.name = "order",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))},
            {.name = "key", .type = ARGUMENT_KEY, .token = "STORE", .flags = ARGUMENT_OPTIONAL, .key_spec = 1},
            {.name = "key", .type = ARGUMENT_KEY, .token = "STOREDIST", .flags = ARGUMENT_OPTIONAL, .key_spec = 2}),
    },
    {
        .name = "GEORADIUSBYMEMBER",
        .run = georadiusbymember_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS),
                 {.flags = KEY_OW | KEY_UPDATE, .first = 5, .keyword = "STORE", .last = 0, .step = 1},
                 {.flags = KEY_OW | KEY_UPDATE, .first = 5, .keyword = "STOREDIST", .last = 0, .step = 1}},
        .group = "geo",
        .since = "3.2.0",
        .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
                      "delimited by center and radius and M is the number of items inside the index.",
        .summary = "Returns the places within a distance of another place; may store them.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        .history = HISTORY({"7.0.0", "Units in upper case."}),
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("member"), {.name = "radius", .type = ARGUMENT_DOUBLE},
            {.name = "unit",
             .type = ARGUMENT_ONEOF,
             .children =
                 ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"), ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))},
            ARG_FLAG("withcoord", "WITHCOORD"), ARG_FLAG("withdist", "WITHDIST"), ARG_FLAG("withhash", "WITHHASH"),
            {.name = "count",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children =
                 ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT"}, ARG_FLAG("any", "ANY"))},
            {.name = "order",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))},
            {.name = "key", .type = ARGUMENT_KEY, .token = "STORE", .flags = ARGUMENT_OPTIONAL, .key_spec = 1},
            {.name = "key", .type = ARGUMENT_KEY, .token = "STOREDIST", .flags = ARGUMENT_OPTIONAL, .key_spec = 2}),
    },
    {
        .name = "GEORADIUSBYMEMBER_RO",
        .run = georadiusbymember_ro_command,
        .arity = -5,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "3.2.10",
        .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
                      "delimited by center and radius and M is the number of items inside the index.",
        .summary = "Returns the places within a distance of another place.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("member"), {.name = "radius", .type = ARGUMENT_DOUBLE},
            {.name = "unit",
             .type = ARGUMENT_ONEOF,
             .children =
                 ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"), ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))},
            ARG_FLAG("withcoord", "WITHCOORD"), ARG_FLAG("withdist", "WITHDIST"), ARG_FLAG("withhash", "WITHHASH"),
            {.name = "count",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children =
                 ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT"}, ARG_FLAG("any", "ANY"))},
            {.name = "order",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))}),
    },
    {
        .name = "GEORADIUS_RO",
        .run = georadius_ro_command,
        .arity = -6,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "3.2.10",
        .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "
                      "delimited by center and radius and M is the number of items inside the index.",
        .summary = "Returns the places within a distance of a point.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
        .history = HISTORY({"6.2.0", "Option `ANY` for `COUNT`."}),
        .arguments = ARGUMENTS(
            ARG_KEY("key"), {.name = "longitude", .type = ARGUMENT_DOUBLE},
            {.name = "latitude", .type = ARGUMENT_DOUBLE}, {.name = "radius", .type = ARGUMENT_DOUBLE},
            {.name = "unit",
             .type = ARGUMENT_ONEOF,
             .children =
                 ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"), ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))},
            ARG_FLAG("withcoord", "WITHCOORD"), ARG_FLAG("withdist", "WITHDIST"), ARG_FLAG("withhash", "WITHHASH"),
            {.name = "count",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children =
                 ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT"}, {.name = "any",
                                                                                           .type = ARGUMENT_PURE_TOKEN,
                                                                                           .token = "ANY",
                                                                                           .flags = ARGUMENT_OPTIONAL,
                                                                                           .since = "6.2.0"})},
            {.name = "order",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))}),
    },
    {
        .name = "GEOSEARCH",
        .run = geosearch_command,
        .arity = -7,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "6.2.0",
        .complexity = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the "
                      "shape provided as the filter and M is the number of items inside the shape",
        .summary = "Returns the places within a circle or a box.",
        .history = HISTORY({"7.0.0", "Units in upper case."}),
        .arguments = ARGUMENTS(
            ARG_KEY("key"),
            {.name = "from",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS({.name = "member", .type = ARGUMENT_STRING, .token = "FROMMEMBER"},
                                   {.name = "longitude_latitude",
                                    .type = ARGUMENT_BLOCK,
                                    .token = "FROMLONLAT",
                                    .children = ARGUMENTS({.name = "longitude", .type = ARGUMENT_DOUBLE},
                                                          {.name = "latitude", .type = ARGUMENT_DOUBLE})})},
            {.name = "by",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS(
                 {.name = "circle",
                  .type = ARGUMENT_BLOCK,
                  .children = ARGUMENTS({.name = "radius", .type = ARGUMENT_DOUBLE, .token = "BYRADIUS"},
                                        {.name = "unit",
                                         .type = ARGUMENT_ONEOF,
                                         .children = ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"),
                                                               ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))})},
                 {.name = "box",
                  .type = ARGUMENT_BLOCK,
                  .children = ARGUMENTS({.name = "width", .type = ARGUMENT_DOUBLE, .token = "BYBOX"},
                                        {.name = "height", .type = ARGUMENT_DOUBLE},
                                        {.name = "unit",
                                         .type = ARGUMENT_ONEOF,
                                         .children = ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"),
                                                               ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))})})},
            {.name = "order",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))},
            {.name = "count",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children =
                 ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT"}, ARG_FLAG("any", "ANY"))},
            ARG_FLAG("withcoord", "WITHCOORD"), ARG_FLAG("withdist", "WITHDIST"), ARG_FLAG("withhash", "WITHHASH")),
    },
    {
        .name = "GEOSEARCHSTORE",
        .run = geosearchstore_command,
        .arity = -8,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_ONE(2, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "6.2.0",
        .complexity = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the "
                      "shape provided as the filter and M is the number of items inside the shape",
        .summary = "Stores the places within a circle or a box.",
        .history = HISTORY({"7.0.0", "Units in upper case."}),
        .arguments = ARGUMENTS(
            ARG_KEY("destination"), {.name = "source", .type = ARGUMENT_KEY, .key_spec = 1},
            {.name = "from",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS({.name = "member", .type = ARGUMENT_STRING, .token = "FROMMEMBER"},
                                   {.name = "longitude_latitude",
                                    .type = ARGUMENT_BLOCK,
                                    .token = "FROMLONLAT",
                                    .children = ARGUMENTS({.name = "longitude", .type = ARGUMENT_DOUBLE},
                                                          {.name = "latitude", .type = ARGUMENT_DOUBLE})})},
            {.name = "by",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS(
                 {.name = "circle",
                  .type = ARGUMENT_BLOCK,
                  .children = ARGUMENTS({.name = "radius", .type = ARGUMENT_DOUBLE, .token = "BYRADIUS"},
                                        {.name = "unit",
                                         .type = ARGUMENT_ONEOF,
                                         .children = ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"),
                                                               ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))})},
                 {.name = "box",
                  .type = ARGUMENT_BLOCK,
                  .children = ARGUMENTS({.name = "width", .type = ARGUMENT_DOUBLE, .token = "BYBOX"},
                                        {.name = "height", .type = ARGUMENT_DOUBLE},
                                        {.name = "unit",
                                         .type = ARGUMENT_ONEOF,
                                         .children = ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"),
                                                               ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))})})},
            {.name = "order",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))},
            {.name = "count",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children =
                 ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT"}, ARG_FLAG("any", "ANY"))},
            ARG_FLAG("storedist", "STOREDIST")),
    },
    {.name = NULL},
};

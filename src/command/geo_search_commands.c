/* SPDX-License-Identifier: BSD-3-Clause */
/* Searches: the ranges of scores that cover the shape are looked at, and what is inside is kept. */
#include "base/memory.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/geo_query.h"
#include "command/geo_shared.h"
#include "command/notify.h"
#include "command/zset_commands.h"

#include <stdlib.h>

struct geo_found {
    struct bytes member;
    double score, distance;
    struct geo_point point;
};

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
            geo_reply_distance(reply, found->distance / query->unit);
        if (query->with_hash)
            reply_integer(reply, (int64_t)found->score);
        if (query->with_point)
            geo_reply_point(reply, found->point);
    }
}

/* Frees the list: it is long work, too. */
static void store_found(const struct geo_query *query, struct geo_list *list, size_t count)
{
    struct object result = object_empty(OBJECT_ZSET);
    struct buffer *room = edit_room(query->x);
    for (size_t i = 0; i < count; i++) {
        const struct geo_found *found = &list->items[i];
        double score = query->stores_distance ? found->distance / query->unit : found->score;
        zset_update(&result, room, found->member, 0, &score);
    }
    list_free(list);
    *list = (struct geo_list){0};
    execution_hold_again(query->x);
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
    if (!geo_query_parse(&query))
        return;
    /* With ANY it ends when enough is found. */
    execution_let_go(x, query.zset && !query.any ? object_count(query.zset) : 0);
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

/* ---- the rows ---- */

/* clang-format off */
#define RADIUS_COMPLEXITY "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area " \
    "delimited by center and radius and M is the number of items inside the index."
#define SEARCH_COMPLEXITY "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the " \
    "shape provided as the filter and M is the number of items inside the shape"
#define STORE_KEYS(at) \
    {.flags = KEY_OW | KEY_UPDATE, .first = at, .keyword = "STORE", .last = 0, .step = 1}, \
    {.flags = KEY_OW | KEY_UPDATE, .first = at, .keyword = "STOREDIST", .last = 0, .step = 1}
#define UNIT \
    {.name = "unit", .type = ARGUMENT_ONEOF, .children = ARGUMENTS(ARG_TOKEN("m", "M"), ARG_TOKEN("km", "KM"), \
                                                                   ARG_TOKEN("ft", "FT"), ARG_TOKEN("mi", "MI"))}
#define POINT {.name = "longitude", .type = ARGUMENT_DOUBLE}, {.name = "latitude", .type = ARGUMENT_DOUBLE}
#define RADIUS {.name = "radius", .type = ARGUMENT_DOUBLE}, UNIT
#define ANY_SINCE_6_2 \
    {.name = "any", .type = ARGUMENT_PURE_TOKEN, .token = "ANY", .flags = ARGUMENT_OPTIONAL, .since = "6.2.0"}
#define COUNT(any) \
    {.name = "count", .type = ARGUMENT_BLOCK, .flags = ARGUMENT_OPTIONAL, \
     .children = ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT"}, any)}
#define ORDER \
    {.name = "order", .type = ARGUMENT_ONEOF, .flags = ARGUMENT_OPTIONAL, \
     .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))}
#define WITH ARG_FLAG("withcoord", "WITHCOORD"), ARG_FLAG("withdist", "WITHDIST"), ARG_FLAG("withhash", "WITHHASH")
#define STORES \
    {.name = "key", .type = ARGUMENT_KEY, .token = "STORE", .flags = ARGUMENT_OPTIONAL, .key_spec = 1}, \
    {.name = "key", .type = ARGUMENT_KEY, .token = "STOREDIST", .flags = ARGUMENT_OPTIONAL, .key_spec = 2}
#define FROM \
    {.name = "from", .type = ARGUMENT_ONEOF, \
     .children = ARGUMENTS({.name = "member", .type = ARGUMENT_STRING, .token = "FROMMEMBER"}, \
                           {.name = "longitude_latitude", .type = ARGUMENT_BLOCK, .token = "FROMLONLAT", \
                            .children = ARGUMENTS(POINT)})}
#define BY \
    {.name = "by", .type = ARGUMENT_ONEOF, \
     .children = ARGUMENTS( \
         {.name = "circle", .type = ARGUMENT_BLOCK, \
          .children = ARGUMENTS({.name = "radius", .type = ARGUMENT_DOUBLE, .token = "BYRADIUS"}, UNIT)}, \
         {.name = "box", .type = ARGUMENT_BLOCK, \
          .children = ARGUMENTS({.name = "width", .type = ARGUMENT_DOUBLE, .token = "BYBOX"}, \
                                {.name = "height", .type = ARGUMENT_DOUBLE}, UNIT)})}
/* clang-format on */

const struct command geo_search_commands[] = {
    {
        .name = "GEORADIUS",
        .run = georadius_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS), STORE_KEYS(6)},
        .group = "geo",
        .since = "3.2.0",
        .complexity = RADIUS_COMPLEXITY,
        .summary = "Returns the places within a distance of a point; may store them.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        .history = HISTORY({"6.2.0", "Option `ANY` for `COUNT`."}, {"7.0.0", "Units in upper case."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), POINT, RADIUS, WITH, COUNT(ANY_SINCE_6_2), ORDER, STORES),
    },
    {
        .name = "GEORADIUSBYMEMBER",
        .run = georadiusbymember_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS), STORE_KEYS(5)},
        .group = "geo",
        .since = "3.2.0",
        .complexity = RADIUS_COMPLEXITY,
        .summary = "Returns the places within a distance of another place; may store them.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        .history = HISTORY({"7.0.0", "Units in upper case."}),
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_STRING("member"), RADIUS, WITH, COUNT(ARG_FLAG("any", "ANY")), ORDER, STORES),
    },
    {
        .name = "GEORADIUSBYMEMBER_RO",
        .run = georadiusbymember_ro_command,
        .arity = -5,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "3.2.10",
        .complexity = RADIUS_COMPLEXITY,
        .summary = "Returns the places within a distance of another place.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_STRING("member"), RADIUS, WITH, COUNT(ARG_FLAG("any", "ANY")), ORDER),
    },
    {
        .name = "GEORADIUS_RO",
        .run = georadius_ro_command,
        .arity = -6,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "3.2.10",
        .complexity = RADIUS_COMPLEXITY,
        .summary = "Returns the places within a distance of a point.",
        .deprecated_since = "6.2.0",
        .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
        .history = HISTORY({"6.2.0", "Option `ANY` for `COUNT`."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), POINT, RADIUS, WITH, COUNT(ANY_SINCE_6_2), ORDER),
    },
    {
        .name = "GEOSEARCH",
        .run = geosearch_command,
        .arity = -7,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "6.2.0",
        .complexity = SEARCH_COMPLEXITY,
        .summary = "Returns the places within a circle or a box.",
        .history = HISTORY({"7.0.0", "Units in upper case."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), FROM, BY, ORDER, COUNT(ARG_FLAG("any", "ANY")), WITH),
    },
    {
        .name = "GEOSEARCHSTORE",
        .run = geosearchstore_command,
        .arity = -8,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_ONE(2, KEY_RO | KEY_ACCESS)},
        .group = "geo",
        .since = "6.2.0",
        .complexity = SEARCH_COMPLEXITY,
        .summary = "Stores the places within a circle or a box.",
        .history = HISTORY({"7.0.0", "Units in upper case."}),
        .arguments = ARGUMENTS(ARG_KEY("destination"), {.name = "source", .type = ARGUMENT_KEY, .key_spec = 1}, FROM,
                               BY, ORDER, COUNT(ARG_FLAG("any", "ANY")), ARG_FLAG("storedist", "STOREDIST")),
    },
    {.name = NULL},
};

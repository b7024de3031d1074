/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/geohash.h"

/* What a search is asked for: GEOSEARCH and its kin, and the older GEORADIUS and its kin. */
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

/* Reads all words behind the key; x, form, readonly, zset, unit (1) and destination are set. False: an error is replied. */
bool geo_query_parse(struct geo_query *query);

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/member_table.h"
#include "object/object.h"

/* Hashes: a listpack of fields and values while they are few and short, then a table of members. Only a table's fields can
 * expire. A field whose time has come is not there for who passes the present as 'now_ms', until a sweep removes it; with
 * HASH_AT_ANY_TIME it is. Functions that change one take the room of object_edit_begin; bytes given must not lie in it. */
#define HASH_NO_EXPIRE INT64_C(-1)
#define HASH_AT_ANY_TIME INT64_MIN

struct hash_value {
    struct bytes bytes; /* into the hash, or into digits */
    int64_t expire_at_ms;
    char digits[BYTES_INTEGER_MAX];
};
/* False if there is no such field. */
bool hash_object_get(const struct object *hash, struct bytes field, int64_t now_ms, struct hash_value *value);
/* True if the field is new. An old one's expiry is kept or ends. */
bool hash_object_set(struct object *hash, struct buffer *room, struct bytes field, struct bytes value,
                     bool keeps_expiry, int64_t now_ms);
/* False if there was no such field; nothing is edited then. */
bool hash_object_remove(struct object *hash, struct buffer *room, struct bytes field, int64_t now_ms);
/* Sets or clears (HASH_NO_EXPIRE) the expiry of a field that is there. */
void hash_object_set_expiry(struct object *hash, struct buffer *room, struct bytes field, int64_t expire_at_ms);

/* Whether fields may have expired that are worth a sweep now: how often a large hash is swept is bounded. 'exactly' asks
 * whatever the cost. */
bool hash_object_is_due(const struct object *hash, int64_t now_ms, bool exactly);
/* Removes the fields that have expired; each name is given to visit first. */
void hash_object_sweep(struct object *hash, int64_t now_ms, void (*visit)(void *context, struct bytes field),
                       void *context);

/* The fields of a hash that is a table, else NULL. */
const struct member_table *hash_object_table(const struct object *hash);

/* All fields that have not expired. The hash is left alone during it; what it shows is good until the next step. */
struct hash_walk {
    const struct object *hash;
    int64_t now_ms;
    const uint8_t *position;
    struct member_walk members;
    struct bytes field, value;
    int64_t expire_at_ms;
    char digits[2][BYTES_INTEGER_MAX];
};
void hash_walk_begin(struct hash_walk *walk, const struct object *hash, int64_t now_ms);
/* Places the walk at the field of that rank, which is below the count; swept or not. */
void hash_walk_at(struct hash_walk *walk, const struct object *hash, size_t rank);
bool hash_walk_next(struct hash_walk *walk);

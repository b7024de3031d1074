/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/member_table.h"
#include "object/object.h"

/* Hashes: a listpack of fields and values while they are few and short (with times, once one of them expires), then a table
 * of members. A field whose time has come is not there for who passes the present as 'now_ms', until a sweep removes it; with
 * HASH_AT_ANY_TIME it is. Functions that change one take the room of object_edit_begin; bytes given must not lie in it. */
/* The latest time of a field. */
#define HASH_TIME_MAX ((INT64_C(1) << 48) - 1)
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
/* Sets or clears (HASH_NO_EXPIRE) the expiry of a field that is there; a time is above 0 and at most HASH_TIME_MAX. */
void hash_object_set_expiry(struct object *hash, struct buffer *room, struct bytes field, int64_t expire_at_ms);

/* When the next field expires; OBJECT_NEVER_DUE if none does. In constant time, or a logarithm of the fields that do. */
int64_t hash_object_due_ms(const struct object *hash);
/* Removes up to 'max' fields that have expired, the earliest first; each name is given to visit before. Returns how many. */
size_t hash_object_sweep(struct object *hash, struct buffer *room, int64_t now_ms, size_t max,
                         void (*visit)(void *context, struct bytes field), void *context);

/* The fields of a hash that is a table, else NULL. */
const struct member_table *hash_object_table(const struct object *hash);
/* Of one of its members. */
bool hash_member_is_expired(const struct member *member, int64_t now_ms);

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

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/hash_object.h"
#include "object/object_private.h"
#include "object/score_tree.h"

/* ---- tables: hash_body.c ---- */

/* The body of a hash that is a table. The extra bytes of its members are their times, as the tree's scores. */
struct hash_body {
    struct member_table table;
    struct score_tree due; /* of the members that have a time, by it */
};

static inline struct hash_body *hash_body_of(const struct object *hash)
{
    return hash->encoding == ENCODING_TABLE ? hash->body : NULL;
}

static inline int64_t hash_member_time(const struct member *member)
{
    return member_has_extra(member) ? (int64_t)member_score(member) : HASH_NO_EXPIRE;
}

struct hash_body *hash_body_create(void);
/* The fields of a compact hash; NULL if one is there twice. */
struct hash_body *hash_body_from(const struct object *compact);
/* Frees it, a large one in the background. */
void hash_body_release(struct hash_body *body);
struct hash_body *hash_body_copy(const struct hash_body *body);
size_t hash_body_bytes(const struct hash_body *body);

/* Adds a field; false if it is there already. */
bool hash_body_add(struct hash_body *body, struct bytes field, struct bytes value, int64_t expire_at_ms);
/* True if the field is new. */
bool hash_body_set(struct hash_body *body, struct bytes field, struct bytes value, bool keeps_expiry, int64_t now_ms);
bool hash_body_remove(struct hash_body *body, struct bytes field, int64_t now_ms);
/* The field is there. */
void hash_body_set_expiry(struct hash_body *body, struct bytes field, int64_t expire_at_ms);
int64_t hash_body_due_ms(const struct hash_body *body);
size_t hash_body_sweep(struct hash_body *body, int64_t now_ms, size_t max,
                       void (*visit)(void *context, struct bytes field), void *context);

/* ---- listpacks: hash_listpack.c ---- */

/* A time takes no more than this. */
#define HASH_LISTPACK_TIME_BYTES 10

/* Elements of each field. */
static inline size_t hash_listpack_step(const struct object *hash)
{
    return hash->encoding == ENCODING_LISTPACK_EXPIRY ? 3 : 2;
}

/* Whether a listpack of so many bytes that comes to 'count' fields with this one stays one. */
bool hash_listpack_has_room(size_t count, size_t bytes, struct bytes field, struct bytes value);
/* Where the field stands, or NULL. */
const uint8_t *hash_listpack_find(const struct object *hash, struct bytes field);
int64_t hash_listpack_time(const struct object *hash, const uint8_t *position);
/* Adds a field that is not there; where it expires, the listpack is one with times, and the field stands in their order. */
void hash_listpack_add(struct buffer *listpack, bool has_times, struct bytes field, struct bytes value,
                       int64_t expire_at_ms);
/* 'position' is the field's, NULL if it is new. There is room. */
void hash_listpack_set(struct object *hash, struct buffer *room, const uint8_t *position, struct bytes field,
                       struct bytes value, bool keeps_expiry);
void hash_listpack_remove(struct object *hash, struct buffer *room, const uint8_t *position);
/* False, and nothing is edited, if there is no room for the time. */
bool hash_listpack_set_expiry(struct object *hash, struct buffer *room, struct bytes field, int64_t expire_at_ms);
int64_t hash_listpack_due_ms(const struct object *hash);
size_t hash_listpack_sweep(struct object *hash, struct buffer *room, int64_t now_ms, size_t max,
                           void (*visit)(void *context, struct bytes field), void *context);
/* Appends the fields without times. */
void hash_listpack_strip(const struct object *hash, struct buffer *plain);

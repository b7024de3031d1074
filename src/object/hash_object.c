/* SPDX-License-Identifier: BSD-3-Clause */
/* What hashes can do, whichever form they have: hash_listpack.c or hash_body.c. Payloads are those of Redis 7.0, or where
 * fields expire, of 7.4; see hash_payload.c for reading them. */
#include "object/hash_object.h"

#include "base/check.h"
#include "object/hash_private.h"
#include "object/listpack.h"

#include <endian.h>

const struct member_table *hash_object_table(const struct object *hash)
{
    const struct hash_body *body = hash_body_of(hash);
    return body ? &body->table : NULL;
}

static struct hash_body *become_table(struct object *hash)
{
    struct hash_body *body = hash_body_from(hash);
    check(body != NULL);
    *hash = (struct object){.type = OBJECT_HASH, .encoding = ENCODING_TABLE, .body = body};
    return body;
}

static bool is_past(int64_t expire_at_ms, int64_t now_ms)
{
    return expire_at_ms != HASH_NO_EXPIRE && expire_at_ms <= now_ms;
}

bool hash_member_is_expired(const struct member *member, int64_t now_ms)
{
    return is_past(hash_member_time(member), now_ms);
}

/* ---- one field ---- */

static bool table_get(const struct hash_body *body, struct bytes field, int64_t now_ms, struct hash_value *value)
{
    const struct member *member = member_table_find(&body->table, member_hash(field), field);
    if (!member || hash_member_is_expired(member, now_ms))
        return false;
    value->bytes = member_value(member);
    value->expire_at_ms = hash_member_time(member);
    return true;
}

bool hash_object_get(const struct object *hash, struct bytes field, int64_t now_ms, struct hash_value *value)
{
    const struct hash_body *body = hash_body_of(hash);
    if (body)
        return table_get(body, field, now_ms, value);
    const uint8_t *position = hash_listpack_find(hash, field);
    if (!position || is_past(hash_listpack_time(hash, position), now_ms))
        return false;
    value->bytes = listpack_get_bytes(listpack_next(position), value->digits);
    value->expire_at_ms = hash_listpack_time(hash, position);
    return true;
}

bool hash_object_set(struct object *hash, struct buffer *room, struct bytes field, struct bytes value,
                     bool keeps_expiry, int64_t now_ms)
{
    struct hash_body *body = hash_body_of(hash);
    if (body)
        return hash_body_set(body, field, value, keeps_expiry, now_ms);
    const uint8_t *position = hash_listpack_find(hash, field);
    bool is_new = !position || is_past(hash_listpack_time(hash, position), now_ms);
    if (!hash_listpack_has_room(object_count(hash) + !position, hash->bytes.length, field, value))
        return hash_body_set(become_table(hash), field, value, keeps_expiry, now_ms);
    hash_listpack_set(hash, room, position, field, value, keeps_expiry && !is_new);
    return is_new;
}

bool hash_object_remove(struct object *hash, struct buffer *room, struct bytes field, int64_t now_ms)
{
    struct hash_body *body = hash_body_of(hash);
    if (body)
        return hash_body_remove(body, field, now_ms);
    const uint8_t *position = hash_listpack_find(hash, field);
    if (!position || is_past(hash_listpack_time(hash, position), now_ms))
        return false;
    hash_listpack_remove(hash, room, position);
    return true;
}

/* ---- expiry ---- */

void hash_object_set_expiry(struct object *hash, struct buffer *room, struct bytes field, int64_t expire_at_ms)
{
    struct hash_body *body = hash_body_of(hash);
    if (!body && expire_at_ms == HASH_NO_EXPIRE && hash->encoding == ENCODING_LISTPACK)
        return;
    if (!body && !hash_listpack_set_expiry(hash, room, field, expire_at_ms))
        body = become_table(hash);
    if (body)
        hash_body_set_expiry(body, field, expire_at_ms);
}

int64_t hash_object_due_ms(const struct object *hash)
{
    const struct hash_body *body = hash_body_of(hash);
    return body ? hash_body_due_ms(body) : hash_listpack_due_ms(hash);
}

size_t hash_object_sweep(struct object *hash, struct buffer *room, int64_t now_ms, size_t max,
                         void (*visit)(void *context, struct bytes field), void *context)
{
    struct hash_body *body = hash_body_of(hash);
    return body ? hash_body_sweep(body, now_ms, max, visit, context)
                : hash_listpack_sweep(hash, room, now_ms, max, visit, context);
}

/* ---- walks ---- */

void hash_walk_begin(struct hash_walk *walk, const struct object *hash, int64_t now_ms)
{
    const struct hash_body *body = hash_body_of(hash);
    walk->hash = hash;
    walk->now_ms = now_ms;
    walk->expire_at_ms = HASH_NO_EXPIRE;
    if (body)
        walk->members = member_walk_from(&body->table, 0);
    else
        walk->position = listpack_first(hash->bytes);
}

static void show_member(struct hash_walk *walk, const struct member *member)
{
    walk->field = member_name(member);
    walk->value = member_value(member);
    walk->expire_at_ms = hash_member_time(member);
}

static void show_position(struct hash_walk *walk)
{
    walk->expire_at_ms = hash_listpack_time(walk->hash, walk->position);
    walk->field = listpack_get_bytes(walk->position, walk->digits[0]);
    walk->position = listpack_next(walk->position);
    walk->value = listpack_get_bytes(walk->position, walk->digits[1]);
    walk->position = listpack_next(walk->position);
    if (walk->hash->encoding == ENCODING_LISTPACK_EXPIRY)
        walk->position = listpack_next(walk->position);
}

void hash_walk_at(struct hash_walk *walk, const struct object *hash, size_t rank)
{
    const struct hash_body *body = hash_body_of(hash);
    walk->hash = hash;
    walk->expire_at_ms = HASH_NO_EXPIRE;
    if (body) {
        show_member(walk, member_table_at(&body->table, rank));
        return;
    }
    walk->position = listpack_seek(hash->bytes, (int64_t)(rank * hash_listpack_step(hash)));
    show_position(walk);
}

static bool walk_step(struct hash_walk *walk)
{
    if (walk->hash->encoding == ENCODING_TABLE) {
        const struct member *member = member_walk_next(&walk->members);
        if (member)
            show_member(walk, member);
        return member != NULL;
    }
    if (!walk->position)
        return false;
    show_position(walk);
    return true;
}

bool hash_walk_next(struct hash_walk *walk)
{
    while (walk_step(walk))
        if (!is_past(walk->expire_at_ms, walk->now_ms))
            return true;
    return false;
}

/* ---- the class ---- */

static size_t count(const struct object *hash)
{
    const struct hash_body *body = hash_body_of(hash);
    return body ? body->table.count : listpack_count(hash->bytes) / hash_listpack_step(hash);
}

static void release(struct object *hash)
{
    if (hash->encoding == ENCODING_TABLE)
        hash_body_release(hash->body);
}

static size_t external_bytes(const struct object *hash)
{
    const struct hash_body *body = hash_body_of(hash);
    return body ? hash_body_bytes(body) : 0;
}

static struct object copy(const struct object *hash)
{
    struct object copied = *hash;
    copied.body = hash_body_copy(hash->body);
    return copied;
}

/* ---- payloads ---- */

static void append_first_time(struct buffer *out, int64_t first_ms)
{
    uint64_t wire = htole64((uint64_t)first_ms);
    buffer_append(out, &wire, sizeof(wire));
}

/* With times, each is told as its distance to the first one, and one more; 0 is none. */
static void encode_fields(const struct object *hash, int64_t first_ms, struct buffer *out)
{
    struct hash_walk walk;
    rdb_write_length(out, count(hash));
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk)) {
        bool expires = walk.expire_at_ms != HASH_NO_EXPIRE;
        if (first_ms != OBJECT_NEVER_DUE)
            rdb_write_length(out, expires ? (uint64_t)(walk.expire_at_ms - first_ms) + 1 : 0);
        rdb_write_string(out, walk.field);
        rdb_write_string(out, walk.value);
    }
}

static void encode_listpack(const struct object *hash, int64_t first_ms, struct buffer *out)
{
    struct buffer plain = {0};
    bool strips = hash->encoding == ENCODING_LISTPACK_EXPIRY && first_ms == OBJECT_NEVER_DUE;
    if (strips)
        hash_listpack_strip(hash, &plain);
    listpack_dump(out, strips ? buffer_bytes(&plain) : hash->bytes);
    buffer_deinit(&plain);
}

/* Without times a hash has the types that Redis 7.0 knows. */
static void encode(const struct object *hash, struct buffer *out)
{
    int64_t first_ms = hash_object_due_ms(hash);
    bool has_times = first_ms != OBJECT_NEVER_DUE, is_table = hash->encoding == ENCODING_TABLE;
    *buffer_reserve(out, 1) = has_times ? (is_table ? RDB_TYPE_HASH_METADATA : RDB_TYPE_HASH_LISTPACK_EX)
                                        : (is_table ? RDB_TYPE_HASH : RDB_TYPE_HASH_LISTPACK);
    out->length++;
    if (has_times)
        append_first_time(out, first_ms);
    if (is_table)
        encode_fields(hash, first_ms, out);
    else
        encode_listpack(hash, first_ms, out);
}

static const char empty_listpack[LISTPACK_EMPTY_BYTES] = {0, 0, (char)0xff};

const struct object_class hash_object_class = {
    .release = release,
    .external_bytes = external_bytes,
    .count = count,
    .copy = copy,
    .empty = {.type = OBJECT_HASH, .encoding = ENCODING_LISTPACK, .bytes = {empty_listpack, sizeof(empty_listpack)}},
    .encode = encode,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* A table's body is a member table and what is known of expiry: how many members have a time, a time before which none of
 * them is due, and when the next sweep is worth its walk: a sweep of n fields is paid for by n microseconds of quiet.
 *
 * Payloads are those of Redis 7.0, or where fields expire, of 7.4; see hash_payload.c for reading them. */
#include "object/hash_object.h"

#include "base/check.h"
#include "base/memory.h"
#include "object/hash_private.h"
#include "object/listpack.h"
#include "object/object_limits.h"
#include "object/table_body.h"

#include <endian.h>

#define NEVER INT64_MAX
/* Fields that are swept for each millisecond of quiet. */
#define SWEPT_PER_MS 1000

static struct hash_body *body_of(const struct object *hash)
{
    return hash->encoding == ENCODING_TABLE ? hash->body : NULL;
}

const struct member_table *hash_object_table(const struct object *hash)
{
    const struct hash_body *body = body_of(hash);
    return body ? &body->table : NULL;
}

static bool is_expired(const struct member *member, int64_t now_ms)
{
    return member_has_extra(member) && member_extra(member) <= now_ms;
}

/* ---- bodies ---- */

struct hash_body *hash_body_create(void)
{
    struct hash_body *body = memory_allocate_zeroed(sizeof(*body));
    body->due_at_ms = NEVER;
    return body;
}

static void note_expiry(struct hash_body *body, int64_t expire_at_ms)
{
    body->expiring++;
    if (expire_at_ms < body->due_at_ms)
        body->due_at_ms = expire_at_ms;
}

void hash_body_insert(struct hash_body *body, uint64_t hash, struct member *member)
{
    member_table_insert(&body->table, hash, member);
    if (member_has_extra(member))
        note_expiry(body, member_extra(member));
}

static void body_replace(struct hash_body *body, uint64_t hash, struct member *old_member, struct member *member)
{
    body->expiring -= member_has_extra(old_member);
    member_table_replace(&body->table, hash, old_member, member);
    if (member_has_extra(member))
        note_expiry(body, member_extra(member));
}

static void body_remove(struct hash_body *body, uint64_t hash, struct member *member)
{
    body->expiring -= member_has_extra(member);
    member_table_take(&body->table, hash, member);
    member_destroy(member);
}

static struct hash_body *become_table(struct object *hash)
{
    struct hash_body *body = hash_body_create();
    struct hash_walk walk;
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk))
        hash_body_insert(body, member_hash(walk.field), member_create(walk.field, &walk.value, NULL));
    *hash = (struct object){.type = OBJECT_HASH, .encoding = ENCODING_TABLE, .body = body};
    return body;
}

/* ---- one field ---- */

bool hash_object_get(const struct object *hash, struct bytes field, int64_t now_ms, struct hash_value *value)
{
    const struct hash_body *body = body_of(hash);
    if (!body) {
        const uint8_t *position = listpack_find(listpack_first(hash->bytes), field, 1);
        if (!position)
            return false;
        value->bytes = listpack_get_bytes(listpack_next(position), value->digits);
        value->expire_at_ms = HASH_NO_EXPIRE;
        return true;
    }
    const struct member *member = member_table_find(&body->table, member_hash(field), field);
    if (!member || is_expired(member, now_ms))
        return false;
    value->bytes = member_value(member);
    value->expire_at_ms = member_has_extra(member) ? member_extra(member) : HASH_NO_EXPIRE;
    return true;
}

static bool table_set(struct hash_body *body, struct bytes field, struct bytes value, bool keeps_expiry, int64_t now_ms)
{
    uint64_t hash = member_hash(field);
    struct member *old_member = member_table_find(&body->table, hash, field);
    if (!old_member) {
        member_table_insert(&body->table, hash, member_create(field, &value, NULL));
        return true;
    }
    bool is_new = is_expired(old_member, now_ms);
    keeps_expiry = keeps_expiry && !is_new && member_has_extra(old_member);
    if (member_has_extra(old_member) == keeps_expiry && member_value(old_member).length == value.length) {
        member_overwrite_value(old_member, value);
        return is_new;
    }
    int64_t expire_at_ms = keeps_expiry ? member_extra(old_member) : 0;
    body_replace(body, hash, old_member, member_create(field, &value, keeps_expiry ? &expire_at_ms : NULL));
    return is_new;
}

bool hash_listpack_has_room(size_t count, size_t bytes, struct bytes field, struct bytes value)
{
    size_t length_max = (size_t)object_limits.hash_max_listpack_value;
    return count <= (size_t)object_limits.hash_max_listpack_entries && field.length <= length_max &&
           value.length <= length_max &&
           bytes + listpack_entry_bytes(field) + listpack_entry_bytes(value) <= OBJECT_INLINE_MAX;
}

static void listpack_set(struct object *hash, struct buffer *room, const uint8_t *position, struct bytes field,
                         struct bytes value)
{
    size_t offset = position ? listpack_offset(hash->bytes, listpack_next(position)) : 0;
    struct buffer *edited = object_edit_begin(hash, room);
    if (position)
        check(listpack_replace(edited, offset, value));
    else
        check(listpack_append(edited, field) && listpack_append(edited, value));
    object_edit_end(hash, edited);
}

bool hash_object_set(struct object *hash, struct buffer *room, struct bytes field, struct bytes value,
                     bool keeps_expiry, int64_t now_ms)
{
    struct hash_body *body = body_of(hash);
    if (body)
        return table_set(body, field, value, keeps_expiry, now_ms);
    const uint8_t *position = listpack_find(listpack_first(hash->bytes), field, 1);
    size_t count = listpack_count(hash->bytes) / 2 + !position;
    if (!hash_listpack_has_room(count, hash->bytes.length, field, value))
        return table_set(become_table(hash), field, value, keeps_expiry, now_ms);
    listpack_set(hash, room, position, field, value);
    return !position;
}

bool hash_object_remove(struct object *hash, struct buffer *room, struct bytes field, int64_t now_ms)
{
    struct hash_body *body = body_of(hash);
    if (body) {
        uint64_t place = member_hash(field);
        struct member *member = member_table_find(&body->table, place, field);
        if (!member || is_expired(member, now_ms))
            return false;
        body_remove(body, place, member);
        return true;
    }
    const uint8_t *position = listpack_find(listpack_first(hash->bytes), field, 1);
    if (!position)
        return false;
    size_t offset = listpack_offset(hash->bytes, position);
    struct buffer *edited = object_edit_begin(hash, room);
    listpack_delete(edited, offset, 2);
    object_edit_end(hash, edited);
    return true;
}

/* ---- expiry ---- */

void hash_object_set_expiry(struct object *hash, struct buffer *room, struct bytes field, int64_t expire_at_ms)
{
    struct hash_body *body = body_of(hash);
    (void)room;
    if (!body && expire_at_ms == HASH_NO_EXPIRE)
        return;
    if (!body)
        body = become_table(hash);
    uint64_t place = member_hash(field);
    struct member *member = member_table_find(&body->table, place, field);
    struct bytes value = member_value(member);
    body_replace(body, place, member,
                 member_create(field, &value, expire_at_ms == HASH_NO_EXPIRE ? NULL : &expire_at_ms));
}

bool hash_object_is_due(const struct object *hash, int64_t now_ms, bool exactly)
{
    const struct hash_body *body = body_of(hash);
    return body && body->expiring > 0 && now_ms >= body->due_at_ms && (exactly || now_ms >= body->quiet_until_ms);
}

struct sweep {
    struct member **expired;
    size_t count, capacity;
};

static void sweep_note(struct sweep *sweep, struct member *member)
{
    if (sweep->count == sweep->capacity) {
        sweep->capacity = sweep->capacity ? sweep->capacity * 2 : 16;
        sweep->expired = memory_resize(sweep->expired, sweep->capacity * sizeof(struct member *));
    }
    sweep->expired[sweep->count++] = member;
}

void hash_object_sweep(struct object *hash, int64_t now_ms, void (*visit)(void *context, struct bytes field),
                       void *context)
{
    struct hash_body *body = body_of(hash);
    struct member_walk walk = member_walk_from(&body->table, 0);
    struct sweep sweep = {0};
    struct member *member;
    int64_t first_ms = NEVER;
    while ((member = member_walk_next(&walk)) != NULL) {
        if (is_expired(member, now_ms))
            sweep_note(&sweep, member);
        else if (member_has_extra(member) && member_extra(member) < first_ms)
            first_ms = member_extra(member);
    }
    for (size_t i = 0; i < sweep.count; i++) {
        struct bytes field = member_name(sweep.expired[i]);
        visit(context, field);
        body_remove(body, member_hash(field), sweep.expired[i]);
    }
    memory_free(sweep.expired);
    body->due_at_ms = first_ms;
    body->quiet_until_ms = now_ms + (int64_t)(body->table.count / SWEPT_PER_MS);
}

/* ---- walks ---- */

void hash_walk_begin(struct hash_walk *walk, const struct object *hash, int64_t now_ms)
{
    const struct hash_body *body = body_of(hash);
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
    walk->expire_at_ms = member_has_extra(member) ? member_extra(member) : HASH_NO_EXPIRE;
}

static void show_position(struct hash_walk *walk)
{
    walk->field = listpack_get_bytes(walk->position, walk->digits[0]);
    walk->position = listpack_next(walk->position);
    walk->value = listpack_get_bytes(walk->position, walk->digits[1]);
    walk->position = listpack_next(walk->position);
}

void hash_walk_at(struct hash_walk *walk, const struct object *hash, size_t rank)
{
    const struct hash_body *body = body_of(hash);
    walk->hash = hash;
    walk->expire_at_ms = HASH_NO_EXPIRE;
    if (body) {
        show_member(walk, member_table_at(&body->table, rank));
        return;
    }
    walk->position = listpack_seek(hash->bytes, (int64_t)rank * 2);
    show_position(walk);
}

bool hash_walk_next(struct hash_walk *walk)
{
    const struct member *member;
    if (walk->hash->encoding != ENCODING_TABLE) {
        if (!walk->position)
            return false;
        show_position(walk);
        return true;
    }
    do
        member = member_walk_next(&walk->members);
    while (member && is_expired(member, walk->now_ms));
    if (member)
        show_member(walk, member);
    return member != NULL;
}

/* ---- the class ---- */

static size_t count(const struct object *hash)
{
    const struct hash_body *body = body_of(hash);
    return body ? body->table.count : listpack_count(hash->bytes) / 2;
}

static void release(struct object *hash)
{
    if (hash->encoding == ENCODING_TABLE)
        table_body_release(hash->body); /* the table is the body's first part */
}

static size_t external_bytes(const struct object *hash)
{
    const struct hash_body *body = body_of(hash);
    return body ? sizeof(*body) + body->table.bytes : 0;
}

static struct object copy(const struct object *hash)
{
    const struct hash_body *body = body_of(hash);
    struct object copied = *hash;
    struct hash_body *copied_body = hash_body_create();
    struct member_walk walk = member_walk_from(&body->table, 0);
    struct member *member;
    while ((member = member_walk_next(&walk)) != NULL)
        hash_body_insert(copied_body, member_hash(member_name(member)), member_copy(member));
    copied.body = copied_body;
    return copied;
}

/* Times are told as their distance to the first one, and one more; 0 is none. */
static void encode_expiring(const struct object *hash, struct buffer *out)
{
    struct hash_walk walk;
    int64_t first_ms = INT64_MAX;
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk))
        if (walk.expire_at_ms != HASH_NO_EXPIRE && walk.expire_at_ms < first_ms)
            first_ms = walk.expire_at_ms;
    uint64_t wire = htole64((uint64_t)first_ms);
    buffer_append(out, &wire, sizeof(wire));
    rdb_write_length(out, count(hash));
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk)) {
        rdb_write_length(out, walk.expire_at_ms == HASH_NO_EXPIRE ? 0 : (uint64_t)(walk.expire_at_ms - first_ms) + 1);
        rdb_write_string(out, walk.field);
        rdb_write_string(out, walk.value);
    }
}

static void encode_table(const struct object *hash, struct buffer *out)
{
    struct hash_walk walk;
    rdb_write_length(out, count(hash));
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk)) {
        rdb_write_string(out, walk.field);
        rdb_write_string(out, walk.value);
    }
}

static void encode(const struct object *hash, struct buffer *out)
{
    const struct hash_body *body = body_of(hash);
    char *type_byte = buffer_reserve(out, 1);
    out->length++;
    if (!body) {
        *type_byte = RDB_TYPE_HASH_LISTPACK;
        rdb_write_string(out, hash->bytes);
    } else if (body->expiring > 0) {
        *type_byte = RDB_TYPE_HASH_METADATA;
        encode_expiring(hash, out);
    } else {
        *type_byte = RDB_TYPE_HASH;
        encode_table(hash, out);
    }
}

static const char empty_listpack[LISTPACK_EMPTY_BYTES] = {LISTPACK_EMPTY_BYTES, 0, 0, 0, 0, 0, (char)0xff};

const struct object_class hash_object_class = {
    .release = release,
    .external_bytes = external_bytes,
    .count = count,
    .copy = copy,
    .empty = {.type = OBJECT_HASH, .encoding = ENCODING_LISTPACK, .bytes = {empty_listpack, sizeof(empty_listpack)}},
    .encode = encode,
};

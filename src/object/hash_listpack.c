/* SPDX-License-Identifier: BSD-3-Clause */
/* Small hashes: a listpack of fields and values in turn, or where fields may expire, of field, value and time.
 *
 * I1 a time is an integer, 0 for none. Fields stand in the order of their times, those without one last; so the next one
 *    due is the first, as Redis relies on when it reads our payloads. */
#include "object/hash_private.h"

#include "base/check.h"
#include "object/listpack.h"
#include "object/object_limits.h"

bool hash_listpack_has_room(size_t count, size_t bytes, struct bytes field, struct bytes value)
{
    size_t length_max = (size_t)object_limits.hash_max_listpack_value;
    return count <= (size_t)object_limits.hash_max_listpack_entries && field.length <= length_max &&
           value.length <= length_max &&
           bytes + listpack_entry_bytes(field) + listpack_entry_bytes(value) + HASH_LISTPACK_TIME_BYTES <=
               OBJECT_INLINE_MAX;
}

const uint8_t *hash_listpack_find(const struct object *hash, struct bytes field)
{
    return listpack_find(listpack_first(hash->bytes), field, hash_listpack_step(hash) - 1);
}

static int64_t time_at(const uint8_t *position)
{
    struct listpack_value time;
    position += listpack_step(position); /* its value, and then its time, are always there */
    position += listpack_step(position);
    listpack_get(position, &time);
    return time.integer > 0 ? time.integer : HASH_NO_EXPIRE;
}

int64_t hash_listpack_time(const struct object *hash, const uint8_t *position)
{
    return hash->encoding == ENCODING_LISTPACK_EXPIRY ? time_at(position) : HASH_NO_EXPIRE;
}

/* ---- changes ---- */

/* Behind all that expire no later. */
static size_t place_for(struct bytes listpack, int64_t expire_at_ms)
{
    const uint8_t *position = expire_at_ms == HASH_NO_EXPIRE ? NULL : listpack_first(listpack);
    while (position && time_at(position) != HASH_NO_EXPIRE && time_at(position) <= expire_at_ms)
        position = listpack_next(listpack_next(listpack_next(position)));
    return position ? listpack_offset(listpack, position) : listpack.length - 1;
}

static void add_with_time(struct buffer *listpack, struct bytes field, struct bytes value, int64_t expire_at_ms)
{
    char digits[BYTES_INTEGER_MAX];
    size_t place = place_for(buffer_bytes(listpack), expire_at_ms);
    int64_t time = expire_at_ms == HASH_NO_EXPIRE ? 0 : expire_at_ms;
    check(listpack_insert(listpack, place, bytes_of(digits, bytes_from_int64(digits, time))));
    check(listpack_insert(listpack, place, value));
    check(listpack_insert(listpack, place, field));
}

void hash_listpack_add(struct buffer *listpack, bool has_times, struct bytes field, struct bytes value,
                       int64_t expire_at_ms)
{
    if (has_times)
        add_with_time(listpack, field, value, expire_at_ms);
    else
        check(listpack_append(listpack, field) && listpack_append(listpack, value));
}

void hash_listpack_set(struct object *hash, struct buffer *room, const uint8_t *position, struct bytes field,
                       struct bytes value, bool keeps_expiry)
{
    bool has_times = hash->encoding == ENCODING_LISTPACK_EXPIRY;
    bool stays = position && (keeps_expiry || hash_listpack_time(hash, position) == HASH_NO_EXPIRE);
    size_t offset = position ? listpack_offset(hash->bytes, stays ? listpack_next(position) : position) : 0;
    struct buffer *edited = object_edit_begin(hash, room);
    if (stays) {
        check(listpack_replace(edited, offset, value));
    } else {
        if (position)
            listpack_delete(edited, offset, 3);
        hash_listpack_add(edited, has_times, field, value, HASH_NO_EXPIRE);
    }
    object_edit_end(hash, edited);
}

void hash_listpack_remove(struct object *hash, struct buffer *room, const uint8_t *position)
{
    size_t offset = listpack_offset(hash->bytes, position);
    struct buffer *edited = object_edit_begin(hash, room);
    listpack_delete(edited, offset, hash_listpack_step(hash));
    object_edit_end(hash, edited);
}

/* ---- times ---- */

/* Appends every field to an empty buffer, in another form. */
static void rewrite(const struct object *hash, struct buffer *listpack, bool has_times)
{
    struct hash_walk walk;
    listpack_init(listpack);
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk))
        hash_listpack_add(listpack, has_times, walk.field, walk.value, HASH_NO_EXPIRE);
}

void hash_listpack_strip(const struct object *hash, struct buffer *plain)
{
    rewrite(hash, plain, false);
}

static void add_times(struct object *hash, struct buffer *room)
{
    struct buffer timed = {0};
    rewrite(hash, &timed, true);
    struct buffer *edited = object_edit_begin(hash, room);
    edited->length = 0;
    buffer_append_bytes(edited, buffer_bytes(&timed));
    object_edit_end(hash, edited);
    hash->encoding = ENCODING_LISTPACK_EXPIRY;
    buffer_deinit(&timed);
}

bool hash_listpack_set_expiry(struct object *hash, struct buffer *room, struct bytes field, int64_t expire_at_ms)
{
    struct hash_value old;
    struct buffer value = {0};
    bool has_times = hash->encoding == ENCODING_LISTPACK_EXPIRY;
    /* A time of 0 takes two bytes. */
    size_t more = has_times ? 0 : listpack_count(hash->bytes);
    if (hash->bytes.length + more + HASH_LISTPACK_TIME_BYTES > OBJECT_INLINE_MAX)
        return false;
    if (!has_times)
        add_times(hash, room);
    check(hash_object_get(hash, field, HASH_AT_ANY_TIME, &old));
    buffer_append_bytes(&value, old.bytes);
    hash_listpack_remove(hash, room, hash_listpack_find(hash, field));
    add_with_time(room, field, buffer_bytes(&value), expire_at_ms);
    object_edit_end(hash, room);
    buffer_deinit(&value);
    return true;
}

int64_t hash_listpack_due_ms(const struct object *hash)
{
    const uint8_t *first = hash->encoding == ENCODING_LISTPACK_EXPIRY ? listpack_first(hash->bytes) : NULL;
    int64_t expire_at_ms = first ? time_at(first) : HASH_NO_EXPIRE;
    return expire_at_ms == HASH_NO_EXPIRE ? OBJECT_NEVER_DUE : expire_at_ms;
}

size_t hash_listpack_sweep(struct object *hash, struct buffer *room, int64_t now_ms, size_t max,
                           void (*visit)(void *context, struct bytes field), void *context)
{
    struct hash_walk walk;
    size_t swept = 0;
    if (hash_listpack_due_ms(hash) > now_ms)
        return 0;
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (swept < max && hash_walk_next(&walk) && walk.expire_at_ms != HASH_NO_EXPIRE && walk.expire_at_ms <= now_ms) {
        visit(context, walk.field);
        swept++;
    }
    struct buffer *edited = object_edit_begin(hash, room);
    listpack_delete(edited, LISTPACK_HEADER_BYTES, swept * 3);
    object_edit_end(hash, edited);
    return swept;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The empty set is an intset; the first member that is no integer makes it a listpack, the first that is too long, or one
 * too many, a table, which it stays. Payloads have what Redis 7.0 reads: intsets as they are, all else as strings. */
#include "object/set_object.h"

#include "base/check.h"
#include "base/memory.h"
#include "object/intset.h"
#include "object/listpack.h"
#include "object/object_limits.h"
#include "object/object_private.h"
#include "object/table_body.h"

const struct member_table *set_object_table(const struct object *set)
{
    return set->encoding == ENCODING_TABLE ? set->body : NULL;
}

static bool as_integer(struct bytes member, int64_t *integer)
{
    return member.length <= BYTES_INTEGER_MAX && bytes_to_int64(member, integer);
}

bool set_object_contains(const struct object *set, struct bytes member)
{
    int64_t integer;
    switch (set->encoding) {
    case ENCODING_INTSET:
        return as_integer(member, &integer) && intset_find(set->bytes, integer, NULL);
    case ENCODING_LISTPACK:
        return listpack_find(listpack_first(set->bytes), member, 0) != NULL;
    default:
        return member_table_find(set->body, member_hash(member), member) != NULL;
    }
}

/* ---- conversions ---- */

static bool table_add(struct member_table *table, struct bytes member)
{
    uint64_t hash = member_hash(member);
    if (member_table_find(table, hash, member))
        return false;
    member_table_insert(table, hash, member_create(member, NULL, NULL));
    return true;
}

/* False if a member is there twice; the set is a table all the same. */
static bool become_table(struct object *set)
{
    struct member_table *table = memory_allocate_zeroed(sizeof(*table));
    struct set_walk walk;
    struct bytes member;
    bool is_sound = true;
    set_walk_begin(&walk, set);
    while (set_walk_next(&walk, &member))
        is_sound = table_add(table, member) && is_sound;
    *set = (struct object){.type = OBJECT_SET, .encoding = ENCODING_TABLE, .body = table};
    return is_sound;
}

static void become_listpack(struct object *set, struct buffer *room)
{
    struct buffer made = {0};
    listpack_init(&made);
    for (size_t i = 0; i < intset_count(set->bytes); i++)
        check(listpack_append_integer(&made, intset_get(set->bytes, i)));
    buffer_deinit(room);
    *room = made;
    set->encoding = ENCODING_LISTPACK;
    object_edit_end(set, room);
}

static bool intset_has_room(struct bytes intset)
{
    size_t count = intset_count(intset) + 1;
    return count <= (size_t)object_limits.set_max_intset_entries &&
           INTSET_HEADER_BYTES + count * sizeof(int64_t) <= OBJECT_INLINE_MAX;
}

/* Whether so many members in so many bytes and one more fit a listpack. */
static bool listpack_has_room(size_t count, size_t bytes, struct bytes member)
{
    return count < (size_t)object_limits.set_max_listpack_entries &&
           member.length <= (size_t)object_limits.set_max_listpack_value &&
           bytes + listpack_entry_bytes(member) <= OBJECT_INLINE_MAX;
}

/* Sees that the set has an encoding that takes the member; false as become_table. */
static bool make_room(struct object *set, struct buffer *room, struct bytes member, bool is_integer)
{
    if (set->encoding == ENCODING_INTSET) {
        size_t count = intset_count(set->bytes), bytes = LISTPACK_EMPTY_BYTES + count * (BYTES_INTEGER_MAX / 2 + 1);
        if (is_integer && intset_has_room(set->bytes))
            return true;
        if (is_integer || !listpack_has_room(count, bytes, member))
            return become_table(set);
        become_listpack(set, room);
    } else if (set->encoding == ENCODING_LISTPACK &&
               !listpack_has_room(listpack_count(set->bytes), set->bytes.length, member)) {
        return become_table(set);
    }
    return true;
}

/* ---- changes ---- */

bool set_object_add(struct object *set, struct buffer *room, struct bytes member)
{
    int64_t integer = 0;
    if (set->encoding == ENCODING_TABLE)
        return table_add(set->body, member);
    if (set_object_contains(set, member))
        return false;
    bool is_integer = set->encoding == ENCODING_INTSET && as_integer(member, &integer);
    make_room(set, room, member, is_integer);
    if (set->encoding == ENCODING_TABLE)
        return table_add(set->body, member);
    struct buffer *edited = object_edit_begin(set, room);
    if (set->encoding == ENCODING_INTSET)
        intset_add(edited, integer);
    else
        check(listpack_append(edited, member));
    object_edit_end(set, edited);
    return true;
}

static bool inline_remove(struct object *set, struct buffer *room, struct bytes member)
{
    const uint8_t *position = NULL;
    int64_t integer;
    if (set->encoding == ENCODING_INTSET) {
        if (!as_integer(member, &integer) || !intset_find(set->bytes, integer, NULL))
            return false;
    } else {
        position = listpack_find(listpack_first(set->bytes), member, 0);
        if (!position)
            return false;
    }
    size_t offset = position ? listpack_offset(set->bytes, position) : 0;
    struct buffer *edited = object_edit_begin(set, room);
    if (position)
        listpack_delete(edited, offset, 1);
    else
        intset_remove(edited, integer);
    object_edit_end(set, edited);
    return true;
}

bool set_object_remove(struct object *set, struct buffer *room, struct bytes member)
{
    if (set->encoding != ENCODING_TABLE)
        return inline_remove(set, room, member);
    return member_table_remove(set->body, member_hash(member), member);
}

/* ---- readers ---- */

struct bytes set_object_at(const struct object *set, size_t rank, char digits[BYTES_INTEGER_MAX])
{
    switch (set->encoding) {
    case ENCODING_INTSET:
        return bytes_of(digits, bytes_from_int64(digits, intset_get(set->bytes, rank)));
    case ENCODING_LISTPACK:
        return listpack_get_bytes(listpack_seek(set->bytes, (int64_t)rank), digits);
    default:
        return member_name(member_table_at(set->body, rank));
    }
}

void set_walk_begin(struct set_walk *walk, const struct object *set)
{
    walk->set = set;
    walk->index = 0;
    if (set->encoding == ENCODING_LISTPACK)
        walk->position = listpack_first(set->bytes);
    else if (set->encoding == ENCODING_TABLE)
        walk->members = member_walk_from(set->body, 0);
}

bool set_walk_next(struct set_walk *walk, struct bytes *member)
{
    const struct object *set = walk->set;
    struct member *found;
    switch (set->encoding) {
    case ENCODING_INTSET:
        if (walk->index >= intset_count(set->bytes))
            return false;
        *member = set_object_at(set, walk->index++, walk->digits);
        return true;
    case ENCODING_LISTPACK:
        if (!walk->position)
            return false;
        *member = listpack_get_bytes(walk->position, walk->digits);
        walk->position = listpack_next(walk->position);
        return true;
    default:
        found = member_walk_next(&walk->members);
        if (found)
            *member = member_name(found);
        return found != NULL;
    }
}

/* ---- the class ---- */

static size_t count(const struct object *set)
{
    switch (set->encoding) {
    case ENCODING_INTSET:
        return intset_count(set->bytes);
    case ENCODING_LISTPACK:
        return listpack_count(set->bytes);
    default:
        return ((const struct member_table *)set->body)->count;
    }
}

static void release(struct object *set)
{
    if (set->encoding == ENCODING_TABLE)
        table_body_release(set->body);
}

static size_t external_bytes(const struct object *set)
{
    return set->encoding == ENCODING_TABLE ? table_body_bytes(set->body) : 0;
}

static struct object copy(const struct object *set)
{
    struct object copied = *set;
    copied.body = table_body_copy(set->body);
    return copied;
}

static void each(const struct object *set, bool (*visit)(void *context, struct bytes element), void *context)
{
    struct set_walk walk;
    struct bytes member;
    set_walk_begin(&walk, set);
    while (set_walk_next(&walk, &member))
        if (!visit(context, member))
            return;
}

static void encode(const struct object *set, struct buffer *out)
{
    struct set_walk walk;
    struct bytes member;
    *buffer_reserve(out, 1) = set->encoding == ENCODING_INTSET ? RDB_TYPE_SET_INTSET : RDB_TYPE_SET;
    out->length++;
    if (set->encoding == ENCODING_INTSET) {
        rdb_write_string(out, set->bytes);
        return;
    }
    rdb_write_length(out, count(set));
    set_walk_begin(&walk, set);
    while (set_walk_next(&walk, &member))
        rdb_write_string(out, member);
}

/* ---- decoding ---- */

/* Like set_object_add, but a listpack is not searched: what it has twice is found at the end. */
static bool decoded_add(struct object *set, struct buffer *room, struct bytes member)
{
    int64_t integer = 0;
    bool is_integer = set->encoding == ENCODING_INTSET && as_integer(member, &integer);
    if (!make_room(set, room, member, is_integer))
        return false;
    if (set->encoding == ENCODING_TABLE)
        return table_add(set->body, member);
    struct buffer *edited = object_edit_begin(set, room);
    bool is_new = set->encoding == ENCODING_INTSET ? intset_add(edited, integer) : listpack_append(edited, member);
    object_edit_end(set, edited);
    return is_new;
}

static bool decode_strings(struct rdb_reader *reader, struct buffer *scratch, struct object *set)
{
    struct buffer expanded = {0};
    struct bytes member;
    uint64_t length = 0;
    bool is_sound = rdb_read_length(reader, &length) && length > 0 && length <= rdb_reader_left(reader);
    for (uint64_t i = 0; is_sound && i < length; i++)
        is_sound = rdb_read_bytes(reader, &expanded, &member) && decoded_add(set, scratch, member);
    buffer_deinit(&expanded);
    return is_sound && !(set->encoding == ENCODING_LISTPACK && listpack_has_duplicates(set->bytes, 1));
}

struct decoding {
    struct object *set;
    struct buffer *scratch;
};

static bool add_element(void *context, const uint8_t *position)
{
    struct decoding *decoding = context;
    char digits[BYTES_INTEGER_MAX];
    return decoded_add(decoding->set, decoding->scratch, listpack_get_bytes(position, digits));
}

/* A compact form in one string. It is built anew, so that limits hold whatever they were where it was written. */
static bool decode_compact(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch, struct object *set)
{
    struct buffer expanded = {0};
    struct bytes bytes;
    struct decoding decoding = {set, scratch};
    bool is_sound = rdb_read_bytes(reader, &expanded, &bytes);
    if (is_sound && type_byte == RDB_TYPE_SET_LISTPACK) {
        is_sound = listpack_is_valid(bytes, add_element, &decoding);
    } else if (is_sound) {
        is_sound = intset_is_valid(bytes);
        for (size_t i = 0; is_sound && i < intset_count(bytes); i++) {
            char digits[BYTES_INTEGER_MAX];
            is_sound = decoded_add(set, scratch, bytes_of(digits, bytes_from_int64(digits, intset_get(bytes, i))));
        }
    }
    buffer_deinit(&expanded);
    return is_sound && count(set) > 0 &&
           !(set->encoding == ENCODING_LISTPACK && listpack_has_duplicates(set->bytes, 1));
}

enum status set_object_decode(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                              struct object *object)
{
    struct object set = object_empty(OBJECT_SET);
    scratch->length = 0;
    bool is_sound = type_byte == RDB_TYPE_SET ? decode_strings(reader, scratch, &set)
                                              : decode_compact(type_byte, reader, scratch, &set);
    if (is_sound && rdb_reader_left(reader) == 0) {
        *object = set;
        return STATUS_OK;
    }
    release(&set);
    return STATUS_CORRUPT;
}

static const char empty_intset[INTSET_HEADER_BYTES] = {2};

const struct object_class set_object_class = {
    .release = release,
    .external_bytes = external_bytes,
    .count = count,
    .copy = copy,
    .each = each,
    .empty = {.type = OBJECT_SET, .encoding = ENCODING_INTSET, .bytes = {empty_intset, sizeof(empty_intset)}},
    .encode = encode,
};

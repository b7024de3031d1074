/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes read from payloads, whatever wrote them and however hostile they are:
 *
 *   4  hash            length, then field and value as strings
 *   9  zipmap          one string: count, then (length, field, length, free bytes, value, free) ..., 255; before 2.6
 *   13 ziplist         one string: fields and values in turn
 *   16 listpack        one string: the same
 *   22 with times      length, then field, value, time in 8 bytes, -1 for none; Valkey 9
 *   23 listpack with times: one string: field, value, time in turn, 0 for none; before Redis 7.4 was released
 *   24 with times      the first time (8 bytes), length, then distance to it and one more, 0 for none, field, value
 *   25 listpack with times: the first time, then as 23
 *
 * Fields are collected in a listpack while they fit one, then in a table. A field that is there twice is an error, which
 * a listpack tells only at the end. */
#include "object/hash_private.h"
#include "object/listpack.h"
#include "object/table_body.h"
#include "object/ziplist.h"

#include <endian.h>

struct collector {
    struct object hash; /* a view of the listpack, or the table */
    struct buffer *listpack;
    bool has_times;
    /* Of compact forms, whose elements come one by one: */
    struct buffer field, value;
    size_t elements, per_field;
};

static struct object listpack_view(const struct collector *collector)
{
    uint8_t encoding = collector->has_times ? ENCODING_LISTPACK_EXPIRY : ENCODING_LISTPACK;
    return (struct object){.type = OBJECT_HASH, .encoding = encoding, .bytes = buffer_bytes(collector->listpack)};
}

static bool move_to_body(struct collector *collector)
{
    struct hash_body *body = hash_body_from(&collector->hash);
    if (body)
        collector->hash = (struct object){.type = OBJECT_HASH, .encoding = ENCODING_TABLE, .body = body};
    return body != NULL;
}

static bool add(struct collector *collector, struct bytes field, struct bytes value, int64_t expire_at_ms)
{
    struct object *hash = &collector->hash;
    if (hash->encoding != ENCODING_TABLE &&
        hash_listpack_has_room(object_count(hash) + 1, collector->listpack->length, field, value)) {
        hash_listpack_add(collector->listpack, collector->has_times, field, value, expire_at_ms);
        *hash = listpack_view(collector);
        return true;
    }
    if (hash->encoding != ENCODING_TABLE && !move_to_body(collector))
        return false;
    return hash_body_add(hash->body, field, value, expire_at_ms);
}

/* ---- the plain forms ---- */

static bool read_int64(struct rdb_reader *reader, int64_t *value)
{
    uint64_t wire;
    if (rdb_reader_left(reader) < sizeof(wire))
        return false;
    memcpy(&wire, reader->at, sizeof(wire));
    reader->at += sizeof(wire);
    *value = (int64_t)le64toh(wire);
    return true;
}

static bool read_first_time(struct rdb_reader *reader, int64_t *first_ms)
{
    return read_int64(reader, first_ms) && *first_ms >= 0;
}

static bool read_time(struct rdb_reader *reader, int64_t *expire_at_ms)
{
    return read_int64(reader, expire_at_ms) &&
           (*expire_at_ms == HASH_NO_EXPIRE || (*expire_at_ms > 0 && *expire_at_ms <= HASH_TIME_MAX));
}

static bool read_distance(struct rdb_reader *reader, int64_t first_ms, int64_t *expire_at_ms)
{
    uint64_t distance;
    *expire_at_ms = HASH_NO_EXPIRE;
    if (!rdb_read_length(reader, &distance))
        return false;
    if (distance == 0)
        return true;
    if (distance > HASH_TIME_MAX || first_ms > HASH_TIME_MAX - (int64_t)(distance - 1))
        return false;
    *expire_at_ms = first_ms + (int64_t)(distance - 1);
    return *expire_at_ms > 0;
}

/* Field and value, with what tells the time before or behind them. */
static bool read_field(uint8_t type_byte, struct rdb_reader *reader, int64_t first_ms, struct collector *collector)
{
    struct bytes field, value;
    int64_t expire_at_ms = HASH_NO_EXPIRE;
    return (type_byte != RDB_TYPE_HASH_METADATA || read_distance(reader, first_ms, &expire_at_ms)) &&
           rdb_read_bytes(reader, &collector->field, &field) && rdb_read_bytes(reader, &collector->value, &value) &&
           (type_byte != RDB_TYPE_HASH_2 || read_time(reader, &expire_at_ms)) &&
           add(collector, field, value, expire_at_ms);
}

static bool read_plain(uint8_t type_byte, struct rdb_reader *reader, struct collector *collector)
{
    int64_t first_ms = 0;
    uint64_t length;
    bool is_sound = (type_byte != RDB_TYPE_HASH_METADATA || read_first_time(reader, &first_ms)) &&
                    rdb_read_length(reader, &length) && length > 0 && length <= rdb_reader_left(reader) / 2;
    for (uint64_t i = 0; is_sound && i < length; i++)
        is_sound = read_field(type_byte, reader, first_ms, collector);
    return is_sound;
}

/* ---- the compact forms ---- */

static void keep(struct buffer *buffer, struct bytes bytes)
{
    buffer->length = 0;
    buffer_reserve(buffer, 1); /* an empty word has an address, too */
    buffer_append_bytes(buffer, bytes);
}

static bool take_element(void *context, struct bytes element)
{
    struct collector *collector = context;
    size_t part = collector->elements++ % collector->per_field;
    int64_t expire_at_ms = HASH_NO_EXPIRE;
    if (part == 0)
        keep(&collector->field, element);
    if (part == 1)
        keep(&collector->value, element);
    if (part == 2 && (!bytes_to_int64(element, &expire_at_ms) || expire_at_ms < 0 || expire_at_ms > HASH_TIME_MAX))
        return false;
    if (part + 1 < collector->per_field)
        return true;
    return add(collector, buffer_bytes(&collector->field), buffer_bytes(&collector->value),
               expire_at_ms == 0 ? HASH_NO_EXPIRE : expire_at_ms);
}

static bool take_position(void *context, const uint8_t *position)
{
    char digits[BYTES_INTEGER_MAX];
    return take_element(context, listpack_get_bytes(position, digits));
}

/* A length of a zipmap: one byte, or 254 and four, low byte first. */
static bool zipmap_length(struct bytes *left, size_t *length)
{
    if (left->length < 1)
        return false;
    uint8_t first = (uint8_t)*left->data;
    size_t width = first < 254 ? 1 : 5;
    if (first == 255 || left->length < width)
        return false;
    uint32_t wire = first;
    if (width == 5)
        memcpy(&wire, left->data + 1, sizeof(wire));
    *length = width == 5 ? le32toh(wire) : first;
    *left = bytes_of(left->data + width, left->length - width);
    return true;
}

static bool zipmap_span(struct bytes *left, size_t length, struct bytes *span)
{
    if (length > left->length)
        return false;
    *span = bytes_of(left->data, length);
    *left = bytes_of(left->data + length, left->length - length);
    return true;
}

static bool zipmap_pair(struct bytes *left, struct collector *collector)
{
    struct bytes field, value, unused;
    size_t field_length, value_length, free_length;
    if (!zipmap_length(left, &field_length) || !zipmap_span(left, field_length, &field) ||
        !zipmap_length(left, &value_length) || left->length < 1)
        return false;
    free_length = (uint8_t)*left->data;
    return zipmap_span(left, 1, &unused) && zipmap_span(left, value_length, &value) &&
           zipmap_span(left, free_length, &unused) && add(collector, field, value, HASH_NO_EXPIRE);
}

static bool read_zipmap(struct bytes left, struct collector *collector)
{
    struct bytes count;
    if (!zipmap_span(&left, 1, &count))
        return false;
    while (left.length > 1)
        if (!zipmap_pair(&left, collector))
            return false;
    return left.length == 1 && (uint8_t)*left.data == 255;
}

static bool read_compact(uint8_t type_byte, struct rdb_reader *reader, struct collector *collector)
{
    struct buffer expanded = {0};
    struct bytes bytes;
    int64_t first_ms;
    collector->per_field = collector->has_times ? 3 : 2;
    bool is_sound = (type_byte != RDB_TYPE_HASH_LISTPACK_EX || read_first_time(reader, &first_ms)) &&
                    rdb_read_bytes(reader, &expanded, &bytes);
    if (is_sound && type_byte == RDB_TYPE_HASH_ZIPMAP)
        is_sound = read_zipmap(bytes, collector);
    else if (is_sound && type_byte == RDB_TYPE_HASH_ZIPLIST)
        is_sound = ziplist_each(bytes, take_element, collector);
    else if (is_sound)
        is_sound = listpack_is_valid(bytes, take_position, collector);
    buffer_deinit(&expanded);
    return is_sound && collector->elements % collector->per_field == 0;
}

static bool read_hash(uint8_t type_byte, struct rdb_reader *reader, struct collector *collector)
{
    bool is_plain = type_byte == RDB_TYPE_HASH || type_byte == RDB_TYPE_HASH_2 || type_byte == RDB_TYPE_HASH_METADATA;
    return (is_plain ? read_plain : read_compact)(type_byte, reader, collector) && object_count(&collector->hash) > 0 &&
           rdb_reader_left(reader) == 0;
}

/* None of the fields expires, though it might have. */
static void strip_times(struct collector *collector)
{
    struct buffer plain = {0};
    hash_listpack_strip(&collector->hash, &plain);
    collector->listpack->length = 0;
    buffer_append_bytes(collector->listpack, buffer_bytes(&plain));
    collector->has_times = false;
    collector->hash = listpack_view(collector);
    buffer_deinit(&plain);
}

enum status hash_object_decode(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                               struct object *object)
{
    struct collector collector = {.listpack = scratch, .has_times = type_byte >= RDB_TYPE_HASH_2};
    struct object *hash = &collector.hash;
    scratch->length = 0;
    listpack_init(scratch);
    *hash = listpack_view(&collector);
    bool is_sound = read_hash(type_byte, reader, &collector);
    if (is_sound && hash->encoding != ENCODING_TABLE)
        is_sound = !listpack_has_duplicates(hash->bytes, hash_listpack_step(hash));
    if (is_sound && hash->encoding == ENCODING_LISTPACK_EXPIRY && hash_object_due_ms(hash) == OBJECT_NEVER_DUE)
        strip_times(&collector);
    buffer_deinit(&collector.field);
    buffer_deinit(&collector.value);
    if (is_sound)
        *object = *hash;
    else
        object_release(hash);
    return is_sound ? STATUS_OK : STATUS_CORRUPT;
}

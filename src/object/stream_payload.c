/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams as bytes. Written is the form of Redis 7.0, which 7.2 and later read:
 *
 *   19 | nodes | for each: first id, 16 bytes in big-endian order, as a string | a listpack as a string
 *      | length | last id | first id | max deleted id | entries added      ids as two lengths
 *      | groups | for each: name | last id | entries read | pending entries | consumers
 *   pending entry, of a group: id, 16 bytes | delivered at, 8 bytes | deliveries
 *   consumer: name | seen at, 8 bytes | pending entries | for each: id, 16 bytes
 *
 * Read are also 15, of Redis 5, which has neither what follows the last id nor what groups have read, and 21, of 7.2,
 * where another 8 bytes behind a consumer's first time tell when it was active; without them it was active then. */
#include <endian.h>

#include "object/stream_private.h"

/* ---- writing ---- */

void stream_id_to_wire(struct stream_id id, char wire[STREAM_ID_WIRE_BYTES])
{
    uint64_t words[2] = {htobe64(id.ms), htobe64(id.seq)};
    memcpy(wire, words, STREAM_ID_WIRE_BYTES);
}

static void write_wire_id(struct buffer *out, struct stream_id id)
{
    char wire[STREAM_ID_WIRE_BYTES];
    stream_id_to_wire(id, wire);
    buffer_append(out, wire, STREAM_ID_WIRE_BYTES);
}

static void write_id(struct buffer *out, struct stream_id id)
{
    rdb_write_length(out, id.ms);
    rdb_write_length(out, id.seq);
}

static void write_time(struct buffer *out, int64_t ms)
{
    uint64_t wire = htole64((uint64_t)ms);
    buffer_append(out, &wire, sizeof(wire));
}

void xstream_write_node(struct buffer *out, struct stream_id id, const struct xstream_node *node)
{
    char wire[STREAM_ID_WIRE_BYTES];
    stream_id_to_wire(id, wire);
    rdb_write_string(out, bytes_of(wire, STREAM_ID_WIRE_BYTES));
    listpack_dump(out, xstream_node_bytes(node));
}

static void write_nodes(struct buffer *out, const struct xstream *stream)
{
    rdb_write_length(out, stream->nodes.count);
    for (struct id_place place = id_tree_first(&stream->nodes); place.leaf; place = id_place_next(place))
        xstream_write_node(out, id_place_id(place), id_place_value(place));
}

void xstream_write_consumer(struct buffer *out, struct bytes name, int64_t seen_ms, size_t pending)
{
    rdb_write_string(out, name);
    write_time(out, seen_ms);
    rdb_write_length(out, pending);
}

static void write_consumer(struct buffer *out, const struct xstream_consumer *consumer)
{
    xstream_write_consumer(out, consumer->name, consumer->seen_ms, consumer->pending.count);
    for (struct id_place place = id_tree_first(&consumer->pending); place.leaf; place = id_place_next(place))
        write_wire_id(out, id_place_id(place));
}

void xstream_write_pending(struct buffer *out, struct stream_id id, const struct xstream_pending *pending)
{
    write_wire_id(out, id);
    write_time(out, pending->delivered_ms);
    rdb_write_length(out, pending->deliveries);
}

void xstream_write_group(struct buffer *out, struct bytes name, struct stream_id last_id, int64_t entries_read,
                         size_t pending)
{
    rdb_write_string(out, name);
    write_id(out, last_id);
    rdb_write_length(out, (uint64_t)entries_read);
    rdb_write_length(out, pending);
}

static void write_group(struct buffer *out, const struct xstream_group *group)
{
    xstream_write_group(out, group->name, group->last_id, group->entries_read, group->pending.count);
    for (struct id_place place = id_tree_first(&group->pending); place.leaf; place = id_place_next(place))
        xstream_write_pending(out, id_place_id(place), id_place_value(place));
    rdb_write_length(out, group->consumer_count);
    for (size_t i = 0; i < group->consumer_count; i++)
        write_consumer(out, group->consumers[i]);
}

void xstream_write_counts(struct buffer *out, const struct xstream *stream)
{
    struct stream_id first;
    xstream_first_id(stream, &first);
    rdb_write_length(out, stream->length);
    write_id(out, stream->last_id);
    write_id(out, first);
    write_id(out, stream->max_deleted_id);
    rdb_write_length(out, stream->entries_added);
    rdb_write_length(out, stream->group_count);
}

void stream_object_encode(const struct object *object, struct buffer *out)
{
    const struct xstream *stream = xstream_of(object);
    *buffer_reserve(out, 1) = RDB_TYPE_STREAM_LISTPACKS_2;
    out->length++;
    write_nodes(out, stream);
    xstream_write_counts(out, stream);
    for (size_t i = 0; i < stream->group_count; i++)
        write_group(out, stream->groups[i]);
}

/* ---- reading ---- */

struct decoding {
    uint8_t type_byte;
    struct rdb_reader *reader;
    struct xstream *stream;
    struct buffer room; /* of the present string, if it was compressed */
};

static bool read_wire_id(struct rdb_reader *reader, struct stream_id *id)
{
    uint64_t words[2];
    if (rdb_reader_left(reader) < STREAM_ID_WIRE_BYTES)
        return false;
    memcpy(words, reader->at, STREAM_ID_WIRE_BYTES);
    reader->at += STREAM_ID_WIRE_BYTES;
    *id = (struct stream_id){be64toh(words[0]), be64toh(words[1])};
    return true;
}

static bool read_id(struct rdb_reader *reader, struct stream_id *id)
{
    return rdb_read_length(reader, &id->ms) && rdb_read_length(reader, &id->seq);
}

/* Whatever is before 1970 is -1, "never", so that ages can be counted. */
static bool read_time(struct rdb_reader *reader, int64_t *ms)
{
    uint64_t wire;
    if (rdb_reader_left(reader) < sizeof(wire))
        return false;
    memcpy(&wire, reader->at, sizeof(wire));
    reader->at += sizeof(wire);
    *ms = (int64_t)le64toh(wire) < -1 ? -1 : (int64_t)le64toh(wire);
    return true;
}

/* 'last' is the last id of the node before, deleted or not, and then of this one. */
static bool read_node(struct decoding *decoding, bool is_first, struct stream_id *last)
{
    struct bytes bytes;
    struct stream_id first;
    if (!rdb_read_bytes(decoding->reader, &decoding->room, &bytes) || bytes.length != STREAM_ID_WIRE_BYTES)
        return false;
    struct rdb_reader reader = rdb_reader_of(bytes);
    if (!read_wire_id(&reader, &first) || (!is_first && stream_id_compare(first, *last) <= 0))
        return false;
    if (!rdb_read_bytes(decoding->reader, &decoding->room, &bytes) || !xstream_node_is_valid(bytes, first, last))
        return false;
    struct bytes node = listpack_of_dump(bytes);
    if (xstream_node_live(node) > 0)
        xstream_append_node(decoding->stream, first, node);
    return true;
}

static bool read_nodes(struct decoding *decoding, struct stream_id *last)
{
    uint64_t count;
    if (!rdb_read_length(decoding->reader, &count))
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!read_node(decoding, i == 0, last))
            return false;
    return true;
}

static bool read_counts(struct decoding *decoding)
{
    struct xstream *stream = decoding->stream;
    struct stream_id first, last = STREAM_ID_MIN;
    uint64_t length;
    if (!read_nodes(decoding, &last) || !rdb_read_length(decoding->reader, &length) || length != stream->length ||
        !read_id(decoding->reader, &last) ||
        (xstream_last_entry_id(stream, &first) && stream_id_compare(last, first) < 0))
        return false;
    xstream_set_last_id(stream, last);
    stream->entries_added = length;
    if (decoding->type_byte == RDB_TYPE_STREAM_LISTPACKS)
        return true;
    return read_id(decoding->reader, &first) && read_id(decoding->reader, &stream->max_deleted_id) &&
           rdb_read_length(decoding->reader, &stream->entries_added) && stream->entries_added >= length &&
           stream->entries_added <= INT64_MAX;
}

/* Its consumer is not known yet. */
static bool read_pending(struct decoding *decoding, struct xstream_group *group)
{
    uint64_t count;
    if (!rdb_read_length(decoding->reader, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct stream_id id;
        int64_t delivered_ms;
        uint64_t deliveries;
        if (!read_wire_id(decoding->reader, &id) || !read_time(decoding->reader, &delivered_ms) ||
            !rdb_read_length(decoding->reader, &deliveries) ||
            !xstream_pending_put(decoding->stream, group, id, delivered_ms, deliveries))
            return false;
    }
    return true;
}

static bool read_consumer(struct decoding *decoding, struct xstream_group *group, size_t *held)
{
    struct bytes name;
    int64_t seen_ms, active_ms;
    uint64_t count;
    if (!rdb_read_bytes(decoding->reader, &decoding->room, &name) || !read_time(decoding->reader, &seen_ms))
        return false;
    struct xstream_consumer *consumer = xstream_consumer_append(decoding->stream, group, name, seen_ms);
    active_ms = seen_ms;
    if ((decoding->type_byte >= RDB_TYPE_STREAM_LISTPACKS_3 && !read_time(decoding->reader, &active_ms)) ||
        !rdb_read_length(decoding->reader, &count))
        return false;
    consumer->active_ms = active_ms;
    for (uint64_t i = 0; i < count; i++, ++*held) {
        struct stream_id id;
        if (!read_wire_id(decoding->reader, &id) || !xstream_pending_own(decoding->stream, group, id, consumer))
            return false;
    }
    return true;
}

static bool read_group(struct decoding *decoding)
{
    struct bytes name;
    struct stream_id last_id;
    uint64_t read, consumers;
    size_t held = 0;
    if (!rdb_read_bytes(decoding->reader, &decoding->room, &name))
        return false;
    struct xstream_group *group = xstream_group_append(decoding->stream, name);
    if (!read_id(decoding->reader, &last_id))
        return false;
    group->last_id = last_id;
    group->entries_read = xstream_estimate_read(decoding->stream, last_id);
    if (decoding->type_byte > RDB_TYPE_STREAM_LISTPACKS) {
        if (!rdb_read_length(decoding->reader, &read))
            return false;
        group->entries_read = (int64_t)read < 0 ? XSTREAM_ENTRIES_READ_UNKNOWN : (int64_t)read;
    }
    if (!read_pending(decoding, group) || !rdb_read_length(decoding->reader, &consumers))
        return false;
    for (uint64_t i = 0; i < consumers; i++)
        if (!read_consumer(decoding, group, &held))
            return false;
    return held == group->pending.count && xstream_names_sort(group->consumers, group->consumer_count);
}

static bool read_groups(struct decoding *decoding)
{
    uint64_t count;
    if (!rdb_read_length(decoding->reader, &count))
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!read_group(decoding))
            return false;
    return xstream_names_sort(decoding->stream->groups, decoding->stream->group_count);
}

enum status stream_object_decode(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                                 struct object *object)
{
    (void)scratch;
    struct decoding decoding = {.type_byte = type_byte, .reader = reader, .stream = xstream_create()};
    bool good = read_counts(&decoding) && read_groups(&decoding) && rdb_reader_left(reader) == 0;
    buffer_deinit(&decoding.room);
    if (!good) {
        xstream_free(decoding.stream);
        return STATUS_CORRUPT;
    }
    *object = (struct object){.type = OBJECT_STREAM, .encoding = ENCODING_STREAM, .body = decoding.stream};
    return STATUS_OK;
}

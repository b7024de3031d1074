/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets as bytes. Written are the forms of Redis 7:
 *
 *   17 | a listpack as a string                         what stands in an entry, member, score, member, score ...
 *    5 | count | for each: member, score as 8 bytes     a body, last member first
 *
 * Read are also 3, where scores are texts behind a length byte, which has names for what has no digits, and 12, a ziplist
 * of what 17 has in a listpack. */
#include <endian.h>
#include <math.h>

#include "object/listpack.h"
#include "object/object_private.h"
#include "object/ziplist.h"
#include "object/zset_listpack.h"
#include "object/zset_object.h"

/* Length bytes of type 3 that stand for a score. */
enum { SCORE_NAN = 253, SCORE_INFINITE = 254, SCORE_MINUS_INFINITE = 255 };

static void write_score(struct buffer *out, double score)
{
    uint64_t wire;
    memcpy(&wire, &score, sizeof(wire));
    wire = htole64(wire);
    buffer_append(out, &wire, sizeof(wire));
}

void zset_object_encode(const struct object *zset, struct buffer *out)
{
    bool small = object_is_inline(zset);
    size_t count = object_count(zset);
    struct zset_cursor cursor;
    *buffer_reserve(out, 1) = small ? RDB_TYPE_ZSET_LISTPACK : RDB_TYPE_ZSET_2;
    out->length++;
    if (small) {
        zset_listpack_dump(out, zset->bytes);
        return;
    }
    rdb_write_length(out, count);
    for (zset_seek(zset, count - 1, &cursor); !cursor.is_at_end; zset_step(&cursor, true)) {
        rdb_write_string(out, cursor.member);
        write_score(out, cursor.score);
    }
}

/* ---- reading ---- */

struct decoding {
    struct rdb_reader *reader;
    struct object zset;
    struct buffer *room;
    struct buffer expanded; /* the present string, if it was compressed */
    struct buffer member;   /* of a ziplist, while its score is awaited */
    bool has_member;
};

static bool read_string(struct decoding *decoding, char digits[BYTES_INTEGER_MAX], struct bytes *bytes)
{
    struct rdb_string string;
    if (!rdb_read_string(decoding->reader, &string))
        return false;
    *bytes = string.bytes;
    if (string.form == RDB_STRING_INTEGER)
        *bytes = bytes_of(digits, bytes_from_int64(digits, string.integer));
    if (string.form != RDB_STRING_COMPRESSED)
        return true;
    decoding->expanded.length = 0;
    if (!rdb_string_expand(&string, buffer_reserve(&decoding->expanded, string.length ? string.length : 1)))
        return false;
    decoding->expanded.length = string.length;
    *bytes = buffer_bytes(&decoding->expanded);
    return true;
}

static bool read_binary_score(struct rdb_reader *reader, double *score)
{
    uint64_t wire;
    if (rdb_reader_left(reader) < sizeof(wire))
        return false;
    memcpy(&wire, reader->at, sizeof(wire));
    reader->at += sizeof(wire);
    wire = le64toh(wire);
    memcpy(score, &wire, sizeof(*score));
    return !isnan(*score);
}

static bool read_text_score(struct rdb_reader *reader, double *score)
{
    if (rdb_reader_left(reader) < 1)
        return false;
    uint8_t length = *reader->at++;
    if (length == SCORE_NAN)
        return false;
    if (length >= SCORE_INFINITE) {
        *score = length == SCORE_INFINITE ? INFINITY : -INFINITY;
        return true;
    }
    if (rdb_reader_left(reader) < length)
        return false;
    struct bytes text = bytes_of(reader->at, length);
    reader->at += length;
    return bytes_to_double(text, score);
}

static bool add(struct decoding *decoding, struct bytes member, double score)
{
    if (!object_is_inline(&decoding->zset))
        return zset_add_unordered(&decoding->zset, member, score);
    return zset_update(&decoding->zset, decoding->room, member, 0, &score) == ZSET_ADDED;
}

static bool read_members(struct decoding *decoding, uint8_t type_byte)
{
    uint64_t count;
    if (!rdb_read_length(decoding->reader, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        char digits[BYTES_INTEGER_MAX];
        struct bytes member;
        double score;
        if (!read_string(decoding, digits, &member))
            return false;
        bool read = type_byte == RDB_TYPE_ZSET_2 ? read_binary_score(decoding->reader, &score)
                                                 : read_text_score(decoding->reader, &score);
        if (!read || !add(decoding, member, score))
            return false;
    }
    return true;
}

static bool take_listpack(struct decoding *decoding, struct bytes dumped)
{
    const uint8_t *member, *score;
    if (!listpack_is_valid(dumped, NULL, NULL))
        return false;
    struct bytes listpack = listpack_of_dump(dumped);
    if (listpack_count(listpack) % 2 != 0)
        return false;
    for (member = listpack_first(listpack); member != NULL; member = listpack_next(score)) {
        char digits[BYTES_INTEGER_MAX], score_digits[BYTES_INTEGER_MAX];
        double number;
        score = member + listpack_step(member); /* they are in pairs */
        if (!bytes_to_double(listpack_get_bytes(score, score_digits), &number) ||
            !add(decoding, listpack_get_bytes(member, digits), number))
            return false;
    }
    return true;
}

static bool read_listpack(struct decoding *decoding)
{
    char digits[BYTES_INTEGER_MAX];
    struct bytes listpack;
    return read_string(decoding, digits, &listpack) && take_listpack(decoding, listpack);
}

static bool take_element(void *context, struct bytes element)
{
    struct decoding *decoding = context;
    double score;
    decoding->has_member = !decoding->has_member;
    if (!decoding->has_member)
        return bytes_to_double(element, &score) && add(decoding, buffer_bytes(&decoding->member), score);
    decoding->member.length = 0;
    buffer_append_bytes(&decoding->member, element);
    return true;
}

static bool read_ziplist(struct decoding *decoding)
{
    char digits[BYTES_INTEGER_MAX];
    struct bytes ziplist;
    return read_string(decoding, digits, &ziplist) && ziplist_each(ziplist, take_element, decoding) &&
           !decoding->has_member;
}

static bool read_payload(struct decoding *decoding, uint8_t type_byte)
{
    if (type_byte == RDB_TYPE_ZSET_LISTPACK)
        return read_listpack(decoding);
    return type_byte == RDB_TYPE_ZSET_ZIPLIST ? read_ziplist(decoding) : read_members(decoding, type_byte);
}

enum status zset_object_decode(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                               struct object *object)
{
    struct decoding decoding = {.reader = reader, .zset = zset_object_class.empty, .room = scratch};
    bool good = read_payload(&decoding, type_byte) && rdb_reader_left(reader) == 0 && object_count(&decoding.zset) > 0;
    buffer_deinit(&decoding.expanded);
    buffer_deinit(&decoding.member);
    if (good && !object_is_inline(&decoding.zset))
        zset_put_in_order(&decoding.zset);
    if (!good) {
        object_release(&decoding.zset);
        return STATUS_CORRUPT;
    }
    *object = decoding.zset;
    return STATUS_OK;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A type's form is a short program: which lengths and strings follow each other, and what is repeated. Source: the RDB file
 * format of Redis, versions 1 to 13. */
#include "object/rdb_extent.h"

#include "object/object_private.h"
#include "object/rdb_string.h"

struct walk {
    struct rdb_reader reader;
    enum rdb_extent state; /* once it is not WHOLE, every step does nothing */
};

enum { MODULE_END = 0, MODULE_SIGNED = 1, MODULE_UNSIGNED = 2, MODULE_FLOAT = 3, MODULE_DOUBLE = 4, MODULE_STRING = 5 };

/* Types that no decoder reads. */
enum { TYPE_MODULE_2 = 7, TYPE_HASH_LISTPACK_EX_EARLY = 23 };

#define SPECIAL_LZF 3
#define MILLISECONDS_BYTES 8
#define ID_BYTES 16

static void fail(struct walk *walk, enum rdb_extent state)
{
    if (walk->state == RDB_EXTENT_WHOLE)
        walk->state = state;
}

static void skip(struct walk *walk, uint64_t count)
{
    if (walk->state != RDB_EXTENT_WHOLE)
        return;
    if (rdb_reader_left(&walk->reader) < count)
        fail(walk, RDB_EXTENT_MORE);
    else
        walk->reader.at += count;
}

/* The next byte, without taking it. */
static unsigned peek(struct walk *walk)
{
    if (walk->state == RDB_EXTENT_WHOLE && rdb_reader_left(&walk->reader) == 0)
        fail(walk, RDB_EXTENT_MORE);
    return walk->state == RDB_EXTENT_WHOLE ? *walk->reader.at : 0;
}

/* Bytes of a length that begins so; 0 if it is none. */
static size_t length_size(unsigned first)
{
    if (first < 0x80)
        return first < 0x40 ? 1 : 2;
    return first == 0x80 ? 5 : first == 0x81 ? 9 : 0;
}

static uint64_t take_length(struct walk *walk)
{
    uint64_t length = 0;
    size_t size = length_size(peek(walk));
    if (walk->state != RDB_EXTENT_WHOLE)
        return 0;
    if (size > rdb_reader_left(&walk->reader))
        fail(walk, RDB_EXTENT_MORE);
    else if (size == 0 || !rdb_read_length(&walk->reader, &length))
        fail(walk, RDB_EXTENT_BAD);
    return length;
}

static void take_string(struct walk *walk)
{
    unsigned first = peek(walk);
    if ((first & 0xc0) != 0xc0) {
        uint64_t length = take_length(walk);
        if (length > RDB_STRING_MAX)
            fail(walk, RDB_EXTENT_BAD);
        skip(walk, length);
        return;
    }
    skip(walk, 1);
    if ((first & 0x3f) < SPECIAL_LZF) {
        skip(walk, (uint64_t)1 << (first & 0x3f));
        return;
    }
    uint64_t packed = take_length(walk), length = take_length(walk);
    if ((first & 0x3f) > SPECIAL_LZF || packed > RDB_STRING_MAX || length > RDB_STRING_MAX)
        fail(walk, RDB_EXTENT_BAD);
    skip(walk, packed);
}

/* ---- what is repeated ---- */

static void take_two_strings(struct walk *walk)
{
    take_string(walk);
    take_string(walk);
}

/* A score as text behind a length byte, whose last three values are scores themselves. */
static void take_member_text(struct walk *walk)
{
    take_string(walk);
    unsigned length = peek(walk);
    skip(walk, 1 + (uint64_t)(length < 253 ? length : 0));
}

static void take_member_binary(struct walk *walk)
{
    take_string(walk);
    skip(walk, sizeof(double));
}

/* Length and string: a container, or a time, and what it is of. */
static void take_length_string(struct walk *walk)
{
    take_length(walk);
    take_string(walk);
}

static void take_timed_field(struct walk *walk)
{
    take_length(walk);
    take_two_strings(walk);
}

static void repeat(struct walk *walk, void (*take)(struct walk *walk))
{
    for (uint64_t count = take_length(walk); count > 0 && walk->state == RDB_EXTENT_WHOLE; count--)
        take(walk);
}

/* ---- streams ---- */

static void take_id(struct walk *walk)
{
    take_length(walk);
    take_length(walk);
}

static void take_pending(struct walk *walk)
{
    skip(walk, ID_BYTES + MILLISECONDS_BYTES);
    take_length(walk);
}

static void take_raw_id(struct walk *walk)
{
    skip(walk, ID_BYTES);
}

static void take_consumer(struct walk *walk)
{
    take_string(walk);
    skip(walk, MILLISECONDS_BYTES);
    repeat(walk, take_raw_id);
}

static void take_active_consumer(struct walk *walk)
{
    take_string(walk);
    skip(walk, 2 * MILLISECONDS_BYTES);
    repeat(walk, take_raw_id);
}

static void take_group(struct walk *walk, uint8_t type_byte)
{
    take_string(walk);
    take_id(walk);
    if (type_byte > RDB_TYPE_STREAM_LISTPACKS)
        take_length(walk);
    repeat(walk, take_pending);
    repeat(walk, type_byte >= RDB_TYPE_STREAM_LISTPACKS_3 ? take_active_consumer : take_consumer);
}

static void take_stream(struct walk *walk, uint8_t type_byte)
{
    repeat(walk, take_two_strings);
    take_length(walk);
    take_id(walk);
    if (type_byte > RDB_TYPE_STREAM_LISTPACKS) {
        take_id(walk);
        take_id(walk);
        take_length(walk);
    }
    for (uint64_t groups = take_length(walk); groups > 0 && walk->state == RDB_EXTENT_WHOLE; groups--)
        take_group(walk, type_byte);
}

/* ---- modules ---- */

/* Their name and version in one length, then values, each behind its kind. */
static void take_module(struct walk *walk)
{
    take_length(walk);
    while (walk->state == RDB_EXTENT_WHOLE) {
        switch (take_length(walk)) {
        case MODULE_END:
            return;
        case MODULE_SIGNED:
        case MODULE_UNSIGNED:
            take_length(walk);
            break;
        case MODULE_FLOAT:
            skip(walk, sizeof(float));
            break;
        case MODULE_DOUBLE:
            skip(walk, sizeof(double));
            break;
        case MODULE_STRING:
            take_string(walk);
            break;
        default:
            fail(walk, RDB_EXTENT_BAD);
        }
    }
}

/* ---- values ---- */

/* Valkey's. */
static void take_field_and_time(struct walk *walk)
{
    take_two_strings(walk);
    skip(walk, MILLISECONDS_BYTES);
}

static void take_value(struct walk *walk, uint8_t type_byte)
{
    switch (type_byte) {
    case RDB_TYPE_STRING:
    case RDB_TYPE_HASH_ZIPMAP:
    case RDB_TYPE_LIST_ZIPLIST:
    case RDB_TYPE_SET_INTSET:
    case RDB_TYPE_ZSET_ZIPLIST:
    case RDB_TYPE_HASH_ZIPLIST:
    case RDB_TYPE_HASH_LISTPACK:
    case RDB_TYPE_ZSET_LISTPACK:
    case RDB_TYPE_SET_LISTPACK:
    case TYPE_HASH_LISTPACK_EX_EARLY:
        take_string(walk);
        break;
    case RDB_TYPE_LIST:
    case RDB_TYPE_SET:
    case RDB_TYPE_LIST_QUICKLIST:
        repeat(walk, take_string);
        break;
    case RDB_TYPE_LIST_QUICKLIST_2:
        repeat(walk, take_length_string);
        break;
    case RDB_TYPE_ZSET:
        repeat(walk, take_member_text);
        break;
    case RDB_TYPE_ZSET_2:
        repeat(walk, take_member_binary);
        break;
    case RDB_TYPE_HASH:
        repeat(walk, take_two_strings);
        break;
    case RDB_TYPE_HASH_METADATA:
        skip(walk, MILLISECONDS_BYTES);
        repeat(walk, take_timed_field);
        break;
    case RDB_TYPE_HASH_2:
        repeat(walk, take_field_and_time);
        break;
    case RDB_TYPE_HASH_LISTPACK_EX:
        skip(walk, MILLISECONDS_BYTES);
        take_string(walk);
        break;
    case RDB_TYPE_STREAM_LISTPACKS:
    case RDB_TYPE_STREAM_LISTPACKS_2:
    case RDB_TYPE_STREAM_LISTPACKS_3:
        take_stream(walk, type_byte);
        break;
    case TYPE_MODULE_2:
        take_module(walk);
        break;
    default:
        fail(walk, RDB_EXTENT_BAD);
    }
}

static enum rdb_extent finish(const struct walk *walk, struct bytes input, size_t *length)
{
    if (walk->state == RDB_EXTENT_WHOLE)
        *length = (size_t)(walk->reader.at - (const unsigned char *)input.data);
    return walk->state;
}

enum rdb_extent rdb_value_extent(struct bytes input, size_t *length)
{
    struct walk walk = {.reader = rdb_reader_of(input)};
    uint8_t type_byte = (uint8_t)peek(&walk);
    skip(&walk, 1);
    take_value(&walk, type_byte);
    return finish(&walk, input, length);
}

enum rdb_extent rdb_length_extent(struct bytes input, size_t *length, uint64_t *value)
{
    struct walk walk = {.reader = rdb_reader_of(input)};
    *value = take_length(&walk);
    return finish(&walk, input, length);
}

enum rdb_extent rdb_string_extent(struct bytes input, size_t *length)
{
    struct walk walk = {.reader = rdb_reader_of(input)};
    take_string(&walk);
    return finish(&walk, input, length);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "object/object.h"
#include "object/rdb_string.h"

/* RDB's type bytes. */
enum rdb_type {
    RDB_TYPE_STRING = 0,
    RDB_TYPE_LIST = 1,
    RDB_TYPE_SET = 2,
    RDB_TYPE_ZSET = 3,
    RDB_TYPE_HASH = 4,
    RDB_TYPE_ZSET_2 = 5,
    RDB_TYPE_HASH_ZIPMAP = 9,
    RDB_TYPE_LIST_ZIPLIST = 10,
    RDB_TYPE_SET_INTSET = 11,
    RDB_TYPE_ZSET_ZIPLIST = 12,
    RDB_TYPE_HASH_ZIPLIST = 13,
    RDB_TYPE_LIST_QUICKLIST = 14,
    RDB_TYPE_STREAM_LISTPACKS = 15,
    RDB_TYPE_HASH_LISTPACK = 16,
    RDB_TYPE_ZSET_LISTPACK = 17,
    RDB_TYPE_LIST_QUICKLIST_2 = 18,
    RDB_TYPE_STREAM_LISTPACKS_2 = 19,
    RDB_TYPE_SET_LISTPACK = 20,
    RDB_TYPE_STREAM_LISTPACKS_3 = 21,
    RDB_TYPE_HASH_2 = 22, /* Valkey's; release candidates of Redis had another */
    RDB_TYPE_HASH_LISTPACK_EX_EARLY = 23,
    RDB_TYPE_HASH_METADATA = 24,
    RDB_TYPE_HASH_LISTPACK_EX = 25,
};

/* What a type must be able to do. A type is added by a row in object.c and by one for each of its RDB types in
 * codec.c; the functions stand in the type's own file. */
struct object_class {
    /* Frees what the object owns outside of its entry; what takes long, on the reaper (memory_free_later). */
    void (*release)(struct object *object);
    /* In constant time: a body keeps count. */
    size_t (*external_bytes)(const struct object *object);
    /* See object.h. */
    size_t (*count)(const struct object *object);
    struct object (*copy)(const struct object *object);
    /* NULL for types that are no plain collection of elements. */
    void (*each)(const struct object *object, bool (*visit)(void *context, struct bytes element), void *context);
    struct object empty;
    /* NULL where the encoding alone tells. */
    const char *(*encoding_name)(const struct object *object);
    /* Appends type byte and payload. */
    void (*encode)(const struct object *object, struct buffer *out);
};

/* NULL for types that have no row. */
const struct object_class *object_class_of(uint8_t type);

/* How one RDB type byte is read: the reader stands behind it and must end where the value does. The rules of
 * codec_decode hold for 'scratch' and for failures. */
typedef enum status object_decode_function(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                                           struct object *object);

extern const struct object_class zset_object_class;
object_decode_function zset_object_decode;
void zset_object_encode(const struct object *zset, struct buffer *out);

extern const struct object_class string_object_class;
object_decode_function string_object_decode;
extern const struct object_class set_object_class;
object_decode_function set_object_decode;

extern const struct object_class hash_object_class;
object_decode_function hash_object_decode;

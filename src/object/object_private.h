/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "object/object.h"
#include "object/rdb_string.h"

/* RDB's type bytes. */
enum rdb_type {
    RDB_TYPE_STRING = 0,
};

/* What a type must be able to do. A type is added by a row in object.c and by one for each of its RDB types in
 * codec.c; the functions stand in the type's own file. */
struct object_class {
    /* Frees what the object owns outside of its entry. */
    void (*release)(struct object *object);
    size_t (*external_bytes)(const struct object *object);
    /* Appends type byte and payload. */
    void (*encode)(const struct object *object, struct buffer *out);
};

/* NULL for types that have no row. */
const struct object_class *object_class_of(uint8_t type);

/* How one RDB type byte is read: the reader stands behind it and must end where the value does. The rules of
 * codec_decode hold for 'scratch' and for failures. */
typedef enum status object_decode_function(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                                           struct object *object);

extern const struct object_class string_object_class;
object_decode_function string_object_decode;

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/object.h"

/* The string as bytes; an integer is written to 'digits' (BYTES_INTEGER_MAX). Valid as long as both are. */
struct bytes string_object_bytes(const struct object *object, char *digits);
size_t string_object_length(const struct object *object);

/* The best object for the bytes, as SET stores them: integer, embstr, raw, or a new block with one reference
 * (which keyspace_put takes over). Short bytes are borrowed. False when memory is out. */
bool string_object_from_bytes(struct bytes bytes, struct object *object);
/* The same, but never an integer and never embstr: what APPEND and SETRANGE leave. */
bool string_object_raw_from_bytes(struct bytes bytes, struct object *object);
static inline struct object string_object_from_integer(int64_t value)
{
    return (struct object){.type = OBJECT_STRING, .encoding = ENCODING_INTEGER, .integer = value};
}
/* Whether the string is a canonical 64-bit integer, and which. */
bool string_object_to_int64(const struct object *object, int64_t *value);

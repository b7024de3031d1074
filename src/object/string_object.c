/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings: integers, short bytes that stand in the entry, long ones in a block. Which of them a value is follows
 * from its bytes alone when it is stored whole, and from its size alone when it was changed in place. */
#include "object/string_object.h"

#include "object/object_private.h"

struct bytes string_object_bytes(const struct object *object, char *digits)
{
    switch (object->encoding) {
    case ENCODING_INTEGER:
        return bytes_of(digits, bytes_from_int64(digits, object->integer));
    case ENCODING_BLOCK:
        return bytes_of(object->block->data, object->block->length);
    default:
        return object->bytes;
    }
}

size_t string_object_length(const struct object *object)
{
    char digits[BYTES_INTEGER_MAX];
    return string_object_bytes(object, digits).length;
}

static struct object object_of_block(struct block *block)
{
    return (struct object){.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = block};
}

bool string_object_raw_from_bytes(struct bytes bytes, struct object *object)
{
    if (bytes.length <= OBJECT_INLINE_MAX) {
        *object = (struct object){.type = OBJECT_STRING, .encoding = ENCODING_RAW, .bytes = bytes};
        return true;
    }
    struct block *block = block_create(bytes.length, bytes.length);
    if (block == NULL)
        return false;
    memcpy(block->data, bytes.data, bytes.length);
    *object = object_of_block(block);
    return true;
}

bool string_object_from_bytes(struct bytes bytes, struct object *object)
{
    int64_t value;
    if (bytes.length <= BYTES_INTEGER_MAX && bytes_to_int64(bytes, &value)) {
        *object = string_object_from_integer(value);
        return true;
    }
    if (!string_object_raw_from_bytes(bytes, object))
        return false;
    if (bytes.length <= OBJECT_EMBSTR_MAX)
        object->encoding = ENCODING_EMBSTR;
    return true;
}

bool string_object_to_int64(const struct object *object, int64_t *value)
{
    if (object->encoding == ENCODING_INTEGER) {
        *value = object->integer;
        return true;
    }
    struct bytes bytes = string_object_bytes(object, NULL);
    return bytes.length <= BYTES_INTEGER_MAX && bytes_to_int64(bytes, value);
}

static void release(struct object *object)
{
    if (object->encoding == ENCODING_BLOCK)
        block_release(object->block);
}

static size_t external_bytes(const struct object *object)
{
    return object->encoding == ENCODING_BLOCK ? sizeof(struct block) + object->block->capacity : 0;
}

static size_t count(const struct object *object)
{
    (void)object;
    return 1;
}

static struct object copy(const struct object *object)
{
    if (object->encoding == ENCODING_BLOCK)
        block_acquire(object->block);
    return *object;
}

static void encode(const struct object *object, struct buffer *out)
{
    *buffer_reserve(out, 1) = RDB_TYPE_STRING;
    out->length++;
    if (object->encoding == ENCODING_INTEGER)
        rdb_write_integer_string(out, object->integer);
    else
        rdb_write_string(out, string_object_bytes(object, NULL));
}

/* A long string goes straight to its block, whatever its form. */
static enum status decode_block(const struct rdb_string *string, struct object *object)
{
    struct block *block = block_create(string->length, string->length);
    if (block == NULL)
        return STATUS_NO_MEMORY;
    if (!rdb_string_expand(string, block->data)) {
        block_release(block);
        return STATUS_CORRUPT;
    }
    *object = object_of_block(block);
    return STATUS_OK;
}

enum status string_object_decode(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                                 struct object *object)
{
    struct rdb_string string;
    (void)type_byte;
    if (!rdb_read_string(reader, &string) || rdb_reader_left(reader) > 0)
        return STATUS_CORRUPT;
    if (string.form == RDB_STRING_INTEGER) {
        *object = string_object_from_integer(string.integer);
        return STATUS_OK;
    }
    if (string.length > OBJECT_INLINE_MAX)
        return decode_block(&string, object);
    struct bytes bytes = string.bytes;
    if (string.form == RDB_STRING_COMPRESSED) {
        scratch->length = 0;
        if (!rdb_string_expand(&string, buffer_reserve(scratch, string.length)))
            return STATUS_CORRUPT;
        scratch->length = string.length;
        bytes = buffer_bytes(scratch);
    }
    return string_object_from_bytes(bytes, object) ? STATUS_OK : STATUS_NO_MEMORY;
}

const struct object_class string_object_class = {
    .release = release,
    .external_bytes = external_bytes,
    .count = count,
    .copy = copy,
    .empty = {.type = OBJECT_STRING, .encoding = ENCODING_EMBSTR, .bytes = {"", 0}},
    .encode = encode,
};

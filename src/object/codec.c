/* SPDX-License-Identifier: BSD-3-Clause */
/* Values as bytes. Encoding goes by the object's type, decoding by the payload's type byte: Redis has had several for
 * most types, of which we write one and read all. What a type's payload looks like stands in the type's own file.
 *
 * A DUMP is   type byte | payload | version, 2 bytes | CRC64 of all before, 8 bytes   with low bytes first. */
#include "object/codec.h"

#include <endian.h>

#include "base/check.h"
#include "base/crc.h"
#include "object/list_private.h"
#include "object/object_limits.h"
#include "object/object_private.h"
#include "object/stream_private.h"

/* Valkey counts from here where it leaves Redis's numbering. */
#define DUMP_VERSION_VALKEY 80
#define DUMP_FOOTER_BYTES 10

struct payload_form {
    uint8_t type;
    object_decode_function *decode;
};

static const struct payload_form forms[] = {
    [RDB_TYPE_ZSET] = {OBJECT_ZSET, zset_object_decode},
    [RDB_TYPE_ZSET_2] = {OBJECT_ZSET, zset_object_decode},
    [RDB_TYPE_ZSET_ZIPLIST] = {OBJECT_ZSET, zset_object_decode},
    [RDB_TYPE_ZSET_LISTPACK] = {OBJECT_ZSET, zset_object_decode},
    [RDB_TYPE_STRING] = {OBJECT_STRING, string_object_decode},
    [RDB_TYPE_LIST] = {OBJECT_LIST, list_object_decode},
    [RDB_TYPE_LIST_ZIPLIST] = {OBJECT_LIST, list_object_decode},
    [RDB_TYPE_LIST_QUICKLIST] = {OBJECT_LIST, list_object_decode},
    [RDB_TYPE_LIST_QUICKLIST_2] = {OBJECT_LIST, list_object_decode},
    [RDB_TYPE_SET] = {OBJECT_SET, set_object_decode},
    [RDB_TYPE_SET_INTSET] = {OBJECT_SET, set_object_decode},
    [RDB_TYPE_SET_LISTPACK] = {OBJECT_SET, set_object_decode},
    [RDB_TYPE_HASH] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_HASH_ZIPMAP] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_HASH_ZIPLIST] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_HASH_LISTPACK] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_HASH_2] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_HASH_LISTPACK_EX_EARLY] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_HASH_METADATA] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_HASH_LISTPACK_EX] = {OBJECT_HASH, hash_object_decode},
    [RDB_TYPE_STREAM_LISTPACKS] = {OBJECT_STREAM, stream_object_decode},
    [RDB_TYPE_STREAM_LISTPACKS_2] = {OBJECT_STREAM, stream_object_decode},
    [RDB_TYPE_STREAM_LISTPACKS_3] = {OBJECT_STREAM, stream_object_decode},
};

static const struct payload_form *form_of(uint8_t type_byte)
{
    if (type_byte >= sizeof(forms) / sizeof(forms[0]) || forms[type_byte].decode == NULL)
        return NULL;
    return &forms[type_byte];
}

int codec_type(uint8_t type_byte)
{
    const struct payload_form *form = form_of(type_byte);
    return form == NULL ? -1 : form->type;
}

void codec_setup(void)
{
    option_reset(object_limit_options);
}

void codec_encode(const struct object *object, struct buffer *out)
{
    const struct object_class *class = object_class_of(object->type);
    check(class != NULL);
    class->encode(object, out);
}

enum status codec_decode(struct bytes input, struct buffer *scratch, struct object *object)
{
    struct rdb_reader reader = rdb_reader_of(input);
    if (rdb_reader_left(&reader) < 1)
        return STATUS_CORRUPT;
    uint8_t type_byte = *reader.at++;
    const struct payload_form *form = form_of(type_byte);
    if (form == NULL)
        return STATUS_CORRUPT;
    return form->decode(type_byte, &reader, scratch, object);
}

void codec_dump(const struct object *object, struct buffer *out)
{
    size_t begin = out->length;
    codec_encode(object, out);
    uint16_t version = htole16(CODEC_DUMP_VERSION);
    buffer_append(out, &version, sizeof(version));
    uint64_t crc = htole64(crc64(0, out->data + begin, out->length - begin));
    buffer_append(out, &crc, sizeof(crc));
}

enum status codec_dump_payload(struct bytes dump, struct bytes *payload)
{
    if (dump.length <= DUMP_FOOTER_BYTES)
        return STATUS_CORRUPT;
    size_t payload_length = dump.length - DUMP_FOOTER_BYTES;
    uint16_t version;
    uint64_t crc;
    memcpy(&version, dump.data + payload_length, sizeof(version));
    memcpy(&crc, dump.data + payload_length + sizeof(version), sizeof(crc));
    version = le16toh(version);
    if ((version < 1 || version > CODEC_DUMP_VERSION_MAX) && version != DUMP_VERSION_VALKEY)
        return STATUS_CORRUPT;
    if (crc64(0, dump.data, payload_length + sizeof(version)) != le64toh(crc))
        return STATUS_CORRUPT;
    *payload = bytes_of(dump.data, payload_length);
    return STATUS_OK;
}

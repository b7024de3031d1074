/* SPDX-License-Identifier: BSD-3-Clause */
/* A length begins with two bits that tell its form:
 *
 *   00llllll                    6 bits
 *   01llllll llllllll           14 bits, high byte first
 *   10000000 and 4 bytes        32 bits, high byte first
 *   10000001 and 8 bytes        64 bits, high byte first
 *   11ssssss                    not a length: a string in special form s
 *
 * Special forms are integers of 1, 2 and 4 bytes, low byte first, that stand for their decimal digits, and LZF:
 * compressed length, length, compressed bytes. */
#include "object/rdb_string.h"

#include <endian.h>

#include "object/lzf.h"

#define FORM_14_BITS 0x40
#define FORM_32_BITS 0x80
#define FORM_64_BITS 0x81
#define FORM_SPECIAL 0xc0

enum special_form { SPECIAL_INT8, SPECIAL_INT16, SPECIAL_INT32, SPECIAL_LZF };

/* The digits of the smallest 32-bit integer. */
#define INTEGER_DIGITS_MAX 11

static void write_byte(struct buffer *out, unsigned byte)
{
    *buffer_reserve(out, 1) = (char)byte;
    out->length++;
}

void rdb_write_length(struct buffer *out, uint64_t length)
{
    if (length < 1 << 6) {
        write_byte(out, (unsigned)length);
    } else if (length < 1 << 14) {
        write_byte(out, FORM_14_BITS | (unsigned)(length >> 8));
        write_byte(out, length & 0xff);
    } else if (length <= UINT32_MAX) {
        uint32_t wire = htobe32((uint32_t)length);
        write_byte(out, FORM_32_BITS);
        buffer_append(out, &wire, sizeof(wire));
    } else {
        uint64_t wire = htobe64(length);
        write_byte(out, FORM_64_BITS);
        buffer_append(out, &wire, sizeof(wire));
    }
}

/* Copies 'count' bytes of the input into an integer's memory. */
static bool read_raw(struct rdb_reader *reader, void *to, size_t count)
{
    if (rdb_reader_left(reader) < count)
        return false;
    memcpy(to, reader->at, count);
    reader->at += count;
    return true;
}

/* Reads what follows a first byte that is no special form. */
static bool read_length_after(struct rdb_reader *reader, uint8_t first, uint64_t *length)
{
    if ((first & FORM_SPECIAL) == 0) {
        *length = first;
        return true;
    }
    if ((first & FORM_SPECIAL) == FORM_14_BITS) {
        uint8_t low;
        if (!read_raw(reader, &low, sizeof(low)))
            return false;
        *length = (uint64_t)(first & 0x3f) << 8 | low;
        return true;
    }
    if (first == FORM_32_BITS) {
        uint32_t wire;
        if (!read_raw(reader, &wire, sizeof(wire)))
            return false;
        *length = be32toh(wire);
        return true;
    }
    uint64_t wire;
    if (first != FORM_64_BITS || !read_raw(reader, &wire, sizeof(wire)))
        return false;
    *length = be64toh(wire);
    return true;
}

bool rdb_read_length(struct rdb_reader *reader, uint64_t *length)
{
    struct rdb_reader ahead = *reader;
    uint8_t first;
    if (!read_raw(&ahead, &first, sizeof(first)) || !read_length_after(&ahead, first, length))
        return false;
    *reader = ahead;
    return true;
}

/* Writes the value's special form if it has one. */
static bool write_special_integer(struct buffer *out, int64_t value)
{
    enum special_form form;
    if (value == (int8_t)value)
        form = SPECIAL_INT8;
    else if (value == (int16_t)value)
        form = SPECIAL_INT16;
    else if (value == (int32_t)value)
        form = SPECIAL_INT32;
    else
        return false;
    uint64_t wire = htole64((uint64_t)value);
    write_byte(out, FORM_SPECIAL | form);
    buffer_append(out, &wire, (size_t)1 << form);
    return true;
}

static void write_plain(struct buffer *out, struct bytes bytes)
{
    rdb_write_length(out, bytes.length);
    buffer_append_bytes(out, bytes);
}

void rdb_write_string(struct buffer *out, struct bytes bytes)
{
    int64_t value;
    if (bytes.length <= INTEGER_DIGITS_MAX && bytes_to_int64(bytes, &value) && write_special_integer(out, value))
        return;
    write_plain(out, bytes);
}

void rdb_write_integer_string(struct buffer *out, int64_t value)
{
    if (write_special_integer(out, value))
        return;
    char digits[BYTES_INTEGER_MAX];
    write_plain(out, bytes_of(digits, bytes_from_int64(digits, value)));
}

static bool read_integer(struct rdb_reader *reader, enum special_form form, struct rdb_string *string)
{
    size_t size = (size_t)1 << form;
    uint64_t wire = 0;
    if (!read_raw(reader, &wire, size))
        return false;
    unsigned unused_bits = 64 - 8 * (unsigned)size;
    char digits[BYTES_INTEGER_MAX];
    string->form = RDB_STRING_INTEGER;
    string->integer = (int64_t)(le64toh(wire) << unused_bits) >> unused_bits; /* with its sign */
    string->length = bytes_from_int64(digits, string->integer);
    return true;
}

/* Takes 'length' bytes of the input as they are. */
static bool read_span(struct rdb_reader *reader, uint64_t length, struct bytes *span)
{
    if (length > RDB_STRING_MAX || length > rdb_reader_left(reader))
        return false;
    *span = bytes_of(reader->at, length);
    reader->at += length;
    return true;
}

static bool read_compressed(struct rdb_reader *reader, struct rdb_string *string)
{
    uint64_t compressed_length, length;
    if (!rdb_read_length(reader, &compressed_length) || !rdb_read_length(reader, &length) ||
        !read_span(reader, compressed_length, &string->bytes))
        return false;
    if (length == 0 || length > RDB_STRING_MAX || length > compressed_length * LZF_RATIO_MAX)
        return false;
    string->form = RDB_STRING_COMPRESSED;
    string->length = length;
    return true;
}

static bool read_string(struct rdb_reader *reader, struct rdb_string *string)
{
    uint8_t first;
    uint64_t length;
    if (!read_raw(reader, &first, sizeof(first)))
        return false;
    if (first >= FORM_SPECIAL) {
        unsigned form = first & 0x3f;
        return form <= SPECIAL_INT32 ? read_integer(reader, form, string)
                                     : form == SPECIAL_LZF && read_compressed(reader, string);
    }
    if (!read_length_after(reader, first, &length) || !read_span(reader, length, &string->bytes))
        return false;
    string->form = RDB_STRING_PLAIN;
    string->length = length;
    return true;
}

bool rdb_read_string(struct rdb_reader *reader, struct rdb_string *string)
{
    struct rdb_reader ahead = *reader;
    if (!read_string(&ahead, string))
        return false;
    *reader = ahead;
    return true;
}

bool rdb_string_expand(const struct rdb_string *string, char *to)
{
    switch (string->form) {
    case RDB_STRING_INTEGER: {
        char digits[BYTES_INTEGER_MAX];
        size_t length = bytes_from_int64(digits, string->integer);
        memcpy(to, digits, length);
        return true;
    }
    case RDB_STRING_COMPRESSED:
        return lzf_decompress(string->bytes, to, string->length);
    default:
        if (string->length > 0)
            memcpy(to, string->bytes.data, string->length);
        return true;
    }
}

bool rdb_read_bytes(struct rdb_reader *reader, struct buffer *room, struct bytes *bytes)
{
    struct rdb_string string;
    if (!rdb_read_string(reader, &string))
        return false;
    if (string.form == RDB_STRING_PLAIN) {
        *bytes = string.bytes;
        return true;
    }
    room->length = 0;
    bool is_sound = rdb_string_expand(&string, buffer_reserve(room, string.length));
    room->length = is_sound ? string.length : 0;
    *bytes = buffer_bytes(room);
    return is_sound;
}

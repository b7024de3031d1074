/* SPDX-License-Identifier: BSD-3-Clause */
/* A ziplist, numbers with low bytes first where nothing else is said:
 *
 *   bytes of all, 4 | offset of the last element, 4 | elements, 2 (65535: not known) | elements | 0xff
 *
 * An element is the length of the one before it (1 byte, or 0xfe and 4 bytes), then an encoding, then its bytes:
 *
 *   00llllll  01llllll +1  10000000 +4     a string; the longer lengths have high bytes first
 *   0xfe 0xc0 0xf0 0xd0 0xe0               an integer of 1, 2, 3, 4, 8 bytes
 *   1111vvvv                               the integer v - 1, for v from 1 to 13 */
#include "object/ziplist.h"

#include <endian.h>

#define HEADER_BYTES 10
#define COUNT_UNKNOWN 65535

struct cursor {
    const unsigned char *at, *end; /* 'end' is where the 0xff stands */
};

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* Passes the length of the element before, which must be right. */
static bool read_back_length(struct cursor *cursor, size_t expected)
{
    uint32_t length = *cursor->at++;
    if (length == 0xfe) {
        if (left(cursor) < 4)
            return false;
        memcpy(&length, cursor->at, 4);
        length = le32toh(length);
        cursor->at += 4;
    }
    return length == expected;
}

static bool read_string(struct cursor *cursor, struct bytes *element)
{
    unsigned form = *cursor->at++;
    size_t length = form & 0x3f;
    uint32_t wide;
    if (form >> 6 == 1 && left(cursor) >= 1) {
        length = length << 8 | *cursor->at++;
    } else if (form == 0x80 && left(cursor) >= 4) {
        memcpy(&wide, cursor->at, 4);
        length = be32toh(wide);
        cursor->at += 4;
    } else if (form >> 6 != 0) {
        return false;
    }
    if (left(cursor) < length)
        return false;
    *element = bytes_of(cursor->at, length);
    cursor->at += length;
    return true;
}

static size_t integer_width(unsigned form)
{
    static const struct {
        unsigned char form, width;
    } widths[] = {{0xfe, 1}, {0xc0, 2}, {0xf0, 3}, {0xd0, 4}, {0xe0, 8}};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
        if (widths[i].form == form)
            return widths[i].width;
    return 0;
}

static bool read_integer(struct cursor *cursor, int64_t *integer)
{
    unsigned form = *cursor->at++;
    if (form >= 0xf1 && form <= 0xfd) {
        *integer = (int64_t)(form & 0x0f) - 1;
        return true;
    }
    size_t width = integer_width(form);
    if (width == 0 || left(cursor) < width)
        return false;
    uint64_t bits = 0;
    for (size_t i = 0; i < width; i++)
        bits |= (uint64_t)cursor->at[i] << (64 - 8 * (width - i));
    *integer = (int64_t)bits >> (64 - 8 * width);
    cursor->at += width;
    return true;
}

static bool read_element(struct cursor *cursor, struct bytes *element, char *digits)
{
    int64_t integer;
    if (left(cursor) < 1)
        return false;
    if (*cursor->at < 0xc0)
        return read_string(cursor, element);
    if (!read_integer(cursor, &integer))
        return false;
    *element = bytes_of(digits, bytes_from_int64(digits, integer));
    return true;
}

bool ziplist_each(struct bytes ziplist, bool (*visit)(void *context, struct bytes element), void *context)
{
    const unsigned char *data = (const unsigned char *)ziplist.data;
    uint32_t bytes, tail;
    uint16_t announced;
    if (ziplist.length < HEADER_BYTES + 1 || data[ziplist.length - 1] != 0xff)
        return false;
    memcpy(&bytes, data, 4);
    memcpy(&tail, data + 4, 4);
    memcpy(&announced, data + 8, 2);
    struct cursor cursor = {data + HEADER_BYTES, data + ziplist.length - 1};
    const unsigned char *last = cursor.at;
    size_t count = 0, length_before = 0;
    while (cursor.at < cursor.end) {
        char digits[BYTES_INTEGER_MAX];
        struct bytes element;
        last = cursor.at;
        if (!read_back_length(&cursor, length_before) || !read_element(&cursor, &element, digits) ||
            !visit(context, element))
            return false;
        length_before = (size_t)(cursor.at - last);
        count++;
    }
    announced = le16toh(announced);
    return le32toh(bytes) == ziplist.length && le32toh(tail) == (size_t)(last - data) &&
           (announced == COUNT_UNKNOWN || announced == count);
}

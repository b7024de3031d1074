/* SPDX-License-Identifier: BSD-3-Clause */
/* LZF, read only: Redis compresses strings of RDB payloads with it. A control byte below 32 is followed by that many
 * literal bytes and one more. Any other is a reference back into the output:
 *
 *   LLLooooo [length] oooooooo    length L + 2, or 7 + the length byte + 2 where L is 7; distance o + 1
 *
 * A reference may overlap what it produces, and then repeats it. */
#include "object/lzf.h"

#define LITERAL_CONTROL_MAX 32
#define LONG_REFERENCE 7

struct cursor {
    const unsigned char *at, *end; /* input */
    char *begin, *to, *limit;      /* output */
};

static inline size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static inline size_t room(const struct cursor *cursor)
{
    return (size_t)(cursor->limit - cursor->to);
}

static bool copy_literals(struct cursor *cursor, size_t count)
{
    if (count > left(cursor) || count > room(cursor))
        return false;
    memcpy(cursor->to, cursor->at, count);
    cursor->at += count;
    cursor->to += count;
    return true;
}

static bool copy_reference(struct cursor *cursor, unsigned control)
{
    size_t length = control >> 5;
    if (length == LONG_REFERENCE) {
        if (left(cursor) < 1)
            return false;
        length += *cursor->at++;
    }
    length += 2;
    if (left(cursor) < 1)
        return false;
    size_t distance = ((size_t)(control & 0x1f) << 8 | *cursor->at++) + 1;
    if (distance > (size_t)(cursor->to - cursor->begin) || length > room(cursor))
        return false;
    const char *from = cursor->to - distance;
    if (distance >= length) {
        memcpy(cursor->to, from, length);
    } else {
        for (size_t i = 0; i < length; i++)
            cursor->to[i] = from[i];
    }
    cursor->to += length;
    return true;
}

bool lzf_decompress(struct bytes input, char *output, size_t length)
{
    const unsigned char *data = (const unsigned char *)input.data;
    struct cursor cursor = {data, data + input.length, output, output, output + length};
    while (cursor.at < cursor.end) {
        unsigned control = *cursor.at++;
        bool good =
            control < LITERAL_CONTROL_MAX ? copy_literals(&cursor, control + 1) : copy_reference(&cursor, control);
        if (!good)
            return false;
    }
    return cursor.to == cursor.limit;
}

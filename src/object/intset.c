/* SPDX-License-Identifier: BSD-3-Clause */
/* The layout, all low byte first:
 *
 *   width (4): 2, 4 or 8  count (4)  integer (width) ...
 *
 * An integer that needs more than the width is beyond all that are there. So it goes to one end, and the rest is
 * spread out in the same pass. */
#include "object/intset.h"

#include <endian.h>

#include "base/check.h"

static inline uint32_t load_32(const char *from)
{
    uint32_t wire;
    memcpy(&wire, from, sizeof(wire));
    return le32toh(wire);
}

static inline void store_32(char *to, uint32_t value)
{
    uint32_t wire = htole32(value);
    memcpy(to, &wire, sizeof(wire));
}

static inline unsigned width_of(struct bytes intset)
{
    return load_32(intset.data);
}

static inline unsigned width_for(int64_t integer)
{
    if (integer >= INT16_MIN && integer <= INT16_MAX)
        return 2;
    return integer >= INT32_MIN && integer <= INT32_MAX ? 4 : 8;
}

static inline int64_t load(const char *data, unsigned width, size_t index)
{
    const char *from = data + INTSET_HEADER_BYTES + index * width;
    uint64_t wide;
    uint16_t narrow;
    switch (width) {
    case 2:
        memcpy(&narrow, from, sizeof(narrow));
        return (int16_t)le16toh(narrow);
    case 4:
        return (int32_t)load_32(from);
    default:
        memcpy(&wide, from, sizeof(wide));
        return (int64_t)le64toh(wide);
    }
}

static inline void store(char *data, unsigned width, size_t index, int64_t integer)
{
    uint64_t wire = htole64((uint64_t)integer);
    memcpy(data + INTSET_HEADER_BYTES + index * width, &wire, width);
}

size_t intset_count(struct bytes intset)
{
    return load_32(intset.data + 4);
}

int64_t intset_get(struct bytes intset, size_t index)
{
    debug_check(index < intset_count(intset));
    return load(intset.data, width_of(intset), index);
}

/* Index of the first integer that is not less. */
static inline size_t lower_bound(const char *data, unsigned width, size_t count, int64_t integer)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (load(data, width, middle) < integer)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One copy of the loop for each width. */
static size_t position_of(struct bytes intset, size_t count, int64_t integer)
{
    switch (width_of(intset)) {
    case 2:
        return lower_bound(intset.data, 2, count, integer);
    case 4:
        return lower_bound(intset.data, 4, count, integer);
    default:
        return lower_bound(intset.data, 8, count, integer);
    }
}

bool intset_find(struct bytes intset, int64_t integer, size_t *index)
{
    size_t count = intset_count(intset), position;
    /* Sets that grow upwards ask for what is beyond their end. */
    if (count > 0 && intset_get(intset, count - 1) < integer)
        position = count;
    else
        position = position_of(intset, count, integer);
    if (index != NULL)
        *index = position;
    return position < count && intset_get(intset, position) == integer;
}

static void header_set(struct buffer *buffer, unsigned width, size_t count)
{
    store_32(buffer->data, width);
    store_32(buffer->data + 4, (uint32_t)count);
    buffer->length = INTSET_HEADER_BYTES + count * width;
}

void intset_init(struct buffer *buffer)
{
    check(buffer->length == 0);
    buffer_reserve(buffer, INTSET_HEADER_BYTES);
    header_set(buffer, 2, 0);
}

/* Spreads the integers out to the width, from the last on, so that none is overwritten before it has moved. */
static void widen_and_add(struct buffer *buffer, unsigned width, int64_t integer)
{
    unsigned former = width_of(buffer_bytes(buffer));
    size_t count = intset_count(buffer_bytes(buffer)), before = integer < 0;
    buffer_reserve(buffer, INTSET_HEADER_BYTES + (count + 1) * width - buffer->length);
    for (size_t i = count; i-- > 0;)
        store(buffer->data, width, i + before, load(buffer->data, former, i));
    store(buffer->data, width, before ? 0 : count, integer);
    header_set(buffer, width, count + 1);
}

static void add_at(struct buffer *buffer, size_t index, int64_t integer)
{
    unsigned width = width_of(buffer_bytes(buffer));
    size_t count = intset_count(buffer_bytes(buffer));
    buffer_reserve(buffer, width);
    char *at = buffer->data + INTSET_HEADER_BYTES + index * width;
    memmove(at + width, at, (count - index) * width);
    store(buffer->data, width, index, integer);
    header_set(buffer, width, count + 1);
}

bool intset_add(struct buffer *buffer, int64_t integer)
{
    struct bytes intset = buffer_bytes(buffer);
    size_t index;
    unsigned width = width_for(integer);
    check(intset_count(intset) < INTSET_COUNT_MAX);
    if (width > width_of(intset)) {
        widen_and_add(buffer, width, integer);
        return true;
    }
    if (intset_find(intset, integer, &index))
        return false;
    add_at(buffer, index, integer);
    return true;
}

bool intset_remove(struct buffer *buffer, int64_t integer)
{
    struct bytes intset = buffer_bytes(buffer);
    unsigned width = width_of(intset);
    size_t count = intset_count(intset), index;
    if (!intset_find(intset, integer, &index))
        return false;
    char *at = buffer->data + INTSET_HEADER_BYTES + index * width;
    memmove(at, at + width, (count - index - 1) * width);
    header_set(buffer, width, count - 1);
    return true;
}

bool intset_is_valid(struct bytes intset)
{
    if (intset.length < INTSET_HEADER_BYTES)
        return false;
    unsigned width = width_of(intset);
    size_t count = intset_count(intset);
    if ((width != 2 && width != 4 && width != 8) || count > INTSET_COUNT_MAX ||
        intset.length - INTSET_HEADER_BYTES != count * width)
        return false;
    for (size_t i = 1; i < count; i++)
        if (load(intset.data, width, i - 1) >= load(intset.data, width, i))
            return false;
    return true;
}

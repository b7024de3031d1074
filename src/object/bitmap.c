/* SPDX-License-Identifier: BSD-3-Clause */
/* Bits are looked at in words of 64 wherever they lie; the ends of a range that are no whole bytes are masked bytes. The
 * machine's popcount is used if it has one, which is asked at run time. Combining goes chunk by chunk, so that partial
 * results stay in the first-level cache however many sources there are. */
#include "object/bitmap.h"

#define CHUNK_BYTES 4096
/* Wider than most registers: the compiler makes of it what the machine has. */
typedef uint64_t lanes __attribute__((vector_size(32), aligned(8), may_alias));
#define CHUNK_LANES (CHUNK_BYTES / sizeof(lanes))

/* The bits of byte 'index' that belong to the range. */
static uint8_t range_mask(uint64_t index, uint64_t first, uint64_t last)
{
    uint8_t mask = 0xff;
    if (index == first / 8)
        mask &= (uint8_t)(0xff >> (first % 8));
    if (index == last / 8)
        mask &= (uint8_t)(0xff << (7 - last % 8));
    return mask;
}

static uint64_t load_word(const char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

/* ---- counting ---- */

/* Four sums that do not wait for each other. */
#define COUNT_BYTES(data, length)                                                                                      \
    uint64_t a = 0, b = 0, c = 0, d = 0;                                                                               \
    for (; (length) >= 32; (data) += 32, (length) -= 32) {                                                             \
        a += (uint64_t)__builtin_popcountll(load_word(data));                                                          \
        b += (uint64_t)__builtin_popcountll(load_word((data) + 8));                                                    \
        c += (uint64_t)__builtin_popcountll(load_word((data) + 16));                                                   \
        d += (uint64_t)__builtin_popcountll(load_word((data) + 24));                                                   \
    }                                                                                                                  \
    for (; (length) > 0; (data)++, (length)--)                                                                         \
        a += (uint64_t)__builtin_popcount((uint8_t) * (data));                                                         \
    return a + b + c + d

#ifdef __x86_64__
__attribute__((target("popcnt"))) static uint64_t count_bytes_by_machine(const char *data, size_t length)
{
    COUNT_BYTES(data, length);
}
#endif

static uint64_t count_bytes_portably(const char *data, size_t length)
{
    COUNT_BYTES(data, length);
}

static uint64_t count_bytes(const char *data, size_t length)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("popcnt"))
        return count_bytes_by_machine(data, length);
#endif
    return count_bytes_portably(data, length);
}

static uint64_t count_byte(struct bytes bytes, uint64_t index, uint8_t mask)
{
    return (uint64_t)__builtin_popcount((uint8_t)bytes.data[index] & mask);
}

uint64_t bitmap_count(struct bytes bytes, uint64_t first, uint64_t last)
{
    uint64_t first_byte = first / 8, last_byte = last / 8;
    uint64_t count = count_byte(bytes, first_byte, range_mask(first_byte, first, last));
    if (first_byte == last_byte)
        return count;
    count += count_byte(bytes, last_byte, range_mask(last_byte, first, last));
    return count + count_bytes(bytes.data + first_byte + 1, last_byte - first_byte - 1);
}

/* ---- finding ---- */

/* Skips bytes that are all 'blank'; the first that is not, or 'end'. */
static uint64_t skip_bytes(const char *data, uint64_t index, uint64_t end, uint8_t blank)
{
    uint64_t blanks = blank * UINT64_C(0x0101010101010101);
    while (end - index >= 32 &&
           ((load_word(data + index) ^ blanks) | (load_word(data + index + 8) ^ blanks) |
            (load_word(data + index + 16) ^ blanks) | (load_word(data + index + 24) ^ blanks)) == 0)
        index += 32;
    while (index < end && (uint8_t)data[index] == blank)
        index++;
    return index;
}

int64_t bitmap_find(struct bytes bytes, bool bit, uint64_t first, uint64_t last)
{
    uint8_t blank = bit ? 0x00 : 0xff;
    for (uint64_t index = first / 8; index <= last / 8; index++) {
        if (index != first / 8 && index != last / 8)
            index = skip_bytes(bytes.data, index, last / 8, blank);
        uint8_t wanted = ((uint8_t)bytes.data[index] ^ blank) & range_mask(index, first, last);
        if (wanted != 0)
            return (int64_t)(index * 8) + __builtin_clz(wanted) - 24;
    }
    return -1;
}

/* ---- combining ---- */

union chunk {
    lanes lanes[CHUNK_LANES];
    char bytes[CHUNK_BYTES];
};

/* The source's chunk at 'offset', padded with zeros, in 'room'. */
static void load_chunk(struct bytes source, size_t offset, union chunk *room)
{
    size_t length = source.length > offset ? source.length - offset : 0;
    if (length > CHUNK_BYTES)
        length = CHUNK_BYTES;
    if (length > 0)
        memcpy(room->bytes, source.data + offset, length);
    memset(room->bytes + length, 0, CHUNK_BYTES - length);
}

/* Takes one more source in; 'side' gathers what the operation needs beside its result. */
static void fold_chunk(enum bitmap_operation operation, union chunk *result, union chunk *side,
                       const union chunk *source)
{
    for (size_t i = 0; i < CHUNK_LANES; i++) {
        lanes word = source->lanes[i];
        if (operation == BITMAP_AND)
            result->lanes[i] &= word;
        else if (operation == BITMAP_OR)
            result->lanes[i] |= word;
        else if (operation == BITMAP_XOR)
            result->lanes[i] ^= word;
        else if (operation != BITMAP_ONE)
            side->lanes[i] |= word;
        else {
            side->lanes[i] |= result->lanes[i] & word;
            result->lanes[i] |= word;
        }
    }
}

static void finish_chunk(enum bitmap_operation operation, union chunk *result, const union chunk *side)
{
    for (size_t i = 0; i < CHUNK_LANES; i++) {
        if (operation == BITMAP_NOT)
            result->lanes[i] = ~result->lanes[i];
        else if (operation == BITMAP_DIFF || operation == BITMAP_ONE)
            result->lanes[i] &= ~side->lanes[i];
        else if (operation == BITMAP_DIFF1)
            result->lanes[i] = side->lanes[i] & ~result->lanes[i];
        else if (operation == BITMAP_ANDOR)
            result->lanes[i] &= side->lanes[i];
    }
}

void bitmap_combine(enum bitmap_operation operation, const struct bytes *sources, size_t count, char *out,
                    size_t length)
{
    union chunk result, side, source;
    for (size_t offset = 0; offset < length; offset += CHUNK_BYTES) {
        size_t part = length - offset < CHUNK_BYTES ? length - offset : CHUNK_BYTES;
        load_chunk(sources[0], offset, &result);
        memset(&side, 0, sizeof(side));
        for (size_t i = 1; i < count; i++) {
            load_chunk(sources[i], offset, &source);
            fold_chunk(operation, &result, &side, &source);
        }
        finish_chunk(operation, &result, &side);
        memcpy(out + offset, result.bytes, part);
    }
}

/* ---- fields ---- */

void bitfield_load(const struct bitfield *field, struct bytes bytes, uint8_t window[BITFIELD_BYTES_MAX])
{
    size_t first = bitfield_first_byte(field), end = bitfield_end_byte(field);
    memset(window, 0, BITFIELD_BYTES_MAX);
    if (end > bytes.length)
        end = bytes.length;
    if (first < end)
        memcpy(window, bytes.data + first, end - first);
}

/* The window as one number, its first byte the highest. */
static unsigned __int128 window_number(const uint8_t window[BITFIELD_BYTES_MAX])
{
    unsigned __int128 number = 0;
    for (int i = 0; i < BITFIELD_BYTES_MAX; i++)
        number = number << 8 | window[i];
    return number;
}

static unsigned window_shift(const struct bitfield *field)
{
    return (unsigned)(BITFIELD_BYTES_MAX * 8 - field->offset % 8 - field->bits);
}

static uint64_t field_mask(const struct bitfield *field)
{
    return UINT64_MAX >> (64 - field->bits);
}

static uint64_t extend_sign(const struct bitfield *field, uint64_t value)
{
    unsigned unused = 64u - field->bits;
    return field->is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value;
}

uint64_t bitfield_get(const struct bitfield *field, const uint8_t window[BITFIELD_BYTES_MAX])
{
    uint64_t value = (uint64_t)(window_number(window) >> window_shift(field)) & field_mask(field);
    return extend_sign(field, value);
}

void bitfield_set(const struct bitfield *field, uint8_t window[BITFIELD_BYTES_MAX], uint64_t value)
{
    unsigned shift = window_shift(field);
    unsigned __int128 mask = (unsigned __int128)field_mask(field) << shift;
    unsigned __int128 number = window_number(window) & ~mask;
    number |= (unsigned __int128)(value & field_mask(field)) << shift;
    for (int i = BITFIELD_BYTES_MAX - 1; i >= 0; i--, number >>= 8)
        window[i] = (uint8_t)number;
}

bool bitfield_add(const struct bitfield *field, uint64_t value, int64_t increment, enum bitfield_overflow overflow,
                  uint64_t *result)
{
    __int128 maximum = field_mask(field) >> field->is_signed;
    __int128 minimum = field->is_signed ? -maximum - 1 : 0;
    __int128 sum = (field->is_signed ? (__int128)(int64_t)value : (__int128)value) + increment;
    bool fits = sum >= minimum && sum <= maximum;
    if (fits || overflow == BITFIELD_WRAP)
        *result = extend_sign(field, (uint64_t)sum & field_mask(field));
    else
        *result = (uint64_t)(sum > maximum ? maximum : minimum);
    return fits || overflow != BITFIELD_FAIL;
}

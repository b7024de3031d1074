/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Bits of strings. Bit 0 is the highest of byte 0, as SETBIT counts them. Nothing here allocates or fails. */

/* How many of the bits first .. last (both included, and inside of the bytes) are set. */
uint64_t bitmap_count(struct bytes bytes, uint64_t first, uint64_t last);

/* The first of the bits first .. last (both included, and inside of the bytes) that equals 'bit'; -1: none does. */
int64_t bitmap_find(struct bytes bytes, bool bit, uint64_t first, uint64_t last);

enum bitmap_operation {
    BITMAP_AND,
    BITMAP_OR,
    BITMAP_XOR,
    BITMAP_NOT,   /* of one source */
    BITMAP_DIFF,  /* in the first and in none of the others */
    BITMAP_DIFF1, /* not in the first, and in one of the others at least */
    BITMAP_ANDOR, /* in the first, and in one of the others at least */
    BITMAP_ONE,   /* in exactly one */
};

/* Combines the sources (at least one), zeros behind their ends, to 'length' bytes at 'out', which overlaps no source. */
void bitmap_combine(enum bitmap_operation operation, const struct bytes *sources, size_t count, char *out,
                    size_t length);

/* Integers of 1 .. 64 bits at any offset, the highest bit first. */
struct bitfield {
    uint64_t offset; /* below 2^60 */
    uint8_t bits;
    bool is_signed;
};
/* Bytes from the one with the field's first bit to the one with its last. */
#define BITFIELD_BYTES_MAX 9
static inline size_t bitfield_first_byte(const struct bitfield *field)
{
    return (size_t)(field->offset / 8);
}
static inline size_t bitfield_end_byte(const struct bitfield *field)
{
    return (size_t)((field->offset + field->bits - 1) / 8 + 1);
}

/* The bytes that hold the field, zeros where the string is shorter. */
void bitfield_load(const struct bitfield *field, struct bytes bytes, uint8_t window[BITFIELD_BYTES_MAX]);
/* The field's value in its bytes; a signed one as two's complement of 64 bits. */
uint64_t bitfield_get(const struct bitfield *field, const uint8_t window[BITFIELD_BYTES_MAX]);
void bitfield_set(const struct bitfield *field, uint8_t window[BITFIELD_BYTES_MAX], uint64_t value);

enum bitfield_overflow { BITFIELD_WRAP, BITFIELD_SATURATE, BITFIELD_FAIL };

/* value + increment as the field can hold it; false if it cannot, and overflow is to fail. */
bool bitfield_add(const struct bitfield *field, uint64_t value, int64_t increment, enum bitfield_overflow overflow,
                  uint64_t *result);

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* A compact sequence of strings: what Redis 7 dumps, without the four bytes in front that tell its size, which is known
 * here; "dumped" below means with them. A string that is the canonical spelling of a 64-bit integer is stored as that
 * integer, and reads as either.
 *
 * Readers take a view of a whole listpack and positions (the first byte of an element) in it. They trust the bytes,
 * so what came from outside passes listpack_is_valid first. Editors take a buffer that holds exactly one listpack, and
 * byte offsets, which survive a move of the buffer; they end all positions. Sole owner or lock: the caller's. */

/* No listpack grows beyond this. */
#define LISTPACK_BYTES_MAX ((size_t)1 << 30)
#define LISTPACK_HEADER_BYTES 2
/* In front of a dumped one. */
#define LISTPACK_SIZE_BYTES 4
/* Bytes of one without elements. */
#define LISTPACK_EMPTY_BYTES (LISTPACK_HEADER_BYTES + 1)

struct listpack_value {
    const char *data; /* into the listpack; NULL if the element is stored as an integer */
    uint32_t length;  /* of data */
    int64_t integer;
};

/* Bytes of the element at the position, everything included. For the longer forms; use listpack_step. */
size_t listpack_step_long(const uint8_t *position);

static inline size_t listpack_step(const uint8_t *position)
{
    if (*position < 0x80)
        return 2;
    if (*position < 0xc0)
        return 2 + (size_t)(*position & 0x3f);
    return listpack_step_long(position);
}

/* The element there, or NULL if the listpack ends there. */
static inline const uint8_t *listpack_at(struct bytes listpack, size_t offset)
{
    const uint8_t *position = (const uint8_t *)listpack.data + offset;
    return *position == 0xff ? NULL : position;
}

static inline size_t listpack_offset(struct bytes listpack, const uint8_t *position)
{
    return (size_t)(position - (const uint8_t *)listpack.data);
}

/* All of these are NULL where there is no such element. */
static inline const uint8_t *listpack_first(struct bytes listpack)
{
    return listpack_at(listpack, LISTPACK_HEADER_BYTES);
}

static inline const uint8_t *listpack_next(const uint8_t *position)
{
    position += listpack_step(position);
    return *position == 0xff ? NULL : position;
}

const uint8_t *listpack_last(struct bytes listpack);
const uint8_t *listpack_prev(struct bytes listpack, const uint8_t *position);
/* The element with this index, counted from 0, or from -1 backwards from the end. Walks from the nearer end. */
const uint8_t *listpack_seek(struct bytes listpack, int64_t index);

/* Walks only beyond 65,534 elements, where the header does not tell. */
size_t listpack_count(struct bytes listpack);

void listpack_get(const uint8_t *position, struct listpack_value *value);
/* An element that is known to be an integer. */
int64_t listpack_integer_long(const uint8_t *position);
static inline int64_t listpack_integer(const uint8_t *position)
{
    return *position < 0x80 ? *position : listpack_integer_long(position);
}
/* A value as bytes: those in the listpack, or an integer's digits, which are written to 'digits'. */
struct bytes listpack_value_bytes(const struct listpack_value *value, char digits[BYTES_INTEGER_MAX]);
struct bytes listpack_get_bytes(const uint8_t *position, char digits[BYTES_INTEGER_MAX]);
/* Whether the element reads as these bytes. */
bool listpack_equals(const uint8_t *position, struct bytes bytes);
/* The first element that reads as these bytes, beginning with the one at 'from' (NULL: there is none) and passing over
 * 'skip' elements after each one compared: 1 finds a field among fields and values. NULL if there is none. */
const uint8_t *listpack_find(const uint8_t *from, struct bytes bytes, size_t skip);

/* Bytes that these would take as an element. */
size_t listpack_entry_bytes(struct bytes bytes);

/* Appends an empty listpack to an empty buffer. */
void listpack_init(struct buffer *buffer);

/* These are false, with nothing changed, if the listpack would exceed LISTPACK_BYTES_MAX. The bytes must not lie in the
 * buffer. An element is inserted before the one at the offset, or at the offset of the end, and then stands there. */
bool listpack_append(struct buffer *buffer, struct bytes bytes) MUST_USE;
bool listpack_append_integer(struct buffer *buffer, int64_t integer) MUST_USE;
bool listpack_prepend(struct buffer *buffer, struct bytes bytes) MUST_USE;
bool listpack_insert(struct buffer *buffer, size_t offset, struct bytes bytes) MUST_USE;
bool listpack_replace(struct buffer *buffer, size_t offset, struct bytes bytes) MUST_USE;
/* An element of 'front' (LISTPACK_FRONT_MAX bytes at most) and then 'bytes', as a string whatever they spell. */
#define LISTPACK_FRONT_MAX 9
bool listpack_insert_joined(struct buffer *buffer, size_t offset, struct bytes front, struct bytes bytes) MUST_USE;

/* Sets an element that is an integer. As above. */
bool listpack_replace_integer(struct buffer *buffer, size_t offset, int64_t integer) MUST_USE;

/* Many elements at the end at once: 'begin' makes room for so many bytes, false if the listpack would exceed
 * LISTPACK_BYTES_MAX; elements take their LISTPACK_ELEMENT_MAX at most; 'end' makes them part of the listpack, which is
 * none in between. */
#define LISTPACK_INTEGER_MAX 10
#define LISTPACK_ELEMENT_MAX(bytes) ((bytes) + 14)
struct listpack_run {
    struct buffer *buffer;
    uint8_t *at; /* of the next element */
    size_t count;
};
bool listpack_run_begin(struct listpack_run *run, struct buffer *buffer, size_t bytes) MUST_USE;
void listpack_run_add(struct listpack_run *run, struct bytes bytes);
void listpack_run_add_integer(struct listpack_run *run, int64_t integer);
void listpack_run_end(struct listpack_run *run);

/* Deletes this many elements or all there are from the offset on, where the next one stands then. Returns how many.
 * The buffer keeps its capacity. */
size_t listpack_delete(struct buffer *buffer, size_t offset, size_t elements);

/* Appends it as a dump's string has it. */
void listpack_dump(struct buffer *out, struct bytes listpack);

/* Looks at every byte of a dumped one that readers and editors rely on, believing none before. 'each' (may be NULL) is
 * called for every element once that one is known to be sound, and ends the walk with false. An empty listpack is valid. */
bool listpack_is_valid(struct bytes dumped, bool (*each)(void *context, const uint8_t *position),
                       void *context) MUST_USE;
/* What stands in a valid one. */
static inline struct bytes listpack_of_dump(struct bytes dumped)
{
    return bytes_of(dumped.data + LISTPACK_SIZE_BYTES, dumped.length - LISTPACK_SIZE_BYTES);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes that carries its length; never NUL-terminated by contract. */
struct bytes {
    const char *data;
    size_t length;
};

/* A growable run of bytes that its holder owns. All zero is a valid empty buffer. */
struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

/* The longest text of a 64-bit integer, sign included. */
#define BYTES_INTEGER_MAX 20

#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *data, size_t length)
{
    return (struct bytes){(const char *)data, length};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Orders like memcmp, a prefix before what it begins. */
int bytes_compare(struct bytes a, struct bytes b);

/* Equality without regard to ASCII case. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text_nocase);

/* Parses a whole canonical decimal (no sign '+', no leading zeros or blanks), as Redis accepts integers. */
bool bytes_to_int64(struct bytes text, int64_t *value);
bool bytes_to_uint64(struct bytes text, uint64_t *value);

/* Parses a whole finite or infinite float as Redis accepts it: no blanks, no NaN, no trailing bytes. */
bool bytes_to_double(struct bytes text, double *value);
bool bytes_to_long_double(struct bytes text, long double *value);

/* Writes decimal digits to text (BYTES_INTEGER_MAX bytes of room) and returns how many. */
size_t bytes_from_int64(char *text, int64_t value);
size_t bytes_from_uint64(char *text, uint64_t value);

/* Room for the longest finite one as bytes_from_long_double writes it. */
#define BYTES_LONG_DOUBLE_MAX (5 * 1024)
/* Seventeen digits without an exponent and without trailing zeros, as Redis prints floats that it computed. */
size_t bytes_from_long_double(char *text, size_t size, long double value);

/* Moves past blanks. */
void bytes_skip_blanks(struct bytes *text);
/* The next of the words that blanks part, none at the end; moves past it. */
struct bytes bytes_take_word(struct bytes *text);

/* Glob match with Redis's rules (* ? [a-z] [^x] and backslash). Iterative; false once it has spent a
 * budget of steps that no sensible pattern needs, so no pattern can stall a thread. */
bool bytes_match(struct bytes pattern, struct bytes text, bool nocase);

/* Ensures room for 'more' bytes past the length and returns where they go. Aborts when memory is out. */
char *buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_bytes(struct buffer *buffer, struct bytes bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_int64(struct buffer *buffer, int64_t value);
void buffer_append_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first 'length' bytes. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Frees the bytes; the buffer is empty and usable again. */
void buffer_deinit(struct buffer *buffer);

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return (struct bytes){buffer->data, buffer->length};
}

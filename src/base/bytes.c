/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices, growable buffers, and the texts of numbers.
 *
 * Numbers follow Redis to the letter, since clients see the difference: an integer has one spelling only, a
 * float may be spelled in every way of strtod(3) except with blanks around it or as NaN. A float that overflows
 * or underflows to nothing is refused.
 *
 * Floats take a short way first: up to 15 digits with at most 22 of them behind the point are an exact integer
 * and an exact power of ten, so one division rounds correctly and strtod is not needed. */
#include "base/bytes.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"

/* Longer texts are no floats: what Redis allows for the digits of a long double. */
#define FLOAT_TEXT_MAX (5 * 1024)
#define BUFFER_CAPACITY_MIN 64
/* Buffers double up to this size and grow by a half above it. */
#define BUFFER_DOUBLING_MAX (1 << 20)

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

static inline unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (lower((unsigned char)a.data[i]) != lower((unsigned char)b.data[i]))
            return false;
    return true;
}

bool bytes_equal_text(struct bytes a, const char *text_nocase)
{
    return bytes_equal_nocase(a, bytes_of_text(text_nocase));
}

void bytes_skip_blanks(struct bytes *text)
{
    while (text->length > 0 && *text->data == ' ') {
        text->data++;
        text->length--;
    }
}

struct bytes bytes_take_word(struct bytes *text)
{
    bytes_skip_blanks(text);
    struct bytes word = {text->data, 0};
    while (word.length < text->length && word.data[word.length] != ' ')
        word.length++;
    text->data += word.length;
    text->length -= word.length;
    return word;
}

bool bytes_to_uint64(struct bytes text, uint64_t *value)
{
    if (text.length == 0 || text.length > BYTES_INTEGER_MAX)
        return false;
    if (text.data[0] == '0' && text.length > 1)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        if (i >= 19 && (sum > UINT64_MAX / 10 || sum * 10 > UINT64_MAX - digit))
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool bytes_to_int64(struct bytes text, int64_t *value)
{
    uint64_t magnitude;
    bool negative = text.length > 1 && text.data[0] == '-';
    if (negative)
        text = bytes_of(text.data + 1, text.length - 1);
    if (!bytes_to_uint64(text, &magnitude))
        return false;
    if (!negative) {
        *value = (int64_t)magnitude;
        return magnitude <= INT64_MAX;
    }
    *value = (int64_t)(0 - magnitude);
    return magnitude != 0 && magnitude <= (uint64_t)INT64_MAX + 1;
}

/* The short way: [-]digits[.digits] with at most 15 digits in all. */
static bool double_from_few_digits(struct bytes text, double *value)
{
    static const double powers_of_ten[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    size_t i = text.length > 0 && text.data[0] == '-';
    bool negative = i == 1, point = false;
    uint64_t digits = 0;
    unsigned count = 0, behind = 0;
    for (; i < text.length; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit <= 9) {
            digits = digits * 10 + digit;
            behind += point;
            if (++count > 15)
                return false;
        } else if (text.data[i] == '.' && !point) {
            point = true;
        } else {
            return false;
        }
    }
    if (count == 0)
        return false;
    double magnitude = (double)digits / powers_of_ten[behind];
    *value = negative ? -magnitude : magnitude;
    return true;
}

/* Copies to a text that ends with NUL, as strtod wants it; false if it cannot be a number. */
static bool float_text(struct bytes text, char copy[FLOAT_TEXT_MAX])
{
    if (text.length == 0 || text.length >= FLOAT_TEXT_MAX || isspace((unsigned char)text.data[0]))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return true;
}

bool bytes_to_double(struct bytes text, double *value)
{
    char copy[FLOAT_TEXT_MAX], *end;
    if (double_from_few_digits(text, value))
        return true;
    if (!float_text(text, copy))
        return false;
    errno = 0;
    double result = strtod(copy, &end);
    if (end != copy + text.length || isnan(result))
        return false;
    if (errno == ERANGE && (isinf(result) || result == 0))
        return false;
    *value = result;
    return true;
}

bool bytes_to_long_double(struct bytes text, long double *value)
{
    char copy[FLOAT_TEXT_MAX], *end;
    if (!float_text(text, copy))
        return false;
    errno = 0;
    long double result = strtold(copy, &end);
    if (end != copy + text.length || isnan(result))
        return false;
    if (errno == ERANGE && (isinf(result) || result == 0))
        return false;
    *value = result;
    return true;
}

static const char digit_pairs[201] = "0001020304050607080910111213141516171819"
                                     "2021222324252627282930313233343536373839"
                                     "4041424344454647484950515253545556575859"
                                     "6061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899";

size_t bytes_from_uint64(char *text, uint64_t value)
{
    char reversed[BYTES_INTEGER_MAX], *first = reversed + sizeof(reversed);
    while (value >= 100) {
        first -= 2;
        memcpy(first, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        first -= 2;
        memcpy(first, digit_pairs + value * 2, 2);
    } else {
        *--first = (char)('0' + value);
    }
    size_t length = (size_t)(reversed + sizeof(reversed) - first);
    memcpy(text, first, length);
    return length;
}

size_t bytes_from_int64(char *text, int64_t value)
{
    if (value >= 0)
        return bytes_from_uint64(text, (uint64_t)value);
    *text = '-';
    return 1 + bytes_from_uint64(text + 1, 0 - (uint64_t)value);
}

size_t bytes_from_long_double(char *text, size_t size, long double value)
{
    size_t length = (size_t)snprintf(text, size, "%.17Lf", value);
    if (memchr(text, '.', length)) {
        while (text[length - 1] == '0')
            length--;
        if (text[length - 1] == '.')
            length--;
    }
    if (length == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        length = 1;
    }
    return length;
}

static inline unsigned char fold(char c, bool nocase)
{
    return nocase ? lower((unsigned char)c) : (unsigned char)c;
}

/* Matches one character against the class whose '[' stands at *at, and moves *at behind the class. An unclosed
 * class ends with the pattern, as in Redis. */
static bool match_class(struct bytes pattern, size_t *at, unsigned char c, bool nocase)
{
    size_t p = *at + 1;
    bool inverted = p < pattern.length && pattern.data[p] == '^', found = false;
    p += inverted;
    for (; p < pattern.length && pattern.data[p] != ']'; p++) {
        if (pattern.data[p] == '\\' && p + 1 < pattern.length) {
            p++;
            found |= (unsigned char)pattern.data[p] == c || fold(pattern.data[p], nocase) == c;
        } else if (p + 2 < pattern.length && pattern.data[p + 1] == '-') {
            unsigned char low = fold(pattern.data[p], nocase), high = fold(pattern.data[p + 2], nocase);
            found |= low <= high ? c >= low && c <= high : c >= high && c <= low;
            p += 2;
        } else {
            found |= fold(pattern.data[p], nocase) == c;
        }
    }
    *at = p < pattern.length ? p + 1 : p;
    return found != inverted;
}

/* Matches one character against the pattern's item at *at (anything but a star) and moves *at behind it. */
static bool match_one(struct bytes pattern, size_t *at, unsigned char c, bool nocase)
{
    switch (pattern.data[*at]) {
    case '?':
        ++*at;
        return true;
    case '[':
        return match_class(pattern, at, c, nocase);
    case '\\':
        if (*at + 1 < pattern.length)
            ++*at;
        break;
    default:
        break;
    }
    return fold(pattern.data[(*at)++], nocase) == c;
}

/* Only the last star seen needs to be tried again: whatever an earlier one could still swallow, the last one
 * can as well. So the work is at most pattern times text, and the budget bounds even that. */
bool bytes_match(struct bytes pattern, struct bytes text, bool nocase)
{
    size_t p = 0, t = 0, star_pattern = SIZE_MAX, star_text = 0;
    size_t budget = (1 << 20) + 16 * (pattern.length + text.length);
    while (t < text.length) {
        size_t before = p;
        if (p < pattern.length && pattern.data[p] == '*') {
            star_pattern = ++p;
            star_text = t;
            if (p == pattern.length)
                return true;
        } else if (p < pattern.length && match_one(pattern, &p, fold(text.data[t], nocase), nocase)) {
            t++;
        } else if (star_pattern != SIZE_MAX) {
            p = star_pattern;
            t = ++star_text;
        } else {
            return false;
        }
        size_t spent = p > before ? p - before : 1;
        if (budget < spent)
            return false;
        budget -= spent;
    }
    while (p < pattern.length && pattern.data[p] == '*')
        p++;
    return p == pattern.length;
}

char *buffer_reserve(struct buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more;
    check(needed >= more);
    if (needed > buffer->capacity) {
        size_t grown =
            buffer->capacity + (buffer->capacity < BUFFER_DOUBLING_MAX ? buffer->capacity : buffer->capacity / 2);
        if (grown < needed)
            grown = needed;
        if (grown < BUFFER_CAPACITY_MIN)
            grown = BUFFER_CAPACITY_MIN;
        buffer->capacity = memory_size_class(grown);
        buffer->data = memory_resize(buffer->data, buffer->capacity);
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    if (length == 0)
        return;
    memcpy(buffer_reserve(buffer, length), data, length);
    buffer->length += length;
}

void buffer_append_bytes(struct buffer *buffer, struct bytes bytes)
{
    buffer_append(buffer, bytes.data, bytes.length);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_int64(struct buffer *buffer, int64_t value)
{
    buffer->length += bytes_from_int64(buffer_reserve(buffer, BYTES_INTEGER_MAX), value);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    size_t room = buffer->capacity - buffer->length;
    va_start(arguments, format);
    int length = vsnprintf(room ? buffer->data + buffer->length : NULL, room, format, arguments);
    va_end(arguments);
    check(length >= 0);
    if ((size_t)length >= room) {
        char *text = buffer_reserve(buffer, (size_t)length + 1);
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    buffer->length += (size_t)length;
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    check(length <= buffer->length);
    buffer->length -= length;
    if (buffer->length > 0 && length > 0)
        memmove(buffer->data, buffer->data + length, buffer->length);
}

void buffer_deinit(struct buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = (struct buffer){0};
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Every reply reserves its whole room once and is then written straight into the output's buffer: a line is its
 * type byte, a decimal or a text, and CR LF.
 *
 * A deferred header holds DEFERRED_ROOM bytes of its place from the beginning, which is just what a count of one
 * digit needs. So most ends move nothing, and a reference appended before begin (position <= handle) can never be
 * taken for one appended after it (position >= handle + DEFERRED_ROOM).
 *
 * When the reply is silent nothing is written, but errors are counted and references released all the same. One that is
 * cut is silent from then on. */
#include "resp/reply.h"

#include "base/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define DEFERRED_ROOM 4
/* type, digits, CR LF */
#define HEADER_MAX (1 + BYTES_INTEGER_MAX + 2)
#define DOUBLE_MAX 40
/* Doubles that are integers below this are printed as such; %.17g prints them alike, only slower. */
#define DOUBLE_INTEGER_MAX 1e15
#define ERROR_TEXT_MAX 1024

static inline char *reply_room(struct reply *reply, size_t size)
{
    struct buffer *buffer = &reply->output->bytes;
    if (__builtin_expect(buffer->capacity - buffer->length >= size, 1))
        return buffer->data + buffer->length;
    return buffer_reserve(buffer, size);
}

/* Looked at only when the buffer has to grow, so a reply may be longer by what the buffer grew last. */
static __attribute__((noinline)) bool reply_grows(struct reply *reply, size_t size)
{
    if (reply->end_max_kb == 0 || reply->output->bytes.length + size <= (size_t)reply->end_max_kb << 10)
        return true;
    reply->silent = reply->is_cut = true;
    return false;
}

/* Whether so many bytes are written at all. */
static inline bool reply_takes(struct reply *reply, size_t size)
{
    const struct buffer *buffer = &reply->output->bytes;
    if (reply->silent)
        return false;
    if (__builtin_expect(buffer->capacity - buffer->length >= size, 1))
        return true;
    return reply_grows(reply, size);
}

static inline void reply_wrote(struct reply *reply, const char *end)
{
    struct buffer *buffer = &reply->output->bytes;
    buffer->length = (size_t)(end - buffer->data);
}

static inline char *line_end(char *at)
{
    at[0] = '\r';
    at[1] = '\n';
    return at + 2;
}

static inline char *digits_write(char *at, uint64_t value)
{
    if (value < 10) {
        *at++ = (char)('0' + value);
        return at;
    }
    if (value < 100) {
        at[0] = (char)('0' + value / 10);
        at[1] = (char)('0' + value % 10);
        return at + 2;
    }
    return at + bytes_from_int64(at, (int64_t)value);
}

static inline char *header_write(char *at, char type, uint64_t count)
{
    *at++ = type;
    return line_end(digits_write(at, count));
}

static void reply_header(struct reply *reply, char type, size_t count)
{
    if (reply_takes(reply, HEADER_MAX))
        reply_wrote(reply, header_write(reply_room(reply, HEADER_MAX), type, count));
}

/* Writes the type, the text and the line's end. */
static void reply_line(struct reply *reply, char type, struct bytes text)
{
    if (!reply_takes(reply, text.length + 3))
        return;
    char *at = reply_room(reply, text.length + 3);
    *at++ = type;
    memcpy(at, text.data, text.length);
    reply_wrote(reply, line_end(at + text.length));
}

/* The same for text that may hold what would end the line, or the client's string, too early. */
static void reply_line_clean(struct reply *reply, char type, struct bytes text)
{
    if (!reply_takes(reply, text.length + 3))
        return;
    char *at = reply_room(reply, text.length + 3);
    *at++ = type;
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];
        *at++ = byte == '\r' || byte == '\n' || byte == '\0' ? ' ' : byte;
    }
    reply_wrote(reply, line_end(at));
}

void reply_status(struct reply *reply, const char *text)
{
    reply_line(reply, '+', bytes_of_text(text));
}

void reply_status_bytes(struct reply *reply, struct bytes text)
{
    reply_line_clean(reply, '+', text);
}

/* Line ends of a client's own words, repeated at the end of the text, are no part of it. */
void reply_error(struct reply *reply, const char *text)
{
    struct bytes line = bytes_of_text(text);
    while (line.length > 0 && (line.data[line.length - 1] == '\r' || line.data[line.length - 1] == '\n'))
        line.length--;
    reply->errors++;
    reply_line_clean(reply, '-', line);
}

void reply_error_format(struct reply *reply, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    check(length >= 0);
    reply_error(reply, text);
}

void reply_integer(struct reply *reply, int64_t value)
{
    if (!reply_takes(reply, HEADER_MAX))
        return;
    char *at = reply_room(reply, HEADER_MAX);
    *at++ = ':';
    at = value >= 0 ? digits_write(at, (uint64_t)value) : at + bytes_from_int64(at, value);
    reply_wrote(reply, line_end(at));
}

void reply_bulk(struct reply *reply, struct bytes value)
{
    if (!reply_takes(reply, HEADER_MAX + value.length + 2))
        return;
    char *at = header_write(reply_room(reply, HEADER_MAX + value.length + 2), '$', value.length);
    if (value.length > 0)
        memcpy(at, value.data, value.length);
    reply_wrote(reply, line_end(at + value.length));
}

void reply_bulk_text(struct reply *reply, const char *text)
{
    reply_bulk(reply, bytes_of_text(text));
}

void reply_bulk_integer(struct reply *reply, int64_t value)
{
    char text[BYTES_INTEGER_MAX];
    reply_bulk(reply, bytes_of(text, bytes_from_int64(text, value)));
}

void reply_bulk_reference(struct reply *reply, struct bytes value, void (*release)(void *owner), void *owner)
{
    if (!reply_takes(reply, HEADER_MAX + 2)) {
        release(owner);
        return;
    }
    reply_header(reply, '$', value.length);
    output_append_reference(reply->output, value, release, owner);
    reply_wrote(reply, line_end(reply_room(reply, 2)));
}

void reply_null(struct reply *reply)
{
    reply_raw(reply, reply->protocol >= 3 ? BYTES("_\r\n") : BYTES("$-1\r\n"));
}

void reply_null_array(struct reply *reply)
{
    reply_raw(reply, reply->protocol >= 3 ? BYTES("_\r\n") : BYTES("*-1\r\n"));
}

void reply_array(struct reply *reply, size_t count)
{
    reply_header(reply, '*', count);
}

void reply_map(struct reply *reply, size_t pairs)
{
    if (reply->protocol >= 3)
        reply_header(reply, '%', pairs);
    else
        reply_header(reply, '*', 2 * pairs);
}

void reply_set(struct reply *reply, size_t count)
{
    reply_header(reply, reply->protocol >= 3 ? '~' : '*', count);
}

void reply_push(struct reply *reply, size_t count)
{
    reply_header(reply, reply->protocol >= 3 ? '>' : '*', count);
}

void reply_bool(struct reply *reply, bool value)
{
    if (reply->protocol >= 3)
        reply_raw(reply, value ? BYTES("#t\r\n") : BYTES("#f\r\n"));
    else
        reply_raw(reply, value ? BYTES(":1\r\n") : BYTES(":0\r\n"));
}

/* Prints as Redis does: seventeen significant digits at most, and names for what has none. */
static size_t double_print(char *text, double value)
{
    if (isnan(value))
        return (size_t)snprintf(text, DOUBLE_MAX, "nan");
    if (isinf(value))
        return (size_t)snprintf(text, DOUBLE_MAX, value > 0 ? "inf" : "-inf");
    if (fabs(value) < DOUBLE_INTEGER_MAX && value == (double)(int64_t)value && !(value == 0 && signbit(value)))
        return bytes_from_int64(text, (int64_t)value);
    return (size_t)snprintf(text, DOUBLE_MAX, "%.17g", value);
}

void reply_double(struct reply *reply, double value)
{
    if (reply->silent)
        return;
    char text[DOUBLE_MAX];
    struct bytes printed = bytes_of(text, double_print(text, value));
    if (reply->protocol >= 3)
        reply_line(reply, ',', printed);
    else
        reply_bulk(reply, printed);
}

void reply_big_number(struct reply *reply, struct bytes digits)
{
    if (reply->silent)
        return;
    if (reply->protocol >= 3)
        reply_line_clean(reply, '(', digits);
    else
        reply_bulk(reply, digits);
}

void reply_verbatim(struct reply *reply, const char *extension, struct bytes text)
{
    if (reply->protocol < 3) {
        reply_bulk(reply, text);
        return;
    }
    check(strlen(extension) == 3);
    if (!reply_takes(reply, HEADER_MAX + 4 + text.length + 2))
        return;
    char *at = header_write(reply_room(reply, HEADER_MAX + 4 + text.length + 2), '=', text.length + 4);
    memcpy(at, extension, 3);
    at[3] = ':';
    if (text.length > 0)
        memcpy(at + 4, text.data, text.length);
    reply_wrote(reply, line_end(at + 4 + text.length));
}

void reply_raw(struct reply *reply, struct bytes resp)
{
    if (resp.length == 0 || !reply_takes(reply, resp.length))
        return;
    char *at = reply_room(reply, resp.length);
    memcpy(at, resp.data, resp.length);
    reply_wrote(reply, at + resp.length);
}

size_t reply_deferred_begin(struct reply *reply)
{
    size_t handle = reply->output->bytes.length;
    if (reply_takes(reply, DEFERRED_ROOM))
        reply_wrote(reply, reply_room(reply, DEFERRED_ROOM) + DEFERRED_ROOM);
    return handle;
}

/* Widens the place at the handle from DEFERRED_ROOM to 'size' bytes. */
static void deferred_widen(struct output *output, size_t handle, size_t size)
{
    size_t more = size - DEFERRED_ROOM, elements = handle + DEFERRED_ROOM;
    buffer_reserve(&output->bytes, more);
    memmove(output->bytes.data + elements + more, output->bytes.data + elements, output->bytes.length - elements);
    output->bytes.length += more;
    for (uint32_t i = output->reference_count; i > 0 && output->references[i - 1].position >= elements; i--)
        output->references[i - 1].position += more;
}

static void deferred_end(struct reply *reply, size_t handle, char type, size_t count)
{
    if (reply->silent)
        return;
    char header[HEADER_MAX];
    size_t size = (size_t)(header_write(header, type, count) - header);
    check(handle + DEFERRED_ROOM <= reply->output->bytes.length);
    if (size > DEFERRED_ROOM)
        deferred_widen(reply->output, handle, size);
    memcpy(reply->output->bytes.data + handle, header, size);
}

void reply_deferred_array(struct reply *reply, size_t handle, size_t count)
{
    deferred_end(reply, handle, '*', count);
}

void reply_deferred_map(struct reply *reply, size_t handle, size_t pairs)
{
    if (reply->protocol >= 3)
        deferred_end(reply, handle, '%', pairs);
    else
        deferred_end(reply, handle, '*', 2 * pairs);
}

void reply_deferred_set(struct reply *reply, size_t handle, size_t count)
{
    deferred_end(reply, handle, reply->protocol >= 3 ? '~' : '*', count);
}

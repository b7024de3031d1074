/* SPDX-License-Identifier: BSD-3-Clause */
/* A request is either
 *
 *     *<count>\r\n  then count times  $<length>\r\n<length bytes>\r\n
 *
 * or an inline command: one line of words, quoted as in a shell. Two readers share the work:
 *
 *   fast  one scan over a request that lies whole in the input and is plainly written; it touches nothing but
 *         the arguments. What it does not like (a sign, a leading zero, a missing byte, an excess) it leaves to
 *   slow  which continues at the argument where fast stopped, judges it by all the rules, and keeps its place
 *         in struct resp_parser until more bytes come.
 *
 * I1  bytes before parser->position are never looked at again; of the line at position, nor are the first
 *     line_scanned bytes while its end is searched. So the work is linear for any cuts.
 * I2  arguments of an unfinished request are kept as offsets, since the input may move between calls.
 * I3  args->values and the offsets grow with the arguments that have arrived, never with an announced count.
 * I4  the outcome depends on the bytes only, not on the cuts: a line longer than inline_bytes_max is an error
 *     also when its end is already here.
 *
 * As Redis does, we skip the two bytes that end a line or a bulk without looking at the second. */
#include "resp/resp_parse.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>

/* What fast reads by hand; longer bulks are worth a second look. */
#define FAST_LENGTH_MAX 99999999

struct resp_offsets {
    uint32_t count, capacity;
    struct {
        size_t position, length;
    } items[];
};

void resp_args_deinit(struct resp_args *args)
{
    memory_free(args->values);
    buffer_deinit(&args->words);
    *args = (struct resp_args){0};
}

void resp_parser_reset(struct resp_parser *parser)
{
    memory_free(parser->offsets);
    *parser = (struct resp_parser){0};
}

size_t resp_parser_wanted(const struct resp_parser *parser)
{
    if (parser->args_left > 0 && parser->bulk_length >= 0)
        return parser->position + (size_t)parser->bulk_length + 2;
    return parser->position + parser->line_scanned + 1;
}

static __attribute__((noinline)) void args_grow(struct resp_args *args)
{
    args->capacity = args->capacity > 0 ? 2 * args->capacity : RESP_ARGS_INLINE;
    args->values = memory_resize(args->values, args->capacity * sizeof(*args->values));
}

static void offsets_append(struct resp_parser *parser, size_t position, size_t length)
{
    struct resp_offsets *offsets = parser->offsets;
    if (!offsets || offsets->count == offsets->capacity) {
        uint32_t count = offsets ? offsets->count : 0;
        uint32_t capacity = count > 0 ? 2 * count : RESP_ARGS_INLINE;
        offsets = memory_resize(offsets, sizeof(*offsets) + capacity * sizeof(offsets->items[0]));
        offsets->count = count;
        offsets->capacity = capacity;
        parser->offsets = offsets;
    }
    offsets->items[offsets->count].position = position;
    offsets->items[offsets->count].length = length;
    offsets->count++;
}

static enum resp_result parser_fail(struct resp_parser *parser, const char **error, const char *text)
{
    resp_parser_reset(parser);
    *error = text;
    return RESP_ERROR;
}

/* Reads a plainly written length and its line end, and moves *at past them. */
static inline bool fast_length(const char **at, const char *end, uint32_t *length)
{
    const char *byte = *at;
    if (end - byte < 3)
        return false;
    uint32_t value = (unsigned char)(*byte++ - '0');
    if (value > 9)
        return false;
    if (*byte != '\r') {
        if (value == 0)
            return false;
        uint32_t digit;
        while ((digit = (unsigned char)(*byte - '0')) <= 9) {
            value = 10 * value + digit;
            if (value > FAST_LENGTH_MAX || ++byte + 1 >= end)
                return false;
        }
        if (*byte != '\r')
            return false;
    }
    *length = value;
    *at = byte + 2;
    return true;
}

/* Hands the arguments that fast found over to slow. */
static void fast_stop(struct resp_parser *parser, struct bytes input, const struct resp_args *args, uint32_t count,
                      const char *at)
{
    for (size_t i = 0; i < args->count; i++)
        offsets_append(parser, (size_t)(args->values[i].data - input.data), args->values[i].length);
    parser->position = (size_t)(at - input.data);
    parser->args_left = count - (uint32_t)args->count;
    parser->bulk_length = -1;
    parser->line_scanned = 0;
}

/* True when the request is complete; else the parser says where slow goes on. */
static inline bool parse_fast(struct resp_parser *parser, const struct resp_limits *limits, struct bytes input,
                              struct resp_args *args, size_t *consumed)
{
    const char *at = input.data + 1, *end = input.data + input.length;
    uint32_t count;
    if (!fast_length(&at, end, &count) || count > limits->args_max)
        return false;
    size_t found = 0;
    for (; found < count; found++) {
        const char *bulk = at + 1;
        uint32_t length;
        if (at >= end || *at != '$' || !fast_length(&bulk, end, &length) || length > limits->bulk_bytes_max ||
            (size_t)(end - bulk) < (size_t)length + 2)
            break;
        if (found == args->capacity)
            args_grow(args);
        args->values[found] = (struct bytes){bulk, length};
        at = bulk + length + 2;
    }
    args->count = found;
    if (found < count) {
        fast_stop(parser, input, args, count, at);
        return false;
    }
    parser->line_scanned = 0;
    *consumed = (size_t)(at - input.data);
    return true;
}

/* Finds the end of the line at the parser's position. COMPLETE: *line is the line without 'terminator', and at
 * least 'trailing' bytes follow it. ERROR: it is longer than may be. */
static enum resp_result line_find(struct resp_parser *parser, const struct resp_limits *limits, struct bytes input,
                                  char terminator, size_t trailing, struct bytes *line)
{
    const char *start = input.data + parser->position;
    size_t arrived = input.length - parser->position;
    const char *end = memchr(start + parser->line_scanned, terminator, arrived - parser->line_scanned);
    size_t length = end ? (size_t)(end - start) : arrived;
    if (length > limits->inline_bytes_max)
        return RESP_ERROR;
    parser->line_scanned = (uint32_t)length;
    if (!end || arrived - length < trailing)
        return RESP_INCOMPLETE;
    *line = bytes_of(start, length);
    return RESP_COMPLETE;
}

static void line_done(struct resp_parser *parser, size_t length)
{
    parser->position += length;
    parser->line_scanned = 0;
}

/* Reads "*<count>\r\n". A count of zero or less leaves no argument to wait for. */
static enum resp_result count_read(struct resp_parser *parser, const struct resp_limits *limits, struct bytes input,
                                   const char **error)
{
    struct bytes line;
    int64_t count;
    enum resp_result result = line_find(parser, limits, input, '\r', 2, &line);
    if (result == RESP_ERROR)
        return parser_fail(parser, error, "too big mbulk count string");
    if (result == RESP_INCOMPLETE)
        return result;
    if (!bytes_to_int64(bytes_of(line.data + 1, line.length - 1), &count) || count > INT32_MAX)
        return parser_fail(parser, error, "invalid multibulk length");
    if (count > 0 && (uint64_t)count > limits->args_max)
        return parser_fail(parser, error,
                           limits->unauthenticated ? "unauthenticated multibulk length" : "invalid multibulk length");
    line_done(parser, line.length + 2);
    parser->args_left = count > 0 ? (uint32_t)count : 0;
    parser->bulk_length = -1;
    return RESP_COMPLETE;
}

static enum resp_result bulk_refuse(struct resp_parser *parser, char got, const char **error)
{
    static _Thread_local char text[sizeof("expected '$', got 'x'")];
    snprintf(text, sizeof(text), "expected '$', got '%c'", got);
    return parser_fail(parser, error, text);
}

/* Reads "$<length>\r\n". */
static enum resp_result length_read(struct resp_parser *parser, const struct resp_limits *limits, struct bytes input,
                                    const char **error)
{
    struct bytes line;
    int64_t length;
    enum resp_result result = line_find(parser, limits, input, '\r', 2, &line);
    if (result == RESP_ERROR)
        return parser_fail(parser, error, "too big bulk count string");
    if (result == RESP_INCOMPLETE)
        return result;
    /* of an empty line, the carriage return is what we got */
    if (line.data[0] != '$')
        return bulk_refuse(parser, line.data[0], error);
    if (!bytes_to_int64(bytes_of(line.data + 1, line.length - 1), &length) || length < 0)
        return parser_fail(parser, error, "invalid bulk length");
    if ((uint64_t)length > limits->bulk_bytes_max)
        return parser_fail(parser, error,
                           limits->unauthenticated ? "unauthenticated bulk length" : "invalid bulk length");
    line_done(parser, line.length + 2);
    parser->bulk_length = length;
    return RESP_COMPLETE;
}

/* Turns the offsets into arguments and leaves the parser ready for the next request. */
static enum resp_result request_complete(struct resp_parser *parser, struct bytes input, struct resp_args *args,
                                         size_t *consumed)
{
    struct resp_offsets *offsets = parser->offsets;
    args->count = 0;
    for (uint32_t i = 0; offsets && i < offsets->count; i++) {
        if (args->count == args->capacity)
            args_grow(args);
        args->values[args->count++] = bytes_of(input.data + offsets->items[i].position, offsets->items[i].length);
    }
    *consumed = parser->position;
    resp_parser_reset(parser);
    return RESP_COMPLETE;
}

static __attribute__((noinline)) enum resp_result parse_slow(struct resp_parser *parser,
                                                             const struct resp_limits *limits, struct bytes input,
                                                             struct resp_args *args, size_t *consumed,
                                                             const char **error)
{
    enum resp_result result;
    if (parser->position == 0 && (result = count_read(parser, limits, input, error)) != RESP_COMPLETE)
        return result;
    while (parser->args_left > 0) {
        if (parser->bulk_length < 0 && (result = length_read(parser, limits, input, error)) != RESP_COMPLETE)
            return result;
        size_t length = (size_t)parser->bulk_length;
        if (input.length - parser->position < length + 2)
            return RESP_INCOMPLETE;
        offsets_append(parser, parser->position, length);
        parser->position += length + 2;
        parser->bulk_length = -1;
        parser->args_left--;
    }
    return request_complete(parser, input, args, consumed);
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static char escape_value(char letter)
{
    switch (letter) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return letter;
    }
}

/* Reads one escape of a double-quoted word, *at being at its backslash. */
static char escape_read(struct bytes line, size_t *at)
{
    const char *escape = line.data + *at;
    size_t left = line.length - *at;
    if (left >= 4 && escape[1] == 'x' && hex_value(escape[2]) >= 0 && hex_value(escape[3]) >= 0) {
        *at += 4;
        return (char)(16 * hex_value(escape[2]) + hex_value(escape[3]));
    }
    *at += 2;
    return escape_value(escape[1]);
}

/* Copies what stands between quotes, *at being at the opening one, and returns the end of the copy; NULL when
 * the closing quote is missing or a word goes on behind it. */
static char *quoted_read(struct bytes line, size_t *at, char *to)
{
    char quote = line.data[(*at)++];
    while (*at < line.length && line.data[*at] != quote) {
        if (line.data[*at] != '\\' || *at + 1 >= line.length)
            *to++ = line.data[(*at)++];
        else if (quote == '"')
            *to++ = escape_read(line, at);
        else if (line.data[*at + 1] == '\'')
            *to++ = '\'', *at += 2;
        else
            *to++ = line.data[(*at)++];
    }
    if (*at >= line.length)
        return NULL;
    ++*at;
    return *at == line.length || isspace((unsigned char)line.data[*at]) ? to : NULL;
}

static bool word_ends(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Copies one word and returns the end of the copy, NULL when its quotes are unbalanced. */
static char *word_read(struct bytes line, size_t *at, char *to)
{
    while (*at < line.length && !word_ends(line.data[*at])) {
        if (line.data[*at] == '"' || line.data[*at] == '\'')
            return quoted_read(line, at, to);
        *to++ = line.data[(*at)++];
    }
    return to;
}

/* Splits a line into words; a copy is never longer than what it was copied from. */
static bool words_split(struct bytes line, struct resp_args *args)
{
    char *to;
    args->words.length = 0;
    to = buffer_reserve(&args->words, line.length + 1);
    args->count = 0;
    for (size_t at = 0;;) {
        while (at < line.length && isspace((unsigned char)line.data[at]))
            at++;
        if (at == line.length)
            return true;
        char *end = word_read(line, &at, to);
        if (!end)
            return false;
        if (args->count == args->capacity)
            args_grow(args);
        args->values[args->count++] = bytes_of(to, (size_t)(end - to));
        to = end;
    }
}

static enum resp_result parse_inline(struct resp_parser *parser, const struct resp_limits *limits, struct bytes input,
                                     struct resp_args *args, size_t *consumed, const char **error)
{
    struct bytes line;
    enum resp_result result = line_find(parser, limits, input, '\n', 1, &line);
    if (result == RESP_ERROR)
        return parser_fail(parser, error, "too big inline request");
    if (result == RESP_INCOMPLETE)
        return result;
    *consumed = line.length + 1;
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    const char *zero = memchr(line.data, '\0', line.length);
    if (zero)
        line.length = (size_t)(zero - line.data);
    if (!words_split(line, args))
        return parser_fail(parser, error, "unbalanced quotes in request");
    resp_parser_reset(parser);
    return RESP_COMPLETE;
}

enum resp_result resp_parse(struct resp_parser *parser, const struct resp_limits *limits, struct bytes input,
                            struct resp_args *args, size_t *consumed, const char **error)
{
    *consumed = 0;
    if (parser->position == 0) {
        if (input.length == 0)
            return RESP_INCOMPLETE;
        if (input.data[0] != '*')
            return parse_inline(parser, limits, input, args, consumed, error);
        if (parse_fast(parser, limits, input, args, consumed))
            return RESP_COMPLETE;
    }
    return parse_slow(parser, limits, input, args, consumed, error);
}

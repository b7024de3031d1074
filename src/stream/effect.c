/* SPDX-License-Identifier: BSD-3-Clause */
/* An effect is the RESP array of a command and nothing else:
 *
 *     *3\r\n $3\r\nset\r\n $1\r\nk\r\n $1\r\nv\r\n        (without the blanks)
 *
 * Staging one is on the path of every write, so a word costs one reservation and its digits are made here. Reading
 * back accepts exactly what writing makes: a shorter language leaves less to go wrong in a replay. */
#include "stream/effect.h"

#include <endian.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "stream/stream_private.h"

/* A batch larger than this gives its memory back when it is cleared. */
#define BATCH_KEPT_BYTES_MAX (1 << 20)

/* "$" digits "\r\n" before a word's bytes, "\r\n" after them. */
#define WORD_BYTES_MIN 6 /* of an empty one */
#define COUNT_BYTES_MAX (1 + BYTES_INTEGER_MAX + 2)
#define WORD_OVERHEAD_MAX (COUNT_BYTES_MAX + 2)

static inline char *batch_room(struct effect_batch *batch, size_t more)
{
    struct buffer *bytes = &batch->bytes;
    more += EFFECT_TAIL_ROOM;
    if (bytes->capacity - bytes->length >= more)
        return bytes->data + bytes->length;
    return buffer_reserve(bytes, more);
}

/* Up to seven characters in one store, the first one lowest; returns where they end. */
static inline char *write_packed(char *at, uint64_t characters, size_t length)
{
    uint64_t stored = htole64(characters);
    memcpy(at, &stored, sizeof(stored));
    return at + length;
}

/* Writes "<mark><number>\r\n" and returns where it ends; there is room for COUNT_BYTES_MAX. Nearly all numbers are short. */
static inline char *write_count(char *at, char mark, uint64_t number)
{
    uint64_t head = (unsigned char)mark, end = '\r' | '\n' << 8;
    if (number < 10)
        return write_packed(at, head | ('0' + number) << 8 | end << 16, 4);
    uint64_t tens = number / 10, ones = '0' + number % 10;
    if (number < 100)
        return write_packed(at, head | ('0' + tens) << 8 | ones << 16 | end << 24, 5);
    if (number < 1000)
        return write_packed(at, head | ('0' + tens / 10) << 8 | ('0' + tens % 10) << 16 | ones << 24 | end << 32, 6);
    *at = mark;
    at += 1 + bytes_from_uint64(at + 1, number);
    memcpy(at, "\r\n", 2);
    return at + 2;
}

static inline char *write_word(char *at, const char *data, size_t length)
{
    at = write_count(at, '$', length);
    if (length > 0)
        memcpy(at, data, length);
    at += length;
    memcpy(at, "\r\n", 2);
    return at + 2;
}

size_t effect_write_select(char *text, int32_t db)
{
    static const char head[] = "*2\r\n$6\r\nSELECT\r\n";
    char digits[BYTES_INTEGER_MAX];
    size_t length = bytes_from_int64(digits, db);
    memcpy(text, head, sizeof(head) - 1);
    return (size_t)(write_word(text + sizeof(head) - 1, digits, length) - text);
}

/* What stands before an effect's words, where there is room for it. */
static inline char *write_begin(struct effect_batch *batch, char *at, int32_t db, uint32_t argc)
{
    if (batch->count == 0)
        batch->first_db = db;
    else if (db != batch->last_db)
        at += effect_write_select(at, db);
    batch->last_db = db;
    batch->count++;
    return write_count(at, '*', argc);
}

void effect_begin(struct effect_batch *batch, int32_t db, uint32_t argc)
{
    check(argc >= 1 && argc <= EFFECT_WORDS_MAX);
    char *at = batch_room(batch, EFFECT_SELECT_MAX + WORD_OVERHEAD_MAX);
    batch->bytes.length = (size_t)(write_begin(batch, at, db, argc) - batch->bytes.data);
}

void effect_write(struct effect_batch *batch, int32_t db, const struct bytes *words, uint32_t count)
{
    size_t length = EFFECT_SELECT_MAX + (1 + count) * (size_t)WORD_OVERHEAD_MAX;
    for (uint32_t i = 0; i < count; i++)
        length += words[i].length;
    check(count >= 1 && count <= EFFECT_WORDS_MAX);
    char *at = write_begin(batch, batch_room(batch, length), db, count);
    for (uint32_t i = 0; i < count; i++)
        at = write_word(at, words[i].data, words[i].length);
    batch->bytes.length = (size_t)(at - batch->bytes.data);
}

void effect_word(struct effect_batch *batch, struct bytes word)
{
    char *at = batch_room(batch, word.length + WORD_OVERHEAD_MAX);
    batch->bytes.length = (size_t)(write_word(at, word.data, word.length) - batch->bytes.data);
}

void effect_word_integer(struct effect_batch *batch, int64_t value)
{
    char digits[BYTES_INTEGER_MAX];
    effect_word(batch, bytes_of(digits, bytes_from_int64(digits, value)));
}

void effect_batch_clear(struct effect_batch *batch)
{
    batch->count = 0;
    batch->bytes.length = 0;
    batch->head = 0;
    ring_block_release(batch->copied);
    batch->copied = NULL;
    if (batch->bytes.capacity > BATCH_KEPT_BYTES_MAX)
        buffer_deinit(&batch->bytes);
}

void effect_batch_deinit(struct effect_batch *batch)
{
    effect_batch_clear(batch);
    buffer_deinit(&batch->bytes);
}

/* Reads "<mark><number>\r\n"; returns where it ends, or NULL. */
static inline const char *read_count(const char *at, const char *end, char mark, uint64_t *number)
{
    if (end - at < 4 || *at != mark)
        return NULL;
    uint64_t value = 0;
    const char *digits = ++at;
    while (at < end && (unsigned char)(*at - '0') <= 9) {
        value = value * 10 + (uint64_t)(*at - '0');
        if (at++ - digits >= 15)
            return NULL;
    }
    if (at == digits || (*digits == '0' && at - digits > 1) || end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    *number = value;
    return at + 2;
}

void effect_init(struct effect *effect)
{
    effect->many = NULL;
    effect->many_capacity = 0;
}

void effect_deinit(struct effect *effect)
{
    memory_free(effect->many);
    effect_init(effect);
}

/* Room for so many words, of which each takes some of the input: so hostile bytes make no more room than they are worth. */
static bool make_room(struct effect *effect, uint64_t count, size_t input_length)
{
    if (count > input_length / WORD_BYTES_MIN)
        return false;
    effect->words = effect->few;
    if (count <= EFFECT_PIECE_WORDS)
        return true;
    if (count > effect->many_capacity) {
        memory_free(effect->many);
        effect->many_capacity = (uint32_t)count;
        effect->many = memory_allocate(count * sizeof(*effect->many));
    }
    effect->words = effect->many;
    return true;
}

bool effect_decode(struct bytes input, struct effect *effect, size_t *consumed)
{
    const char *end = input.data + input.length;
    uint64_t count, length;
    const char *at = read_count(input.data, end, '*', &count);
    if (!at || count == 0 || count > EFFECT_WORDS_MAX || !make_room(effect, count, input.length))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        at = read_count(at, end, '$', &length);
        if (!at || (uint64_t)(end - at) < length + 2 || at[length] != '\r' || at[length + 1] != '\n')
            return false;
        effect->words[i] = bytes_of(at, length);
        at += length + 2;
    }
    effect->count = (uint32_t)count;
    *consumed = (size_t)(at - input.data);
    return true;
}

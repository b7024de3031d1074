/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* One effect is a deterministic change of one key (or one of the few node-wide effects), encoded as the RESP
 * array of a command, so that a replica of the Redis family can apply it. An effect that creates its key has
 * its name in lower case ("set"), one that changes an existing key in upper case ("SET"): whoever replays the
 * stream then knows the number of keys without looking at rows. Command names are case-insensitive to everyone
 * else. */

/* The effects of one execution, staged until they are appended to the stream in one piece. A worker keeps one
 * and reuses it. All zero is valid. */
struct effect_batch {
    struct buffer bytes;
    uint32_t count;   /* effects, SELECTs not counted */
    int32_t first_db; /* logical db of the first effect; meaningful if count > 0 */
    int32_t last_db;  /* of the last: a change inside puts a SELECT between */
    /* Of a large batch (stream_batch_begin_large), whose bytes are not copied when they are appended: */
    uint32_t head;             /* bytes in front of the first effect; 0: the batch is none */
    bool is_bracket;           /* these end with a MULTI */
    struct ring_block *copied; /* what was staged at some time, for those who are fed; or NULL */
};

/* As many as a request has. */
#define EFFECT_WORDS_MAX (1024 * 1024)
/* What can be told in pieces is told in pieces of so many. */
#define EFFECT_PIECE_WORDS 256
/* There is always room for what ends a bracket behind an effect. */
#define EFFECT_TAIL_ROOM 14

/* Begins an effect of 'argc' words (1 .. EFFECT_WORDS_MAX) on logical db; exactly argc effect_word calls follow. */
void effect_begin(struct effect_batch *batch, int32_t db, uint32_t argc);
void effect_word(struct effect_batch *batch, struct bytes word);
void effect_word_integer(struct effect_batch *batch, int64_t value);
/* A whole effect, of words that are all there. */
void effect_write(struct effect_batch *batch, int32_t db, const struct bytes *words, uint32_t count);

/* Empties the batch and keeps its memory for the next one, unless a large value made it large. */
void effect_batch_clear(struct effect_batch *batch);
void effect_batch_deinit(struct effect_batch *batch);

/* An effect read back. Words point into the bytes it was read from. It may be read into again and again, and not copied. */
struct effect {
    int32_t db;
    uint32_t count;
    struct bytes *words; /* the name first */
    /* private */
    struct bytes few[EFFECT_PIECE_WORDS], *many;
    uint32_t many_capacity;
};

void effect_init(struct effect *effect);
void effect_deinit(struct effect *effect);

/* Reads the effect that begins at input.data, which may be hostile. False if it is cut or is not what effect_begin
 * and effect_word make; 'db' is left to the caller, who knows the SELECTs before it. */
bool effect_decode(struct bytes input, struct effect *effect, size_t *consumed);

/* Room for the longest SELECT. */
#define EFFECT_SELECT_MAX 48
/* Writes the SELECT of a logical db to 'text' and returns its length. */
size_t effect_write_select(char *text, int32_t db);

/* SPDX-License-Identifier: BSD-3-Clause */
/* Arbitrary bytes as an effect, as a frame, as a segment's header and as what follows a torn frame.
 *
 *   clang-14 -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -DFOREBAY_NO_JEMALLOC -Isrc \
 *       tests/fuzz/effect_fuzz.c src/stream/effect.c src/stream/stream_frame.c $(ls src/base/[a-z]*.c) \
 *       -lxxhash -lpthread -lm
 *
 * What must hold: nothing is read past the input; what was decoded, encoded again, gives the same bytes; a frame that
 * is made of the input reads back as it was, and no longer does once a bit of it is flipped. */
#include "stream/effect.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "stream/stream_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_effect(struct bytes input)
{
    struct effect effect;
    struct effect_batch batch = {0};
    size_t consumed;
    effect_init(&effect);
    if (!effect_decode(input, &effect, &consumed)) {
        effect_deinit(&effect);
        return;
    }
    check(consumed <= input.length && effect.count >= 1 && effect.count <= EFFECT_WORDS_MAX);
    effect_begin(&batch, 0, effect.count);
    for (uint32_t i = 0; i < effect.count; i++)
        effect_word(&batch, effect.words[i]);
    check(bytes_equal(buffer_bytes(&batch.bytes), bytes_of(input.data, consumed)));
    effect_batch_deinit(&batch);
    effect_deinit(&effect);
}

static void try_frame(struct bytes input)
{
    struct frame frame, made = {.offset = 1000, .synced = 500, .db = 3, .payload = input};
    size_t wanted, length = FRAME_HEADER_BYTES + input.length;
    if (frame_read(input, 0, &frame, &wanted) == FRAME_GOOD)
        check(wanted <= input.length && frame.payload.length == wanted - FRAME_HEADER_BYTES);
    frame_proves_sync(input, 0, 0);
    if (input.length == 0)
        return;
    char *bytes = malloc(length);
    memcpy(bytes + FRAME_HEADER_BYTES, input.data, input.length);
    frame_seal(bytes, 7, &made);
    check(frame_read(bytes_of(bytes, length), 7, &frame, &wanted) == FRAME_GOOD && wanted == length);
    check(frame.offset == 1000 && frame.synced == 500 && frame.db == 3 && !frame.clean);
    check(bytes_equal(frame.payload, input));
    bytes[(unsigned char)input.data[0] % length] ^= (char)(1 << input.length % 8);
    check(frame_read(bytes_of(bytes, length), 7, &frame, &wanted) != FRAME_GOOD);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment_header header;
    struct bytes input = bytes_of(data, size);
    try_effect(input);
    try_frame(input);
    if (size >= SEGMENT_HEADER_BYTES && log_segment_header_decode(input.data, &header) == STATUS_OK)
        check(strlen(header.replication_id) <= REPLICATION_ID_LENGTH);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Arbitrary bytes as the frames of a compressed link, and as what is put into some.
 *
 * What must hold: nothing is read past the input, no frame gives more than LINK_FRAME_RAW_MAX bytes; what was put into frames
 * comes out as it was; a frame of which a bit is flipped is refused, or waits for more. So that the fuzzer gets behind the
 * checksum, half of the inputs are given one that fits. */
#include "replication/link_frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_all(struct bytes input)
{
    struct buffer raw = {0};
    const char *error = NULL;
    size_t taken;
    enum link_frame_result result = LINK_FRAME_TAKEN;
    while (result == LINK_FRAME_TAKEN) {
        size_t before = raw.length;
        result = link_frame_take(input, &raw, &taken, &error);
        check(raw.length - before <= LINK_FRAME_RAW_MAX && (result == LINK_FRAME_TAKEN || raw.length == before));
        check((result == LINK_FRAME_BAD) == (error != NULL));
        check(result == LINK_FRAME_BAD || (result == LINK_FRAME_MORE) == (taken > input.length));
        if (result == LINK_FRAME_TAKEN)
            input = bytes_of(input.data + taken, input.length - taken);
    }
    buffer_deinit(&raw);
}

/* The first bytes say what the header says; the rest is stored under a checksum that fits. */
static void take_sealed(struct bytes input)
{
    if (input.length < 4)
        return;
    uint32_t raw, stored = (uint32_t)input.length - 4;
    memcpy(&raw, input.data, 4);
    raw %= 2 * (uint32_t)LINK_FRAME_RAW_MAX;
    uint64_t checksum = hash_bytes(input.data + 4, stored, (uint64_t)stored << 32 | raw);
    struct buffer frame = {0};
    buffer_append(&frame, &stored, 4);
    buffer_append(&frame, &raw, 4);
    buffer_append(&frame, &checksum, 8);
    buffer_append(&frame, input.data + 4, stored);
    take_all(buffer_bytes(&frame));
    buffer_deinit(&frame);
}

static void there_and_back(struct bytes input)
{
    struct buffer frames = {0}, raw = {0};
    const char *error = NULL;
    size_t taken;
    if (input.length == 0 || input.length > LINK_FRAME_RAW_MAX)
        return;
    link_frame_append(&frames, input);
    check(frames.length <= LINK_FRAME_HEADER_BYTES + input.length);
    check(link_frame_take(buffer_bytes(&frames), &raw, &taken, &error) == LINK_FRAME_TAKEN && taken == frames.length);
    check(bytes_equal(buffer_bytes(&raw), input));
    frames.data[(unsigned char)input.data[0] % frames.length] ^= (char)(1 << input.length % 8);
    enum link_frame_result result = link_frame_take(buffer_bytes(&frames), &raw, &taken, &error);
    check(result == LINK_FRAME_BAD || result == LINK_FRAME_MORE);
    buffer_deinit(&frames);
    buffer_deinit(&raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    take_all(input);
    take_sealed(input);
    there_and_back(input);
    return 0;
}

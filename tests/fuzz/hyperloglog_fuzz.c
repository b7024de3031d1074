/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings that say they are hyperloglogs: what passes as sound is merged, described, edited and made dense, and stays
 * sound with every edit. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "object/hyperloglog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void merge(const struct buffer *buffer, uint8_t *registers)
{
    memset(registers, 0, HYPERLOGLOG_REGISTERS);
    hyperloglog_merge(buffer_bytes(buffer), registers);
}

/* Raises registers that the input's own bytes name. */
static void edit(struct buffer *buffer, const uint8_t *data, size_t size)
{
    static uint8_t before[HYPERLOGLOG_REGISTERS], after[HYPERLOGLOG_REGISTERS];
    for (size_t i = 0; i + 3 <= size && i < 60; i += 3) {
        struct hyperloglog_hit hit = {(data[i] | (uint32_t)data[i + 1] << 8) % HYPERLOGLOG_REGISTERS,
                                      (uint8_t)(data[i + 2] % 63 + 1)};
        merge(buffer, before);
        bool raised = hyperloglog_raise(buffer, hit, 200);
        check(raised == (hit.value > before[hit.index]));
        check(hyperloglog_has_header(buffer_bytes(buffer)) && hyperloglog_is_sound(buffer_bytes(buffer)));
        merge(buffer, after);
        before[hit.index] = raised ? hit.value : before[hit.index];
        check(memcmp(before, after, sizeof(after)) == 0);
    }
}

static void use(struct buffer *buffer, const uint8_t *data, size_t size)
{
    static uint8_t sparse[HYPERLOGLOG_REGISTERS], dense[HYPERLOGLOG_REGISTERS];
    struct buffer text = {0};
    merge(buffer, sparse);
    hyperloglog_estimate(sparse);
    if (hyperloglog_is_sparse(buffer_bytes(buffer)))
        hyperloglog_describe(buffer_bytes(buffer), &text);
    buffer_deinit(&text);
    edit(buffer, data, size);
    merge(buffer, sparse);
    hyperloglog_make_dense(buffer);
    merge(buffer, dense);
    check(memcmp(sparse, dense, sizeof(dense)) == 0);
}

/* Appends zeros for the registers that the runs leave. */
static void fill_up(struct buffer *buffer)
{
    uint32_t covered = 0;
    for (size_t i = HYPERLOGLOG_HEADER_BYTES; i < buffer->length; i++) {
        uint8_t byte = (uint8_t)buffer->data[i];
        if ((byte & 0xc0) == 0x40 && i + 1 < buffer->length)
            covered += ((byte & 63u) << 8 | (uint8_t)buffer->data[++i]) + 1;
        else
            covered += byte & 0x80 ? (byte & 3u) + 1 : (byte & 63u) + 1;
    }
    uint32_t left = HYPERLOGLOG_REGISTERS - covered;
    uint8_t zeros[2] = {(uint8_t)(0x40 | ((left - 1) >> 8 & 63)), (uint8_t)(left - 1)};
    if (covered < HYPERLOGLOG_REGISTERS)
        buffer_append(buffer, zeros, sizeof(zeros));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A first byte of 0 leaves the bytes alone; else they are runs behind a header. */
    struct buffer input = {0};
    if (size == 0)
        return 0;
    if (data[0] != 0) {
        hyperloglog_init(&input);
        input.length = HYPERLOGLOG_HEADER_BYTES;
    }
    buffer_append(&input, data + 1, size - 1);
    if (data[0] > 127)
        fill_up(&input);
    if (hyperloglog_has_header(buffer_bytes(&input)) && hyperloglog_is_sound(buffer_bytes(&input)))
        use(&input, data, size);
    buffer_deinit(&input);
    return 0;
}

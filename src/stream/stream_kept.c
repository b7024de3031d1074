/* SPDX-License-Identifier: BSD-3-Clause */
/* After a failed sync nobody knows what the device holds of the bytes since the last good one, and a second sync may
 * "succeed" because the system has forgotten them. So they are kept here until they are synced, and are written again
 * elsewhere if they have to be. Frames are copied together into blocks: the two buffers that take turns in receiving
 * and writing stay small and in cache. A frame of a block's size or more is not copied, its buffer is the block. */
#include "stream/stream_private.h"

#include "base/memory.h"

#define KEPT_BLOCK_BYTES ((size_t)256 << 10)

static struct kept_block *kept_block_add(struct kept *kept)
{
    struct kept_block *block = kept->spare ? kept->spare : memory_allocate_zeroed(sizeof(*block));
    kept->spare = NULL;
    block->next = NULL;
    if (kept->tail)
        kept->tail->next = block;
    else
        kept->head = block;
    kept->tail = block;
    return block;
}

void kept_add(struct kept *kept, struct buffer *frame, uint64_t end)
{
    struct kept_block *block = kept->tail;
    kept->bytes += frame->length;
    if (frame->length >= KEPT_BLOCK_BYTES) {
        block = kept_block_add(kept);
        buffer_deinit(&block->bytes);
        block->bytes = *frame;
        *frame = (struct buffer){0};
    } else {
        if (!block || block->bytes.length + frame->length > KEPT_BLOCK_BYTES) {
            block = kept_block_add(kept);
            buffer_reserve(&block->bytes, KEPT_BLOCK_BYTES);
        }
        buffer_append_bytes(&block->bytes, buffer_bytes(frame));
        frame->length = 0;
    }
    block->end = end;
}

struct kept_block *kept_remove_synced(struct kept *kept, uint64_t synced)
{
    struct kept_block *removed = kept->head, **place = &removed;
    while (*place && (*place)->end <= synced) {
        kept->bytes -= (*place)->bytes.length;
        place = &(*place)->next;
    }
    kept->head = *place;
    *place = NULL;
    if (!kept->head)
        kept->tail = NULL;
    if (removed && !kept->spare && removed->bytes.capacity <= 2 * KEPT_BLOCK_BYTES) {
        kept->spare = removed;
        removed = removed->next;
        kept->spare->next = NULL; /* those after it are the caller's */
        kept->spare->bytes.length = 0;
    }
    return removed;
}

void kept_free(struct kept_block *blocks)
{
    while (blocks) {
        struct kept_block *next = blocks->next;
        buffer_deinit(&blocks->bytes);
        memory_free(blocks);
        blocks = next;
    }
}

void kept_deinit(struct kept *kept)
{
    kept_free(kept->head);
    kept_free(kept->spare);
    *kept = (struct kept){0};
}

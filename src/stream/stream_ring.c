/* SPDX-License-Identifier: BSD-3-Clause */
/* The recent part of the stream in memory: blocks in order, each with a count of who reads it. Appending writes behind what
 * a block holds, and who reads looks no further than what stood there when he took the block, so bytes are copied out
 * without the lock. A block's memory was used by an older one and is far from the processor by now: what comes next is asked
 * for ahead.
 *
 *   G1  the blocks hold the offsets [head->first, end) without a gap; a block never moves.
 *   G2  without a log nothing that a reader still needs (held_from) is dropped: whoever holds it bounds how much that is. */
#include "stream/stream_private.h"

#include "base/check.h"
#include "base/memory.h"

/* With its head it fills a size class of the allocator. */
#define RING_BLOCK_BYTES (((size_t)64 << 10) - sizeof(struct ring_block))
#define RING_BLOCK_BYTES_MIN ((size_t)1 << 10)
#define LINE_BYTES 64
#define AHEAD_BYTES 256

static struct ring_block *ring_block_create(uint64_t first, size_t capacity)
{
    struct ring_block *block = memory_allocate(sizeof(*block) + capacity);
    *block = (struct ring_block){.references = 1, .first = first, .capacity = capacity};
    return block;
}

void ring_block_release(struct ring_block *block)
{
    if (block && atomic_fetch_sub(&block->references, 1) == 1)
        memory_free(block);
}

static inline void prefetch_ahead(const struct ring_block *block)
{
    for (size_t at = LINE_BYTES; at <= AHEAD_BYTES; at += LINE_BYTES)
        __builtin_prefetch(block->data + block->length + at, 1);
}

static struct ring_block *ring_grow(struct ring *ring, size_t needed, uint64_t first, size_t bytes_max)
{
    size_t capacity = bytes_max / 16 < RING_BLOCK_BYTES ? bytes_max / 16 : RING_BLOCK_BYTES;
    if (capacity < RING_BLOCK_BYTES_MIN)
        capacity = RING_BLOCK_BYTES_MIN;
    struct ring_block *block = ring_block_create(first, needed > capacity ? needed : capacity);
    if (ring->tail)
        ring->tail->next = block;
    else
        ring->head = block;
    ring->tail = block;
    return block;
}

void ring_append(struct ring *ring, struct bytes bytes, uint64_t end, size_t bytes_max)
{
    uint64_t first = end - bytes.length;
    while (bytes.length > 0) {
        struct ring_block *block = ring->tail;
        size_t room = block ? block->capacity - block->length : 0;
        if (room == 0) {
            block = ring_grow(ring, bytes.length, first, bytes_max);
            room = block->capacity;
        }
        size_t part = bytes.length < room ? bytes.length : room;
        memcpy(block->data + block->length, bytes.data, part);
        block->length += part;
        ring->bytes += part;
        first += part;
        bytes = bytes_of(bytes.data + part, bytes.length - part);
    }
    if (ring->tail)
        prefetch_ahead(ring->tail);
}

char *ring_reserve(struct ring *ring, size_t length, uint64_t first, size_t bytes_max)
{
    struct ring_block *block = ring->tail;
    if (!block || block->capacity - block->length < length)
        block = ring_grow(ring, length, first, bytes_max);
    return block->data + block->length;
}

void ring_commit(struct ring *ring, size_t length)
{
    ring->tail->length += length;
    ring->bytes += length;
    prefetch_ahead(ring->tail);
}

struct ring_block *ring_block_of(struct bytes bytes)
{
    struct ring_block *block = ring_block_create(0, bytes.length);
    memcpy(block->data, bytes.data, bytes.length);
    block->length = bytes.length;
    return block;
}

void ring_append_block(struct ring *ring, struct ring_block *block, uint64_t first)
{
    if (ring->tail)
        ring->tail->capacity = ring->tail->length; /* G1: nothing is written behind it any more */
    *(ring->tail ? &ring->tail->next : &ring->head) = block;
    ring->tail = block;
    block->first = first;
    ring->bytes += block->length;
}

void ring_trim(struct ring *ring, size_t bytes_max, uint64_t held_from)
{
    struct ring_block *head = ring->head;
    while (head && head != ring->tail && ring->bytes - head->length >= bytes_max &&
           head->first + head->length <= held_from) {
        ring->head = head->next;
        ring->bytes -= head->length;
        if (ring->recent == head)
            ring->recent = NULL;
        ring_block_release(head);
        head = ring->head;
    }
}

struct ring_block *ring_take(struct ring *ring, uint64_t offset, size_t *length)
{
    struct ring_block *block = ring->recent && ring->recent->first <= offset ? ring->recent : ring->head;
    if (!block || offset < block->first)
        return NULL;
    while (block && offset >= block->first + block->length)
        block = block->next;
    if (!block)
        return NULL;
    ring->recent = block;
    atomic_fetch_add(&block->references, 1);
    *length = (size_t)(block->first + block->length - offset);
    return block;
}

void ring_deinit(struct ring *ring)
{
    while (ring->head) {
        struct ring_block *next = ring->head->next;
        ring_block_release(ring->head);
        ring->head = next;
    }
    *ring = (struct ring){0};
}

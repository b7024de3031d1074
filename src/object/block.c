/* SPDX-License-Identifier: BSD-3-Clause */
/* Counted blocks. Only the count is shared between threads: whoever finds it at one is the only holder, since a
 * second reference can only be made by somebody who has one. The load that finds it there acquires what the others
 * did before they released theirs. */
#include "object/block.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

/* Giving back this much touches so many pages that a loop should not wait for it. */
#define FREE_LATER_BYTES (1 << 20)

struct block *block_create(size_t length, size_t capacity)
{
    if (capacity < length)
        capacity = length;
    if (capacity > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *block = memory_try_allocate(sizeof(struct block) + capacity);
    if (block == NULL)
        return NULL;
    atomic_init(&block->references, 1);
    block->unused = 0;
    block->length = length;
    block->capacity = capacity;
    return block;
}

struct block *block_acquire(struct block *block)
{
    uint32_t before = atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    check(before > 0 && before < UINT32_MAX);
    return block;
}

void block_release(void *argument)
{
    struct block *block = argument;
    uint32_t before = atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel);
    check(before > 0);
    if (before > 1)
        return;
    if (block->capacity >= FREE_LATER_BYTES)
        memory_free_later(block, memory_free);
    else
        memory_free(block);
}

struct block *block_make_private(struct block *block, size_t capacity)
{
    if (block_is_private(block) && block->capacity >= capacity)
        return block;
    struct block *copy = block_create(block->length, capacity);
    if (copy == NULL)
        return NULL;
    memcpy(copy->data, block->data, block->length);
    block_release(block);
    return copy;
}

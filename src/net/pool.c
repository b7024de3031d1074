/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks for outputs. Nearly all replies of a turn fit the small size; 128 of those keep to the second-level cache,
 * which blocks of 16 KiB, all beginning at the same cache set, do not. A block that grew in between comes back with
 * another size and is freed. */
#include "net/net_private.h"

#include "base/memory.h"

/* Who sent more than this probably gets more than a small block of replies. */
#define RECEIVED_SMALL_MAX 512

void buffer_pool_lend(struct buffer_pool *pool, struct buffer *buffer, size_t received)
{
    if (received <= RECEIVED_SMALL_MAX) {
        buffer->capacity = NET_POOL_SMALL;
        buffer->data = pool->small_count > 0 ? pool->small[--pool->small_count] : memory_allocate(NET_POOL_SMALL);
    } else {
        buffer->capacity = NET_POOL_LARGE;
        buffer->data = pool->large_count > 0 ? pool->large[--pool->large_count] : memory_allocate(NET_POOL_LARGE);
    }
}

void buffer_pool_return(struct buffer_pool *pool, struct buffer *buffer)
{
    if (buffer->capacity == NET_POOL_SMALL && pool->small_count < NET_POOL_KEPT)
        pool->small[pool->small_count++] = buffer->data;
    else if (buffer->capacity == NET_POOL_LARGE && pool->large_count < NET_POOL_KEPT)
        pool->large[pool->large_count++] = buffer->data;
    else
        memory_free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_pool_deinit(struct buffer_pool *pool)
{
    while (pool->small_count > 0)
        memory_free(pool->small[--pool->small_count]);
    while (pool->large_count > 0)
        memory_free(pool->large[--pool->large_count]);
}

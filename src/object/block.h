/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* A counted run of bytes for large strings. While more than one holder has it (a reply being sent, a row being
 * captured, an effect), it must not be changed: block_make_private gives the writer its own copy. */
struct block {
    _Atomic uint32_t references;
    uint32_t unused;
    size_t length;
    size_t capacity;
    char data[];
};

/* A block of 'length' bytes, contents undefined, with room for 'capacity'; one reference. NULL when memory is out. */
struct block *block_create(size_t length, size_t capacity);
struct block *block_acquire(struct block *block);
/* Drops a reference; frees with the last. Takes void * so that it fits output_append_reference. */
void block_release(void *block);
/* For a holder: whether it is the only one. */
static inline bool block_is_private(const struct block *block)
{
    return atomic_load_explicit(&block->references, memory_order_acquire) == 1;
}
/* Returns a block with at least 'capacity' that only the caller holds: the same, grown, or a copy; consumes the
 * reference. NULL (and the reference kept) when memory is out. */
struct block *block_make_private(struct block *block, size_t capacity);

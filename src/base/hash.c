/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiled in rather than called, since a key is short and its hash is taken for every command. */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *data, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, length, seed);
}

uint32_t hash_checksum(const void *data, size_t length)
{
    return (uint32_t)XXH3_64bits(data, length);
}

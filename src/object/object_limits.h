/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdint.h>

#include "base/option.h"

/* How far collections stay compact; directives of the same names, each a single store. */
struct object_limits {
    int64_t hash_max_listpack_entries, hash_max_listpack_value;
    int64_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
    int64_t zset_max_listpack_entries, zset_max_listpack_value;
    int64_t list_max_listpack_size; /* elements, or -1 .. -5: bytes from 4 to 64 KiB */
    int64_t stream_node_max_bytes, stream_node_max_entries;
    int64_t hll_sparse_max_bytes;
};
extern struct object_limits object_limits;
extern const struct option object_limit_options[];

/* SPDX-License-Identifier: BSD-3-Clause */
/* The directives that say how far collections stay compact. Names and defaults are those of Redis 7, the older names with
 * "ziplist" included; whatever they say, a value that stands in its entry has at most OBJECT_INLINE_MAX bytes. */
#include "object/object_limits.h"

struct object_limits object_limits;

#define LIMIT(directive, field, first, least)                                                                          \
    {                                                                                                                  \
        .name = (directive), .type = OPTION_INTEGER, .value = &object_limits.field, .initial = (first),                \
        .minimum = (least), .maximum = INT64_MAX, .help = "up to here a " #field " stays compact"                      \
    }

const struct option object_limit_options[] = {
    LIMIT("hash-max-listpack-entries", hash_max_listpack_entries, "512", 0),
    LIMIT("hash-max-listpack-value", hash_max_listpack_value, "64", 0),
    LIMIT("list-max-listpack-size", list_max_listpack_size, "-2", INT64_MIN),
    LIMIT("set-max-intset-entries", set_max_intset_entries, "512", 0),
    LIMIT("set-max-listpack-entries", set_max_listpack_entries, "128", 0),
    LIMIT("set-max-listpack-value", set_max_listpack_value, "64", 0),
    LIMIT("zset-max-listpack-entries", zset_max_listpack_entries, "128", 0),
    LIMIT("zset-max-listpack-value", zset_max_listpack_value, "64", 0),
    LIMIT("stream-node-max-bytes", stream_node_max_bytes, "4096", 0),
    LIMIT("stream-node-max-entries", stream_node_max_entries, "100", 0),
    {.name = "hll-sparse-max-bytes",
     .type = OPTION_BYTES,
     .value = &object_limits.hll_sparse_max_bytes,
     .initial = "3000",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "up to here a HyperLogLog stays sparse"},
    {.name = NULL},
};

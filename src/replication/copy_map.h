/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "keyspace/keyspace.h"

/* At which offset of the stream each range of keys was copied, in the order of copying, which is that of keys. */
struct copy_map {
    struct copied_part *parts;
    size_t count, capacity;
};

/* A key's place in the order as one number. Ranges end at multiples of what it leaves away of the hash. */
static inline uint64_t copy_position(int db, uint16_t slot, uint64_t hash)
{
    return (uint64_t)db << 60 | (uint64_t)slot << 46 | hash >> 18;
}

/* Everything behind the part before and up to the position, included, was copied at the offset. */
void copy_map_add(struct copy_map *map, uint64_t position, uint64_t offset);
/* The offset at which the key's range was copied. */
uint64_t copy_map_offset(const struct copy_map *map, const struct key *key);
void copy_map_deinit(struct copy_map *map);

/* What of the stream goes to somebody who has the copy: all of it, but effects that the copy has already are replaced by
 * empty lines of the same length, so that offsets stay equal. Those count for a follower and do nothing. */
struct copy_filter {
    const struct copy_map *map;
    const struct keyspace *keyspace;
    uint64_t functions_offset; /* at which the functions were copied */
    uint64_t offset;           /* of the next byte */
    int db;                    /* -1: not selected yet */
    bool is_over;              /* an effect on whole databases came in the middle of the copy: it is worth nothing */
    struct buffer waiting;     /* bytes that are not a whole command yet */
    uint64_t filled, passed;   /* effects */
};
/* Takes the stream's next bytes and appends to 'out' what goes on. False if the copy has become void (is_over). */
bool copy_filter_pass(struct copy_filter *filter, struct bytes bytes, struct buffer *out);
/* The copy is over: what waits goes on as it is. */
void copy_filter_end(struct copy_filter *filter, struct buffer *out);

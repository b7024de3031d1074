/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "keyspace/cold_filter.h"

#include <string.h>

/* What the two files of the filter share; F1 to F3 at the head of cold_filter.c say what holds. */

#define BUCKET_BITS 12
#define BUCKETS (1u << BUCKET_BITS)
#define STRIPES 4
#define STRIPE_BUCKETS (BUCKETS / STRIPES)
#define FINGERPRINT_BITS 16
#define DEPTH_MAX (FINGERPRINT_BITS - 1)

struct cold_segment {
    uint16_t *stripes[STRIPES];
    uint16_t slots[STRIPES]; /* of every bucket in the stripe */
    uint32_t count;
    uint8_t depth;
};

struct cold_filter {
    size_t count;
    size_t bytes;
    uint32_t *small;                 /* ascending; while 'directory' is NULL */
    struct cold_segment **directory; /* by the fingerprint's top bits */
    uint32_t small_capacity;
    uint32_t random;
    uint8_t depth;
};

/* A fingerprint on its way to a place. */
struct homeless {
    uint32_t bucket;
    uint16_t fingerprint;
};

static inline uint16_t fingerprint_of(uint64_t hash)
{
    uint16_t fingerprint = (uint16_t)(hash >> (64 - FINGERPRINT_BITS));
    return fingerprint == 0 ? 1 : fingerprint;
}

static inline uint32_t bucket_of(uint64_t hash)
{
    return (uint32_t)hash & (BUCKETS - 1);
}

static inline uint32_t alternate_of(uint32_t bucket, uint16_t fingerprint)
{
    uint32_t distance = fingerprint * UINT32_C(0x9e3779b1) >> (32 - BUCKET_BITS);
    return bucket ^ (distance == 0 ? 1 : distance);
}

static inline struct cold_segment *segment_of(const struct cold_filter *filter, uint16_t fingerprint)
{
    return filter->directory[fingerprint >> (FINGERPRINT_BITS - filter->depth)];
}

/* ---- buckets ---- */

static inline uint16_t *bucket_slots(const struct cold_segment *segment, uint32_t bucket, unsigned *slots)
{
    uint32_t stripe = bucket / STRIPE_BUCKETS;
    *slots = segment->slots[stripe];
    return segment->stripes[stripe] + (size_t)(bucket % STRIPE_BUCKETS) * *slots;
}

/* Whether one of four slots holds the fingerprint: the subtraction borrows through a lane that became zero. */
static inline bool four_have(const uint16_t *slots, uint64_t repeated)
{
    const uint64_t ones = UINT64_C(0x0001000100010001);
    uint64_t lanes;
    memcpy(&lanes, slots, sizeof(lanes));
    lanes ^= repeated;
    return ((lanes - ones) & ~lanes & ones << 15) != 0;
}

static inline bool bucket_has(const struct cold_segment *segment, uint32_t bucket, uint16_t fingerprint)
{
    unsigned count;
    const uint16_t *slots = bucket_slots(segment, bucket, &count);
    if (count < 4) {
        for (unsigned i = 0; i < count; i++) {
            if (slots[i] == fingerprint)
                return true;
        }
        return false;
    }
    uint64_t repeated = fingerprint * UINT64_C(0x0001000100010001);
    for (unsigned i = 0; i + 4 < count; i += 4) {
        if (four_have(slots + i, repeated))
            return true;
    }
    return four_have(slots + count - 4, repeated);
}

/* Puts 'to' into the first slot of the bucket that holds 'from'. */
static inline bool bucket_exchange(struct cold_segment *segment, uint32_t bucket, uint16_t from, uint16_t to)
{
    unsigned count;
    uint16_t *slots = bucket_slots(segment, bucket, &count);
    for (unsigned i = 0; i < count; i++) {
        if (slots[i] == from) {
            slots[i] = to;
            return true;
        }
    }
    return false;
}

/* ---- memory that is counted: cold_filter.c ---- */

void *cold_filter_allocate(struct cold_filter *filter, size_t size);
void cold_filter_free(struct cold_filter *filter, void *part, size_t size);

/* ---- segments: cold_segment.c ---- */

/* Empty, with room for 'count' fingerprints. */
struct cold_segment *cold_segment_create(struct cold_filter *filter, unsigned depth, size_t count);
void cold_segment_destroy(struct cold_filter *filter, struct cold_segment *segment);
/* Puts the fingerprint into its segment, which grows or splits if it must, and counts it there. */
void cold_filter_put(struct cold_filter *filter, struct homeless homeless);
bool cold_segment_is_sparse(const struct cold_segment *segment);
/* Takes one slot from the buckets that have most, unless they have but one. */
void cold_segment_shrink(struct cold_filter *filter, struct cold_segment *segment);

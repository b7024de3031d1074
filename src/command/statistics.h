/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/worker.h"

/* Counters have one writer; this makes a reader's view of them defined. */
#define STATISTIC_ADD(counter, amount)                                                                                 \
    __atomic_store_n(&(counter), __atomic_load_n(&(counter), __ATOMIC_RELAXED) + (amount), __ATOMIC_RELAXED)

/* Latency buckets: four to a power of two of microseconds, so that a bucket is within 19 % of its content. */
static inline uint32_t latency_bucket(uint64_t us)
{
    if (us < 4)
        return (uint32_t)us;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(us);
    uint32_t bucket = octave * 4 - 4 + (uint32_t)((us >> (octave - 2)) & 3);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}
/* The largest number of microseconds that falls into the bucket. */
static inline uint64_t latency_bucket_limit(uint32_t bucket)
{
    if (bucket < 4)
        return bucket;
    uint32_t octave = (bucket + 4) / 4;
    return ((UINT64_C(5) + (bucket & 3)) << (octave - 2)) - 1;
}

/* The sum over workers for one command. 'buckets' may be NULL. Values are a moment's, not a snapshot. */
struct command_stats statistics_of(struct engine *engine, uint32_t command_id, uint64_t *buckets);
/* CONFIG RESETSTAT: later sums count from here. */
void statistics_reset(struct engine *engine);

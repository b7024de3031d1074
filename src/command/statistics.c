/* SPDX-License-Identifier: BSD-3-Clause */
/* Each worker counts for itself without a lock; a reader sums what it sees. A reset cannot clear other workers' counters
 * from outside, so it remembers them as a base to subtract. */
#include "command/statistics.h"

#include "base/lock.h"
#include "base/memory.h"
#include "command/engine.h"

/* Guards the base: a reset may come while others read. */
static struct lock base_lock = {.rank = LOCK_LEAF};
static struct command_stats *base_stats;
static uint64_t *base_buckets;

static struct command_stats statistics_sum(struct engine *engine, uint32_t command_id, uint64_t *buckets)
{
    struct command_stats sum = {0};
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        const struct command_stats *stats = &engine->workers[i]->stats[command_id];
        sum.calls += __atomic_load_n(&stats->calls, __ATOMIC_RELAXED);
        sum.ticks += __atomic_load_n(&stats->ticks, __ATOMIC_RELAXED);
        sum.failed += __atomic_load_n(&stats->failed, __ATOMIC_RELAXED);
        sum.rejected += __atomic_load_n(&stats->rejected, __ATOMIC_RELAXED);
        const uint32_t *counts = __atomic_load_n(&stats->buckets, __ATOMIC_ACQUIRE);
        for (uint32_t b = 0; buckets && counts && b < LATENCY_BUCKETS; b++)
            buckets[b] += __atomic_load_n(&counts[b], __ATOMIC_RELAXED);
    }
    return sum;
}

static void subtract_base_locked(struct command_stats *sum, uint32_t command_id, uint64_t *buckets)
{
    const struct command_stats *base = &base_stats[command_id];
    sum->calls -= base->calls;
    sum->ticks -= base->ticks;
    sum->failed -= base->failed;
    sum->rejected -= base->rejected;
    for (uint32_t b = 0; buckets && b < LATENCY_BUCKETS; b++)
        buckets[b] -= base_buckets[command_id * LATENCY_BUCKETS + b];
}

struct command_stats statistics_of(struct engine *engine, uint32_t command_id, uint64_t *buckets)
{
    if (buckets)
        memset(buckets, 0, LATENCY_BUCKETS * sizeof(*buckets));
    lock_acquire(&base_lock);
    struct command_stats sum = statistics_sum(engine, command_id, buckets);
    if (base_stats)
        subtract_base_locked(&sum, command_id, buckets);
    lock_release(&base_lock);
    return sum;
}

void statistics_reset(struct engine *engine)
{
    uint32_t count = command_count();
    lock_acquire(&base_lock);
    if (!base_stats) {
        base_stats = memory_allocate_zeroed(count * sizeof(*base_stats));
        base_buckets = memory_allocate_zeroed(count * LATENCY_BUCKETS * sizeof(*base_buckets));
    }
    for (uint32_t id = 0; id < count; id++) {
        uint64_t *buckets = base_buckets + id * LATENCY_BUCKETS;
        memset(buckets, 0, LATENCY_BUCKETS * sizeof(*buckets));
        base_stats[id] = statistics_sum(engine, id, buckets);
    }
    lock_release(&base_lock);
}

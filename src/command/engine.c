/* SPDX-License-Identifier: BSD-3-Clause */
/* Room in memory. The ticker keeps allocation_limit such that the process's resident bytes stay below maxmemory; here
 * allocation is brought under it between requests, a partition at a time, before any lock of a request is taken. */
#include "command/engine.h"

#include "base/memory.h"
#include "command/worker.h"

struct engine_hooks engine_hooks;
struct following_settings following_settings = {.read_only = true, .ignores_maxmemory = true, .apply_threads = 1};

/* What one eviction step is asked for, and how many partitions one call visits at most: bounds its time. */
#define EVICT_STEP_BYTES (64 * 1024)
#define EVICT_PARTITIONS_MAX 64
/* Nothing is evicted in the middle of a script, whose writes may go beyond the limit by this part of it. */
#define OVERFULL_PART 4
#define OVERFULL_BYTES_MIN ((size_t)64 << 20)

static size_t engine_excess(struct engine *engine)
{
    size_t limit = atomic_load_explicit(&engine->allocation_limit, memory_order_relaxed);
    size_t allocated = memory_allocated();
    return allocated > limit ? allocated - limit : 0;
}

bool engine_is_overfull(struct engine *engine)
{
    size_t beyond = atomic_load_explicit(&engine->allocation_limit, memory_order_relaxed) / OVERFULL_PART;
    return engine_excess(engine) > (beyond > OVERFULL_BYTES_MIN ? beyond : OVERFULL_BYTES_MIN);
}

const char *engine_write_failure(const struct engine *engine)
{
    const char *failure = stream_failure(engine->stream);
    if (failure || !stream_is_full(engine->stream) || !engine_hooks.failure || !engine_hooks.failure())
        return failure;
    return "MISCONF the log is full (durability-log-max), since the tier cannot be written: see tier_failure of INFO "
           "tier; writes resume by themselves";
}

bool engine_make_room(struct engine *engine, struct worker *worker)
{
    size_t excess = engine_excess(engine);
    if (__builtin_expect(excess == 0, 1))
        return true;
    bool imports = __atomic_load_n(&engine->import_mode, __ATOMIC_RELAXED);
    bool follows = !engine_decides(engine) && !imports;
    if (follows && !engine->spill && __atomic_load_n(&following_settings.ignores_maxmemory, __ATOMIC_RELAXED))
        return true;
    bool keeps_all = engine->eviction == EVICT_NOEVICTION || engine->eviction == EVICT_TIER || imports;
    if (!engine->spill && keeps_all)
        return false;
    enum eviction_reach reach = !engine->spill ? EVICT_ANY : follows ? EVICT_CLEAN : EVICT_OPTIONAL;
    size_t dirty = 0;
    for (uint32_t visited = 0; excess > 0 && visited < EVICT_PARTITIONS_MAX; visited++) {
        size_t wanted = excess < EVICT_STEP_BYTES ? excess : EVICT_STEP_BYTES;
        worker->evict_partition = (worker->evict_partition + 1) % PARTITION_COUNT;
        size_t freed = keyspace_evict_step(engine->keyspace, worker->evict_partition, wanted,
                                           (enum eviction_policy)engine->eviction, reach, worker->now_ms, &dirty);
        excess = freed >= excess ? 0 : excess - freed;
    }
    if (dirty > 0 && engine->want_clean)
        engine->want_clean(engine->want_clean_context);
    return excess == 0 || engine_excess(engine) == 0;
}

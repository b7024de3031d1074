/* SPDX-License-Identifier: BSD-3-Clause */
/* Periodic jobs, one row each. What RSS holds beyond what is allocated (fragments, code, stacks, free pages not yet given
 * back) is measured slowly and taken off maxmemory; the rest is what may be allocated. Eviction is thus steered by
 * allocation, which answers at once, and never by resident pages, which do not. */
#include "server/ticker.h"

#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/thread.h"
#include "command/info.h"

#define TICK_MS 100
/* Keys often expire in crowds: the next step is not far from one that found some. So with sparse pages. */
#define BUSY_TICK_MS 20
#define EXPIRE_STEP_MAX 64
/* Up to this part of maxmemory, free pages that the allocator still holds are not worth a look; beyond it they are given
 * back first, and only what then remains counts as overhead. */
#define RESIDENT_PART_RELAXED 0.9
/* How much of a fall of the overhead one look believes. */
#define OVERHEAD_DECAY 0.1
/* How fast the most that was allocated lately falls to what is allocated now, a look. */
#define HELD_DECAY 0.02
/* Never below this part of maxmemory, whatever was measured. */
#define ALLOCATION_PART_MIN 0.5
/* What a small node needs to get on at all, for buffers, RocksDB, replicas and a few entries, and the part of maxmemory
 * that it may have for that: the pages of program and libraries alone, which are resident too, can be most of it. */
#define ALLOCATION_BYTES_MIN (16 << 20)
#define ALLOCATION_PART_SMALL 0.7
/* From this part of maxmemory on, in pages that are in use but not full, entries are gathered: for so long in a tick, and
 * again after a pause when a round found little to move. */
#define SPARSE_PART_MAX 0.04
#define GATHER_US 2000
#define GATHER_PAUSE_MS 5000
#define GATHER_MOVED_PART 64

static struct {
    struct engine *engine;
    struct thread thread;
    _Atomic bool stopping;
    _Atomic double overhead;        /* written by whoever measures, one thread */
    double held;                    /* as 'overhead': the most that was allocated lately */
    _Atomic uint64_t machine_bytes; /* 0: not yet asked for */
} ticker;

static int64_t memory_bound(const struct engine *engine)
{
    int64_t maxmemory = __atomic_load_n(&engine->maxmemory, __ATOMIC_RELAXED);
    if (maxmemory > 0)
        return maxmemory;
    uint64_t machine_bytes = atomic_load_explicit(&ticker.machine_bytes, memory_order_relaxed);
    return (int64_t)((machine_bytes > 0 ? machine_bytes : memory_of_machine()) / 4 * 3);
}

/* Limits of control groups may change, but it takes several files to know them. */
static void tick_machine(struct engine *engine, int64_t now_ms)
{
    (void)engine, (void)now_ms;
    atomic_store_explicit(&ticker.machine_bytes, memory_of_machine(), memory_order_relaxed);
}

/* Eviction does not go below this, whatever was measured. */
static double allocation_floor(double bound)
{
    double floor =
        bound * ALLOCATION_PART_SMALL < ALLOCATION_BYTES_MIN ? bound * ALLOCATION_PART_SMALL : ALLOCATION_BYTES_MIN;
    return floor > bound * ALLOCATION_PART_MIN ? floor : bound * ALLOCATION_PART_MIN;
}

void ticker_limit_memory(struct engine *engine)
{
    double bound = (double)memory_bound(engine);
    double limit = bound - atomic_load_explicit(&ticker.overhead, memory_order_relaxed),
           floor = allocation_floor(bound);
    if (limit < floor)
        limit = floor;
    atomic_store_explicit(&engine->allocation_limit, (size_t)limit, memory_order_relaxed);
}

/* Eviction frees blocks, but no pages as long as others share them. So overhead is what is resident beyond the most that
 * was allocated lately: or each eviction would count as overhead, call for another, and so on without end. */
static double measure_overhead(void)
{
    memory_refresh();
    double resident = (double)memory_resident(), allocated = (double)memory_allocated();
    double held = allocated > ticker.held ? allocated : ticker.held;
    return resident > held ? resident - held : 0;
}

static void note_held(void)
{
    double allocated = (double)memory_allocated();
    ticker.held -= (ticker.held - allocated) * HELD_DECAY;
    if (ticker.held < allocated)
        ticker.held = allocated;
}

void ticker_measure_memory(struct engine *engine)
{
    double bound = (double)memory_bound(engine), overhead = measure_overhead();
    double believed = atomic_load_explicit(&ticker.overhead, memory_order_relaxed);
    if (overhead > believed && (double)memory_resident() > bound * RESIDENT_PART_RELAXED) {
        memory_purge();
        overhead = measure_overhead();
        if (overhead > believed)
            believed = overhead;
    }
    note_held();
    if (overhead < believed)
        believed += (overhead - believed) * OVERHEAD_DECAY;
    atomic_store_explicit(&ticker.overhead, believed, memory_order_relaxed);
    ticker_limit_memory(engine);
}

static void tick_memory(struct engine *engine, int64_t now_ms)
{
    ticker_measure_memory(engine);
    keyspace_set_clock(engine->keyspace, now_ms,
                       (enum eviction_policy)__atomic_load_n(&engine->eviction, __ATOMIC_RELAXED));
}

/* Goes round the partitions while pages are sparse; whether they are. */
static bool tick_gather(struct engine *engine, int64_t now_ms)
{
    static struct {
        uint32_t partition;
        uint64_t looked, moved;
        int64_t pause_until_ms;
    } round;
    double bound = (double)memory_bound(engine);
    if (now_ms < round.pause_until_ms || (double)memory_sparse_bytes() < bound * SPARSE_PART_MAX ||
        (double)memory_resident() < bound * RESIDENT_PART_RELAXED)
        return false;
    for (int64_t began_us = clock_monotonic_us(); clock_monotonic_us() - began_us < GATHER_US;) {
        struct gather_step step = keyspace_gather_step(engine->keyspace, round.partition);
        round.looked += step.looked;
        round.moved += step.moved;
        if (step.looked > 0 && !step.is_round_over)
            continue;
        round.partition = (round.partition + 1) % PARTITION_COUNT;
        if (round.partition > 0)
            continue;
        if (round.moved * GATHER_MOVED_PART < round.looked)
            round.pause_until_ms = now_ms + GATHER_PAUSE_MS;
        round.looked = round.moved = 0;
    }
    return true;
}

/* How many keys it expired. What they leave in the stream is written step by step: a buffer of all of it would be moved as it
 * grows, under a partition's lock. */
static unsigned tick_expiry(struct engine *engine, int64_t now_ms)
{
    unsigned expired = 0;
    if (!atomic_load_explicit(&engine->active_expire, memory_order_relaxed) || !engine_decides(engine))
        return 0;
    for (uint32_t i = 0; i < PARTITION_COUNT; i++) {
        bool more = keyspace_next_expiry_ms(engine->keyspace, i) <= now_ms;
        while (more) {
            unsigned step = keyspace_expire_step(engine->keyspace, i, now_ms, EXPIRE_STEP_MAX, &more);
            if (step > 0)
                stream_write(engine->stream);
            expired += step;
            more = more && step > 0;
        }
    }
    return expired;
}

static const struct job_row {
    void (*run)(struct engine *engine, int64_t now_ms);
    int64_t every_ms;
} jobs[] = {
    {tick_machine, 5000},
    {tick_memory, TICK_MS},
    {info_sample, TICK_MS},
};

static void ticker_run(void *argument)
{
    struct engine *engine = argument;
    int64_t elapsed_ms = 0;
    while (!atomic_load(&ticker.stopping)) {
        int64_t now_ms = clock_now_ms();
        for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
            if (elapsed_ms % jobs[i].every_ms == 0)
                jobs[i].run(engine, now_ms);
        bool is_busy = tick_expiry(engine, now_ms) > 0;
        is_busy = tick_gather(engine, now_ms) || is_busy;
        int64_t pause_ms = is_busy ? BUSY_TICK_MS : TICK_MS - elapsed_ms % TICK_MS;
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000 * 1000}, NULL);
        elapsed_ms += pause_ms;
    }
}

void ticker_start(struct engine *engine)
{
    ticker.engine = engine;
    atomic_store(&ticker.stopping, false);
    thread_start(&ticker.thread, "control", ticker_run, engine);
}

void ticker_stop(void)
{
    atomic_store(&ticker.stopping, true);
    thread_stop(&ticker.thread);
}

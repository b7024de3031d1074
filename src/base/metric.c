/* SPDX-License-Identifier: BSD-3-Clause */
/* Cells belong to thread numbers, not to threads: who gets a number again counts on where its last holder
 * stopped, so nothing is lost when threads end. */
#include "base/metric.h"

#include <stddef.h>

#include "base/thread.h"

_Static_assert(METRIC_THREADS_MAX >= THREADS_MAX, "every thread number has its cells");

const struct metric metric_rows[METRIC_COUNT] = {
#define METRIC_ROW(name, help) [METRIC_##name] = {#name, help},
    METRIC_COUNTERS(METRIC_ROW)
#undef METRIC_ROW
};

static struct metric_cells cells_of_threads[METRIC_THREADS_MAX];
static _Atomic uint64_t bases[METRIC_COUNT]; /* the sums at the last reset */
_Thread_local struct metric_cells *metric_cells_here;

struct metric_cells *metric_thread_cells(void)
{
    return metric_cells_here = &cells_of_threads[thread_number()];
}

static uint64_t metric_sum(enum metric_counter counter)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < METRIC_THREADS_MAX; i++)
        sum += atomic_load_explicit(&cells_of_threads[i].values[counter], memory_order_relaxed);
    return sum;
}

uint64_t metric_read(enum metric_counter counter)
{
    return metric_sum(counter) - atomic_load_explicit(&bases[counter], memory_order_relaxed);
}

void metric_reset(void)
{
    for (unsigned counter = 0; counter < METRIC_COUNT; counter++)
        atomic_store_explicit(&bases[counter], metric_sum((enum metric_counter)counter), memory_order_relaxed);
}

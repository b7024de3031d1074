/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/thread.h"

/* The gate before the partitions: shared by who takes several locks in order, exclusive for who takes them as it
 * goes. The shared side costs one store to a line of the worker's own. Numbers run to THREADS_MAX, which is kept for
 * the keyspace's own background work. */
struct multi_gate {
    _Atomic uint32_t wisher; /* whose turn it is next, plus one; 0: nobody wants it exclusively */

    struct lock lock; /* guards the queue */
    uint32_t queued;
    uint16_t queue[THREADS_MAX + 1];

    struct parking parking; /* those who wait for it to be left */

    struct {
        _Atomic uint32_t is_inside;
        uint32_t held_up_by; /* this thread only: what its last try failed at, see keyspace_held_up_by */
    } __attribute__((aligned(64))) shared[THREADS_MAX + 1];
};

void multi_gate_init(struct multi_gate *gate);
/* Fails while somebody has or wants it exclusively. */
bool multi_gate_try_shared(struct multi_gate *gate, uint32_t number);
void multi_gate_leave_shared(struct multi_gate *gate, uint32_t number);
/* Queues up if it is not queued; true when it stands first and nobody is inside. First it stays, and keeps others
 * out, until multi_gate_leave. */
bool multi_gate_try_exclusive(struct multi_gate *gate, uint32_t number);
/* For the thread of this number: whether it has it exclusively, or is the next to. */
static inline bool multi_gate_is_first(const struct multi_gate *gate, uint32_t number)
{
    return atomic_load_explicit(&gate->wisher, memory_order_relaxed) == number + 1;
}
/* Ends exclusive holding, or the wish for it. */
void multi_gate_leave(struct multi_gate *gate, uint32_t number);
/* After a failed try: has the mail posted when it may succeed, at once if it may by now. */
void multi_gate_park(struct multi_gate *gate, uint32_t number, bool exclusive, struct parked *parked);

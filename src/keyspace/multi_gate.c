/* SPDX-License-Identifier: BSD-3-Clause */
/* A lock for many readers on many cores and rare writers, which nobody sleeps on.
 *
 * G1 who is inside shared has its flag set and has seen 'wisher' 0 after setting it; who is inside exclusively has
 *    seen all flags 0 after 'wisher' became it. Both sides store first and look second, all sequentially consistent,
 *    so one of them sees the other.
 * G2 'wisher' is the head of the queue. The queue is served in order; its head alone keeps new shared holders out,
 *    so a wish is granted as soon as the present ones have left, and none is overtaken.
 * G3 whoever leaves looks for the parked afterwards: who leaves shared if there is a wish, who leaves the queue always.
 *    Who parks looks once more after it has parked. */
#include "keyspace/multi_gate.h"

#include "base/check.h"

void multi_gate_init(struct multi_gate *gate)
{
    atomic_init(&gate->wisher, 0);
    lock_init(&gate->lock, LOCK_GATE, 0);
    gate->queued = 0;
    parking_init(&gate->parking);
    for (unsigned i = 0; i <= THREADS_MAX; i++)
        atomic_init(&gate->shared[i].is_inside, 0);
}

bool multi_gate_try_shared(struct multi_gate *gate, uint32_t number)
{
    check(number <= THREADS_MAX);
    debug_check(atomic_load(&gate->shared[number].is_inside) == 0);
    if (atomic_load_explicit(&gate->wisher, memory_order_relaxed) != 0)
        return false;
    atomic_store(&gate->shared[number].is_inside, 1);
    if (atomic_load(&gate->wisher) == 0)
        return true;
    multi_gate_leave_shared(gate, number);
    return false;
}

void multi_gate_leave_shared(struct multi_gate *gate, uint32_t number)
{
    atomic_store(&gate->shared[number].is_inside, 0);
    if (__builtin_expect(atomic_load(&gate->wisher) != 0, 0))
        parking_wake(&gate->parking);
}

static unsigned queue_index(const struct multi_gate *gate, uint32_t number)
{
    unsigned index = 0;
    while (index < gate->queued && gate->queue[index] != number)
        index++;
    return index;
}

static void queue_publish(struct multi_gate *gate)
{
    atomic_store(&gate->wisher, gate->queued > 0 ? gate->queue[0] + 1u : 0);
}

static bool is_first(struct multi_gate *gate, uint32_t number)
{
    lock_acquire(&gate->lock);
    if (queue_index(gate, number) == gate->queued) {
        check(gate->queued <= THREADS_MAX);
        gate->queue[gate->queued++] = (uint16_t)number;
        queue_publish(gate);
    }
    bool first = gate->queue[0] == number;
    lock_release(&gate->lock);
    return first;
}

bool multi_gate_try_exclusive(struct multi_gate *gate, uint32_t number)
{
    check(number <= THREADS_MAX);
    if (!is_first(gate, number))
        return false;
    for (unsigned i = 0; i <= THREADS_MAX; i++)
        if (atomic_load(&gate->shared[i].is_inside) != 0)
            return false;
    return true;
}

void multi_gate_leave(struct multi_gate *gate, uint32_t number)
{
    lock_acquire(&gate->lock);
    unsigned index = queue_index(gate, number);
    if (index < gate->queued) {
        gate->queued--;
        for (; index < gate->queued; index++)
            gate->queue[index] = gate->queue[index + 1];
        queue_publish(gate);
    }
    lock_release(&gate->lock);
    parking_wake(&gate->parking);
}

void multi_gate_park(struct multi_gate *gate, uint32_t number, bool exclusive, struct parked *parked)
{
    parking_add(&gate->parking, parked);
    if (exclusive ? multi_gate_try_exclusive(gate, number) : atomic_load(&gate->wisher) == 0)
        parking_wake(&gate->parking);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A batch: a stretch of another node's stream that is appended in one piece, and then executed by several threads, each of
 * which has some of the partitions. Meanwhile the stream's end says nothing about what a partition's state has.
 *
 * B1 the floor, the stream's end before the batch, is set before its bytes are appended. A partition's effects are executed by
 *    one thread, in their order, and before the hold of one ends, its end is the partition's applied offset. The floor is taken
 *    away when all have been.
 * B2 from before the floor is set until it is taken away the batch is inside the gate: who holds all partitions meets no batch,
 *    so checkpoints, moments, and whole databases' changes have the stream's end as their offset. The gate is tried for, so
 *    that who waits for all has his turn between two batches.
 * B3 who wants to know what a partition's state has reads the stream's end first, and the floor after it. If the batch is over
 *    by then, the partition had all of it when its lock was taken; if another one has begun, its floor is not below that end.
 *    So offsets that rows of a partition carry never go back.
 * B4 while a batch is there no names are claimed: those claims are given back under all locks, and the batch may wait for them.
 *    Other claimants take back what they need without the gate. */
#include "keyspace/keyspace_private.h"

#define NO_BATCH UINT64_MAX

void batch_init(struct keyspace *keyspace)
{
    atomic_init(&keyspace->batch_floor, NO_BATCH);
}

bool keyspace_batch_begin(struct keyspace *keyspace, uint32_t worker, uint64_t floor)
{
    check(atomic_load(&keyspace->batch_floor) == NO_BATCH);
    if (!multi_gate_try_shared(&keyspace->gate, worker))
        return false;
    if (keyspace_has_name_claims(keyspace)) {
        multi_gate_leave_shared(&keyspace->gate, worker);
        return false;
    }
    atomic_store(&keyspace->batch_floor, floor);
    return true;
}

void keyspace_batch_applied(struct keyspace *keyspace, uint32_t partition, uint64_t offset)
{
    struct partition *applied = &keyspace->partitions[partition];
    partition_assert_held(keyspace, applied);
    debug_check(offset > atomic_load(&keyspace->batch_floor) && offset > applied->applied);
    applied->applied = offset;
}

void keyspace_batch_end(struct keyspace *keyspace, uint32_t worker)
{
    atomic_store(&keyspace->batch_floor, NO_BATCH);
    multi_gate_leave_shared(&keyspace->gate, worker);
}

uint64_t keyspace_offset_of(const struct keyspace *keyspace, uint32_t partition, uint64_t end)
{
    const struct partition *held = &keyspace->partitions[partition];
    partition_assert_held(keyspace, held);
    uint64_t floor = atomic_load(&keyspace->batch_floor);
    if (floor == NO_BATCH)
        return end;
    uint64_t offset = held->applied > floor ? held->applied : floor;
    return offset < end ? offset : end;
}

uint64_t keyspace_settled(const struct keyspace *keyspace, uint64_t end)
{
    uint64_t floor = atomic_load(&keyspace->batch_floor);
    return floor < end ? floor : end;
}

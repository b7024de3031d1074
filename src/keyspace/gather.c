/* SPDX-License-Identifier: BSD-3-Clause */
/* Gathering entries that eviction has left scattered over pages, so that pages become free.
 *
 * Nobody but its table points to an entry when its partition's lock is not held: markers are found by name, watchers and
 * waiters know keys. So an entry may be moved under the lock, and its table told of the new place. */
#include "base/memory.h"
#include "keyspace/keyspace_private.h"

#define LOOKS_MAX 64

static struct entry *gather_entry(void *context, struct entry *entry)
{
    struct gather_step *step = context;
    struct entry *moved = memory_move_if_sparse(entry, entry_bytes(entry));
    step->looked++;
    step->moved += moved != NULL;
    return moved ? moved : entry;
}

static void gather_locked(struct keyspace *keyspace, struct partition *partition, struct gather_step *step)
{
    struct partition_hand *hand = &partition->gather_hand;
    struct place place;
    while (step->looked < LOOKS_MAX && !step->is_round_over) {
        bool is_found = place_find(keyspace, hand->db, partition_slot(keyspace, partition, hand->table), &place);
        if (is_found && place.table->entries > 0)
            hand->hash = slot_table_visit(place.table, hand->hash, gather_entry, step);
        else
            hand->hash = 0;
        if (hand->hash == 0)
            step->is_round_over = partition_hand_advance(partition, hand);
    }
}

struct gather_step keyspace_gather_step(struct keyspace *keyspace, uint32_t partition_index)
{
    struct partition *partition = &keyspace->partitions[partition_index];
    struct gather_step step = {0};
    if (!lock_try(&partition->lock))
        return step;
    if (partition_is_claimed(partition)) {
        lock_release(&partition->lock);
        return step;
    }
    gather_locked(keyspace, partition, &step);
    lock_release(&partition->lock);
    return step;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What some slots of a partition hold between two executions, read in the pieces of copy_range.c while others go on.
 *
 *   S1  The watch stands from the hold of the begin on. Whoever changes a key tells it before (moment_keep), so a watch that
 *       was told nothing has seen the slots as they were at the begin, in however many pieces.
 *   S2  A long command that has let go of the partition is in the middle of a change that nobody tells any more: nothing
 *       begins while there is a claim.
 *   S3  Where one hold has shown all there was, and all of it in RAM, later changes do not matter. A row is read after the
 *       hold, and a key of it may be gone by then: so rows need S1. */
#include "keyspace/keyspace_private.h"
#include "keyspace/moment.h"

struct watched_slots {
    uint8_t db; /* physical */
    uint16_t first, last;
    bool is_changed, is_void; /* void: whole databases were */
};

struct showing {
    struct keyspace *keyspace;
    const struct slots_visitor *visitor;
    struct partition *partition;
    struct slot_group group;
    struct watched_slots watched;
    bool is_begun, is_refused;
};

void watched_slots_note(struct watched_slots *watched, uint16_t slot, unsigned physical_db)
{
    watched->is_changed |= physical_db == watched->db && slot >= watched->first && slot <= watched->last;
}

void watched_slots_forget(struct keyspace *keyspace)
{
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        if (keyspace->partitions[i].watched)
            keyspace->partitions[i].watched->is_void = true;
}

/* ---- the begin and the end ---- */

static bool begin_locked(struct showing *showing)
{
    struct partition *partition = showing->partition;
    const struct slot_group *group = &showing->group;
    if (partition->watched || partition_is_claimed(partition) || !showing->visitor->begin(showing->visitor->context))
        return false;
    showing->watched = (struct watched_slots){
        .db = keyspace_physical(showing->keyspace, group->db),
        .first = group->first,
        .last = (uint16_t)(group->first + (group->count - 1) * PARTITION_COUNT),
    };
    partition->watched = &showing->watched;
    atomic_fetch_add(&moment_keepers, 1);
    return true;
}

static void end(struct showing *showing, bool is_of_one_hold, bool is_read)
{
    lock_acquire(&showing->partition->lock);
    showing->partition->watched = NULL;
    atomic_fetch_sub(&moment_keepers, 1);
    bool is_exact = is_read && !showing->watched.is_void && (is_of_one_hold || !showing->watched.is_changed);
    showing->visitor->end(showing->visitor->context, is_exact);
    lock_release(&showing->partition->lock);
}

/* ---- between them ---- */

/* Rows of later than RAM's part are no reason to read a range again: their keys were noted. */
static bool at_hold(void *context, uint64_t *offset)
{
    struct showing *showing = context;
    if (!showing->is_begun)
        showing->is_refused = !begin_locked(showing);
    showing->is_begun = true;
    *offset = UINT64_MAX;
    return !showing->is_refused;
}

static void show_key(void *context, const struct copied_key *key)
{
    const struct showing *showing = context;
    showing->visitor->key(showing->visitor->context, key);
}

static void show_again(void *context)
{
    const struct showing *showing = context;
    showing->visitor->again(showing->visitor->context);
}

enum status keyspace_show_slots(struct keyspace *keyspace, const struct slot_group *group,
                                const struct slots_visitor *visitor)
{
    struct showing showing = {.keyspace = keyspace,
                              .visitor = visitor,
                              .partition = keyspace_partition_of(keyspace, group->first),
                              .group = *group};
    const struct copy_visitor pieces = {&showing, at_hold, show_key, show_again};
    struct copied_range range = {.is_of_one_hold = true};
    enum status status = STATUS_OK;
    unsigned count = 0;
    for (unsigned i = 0; i < group->count && status == STATUS_OK; i++) {
        uint16_t slot = (uint16_t)(group->first + i * PARTITION_COUNT);
        struct copy_place place = {.db = group->db, .slot = slot};
        for (; place.slot == slot && status == STATUS_OK; count++) {
            if (showing.is_begun)
                visitor->mark(visitor->context);
            status = keyspace_copy_range(keyspace, &place, &pieces, &range);
        }
    }
    if (showing.is_refused)
        return STATUS_BUSY;
    end(&showing, count == 1 && range.is_of_one_hold, status == STATUS_OK);
    return status;
}

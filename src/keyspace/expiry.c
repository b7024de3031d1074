/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys that come due, and values of which a part does, found without an index by time: every segment, table and partition
 * knows a moment before which nothing of it expires, and a step goes only where that moment has passed.
 *
 * X1 a bound is never later than the first expiry below it. Puts lower the bounds on their way; removals leave them
 *    too early, which costs a look.
 * X2 a table's bound is found anew by a pass over its segments, which may take many steps: the bound is reset when
 *    the pass begins and lowered segment by segment. While it is under way the partition counts as due.
 * X3 entries that are due but stay, since the step has removed its share or nobody takes what is due of them, keep the
 *    bounds in the past. */
#include "keyspace/keyspace_private.h"
#include "keyspace/moment.h"

/* A look at a segment's header costs some tens of nanoseconds, a visit some microseconds. */
#define LOOKS_MAX 4096
#define VISITS_MAX 64

struct expiry_step {
    struct place place;
    int64_t now_ms;
    unsigned max, removed, looks, visits;
    struct buffer room; /* for values that lose a part */
    int64_t bound_ms;   /* of the entries that stay in the visited segment */
};

static struct entry *stay(struct expiry_step *step, struct entry *entry)
{
    int64_t due_ms = entry_due_ms(entry);
    step->bound_ms = due_ms < step->bound_ms ? due_ms : step->bound_ms;
    return entry;
}

static struct entry *expire_key(struct expiry_step *step, const struct key *key, struct entry *entry)
{
    const struct sink *sink = step->place.keyspace->sink;
    if (sink)
        sink->expired(sink->context, key);
    step->removed++;
    return place_delete(&step->place, key, entry);
}

static struct entry *expire_parts(struct expiry_step *step, const struct key *key, struct entry *entry)
{
    struct keyspace *keyspace = step->place.keyspace;
    const struct sink *sink = keyspace->sink;
    struct object value = entry_object(entry);
    if (!sink || !sink->parts_expired)
        return stay(step, entry);
    moment_keep(keyspace, key);
    step->room.length = 0;
    step->removed +=
        sink->parts_expired(sink->context, key, &value, &step->room, step->now_ms, step->max - step->removed);
    if (object_count(&value) == 0)
        return place_delete(&step->place, key, entry);
    if (object_is_inline(&value))
        entry = keyspace_put(keyspace, key, &value, entry_expire_at_ms(entry));
    else
        keyspace_written(keyspace, key, entry);
    return stay(step, entry);
}

static struct entry *expire_entry(void *context, struct entry *entry)
{
    struct expiry_step *step = context;
    if (!entry_is_live(entry))
        return entry;
    if (entry_due_ms(entry) > step->now_ms || step->removed >= step->max)
        return stay(step, entry);
    struct key key = place_key(&step->place, entry);
    struct keyspace *keyspace = step->place.keyspace;
    if (keyspace_is_claimed(keyspace, &key) || (moment_is_there() && moment_waits_for_key(keyspace, &key)))
        return stay(step, entry);
    return entry_is_expired(entry, step->now_ms) ? expire_key(step, &key, entry) : expire_parts(step, &key, entry);
}

static bool step_is_spent(const struct expiry_step *step)
{
    return step->removed >= step->max || step->looks >= LOOKS_MAX || step->visits >= VISITS_MAX;
}

/* Goes on in the table from the hand. False if the step was spent before its end. */
static bool expire_in_table(struct expiry_step *step, struct partition_hand *hand)
{
    struct slot_table *table = step->place.table;
    uint64_t hash = hand->hash, next;
    do {
        hand->hash = hash;
        if (step_is_spent(step))
            return false;
        step->looks++;
        int64_t bound_ms = slot_table_segment_expiry(table, hash, &next);
        if (bound_ms <= step->now_ms) {
            step->visits++;
            step->bound_ms = EXPIRY_NEVER;
            slot_table_visit(table, hash, expire_entry, step);
            bound_ms = step->bound_ms;
        }
        if (bound_ms < table->expiry_bound_ms)
            table->expiry_bound_ms = bound_ms;
        hash = next;
    } while (hash != 0);
    return true;
}

static bool expire_at_hand(struct partition *partition, struct expiry_step *step)
{
    struct partition_hand *hand = &partition->expire_hand;
    uint16_t slot = partition_slot(step->place.keyspace, partition, hand->table);
    if (!place_find(step->place.keyspace, hand->db, slot, &step->place))
        return true;
    if (!partition->is_expiring) {
        if (step->place.table->expiry_bound_ms > step->now_ms)
            return true;
        partition->is_expiring = true;
        step->place.table->expiry_bound_ms = EXPIRY_NEVER;
    }
    if (!expire_in_table(step, hand))
        return false;
    partition->is_expiring = false;
    return true;
}

static int64_t bound_of(const struct partition *partition)
{
    int64_t bound_ms = EXPIRY_NEVER;
    if (partition->is_expiring)
        return 0;
    for (unsigned db = 0; db < DATABASE_COUNT; db++) {
        const struct database_part *part = partition_database(partition, db);
        for (unsigned i = 0; part && i < SLOTS_PER_PARTITION; i++)
            if (part->tables[i].expiry_bound_ms < bound_ms)
                bound_ms = part->tables[i].expiry_bound_ms;
    }
    return bound_ms;
}

static unsigned expire_locked(struct keyspace *keyspace, struct partition *partition, int64_t now_ms, unsigned max,
                              bool *more)
{
    struct expiry_step step = {.place.keyspace = keyspace, .now_ms = now_ms, .max = max};
    const unsigned round = DATABASE_COUNT * SLOTS_PER_PARTITION;
    unsigned tables = 0;
    /* One table more than a round: the first may have been begun in its middle. */
    while (tables++ <= round && expire_at_hand(partition, &step))
        partition_hand_advance(partition, &partition->expire_hand);
    int64_t bound_ms = bound_of(partition);
    atomic_store_explicit(&partition->expiry_bound_ms, bound_ms, memory_order_relaxed);
    *more = bound_ms <= now_ms;
    buffer_deinit(&step.room);
    return step.removed;
}

unsigned keyspace_expire_step(struct keyspace *keyspace, uint32_t partition_index, int64_t now_ms, unsigned max,
                              bool *more)
{
    struct partition *partition = &keyspace->partitions[partition_index];
    *more = keyspace_next_expiry_ms(keyspace, partition_index) <= now_ms;
    if (!*more || !lock_try(&partition->lock))
        return 0;
    const struct sink *sink = keyspace->sink;
    if (partition_is_claimed(partition) || (sink && sink->may_expire && !sink->may_expire(sink->context))) {
        lock_release(&partition->lock);
        return 0;
    }
    unsigned removed = expire_locked(keyspace, partition, now_ms, max, more);
    lock_release(&partition->lock);
    return removed;
}

int64_t keyspace_next_expiry_ms(const struct keyspace *keyspace, uint32_t partition)
{
    return atomic_load_explicit(&keyspace->partitions[partition].expiry_bound_ms, memory_order_relaxed);
}

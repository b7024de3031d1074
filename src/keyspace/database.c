/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole databases: counting, emptying, exchanging.
 *
 * A flush detaches what the tables hold, some microseconds a partition, and leaves the freeing to the background.
 * The parts themselves stay, since others reach them without a lock. Rows are not touched: 'flushed_at' is below
 * every later row and above every earlier one, so runs in flight and rows being read of before are dead as well. The
 * markers of the db are invalidated, or a row read before would be installed after. */
#include "base/memory.h"
#include "keyspace/keyspace_private.h"
#include "keyspace/moment.h"

/* What a flush leaves to be freed. */
struct detached {
    struct cold_filter *filters[PARTITION_COUNT];
    struct slot_table tables[SLOT_COUNT];
};

static void detached_destroy(void *block)
{
    struct detached *detached = block;
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        cold_filter_destroy(&detached->filters[i]);
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        slot_table_clear(&detached->tables[i], entry_free);
    memory_free(detached);
}

static void counters_clear(struct database_part *part)
{
    atomic_store_explicit(&part->keys, 0, memory_order_relaxed);
    atomic_store_explicit(&part->expires, 0, memory_order_relaxed);
    atomic_store_explicit(&part->resident, 0, memory_order_relaxed);
    atomic_store_explicit(&part->dirty_count, 0, memory_order_relaxed);
    atomic_store_explicit(&part->dirty_bytes, 0, memory_order_relaxed);
}

static void part_detach(struct database_part *part, unsigned index, struct detached *detached)
{
    detached->filters[index] = part->filter;
    part->filter = NULL;
    cold_filter_destroy(&part->filter_building);
    for (unsigned i = 0; i < SLOTS_PER_PARTITION; i++)
        slot_table_move(&detached->tables[i * PARTITION_COUNT + index], &part->tables[i]);
    counters_clear(part);
}

static bool database_is_used(const struct keyspace *keyspace, uint8_t physical_db)
{
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        if (partition_database(&keyspace->partitions[i], physical_db))
            return true;
    return false;
}

static void database_detach(struct keyspace *keyspace, uint8_t physical_db)
{
    struct detached *detached = memory_allocate_zeroed(sizeof(*detached));
    for (unsigned i = 0; i < PARTITION_COUNT; i++) {
        struct database_part *part = partition_database(&keyspace->partitions[i], physical_db);
        partition_counts_will_change(&keyspace->partitions[i], physical_db);
        if (part)
            part_detach(part, i, detached);
    }
    memory_free_later(detached, detached_destroy);
}

uint64_t keyspace_flush(struct keyspace *keyspace, int db, uint64_t flushed_at)
{
    uint8_t physical_db = keyspace_physical(keyspace, db);
    uint64_t keys = keyspace_counts(keyspace, db).keys;
    moment_forget(keyspace);
    for (unsigned i = 0; i < PARTITION_COUNT; i++) {
        struct partition *partition = &keyspace->partitions[i];
        partition_assert_held(keyspace, partition);
        partition_touch_database(keyspace, partition, db, db);
        partition_invalidate_markers(partition, physical_db);
        partition->filter_unready &= (uint16_t) ~(1u << physical_db);
        partition->filter_building &= (uint16_t) ~(1u << physical_db);
    }
    if (database_is_used(keyspace, physical_db))
        database_detach(keyspace, physical_db);
    counter_add(&keyspace->partitions[0].changes, (int64_t)keys);
    atomic_fetch_add(&keyspace->flushes, 1);
    if (keyspace->backing)
        keyspace->backing->flushed(keyspace->backing->context, physical_db, flushed_at);
    return keys;
}

void keyspace_swap(struct keyspace *keyspace, int first_db, int second_db)
{
    for (unsigned i = 0; i < PARTITION_COUNT; i++) {
        struct partition *partition = &keyspace->partitions[i];
        partition_assert_held(keyspace, partition);
        partition_touch_database(keyspace, partition, first_db, second_db);
        partition_touch_database(keyspace, partition, second_db, first_db);
    }
    moment_forget(keyspace);
    uint8_t first = keyspace_physical(keyspace, first_db), second = keyspace_physical(keyspace, second_db);
    atomic_store_explicit(&keyspace->physical[first_db], second, memory_order_relaxed);
    atomic_store_explicit(&keyspace->physical[second_db], first, memory_order_relaxed);
    atomic_fetch_add(&keyspace->swaps, 1);
}

uint64_t keyspace_swap_count(const struct keyspace *keyspace)
{
    return atomic_load(&keyspace->swaps);
}

uint64_t keyspace_flush_count(const struct keyspace *keyspace)
{
    return atomic_load(&keyspace->flushes);
}

uint64_t keyspace_change_count(const struct keyspace *keyspace)
{
    uint64_t changes = 0;
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        changes += atomic_load_explicit(&keyspace->partitions[i].changes, memory_order_relaxed);
    return changes;
}

int keyspace_physical_db(const struct keyspace *keyspace, int db)
{
    return keyspace_physical(keyspace, db);
}

int keyspace_logical_db(const struct keyspace *keyspace, uint8_t physical_db)
{
    int db = 0;
    while (keyspace_physical(keyspace, db) != physical_db)
        db++;
    return db;
}

struct keyspace_counts keyspace_counts(const struct keyspace *keyspace, int db)
{
    uint8_t physical_db = keyspace_physical(keyspace, db);
    struct keyspace_counts counts = {0};
    for (unsigned i = 0; i < PARTITION_COUNT; i++) {
        const struct database_part *part = partition_database(&keyspace->partitions[i], physical_db);
        if (!part)
            continue;
        counts.keys += atomic_load_explicit(&part->keys, memory_order_relaxed);
        counts.expires += atomic_load_explicit(&part->expires, memory_order_relaxed);
        counts.resident += atomic_load_explicit(&part->resident, memory_order_relaxed);
    }
    return counts;
}

uint32_t keyspace_slot_count(const struct keyspace *keyspace, int db, uint16_t slot)
{
    const struct partition *partition = &keyspace->partitions[slot % PARTITION_COUNT];
    const struct database_part *part = partition_database(partition, keyspace_physical(keyspace, db));
    return part ? atomic_load_explicit(&part->tables[slot / PARTITION_COUNT].keys, memory_order_relaxed) : 0;
}

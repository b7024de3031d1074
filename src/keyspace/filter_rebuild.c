/* SPDX-License-Identifier: BSD-3-Clause */
/* Learning anew which keys have rows, partition by partition, after a restart.
 *
 * Until then a partition's dbs are 'unready': every key that RAM does not know may have a row, and entries made
 * meanwhile are ROW_UNKNOWN. The flusher reads all rows of the partition between two runs, so no capture or ingest
 * comes between, and the set of rows is fixed. Every row's key enters the new filter, and turns its entry's
 * ROW_UNKNOWN into HAS_ROW; at the end the filter is put in place, and then a sweep over the entries clears the
 * ROW_UNKNOWN that are left, of keys that had no row. A db that is flushed meanwhile has no rows and is ready. */
#include "keyspace/keyspace_private.h"

#include "base/hash.h"

#define KEYS_PER_HOLD 128
#define SEGMENTS_PER_HOLD 16

/* HAS_ROW may stand for no row after a failed run. That did no harm while the fingerprint was there as well; now only
 * a row can bring it back. */
static struct entry *doubt_entry(void *context, struct entry *entry)
{
    (void)context;
    entry_doubt_row(entry);
    return entry;
}

static void doubt_part(struct database_part *part)
{
    for (unsigned i = 0; i < SLOTS_PER_PARTITION; i++) {
        uint64_t hash = 0;
        do {
            hash = slot_table_visit(&part->tables[i], hash, doubt_entry, NULL);
        } while (hash != 0);
    }
    if (part->filter)
        cold_filter_destroy(&part->filter);
}

void keyspace_filter_lose(struct keyspace *keyspace)
{
    atomic_store_explicit(&keyspace->has_rows, true, memory_order_relaxed);
    for (unsigned i = 0; i < PARTITION_COUNT; i++) {
        struct partition *partition = &keyspace->partitions[i];
        lock_acquire(&partition->lock);
        partition->filter_unready = (uint16_t)((1u << DATABASE_COUNT) - 1);
        partition->filter_building = 0;
        for (unsigned db = 0; db < DATABASE_COUNT; db++) {
            struct database_part *part = partition_database(partition, db);
            if (part)
                doubt_part(part);
        }
        lock_release(&partition->lock);
    }
}

void keyspace_filter_rebuild_begin(struct keyspace *keyspace, uint32_t partition_index)
{
    struct partition *partition = &keyspace->partitions[partition_index];
    lock_acquire(&partition->lock);
    partition->filter_building = partition->filter_unready;
    for (unsigned db = 0; db < DATABASE_COUNT; db++) {
        struct database_part *part = partition_database(partition, db);
        if (part && part->filter_building)
            cold_filter_destroy(&part->filter_building);
    }
    lock_release(&partition->lock);
}

static void add_key(struct keyspace *keyspace, const struct row_key *key)
{
    struct place place = place_make(keyspace, key->db, key->slot);
    if (!(place.partition->filter_building & (1u << key->db)))
        return;
    if (!place.part->filter_building)
        place.part->filter_building = cold_filter_create();
    cold_filter_add(place.part->filter_building, filter_hash(key->hash, key->slot));
    struct entry *entry = slot_table_find(place.table, key->hash, key->name);
    if (entry && (entry->flags & ENTRY_ROW_UNKNOWN))
        entry->flags = (uint8_t)((entry->flags & ~ENTRY_ROW_UNKNOWN) | ENTRY_HAS_ROW);
}

void keyspace_filter_rebuild_add(struct keyspace *keyspace, const struct row_key *keys, size_t count)
{
    for (size_t i = 0; i < count;) {
        struct partition *partition = keyspace_partition_of(keyspace, keys[i].slot);
        size_t end = i + KEYS_PER_HOLD < count ? i + KEYS_PER_HOLD : count;
        lock_acquire(&partition->lock);
        for (; i < end && keyspace_partition_of(keyspace, keys[i].slot) == partition; i++)
            add_key(keyspace, &keys[i]);
        lock_release(&partition->lock);
    }
}

/* An entry that is still unknown has no row, unless it was put since without a look at the tier. */
static struct entry *settle_entry(void *context, struct entry *entry)
{
    const struct place *place = context;
    if (!(entry->flags & ENTRY_ROW_UNKNOWN))
        return entry;
    struct bytes name = entry_key(entry);
    uint64_t hash = hash_bytes(name.data, name.length, place->keyspace->hash_seed);
    if (place->part->filter && cold_filter_maybe(place->part->filter, filter_hash(hash, place->slot)))
        return entry;
    entry->flags &= (uint8_t)~ENTRY_ROW_UNKNOWN;
    if (entry_state(entry) != ENTRY_GONE || (entry->flags & ENTRY_HAS_ROW))
        return entry;
    place_account(place, entry, -1);
    entry_free(entry);
    return NULL;
}

static void settle_table(struct keyspace *keyspace, uint8_t db, uint16_t slot)
{
    struct partition *partition = keyspace_partition_of(keyspace, slot);
    uint64_t hash = 0;
    do {
        struct place place;
        lock_acquire(&partition->lock);
        place_find(keyspace, db, slot, &place);
        unsigned visits = 0;
        do {
            hash = slot_table_visit(place.table, hash, settle_entry, &place);
        } while (hash != 0 && ++visits < SEGMENTS_PER_HOLD);
        lock_release(&partition->lock);
    } while (hash != 0);
}

void keyspace_filter_rebuild_end(struct keyspace *keyspace, uint32_t partition_index)
{
    struct partition *partition = &keyspace->partitions[partition_index];
    uint16_t built = 0;
    lock_acquire(&partition->lock);
    built = partition->filter_building;
    partition->filter_unready &= (uint16_t)~built;
    partition->filter_building = 0;
    for (unsigned db = 0; db < DATABASE_COUNT; db++) {
        struct database_part *part = partition_database(partition, db);
        if (!part || !(built & (1u << db)))
            continue;
        part->filter = part->filter_building;
        part->filter_building = NULL;
    }
    lock_release(&partition->lock);
    for (unsigned db = 0; db < DATABASE_COUNT; db++)
        for (unsigned i = 0; (built & (1u << db)) && partition_database(partition, db) && i < SLOTS_PER_PARTITION; i++)
            settle_table(keyspace, (uint8_t)db, partition_slot(keyspace, partition, i));
}

bool keyspace_filter_is_ready(const struct keyspace *keyspace, uint32_t partition_index)
{
    struct partition *partition = (struct partition *)&keyspace->partitions[partition_index];
    lock_acquire(&partition->lock);
    bool is_ready = partition->filter_unready == 0;
    lock_release(&partition->lock);
    return is_ready;
}

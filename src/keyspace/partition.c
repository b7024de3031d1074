/* SPDX-License-Identifier: BSD-3-Clause */
/* Where keys live, and the figures that every change of an entry keeps.
 *
 * A key exists if it is live in RAM or cold. RAM decides about it by an entry in any state but LOADING; else the
 * filter does. With rows, these hold in a partition whose filter is ready:
 *
 * P1 a key has a fingerprint in its filter exactly if it is cold or its entry has ENTRY_HAS_ROW.
 * P2 an entry without row bits has no row, and no run that will be ingested holds one.
 * P3 only what is CLEAN may leave RAM without a trace; a removal with row bits leaves GONE, and only the ingest of
 *    that very tombstone frees it.
 * P4 keys, expires: a key counts from the put that creates it to its removal, whichever tier it is in. Replay may lose
 *    count of the expiries (replay.c), but there are never fewer than none nor more than keys. */
#include "base/hash.h"
#include "base/memory.h"
#include "keyspace/keyspace_private.h"
#include "keyspace/moment.h"

static void counter32_add(_Atomic uint32_t *counter, int delta)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (uint32_t)delta,
                          memory_order_relaxed);
}

static struct database_part *database_create(struct partition *partition, unsigned physical_db)
{
    struct database_part *part = memory_allocate_zeroed(sizeof(*part));
    for (unsigned i = 0; i < SLOTS_PER_PARTITION; i++)
        slot_table_init(&part->tables[i]);
    atomic_store_explicit(&partition->databases[physical_db], part, memory_order_release);
    return part;
}

bool place_find(struct keyspace *keyspace, uint8_t physical_db, uint16_t slot, struct place *place)
{
    struct partition *partition = keyspace_partition_of(keyspace, slot);
    partition_assert_held(keyspace, partition);
    struct database_part *part = partition_database(partition, physical_db);
    *place = (struct place){keyspace, partition, part, NULL, physical_db, slot};
    if (part)
        place->table = &part->tables[slot / PARTITION_COUNT];
    return part != NULL;
}

struct place place_make(struct keyspace *keyspace, uint8_t physical_db, uint16_t slot)
{
    struct place place;
    if (!place_find(keyspace, physical_db, slot, &place)) {
        place.part = database_create(place.partition, physical_db);
        place.table = &place.part->tables[slot / PARTITION_COUNT];
    }
    return place;
}

struct key place_key(const struct place *place, const struct entry *entry)
{
    struct key key = {.name = entry_key(entry), .slot = place->slot};
    key.hash = hash_bytes(key.name.data, key.name.length, place->keyspace->hash_seed);
    key.db = (int16_t)keyspace_logical_db(place->keyspace, place->db);
    return key;
}

static size_t dirty_bytes_of(const struct entry *entry)
{
    if (!entry_is_live(entry) || entry_is_inline(entry))
        return entry_bytes(entry);
    struct object value = entry_object(entry);
    return entry_bytes(entry) + object_external_bytes(&value);
}

void place_account_dirty(const struct place *place, const struct entry *entry, int sign)
{
    enum entry_state state = entry_state(entry);
    if (!place->keyspace->backing || state == ENTRY_CLEAN || state == ENTRY_LOADING || state == ENTRY_ABSENT)
        return;
    struct database_part *part = place->part;
    if (state == ENTRY_DIRTY || state == ENTRY_GONE)
        counter32_add(&place->table->pending, sign);
    place->table->unclean += (uint32_t)sign;
    counter_add(&part->dirty_count, sign);
    /* A value that grew while it was dirty leaves with more than it came with. */
    uint64_t bytes = dirty_bytes_of(entry), counted = atomic_load_explicit(&part->dirty_bytes, memory_order_relaxed);
    if (sign > 0)
        counted += bytes;
    else
        counted -= bytes < counted ? bytes : counted;
    if (atomic_load_explicit(&part->dirty_count, memory_order_relaxed) == 0)
        counted = 0;
    atomic_store_explicit(&part->dirty_bytes, counted, memory_order_relaxed);
}

void place_account(const struct place *place, const struct entry *entry, int sign)
{
    if (entry_is_live(entry)) {
        place->table->resident += (uint32_t)sign;
        counter_add(&place->part->resident, sign);
    }
    place_account_dirty(place, entry, sign);
}

static void count_expires(const struct place *place, int delta)
{
    int64_t keys = atomic_load_explicit(&place->table->keys, memory_order_relaxed), before = place->table->expires;
    int64_t after = before + delta < 0 ? 0 : before + delta > keys ? keys : before + delta;
    place->table->expires = (uint32_t)after;
    counter_add(&place->part->expires, after - before);
}

/* Where keys were evicted that the log still knows, replay may lose count of some: there are never fewer than none. */
void place_count_keys(const struct place *place, int keys, int expires)
{
    partition_counts_will_change(place->partition, place->db);
    if (keys < 0 && atomic_load_explicit(&place->table->keys, memory_order_relaxed) < (uint32_t)-keys)
        keys = -(int)atomic_load_explicit(&place->table->keys, memory_order_relaxed);
    if (keys != 0) {
        counter32_add(&place->table->keys, keys);
        counter_add(&place->part->keys, keys);
    }
    if (expires != 0 || keys < 0)
        count_expires(place, expires);
}

void place_note_expiry(const struct place *place, uint64_t hash, const struct entry *entry)
{
    int64_t due_ms = entry_due_ms(entry);
    if (due_ms == EXPIRY_NEVER)
        return;
    slot_table_note_expiry(place->table, hash, due_ms);
    struct partition *partition = place->partition;
    if (due_ms < atomic_load_explicit(&partition->expiry_bound_ms, memory_order_relaxed))
        atomic_store_explicit(&partition->expiry_bound_ms, due_ms, memory_order_relaxed);
}

unsigned place_row_flags(const struct place *place, uint64_t hash)
{
    if (!place->keyspace->backing)
        return 0;
    if (place->partition->filter_unready & (1u << place->db))
        return ENTRY_ROW_UNKNOWN;
    const struct cold_filter *filter = place->part ? place->part->filter : NULL;
    return filter && cold_filter_maybe(filter, filter_hash(hash, place->slot)) ? ENTRY_ROW_UNKNOWN : 0;
}

struct entry *place_bury(const struct place *place, const struct key *key, struct entry *entry)
{
    moment_keep(place->keyspace, key);
    unsigned row_flags = entry->flags & (ENTRY_HAS_ROW | ENTRY_ROW_UNKNOWN);
    partition_key_changed(place->partition, key);
    place_account(place, entry, -1);
    place_count_keys(place, -1, entry->flags & ENTRY_HAS_EXPIRE ? -1 : 0);
    if (!row_flags)
        return NULL;
    struct entry *tombstone = entry_create(entry_key(entry), NULL, ENTRY_NO_EXPIRE, ENTRY_GONE | row_flags);
    place_account(place, tombstone, 1);
    return tombstone;
}

struct entry *place_delete(const struct place *place, const struct key *key, struct entry *entry)
{
    struct entry *tombstone = place_bury(place, key, entry);
    entry_free(entry);
    return tombstone;
}

void keyspace_drop_entry_locked(const struct place *place, struct entry *entry)
{
    check(entry_state(entry) == ENTRY_CLEAN);
    debug_check(entry->flags & ENTRY_HAS_ROW);
    place_account(place, entry, -1);
    entry_free(entry);
}

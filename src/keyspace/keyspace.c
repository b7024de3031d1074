/* SPDX-License-Identifier: BSD-3-Clause */
/* The door: life of a keyspace, keys and their places, holding partitions, and what is done to one key.
 *
 * K1 whoever changes an entry holds its partition; debug builds assert it, but during replay, which is alone.
 * K2 an entry is found anew after every function that may replace it; it never moves by itself. */
#include "keyspace/keyspace.h"

#include "base/crc.h"
#include "base/hash.h"
#include "base/memory.h"
#include "keyspace/keyspace_private.h"
#include "keyspace/moment.h"
#include "object/object_capture.h"

#include <time.h>

/* ---- life ---- */

static void partition_init(struct partition *partition, unsigned index)
{
    lock_init(&partition->lock, LOCK_PARTITION, (uint16_t)index);
    atomic_init(&partition->expiry_bound_ms, EXPIRY_NEVER);
    list_init(&partition->watches);
    list_init(&partition->awaits);
    list_init(&partition->fetches);
    list_init(&partition->pins);
    list_init(&partition->claims);
}

struct keyspace *keyspace_create(uint64_t hash_seed)
{
    const size_t alignment = _Alignof(struct keyspace);
    void *allocation = memory_allocate_zeroed(sizeof(struct keyspace) + alignment);
    struct keyspace *keyspace =
        (struct keyspace *)(((uintptr_t)allocation + alignment - 1) & ~(uintptr_t)(alignment - 1));
    keyspace->allocation = allocation;
    keyspace->hash_seed = hash_seed;
    keyspace->turns = load_turns_create();
    multi_gate_init(&keyspace->gate);
    list_init(&keyspace->name_claims);
    batch_init(keyspace);
    for (unsigned db = 0; db < DATABASE_COUNT; db++)
        atomic_init(&keyspace->physical[db], (uint8_t)db);
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        partition_init(&keyspace->partitions[i], i);
    return keyspace;
}

static void database_destroy(struct database_part *part)
{
    for (unsigned i = 0; i < SLOTS_PER_PARTITION; i++)
        slot_table_clear(&part->tables[i], entry_free);
    cold_filter_destroy(&part->filter);
    cold_filter_destroy(&part->filter_building);
    memory_free(part);
}

void keyspace_destroy(struct keyspace **keyspace)
{
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        for (unsigned db = 0; db < DATABASE_COUNT; db++) {
            struct database_part *part = partition_database(&(*keyspace)->partitions[i], db);
            if (part)
                database_destroy(part);
        }
    load_turns_destroy(&(*keyspace)->turns);
    memory_free((*keyspace)->allocation);
    *keyspace = NULL;
}

void keyspace_set_backing(struct keyspace *keyspace, const struct backing *backing)
{
    keyspace->backing = backing;
}

void keyspace_set_sink(struct keyspace *keyspace, const struct sink *sink)
{
    keyspace->sink = sink;
}

/* ---- keys ---- */

uint16_t keyspace_slot_of(struct bytes name)
{
    const char *open = name.length > 0 ? memchr(name.data, '{', name.length) : NULL;
    if (open) {
        size_t rest = name.length - (size_t)(open + 1 - name.data);
        const char *close = memchr(open + 1, '}', rest);
        if (close && close > open + 1)
            name = bytes_of(open + 1, (size_t)(close - open - 1));
    }
    return crc16(name.data, name.length) % SLOT_COUNT;
}

struct key keyspace_key(const struct keyspace *keyspace, struct bytes name, int db)
{
    debug_check(db >= 0 && db < DATABASE_COUNT);
    return (struct key){
        .name = name,
        .hash = hash_bytes(name.data, name.length, keyspace->hash_seed),
        .slot = keyspace_slot_of(name),
        .db = (int16_t)db,
    };
}

/* ---- holding ---- */

struct lock *keyspace_partition_lock(struct keyspace *keyspace, uint32_t partition)
{
    return &keyspace->partitions[partition].lock;
}

void keyspace_release_one(struct keyspace *keyspace, uint32_t partition)
{
    lock_release(&keyspace->partitions[partition].lock);
}

static void release_set(struct keyspace *keyspace, const struct partition_set *set, uint32_t end)
{
    while (end-- > 0)
        if (partition_set_has(set, end))
            lock_release(&keyspace->partitions[end].lock);
}

/* Notes at which partition it failed. */
static bool try_set(struct keyspace *keyspace, const struct partition_set *set, uint32_t worker,
                    bool (*try)(struct lock *lock))
{
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        if (partition_set_has(set, i) && !try(&keyspace->partitions[i].lock)) {
            release_set(keyspace, set, i);
            keyspace->gate.shared[worker].held_up_by = i;
            return false;
        }
    return true;
}

bool keyspace_try_several(struct keyspace *keyspace, const struct partition_set *set, uint32_t worker)
{
    keyspace->gate.shared[worker].held_up_by = HELD_UP_BY_GATE_SHARED;
    if (!multi_gate_try_shared(&keyspace->gate, worker))
        return false;
    if (try_set(keyspace, set, worker, lock_try))
        return true;
    multi_gate_leave_shared(&keyspace->gate, worker);
    return false;
}

bool keyspace_take_back_one(struct keyspace *keyspace, uint32_t partition)
{
    return lock_try_reserved(&keyspace->partitions[partition].lock);
}

bool keyspace_take_back_several(struct keyspace *keyspace, const struct partition_set *set, uint32_t worker)
{
    return try_set(keyspace, set, worker, lock_try_reserved);
}

void keyspace_release_several(struct keyspace *keyspace, const struct partition_set *set, uint32_t worker)
{
    release_set(keyspace, set, PARTITION_COUNT);
    multi_gate_leave_shared(&keyspace->gate, worker);
}

/* ---- everything ---- */

const struct partition_set every_partition = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
_Static_assert(sizeof(every_partition.bits) == 4 * sizeof(uint64_t), "every_partition names all partitions");

/* What is held now is waited for, but once: of many long commands on a partition each, some would be at work always. */
static void reserve_held(struct keyspace *keyspace)
{
    for (uint32_t i = 0; i < PARTITION_COUNT; i++) {
        struct lock *lock = &keyspace->partitions[i].lock;
        if (partition_set_has(&keyspace->reserved, i) || !lock_is_held(lock))
            continue;
        partition_set_add(&keyspace->reserved, i);
        lock_reserve(lock);
    }
}

static void unreserve_all(struct keyspace *keyspace)
{
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        if (partition_set_has(&keyspace->reserved, i))
            lock_unreserve(&keyspace->partitions[i].lock);
    keyspace->reserved = (struct partition_set){0};
}

/* First at the gate. */
static bool try_everything(struct keyspace *keyspace, uint32_t worker)
{
    if (!try_set(keyspace, &every_partition, worker, lock_try_reserved)) {
        reserve_held(keyspace);
        return false;
    }
    unreserve_all(keyspace);
    return true;
}

bool keyspace_try_all(struct keyspace *keyspace, uint32_t worker)
{
    keyspace->gate.shared[worker].held_up_by = HELD_UP_BY_GATE_EXCLUSIVE;
    return multi_gate_try_exclusive(&keyspace->gate, worker) && try_everything(keyspace, worker);
}

void keyspace_abandon_all(struct keyspace *keyspace, uint32_t worker)
{
    if (multi_gate_is_first(&keyspace->gate, worker))
        unreserve_all(keyspace);
    multi_gate_leave(&keyspace->gate, worker);
}

void keyspace_release_all(struct keyspace *keyspace, uint32_t worker)
{
    release_set(keyspace, &every_partition, PARTITION_COUNT);
    multi_gate_leave(&keyspace->gate, worker);
}

void keyspace_acquire_all(struct keyspace *keyspace, uint32_t worker)
{
    /* Those inside leave within a command's time, and the wish keeps others out. */
    while (!multi_gate_try_exclusive(&keyspace->gate, worker))
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    /* It holds nothing while it sleeps. */
    while (!try_everything(keyspace, worker)) {
        struct lock *lock = &keyspace->partitions[keyspace->gate.shared[worker].held_up_by].lock;
        lock_acquire(lock);
        lock_release(lock);
    }
}

#define CLAIMS_PAUSE_NS 1000000

static void await_unclaimed(void)
{
    while (keyspace_any_claims())
        nanosleep(&(struct timespec){.tv_nsec = CLAIMS_PAUSE_NS}, NULL);
}

void keyspace_acquire_unclaimed(struct keyspace *keyspace, uint32_t worker)
{
    keyspace_wish_unclaimed(keyspace, &every_partition);
    await_unclaimed();
    for (keyspace_acquire_all(keyspace, worker); keyspace_any_claims(); keyspace_acquire_all(keyspace, worker)) {
        keyspace_release_all(keyspace, worker);
        await_unclaimed();
    }
    keyspace_end_wish(keyspace, &every_partition);
}

void keyspace_acquire_more(struct keyspace *keyspace, uint32_t partition)
{
    lock_acquire_unordered(&keyspace->partitions[partition].lock);
}

void keyspace_release_more(struct keyspace *keyspace, const struct partition_set *set)
{
    release_set(keyspace, set, PARTITION_COUNT);
}

uint32_t keyspace_held_up_by(const struct keyspace *keyspace, uint32_t worker)
{
    return keyspace->gate.shared[worker].held_up_by;
}

void keyspace_park(struct keyspace *keyspace, uint32_t worker, uint32_t held_up_by, struct parked *parked)
{
    if (held_up_by < PARTITION_COUNT && multi_gate_is_first(&keyspace->gate, worker) &&
        partition_set_has(&keyspace->reserved, held_up_by))
        lock_park_reserved(&keyspace->partitions[held_up_by].lock, parked);
    else if (held_up_by < PARTITION_COUNT)
        lock_park(&keyspace->partitions[held_up_by].lock, parked);
    else
        multi_gate_park(&keyspace->gate, worker, held_up_by == HELD_UP_BY_GATE_EXCLUSIVE, parked);
}

void keyspace_wake_parked(struct keyspace *keyspace)
{
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        parking_wake(&keyspace->partitions[i].lock.parking);
    parking_wake(&keyspace->gate.parking);
}

/* ---- hints ---- */

static const struct slot_table *table_hint(const struct keyspace *keyspace, const struct key *key)
{
    const struct partition *partition = &keyspace->partitions[key_partition(key)];
    const struct database_part *part = partition_database(partition, keyspace_physical(keyspace, key->db));
    return part ? &part->tables[key->slot / PARTITION_COUNT] : NULL;
}

void keyspace_prefetch_table(const struct keyspace *keyspace, const struct key *key)
{
    const struct slot_table *table = table_hint(keyspace, key);
    __builtin_prefetch(&keyspace->partitions[key_partition(key)].lock, 1);
    if (table)
        __builtin_prefetch(table);
}

void keyspace_prefetch_segment(struct keyspace *keyspace, const struct key *key)
{
    const struct slot_table *table = table_hint(keyspace, key);
    if (table)
        slot_table_prefetch(table, key->hash);
}

void keyspace_prefetch_entry(struct keyspace *keyspace, const struct key *key)
{
    struct lock *lock = &keyspace->partitions[key_partition(key)].lock;
    const struct slot_table *table = table_hint(keyspace, key);
    if (!table || atomic_load_explicit(&lock->state, memory_order_relaxed) != 0 || !lock_try(lock))
        return;
    slot_table_prefetch_entry(table, key->hash);
    lock_release(lock);
}

/* ---- one key ---- */

struct entry *keyspace_find(struct keyspace *keyspace, const struct key *key)
{
    struct place place;
    if (!place_find(keyspace, keyspace_physical(keyspace, key->db), key->slot, &place))
        return NULL;
    struct entry *entry = slot_table_find(place.table, key->hash, key->name);
    return entry && entry_is_live(entry) ? entry : NULL;
}

#define FLAGS_OF_KEY (ENTRY_HAS_ROW | ENTRY_ROW_UNKNOWN | ENTRY_PINNED)

static struct entry *put_over(const struct place *place, const struct key *key, struct entry *old_entry,
                              const struct object *value, int64_t expire_at_ms)
{
    int had_expire = (old_entry->flags & ENTRY_HAS_EXPIRE) != 0;
    struct entry *entry = old_entry;
    place_account_dirty(place, old_entry, -1);
    if (entry_rewrite(old_entry, key->name, value, expire_at_ms)) {
        entry_set_state(entry, ENTRY_DIRTY);
    } else {
        entry = entry_create(key->name, value, expire_at_ms, ENTRY_DIRTY | (old_entry->flags & FLAGS_OF_KEY));
        entry->access = old_entry->access;
        slot_table_replace(place->table, key->hash, old_entry, entry);
        struct object old_value = entry_object(old_entry);
        if (object_is_same_body(&old_value, value))
            entry_free_shell(old_entry);
        else
            entry_free(old_entry);
    }
    place_account_dirty(place, entry, 1);
    place_count_keys(place, 0, (expire_at_ms != ENTRY_NO_EXPIRE) - had_expire);
    return entry;
}

/* In the place of nothing, a tombstone, a known absence, or (by those who did not wait) a marker. */
static struct entry *put_new(const struct place *place, const struct key *key, struct entry *old_entry,
                             const struct object *value, int64_t expire_at_ms)
{
    bool is_marker = old_entry && entry_state(old_entry) == ENTRY_LOADING;
    unsigned flags = ENTRY_DIRTY;
    flags |= old_entry && !is_marker ? old_entry->flags & FLAGS_OF_KEY : place_row_flags(place, key->hash);
    struct entry *entry = entry_create(key->name, value, expire_at_ms, flags);
    entry->access = keyspace_access_fresh(place->keyspace) & 0xffffff;
    if (old_entry) {
        slot_table_replace(place->table, key->hash, old_entry, entry);
        if (is_marker)
            marker_invalidate(place, old_entry, entry);
        place_account(place, old_entry, -1);
        entry_free(old_entry);
    } else {
        slot_table_insert(place->table, key->hash, entry, place->keyspace->hash_seed);
    }
    place_account(place, entry, 1);
    return entry;
}

struct entry *keyspace_put(struct keyspace *keyspace, const struct key *key, const struct object *value,
                           int64_t expire_at_ms)
{
    moment_keep(keyspace, key);
    struct place place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    struct entry *entry = slot_table_find(place.table, key->hash, key->name);
    partition_key_changed(place.partition, key);
    if (entry && entry_is_live(entry)) {
        entry = put_over(&place, key, entry, value, expire_at_ms);
    } else {
        entry = put_new(&place, key, entry, value, expire_at_ms);
        place_count_keys(&place, 1, expire_at_ms != ENTRY_NO_EXPIRE);
    }
    object_capture_move(value, &place.partition->lock);
    place_note_expiry(&place, key->hash, entry);
    return entry;
}

struct entry *keyspace_set_expire(struct keyspace *keyspace, const struct key *key, struct entry *entry,
                                  int64_t expire_at_ms)
{
    moment_keep(keyspace, key);
    struct place place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    int had_expire = (entry->flags & ENTRY_HAS_EXPIRE) != 0;
    partition_key_changed(place.partition, key);
    place_account_dirty(&place, entry, -1);
    if (!entry_set_expiry(entry, expire_at_ms)) {
        struct object value = entry_object(entry);
        struct entry *old_entry = entry;
        entry = entry_create(entry_key(old_entry), &value, expire_at_ms, old_entry->flags & FLAGS_OF_KEY);
        entry->access = old_entry->access;
        slot_table_replace(place.table, key->hash, old_entry, entry);
        entry_free_shell(old_entry);
    }
    entry_set_state(entry, ENTRY_DIRTY);
    place_account_dirty(&place, entry, 1);
    place_count_keys(&place, 0, (expire_at_ms != ENTRY_NO_EXPIRE) - had_expire);
    place_note_expiry(&place, key->hash, entry);
    return entry;
}

void keyspace_written(struct keyspace *keyspace, const struct key *key, struct entry *entry)
{
    partition_key_changed(keyspace_partition_of(keyspace, key->slot), key);
    keyspace_written_unwatched(keyspace, key, entry);
}

void keyspace_written_unwatched(struct keyspace *keyspace, const struct key *key, struct entry *entry)
{
    debug_check(moment_has_kept(keyspace, key));
    struct place place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    if (entry_parts_due_ms(entry) != OBJECT_NEVER_DUE)
        place_note_expiry(&place, key->hash, entry);
    if (entry_state(entry) == ENTRY_DIRTY)
        return;
    place_account_dirty(&place, entry, -1);
    entry_set_state(entry, ENTRY_DIRTY);
    place_account_dirty(&place, entry, 1);
}

static void take_out(struct keyspace *keyspace, const struct key *key, struct entry *entry)
{
    struct place place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    struct entry *tombstone = place_bury(&place, key, entry);
    if (tombstone)
        slot_table_replace(place.table, key->hash, entry, tombstone);
    else
        slot_table_remove(place.table, key->hash, entry);
}

void keyspace_remove(struct keyspace *keyspace, const struct key *key, struct entry *entry)
{
    take_out(keyspace, key, entry);
    entry_free(entry);
}

void keyspace_remove_shell(struct keyspace *keyspace, const struct key *key, struct entry *entry)
{
    take_out(keyspace, key, entry);
    entry_free_shell(entry);
}

/* ---- bytes ---- */

/* Of the table for one entry: its word, and its share of headers, nodes and free words. */
#define TABLE_BYTES_PER_ENTRY 10

size_t keyspace_entry_bytes(const struct keyspace *keyspace, const struct entry *entry)
{
    (void)keyspace;
    struct object value = entry_object(entry);
    return entry_bytes(entry) + TABLE_BYTES_PER_ENTRY + object_external_bytes(&value);
}

size_t keyspace_overhead_bytes(const struct keyspace *keyspace)
{
    size_t bytes = sizeof(*keyspace);
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        for (unsigned db = 0; db < DATABASE_COUNT; db++) {
            const struct database_part *part = partition_database(&keyspace->partitions[i], db);
            if (!part)
                continue;
            uint64_t resident = atomic_load_explicit(&part->resident, memory_order_relaxed);
            uint64_t cold = atomic_load_explicit(&part->keys, memory_order_relaxed) - resident;
            bytes += sizeof(*part) + resident * (TABLE_BYTES_PER_ENTRY + sizeof(struct entry));
            /* About what cold_filter takes, which must not be read without the lock. */
            bytes += keyspace->backing && (int64_t)cold > 0 ? cold * 2 : 0;
        }
    return bytes;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/check.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/thread.h"
#include "keyspace/backing.h"
#include "keyspace/cold_filter.h"
#include "keyspace/keyspace.h"
#include "keyspace/multi_gate.h"
#include "keyspace/sink.h"
#include "keyspace/slot_table.h"

/* What a partition holds of one physical db; made when first used, and then it stays (an emptied one holds empty
 * tables), so that it may be reached without the lock. Written under the partition's lock. */
struct database_part {
    _Atomic uint64_t keys;               /* live in RAM or cold */
    _Atomic uint64_t expires;            /* of these, with an expiry */
    _Atomic uint64_t resident;           /* of these, live in RAM */
    _Atomic uint64_t dirty_count;        /* entries and tombstones that are not clean, those in a run included */
    _Atomic uint64_t dirty_bytes;        /* about: values may grow while they are dirty */
    struct cold_filter *filter;          /* of keys with ENTRY_HAS_ROW and of cold keys; NULL: no rows */
    struct cold_filter *filter_building; /* between _rebuild_begin and _end of backing.h */
    struct slot_table tables[SLOTS_PER_PARTITION];
};

/* A place in a partition where work that goes round goes on. */
struct partition_hand {
    uint8_t db; /* physical */
    uint8_t table;
    uint64_t hash;
};

struct partition {
    struct lock lock;                                          /* first, for prefetching */
    _Atomic int64_t expiry_bound_ms;                           /* nothing is due before it; written under the lock */
    _Atomic(struct database_part *) databases[DATABASE_COUNT]; /* physical */

    _Atomic uint64_t changes; /* of keys, since the start; written under the lock */
    _Atomic uint32_t wishes;  /* that nobody new claims anything here; any thread */

    /* under the lock */
    uint64_t applied;         /* batch.c */
    uint16_t filter_unready;  /* bits of physical dbs of whose rows nothing is known: "maybe" */
    uint16_t filter_building; /* bits of physical dbs that a rebuild counts for: not flushed since it began */
    bool is_expiring;         /* expire_hand is inside a table whose bound is being found */
    struct partition_hand expire_hand;
    struct partition_hand evict_hand;
    struct partition_hand gather_hand;
    struct list watches;               /* struct watch */
    struct list awaits;                /* struct await */
    struct list fetches;               /* struct fetch whose markers stand */
    struct list pins;                  /* struct load_key that pin */
    struct list claims;                /* struct key_claim */
    struct watched_slots *watched;     /* or NULL */
    struct kept_counts *counts_wanted; /* keyspace_state.c; or NULL */
} __attribute__((aligned(64)));

struct keyspace {
    /* immutable after the first command */
    void *allocation; /* what this stands in, aligned */
    uint64_t hash_seed;
    const struct backing *backing;
    const struct sink *sink;
    bool is_replaying;

    /* written under all locks, read under any */
    _Atomic uint8_t physical[DATABASE_COUNT]; /* of a logical db */
    _Atomic uint64_t swaps, flushes;
    struct moment *moment;             /* moment.c */
    struct list name_claims;           /* claim.c */
    _Atomic uint32_t name_claim_count; /* read by any thread */
    _Atomic uint32_t whole_wanted;     /* who waits in keyspace_acquire_whole */

    /* any thread; written by keyspace_set_clock */
    _Atomic uint32_t access_clock; /* what touch needs */
    _Atomic uint32_t access_fresh; /* the access bits of a new entry */
    _Atomic uint32_t access_policy;
    _Atomic bool has_rows; /* there is, or may be, a row */

    _Atomic uint64_t batch_floor; /* batch.c */

    struct load_turns *turns; /* residency.c */
    struct multi_gate gate;
    /* of who stands first at the gate */
    struct partition_set reserved; /* what keeps others out until it has everything */

    struct partition partitions[PARTITION_COUNT];
};

/* Where a key lives. */
struct place {
    struct keyspace *keyspace;
    struct partition *partition;
    struct database_part *part;
    struct slot_table *table;
    uint8_t db; /* physical */
    uint16_t slot;
};

static inline void partition_assert_held(const struct keyspace *keyspace, const struct partition *partition)
{
    if (!keyspace->is_replaying)
        lock_assert_held(&partition->lock);
}

static inline struct partition *keyspace_partition_of(struct keyspace *keyspace, uint16_t slot)
{
    return &keyspace->partitions[slot % PARTITION_COUNT];
}

static inline bool partition_is_claimed(const struct partition *partition)
{
    return !list_is_empty(&partition->claims);
}

/* capture.c: all of a value under capture, by pieces, with pauses in which others get the lock. The capture is gone then. */
struct object_capture;
void capture_value_all(struct object_capture **capture, struct buffer *out);

/* batch.c: no batch is there. */
void batch_init(struct keyspace *keyspace);

/* claim.c (lock): whether somebody is in the middle of changing the entry, or of a transaction that has deleted it. */
struct place;
bool place_is_being_changed(const struct place *place, const struct entry *entry);
/* (lock) Or any key of a slot, be it in the table or not. */
bool keyspace_slot_is_being_changed(struct keyspace *keyspace, int logical_db, uint16_t slot);
/* (lock) Whether the key may not go by itself. */
bool keyspace_is_claimed(struct keyspace *keyspace, const struct key *key);

static inline struct database_part *partition_database(const struct partition *partition, unsigned physical_db)
{
    return atomic_load_explicit(&partition->databases[physical_db], memory_order_acquire);
}

/* (lock) To the next table of a db that is in use; true if that is the first one again. */
static inline bool partition_hand_advance(const struct partition *partition, struct partition_hand *hand)
{
    hand->hash = 0;
    if (partition_database(partition, hand->db) && ++hand->table < SLOTS_PER_PARTITION)
        return false;
    hand->table = 0;
    hand->db = (uint8_t)((hand->db + 1) % DATABASE_COUNT);
    return hand->db == 0;
}

static inline uint16_t partition_slot(const struct keyspace *keyspace, const struct partition *partition,
                                      unsigned table)
{
    return (uint16_t)(table * PARTITION_COUNT + (unsigned)(partition - keyspace->partitions));
}

static inline uint8_t keyspace_physical(const struct keyspace *keyspace, int db)
{
    return atomic_load_explicit(&keyspace->physical[db], memory_order_relaxed);
}

/* The logical db that maps to a physical one. */
int keyspace_logical_db(const struct keyspace *keyspace, uint8_t physical_db);

/* (lock) False if the partition holds nothing of the db; place->part and table are NULL then. */
bool place_find(struct keyspace *keyspace, uint8_t physical_db, uint16_t slot, struct place *place);
/* (lock) The same, but makes what is missing. */
struct place place_make(struct keyspace *keyspace, uint8_t physical_db, uint16_t slot);

/* Counters of one writer at a time (under the lock) and any readers. */
static inline void counter_add(_Atomic uint64_t *counter, int64_t delta)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (uint64_t)delta,
                          memory_order_relaxed);
}

/* ---- entries: entry.c ---- */

/* The access bits of a new entry. */
static inline uint32_t keyspace_access_fresh(const struct keyspace *keyspace)
{
    return atomic_load_explicit(&keyspace->access_fresh, memory_order_relaxed);
}

/* An entry with these flags (state and row bits; the layout's are added). value NULL: none. Copies an inline value,
 * takes over another. */
struct entry *entry_create(struct bytes name, const struct object *value, int64_t expire_at_ms, unsigned flags);
/* Gives the entry another value and expiry in place, if its allocation fits both and neither name nor value points
 * into it. The old value is released. State and row bits stay. */
bool entry_rewrite(struct entry *entry, struct bytes name, const struct object *value, int64_t expire_at_ms);
/* Sets or clears the expiry in place, if the allocation fits. */
bool entry_set_expiry(struct entry *entry, int64_t expire_at_ms);
/* Frees the entry with its value. */
void entry_free(struct entry *entry);
/* Frees the entry only: its value lives on elsewhere. */
void entry_free_shell(struct entry *entry);
/* Bytes of its allocation. */
size_t entry_bytes(const struct entry *entry);
static inline void entry_set_state(struct entry *entry, enum entry_state state)
{
    entry->flags = (uint8_t)((entry->flags & ~ENTRY_STATE_MASK) | state);
}
/* The row that HAS_ROW speaks of may not be there. Of a clean entry it is. */
static inline void entry_doubt_row(struct entry *entry)
{
    if ((entry->flags & ENTRY_HAS_ROW) && entry_state(entry) != ENTRY_CLEAN)
        entry->flags = (uint8_t)((entry->flags & ~ENTRY_HAS_ROW) | ENTRY_ROW_UNKNOWN);
}

/* ---- changes that keep the figures: partition.c ---- */

/* (lock) An entry enters (+1) or leaves (-1) the figures that depend on its state. Bracket every change of an
 * entry's state or size by the two. */
void place_account(const struct place *place, const struct entry *entry, int sign);
/* (lock) The same without the number of resident keys, for a live entry that stays live. */
void place_account_dirty(const struct place *place, const struct entry *entry, int sign);
/* (lock) Counts keys that come to exist or cease to: of RAM and tier. */
void place_count_keys(const struct place *place, int keys, int expires);

/* keyspace_state.c: the two parts of keyspace_save_state; one at a time. */
struct state_save;
struct state_save *state_save_begin(struct keyspace *keyspace, void (*at_offset)(void *context), void *context);
void state_save_end(struct keyspace *keyspace, struct state_save **save, struct buffer *out);
/* (lock) While counts are wanted, before one of the db changes. */
void partition_keep_counts(struct partition *partition, unsigned physical_db);
static inline void partition_counts_will_change(struct partition *partition, unsigned physical_db)
{
    if (__builtin_expect(partition->counts_wanted != NULL, 0))
        partition_keep_counts(partition, physical_db);
}
/* (lock) The entry or a part of it may expire: lowers the bounds of segment, table and partition. */
void place_note_expiry(const struct place *place, uint64_t hash, const struct entry *entry);
/* (lock) The key is deleted: figures, watchers, waiters; frees the entry and returns what must stand in its place,
 * a tombstone or NULL. The caller puts it there. */
struct entry *place_delete(const struct place *place, const struct key *key, struct entry *entry);
/* (lock) The same, but the entry is not freed yet. */
struct entry *place_bury(const struct place *place, const struct key *key, struct entry *entry);
/* (lock) A clean entry goes cold: figures, and it is freed. The caller takes it out of its table. No effect, nobody
 * is told: the key still exists. */
void keyspace_drop_entry_locked(const struct place *place, struct entry *entry);
/* (lock) Whether the row bits of a key that RAM does not know are ROW_UNKNOWN or 0. */
unsigned place_row_flags(const struct place *place, uint64_t hash);

static inline uint64_t filter_hash(uint64_t hash, uint16_t slot)
{
    return hash ^ ((uint64_t)slot + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* ---- watched_slots.c ---- */

/* (lock) A key of the slot is about to change. */
void watched_slots_note(struct watched_slots *watched, uint16_t slot, unsigned physical_db);
/* (all locks) Whole databases are. */
void watched_slots_forget(struct keyspace *keyspace);

/* (lock) The key of an entry of this place: its name points into the entry. */
struct key place_key(const struct place *place, const struct entry *entry);

/* ---- watch.c, load_marker.c, residency.c ---- */

void partition_touch_watches(struct partition *partition, const struct key *key);
/* Touches every watch of a logical db. */
void partition_touch_database(struct keyspace *keyspace, struct partition *partition, int db, int other_db);
static inline void partition_key_changed(struct partition *partition, const struct key *key)
{
    counter_add(&partition->changes, 1);
    if (__builtin_expect(!list_is_empty(&partition->watches), 0))
        partition_touch_watches(partition, key);
}
/* (lock) A marker leaves its table for 'successor' (or NULL): its reader's result will be dropped, who waits is woken
 * to look again, and a live successor is pinned for them. */
void marker_invalidate(const struct place *place, const struct entry *marker, struct entry *successor);
/* (all locks) Does so for the markers of a physical db. */
void partition_invalidate_markers(struct partition *partition, uint8_t physical_db);
struct load_turns *load_turns_create(void);
void load_turns_destroy(struct load_turns **turns);

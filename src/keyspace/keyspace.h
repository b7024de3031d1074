/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/mailbox.h"
#include "base/status.h"
#include "keyspace/entry.h"
#include "object/object.h"

#define SLOT_COUNT 16384
#define DATABASE_COUNT 16
#define PARTITION_COUNT 256 /* a slot belongs to partition slot % PARTITION_COUNT */
#define SLOTS_PER_PARTITION (SLOT_COUNT / PARTITION_COUNT)

/* Who holds which key. Every (db, slot) has its own table, walked in hash order; a partition's lock guards its
 * slots' tables, counts, expiry, order of use, watches and loading markers. Functions marked (lock) need the lock
 * of the key's partition. */
struct keyspace;
struct backing;
struct sink;

/* Without keys, tier and sink. Destroyed when no other thread uses it, and no load, watch or await is left. */
struct keyspace *keyspace_create(uint64_t hash_seed);
void keyspace_destroy(struct keyspace **keyspace);
/* The tier, or NULL; before the first command. */
void keyspace_set_backing(struct keyspace *keyspace, const struct backing *backing);
/* Who is told of keys that expire or are evicted by themselves; before the first command. */
void keyspace_set_sink(struct keyspace *keyspace, const struct sink *sink);

/* A key as commands carry it: the name is borrowed. */
struct key {
    struct bytes name;
    uint64_t hash;
    uint16_t slot;
    int16_t db; /* logical */
};

/* The slot of a name: CRC16 of it, or of its first non-empty {tag}. */
uint16_t keyspace_slot_of(struct bytes name);
/* The name with what is found by it; any thread. */
struct key keyspace_key(const struct keyspace *keyspace, struct bytes name, int db);
static inline uint32_t key_partition(const struct key *key)
{
    return key->slot % PARTITION_COUNT;
}

/* ---- holding partitions: the locking law ---- */

struct partition_set {
    uint64_t bits[PARTITION_COUNT / 64];
};
extern const struct partition_set every_partition;
static inline bool partition_set_has(const struct partition_set *set, uint32_t partition)
{
    return set->bits[partition / 64] >> (partition % 64) & 1;
}
static inline void partition_set_add(struct partition_set *set, uint32_t partition)
{
    set->bits[partition / 64] |= UINT64_C(1) << (partition % 64);
}

/* The lock of the partition with this number. */
struct lock *keyspace_partition_lock(struct keyspace *keyspace, uint32_t partition);

/* One partition, for a command whose keys lie in one. Workers use try; background threads may acquire. */
static inline bool keyspace_try_one(struct keyspace *keyspace, uint32_t partition)
{
    return lock_try(keyspace_partition_lock(keyspace, partition));
}
void keyspace_release_one(struct keyspace *keyspace, uint32_t partition);

/* Several: the multi gate shared, then the locks in ascending order; on failure nothing is held. 'worker' is a
 * number below THREADS_MAX that only the calling thread uses. */
bool keyspace_try_several(struct keyspace *keyspace, const struct partition_set *set, uint32_t worker);
/* What was let go of with claims on it: without the gate, where there may be the wish of one who waits for a script that waits
 * for these claims, and whatever is reserved for him. Released as the others are. */
bool keyspace_take_back_one(struct keyspace *keyspace, uint32_t partition);
bool keyspace_take_back_several(struct keyspace *keyspace, const struct partition_set *set, uint32_t worker);
void keyspace_release_several(struct keyspace *keyspace, const struct partition_set *set, uint32_t worker);

/* All: the gate exclusively, then every lock; for what cannot know its keys. A failed try leaves a wish, which
 * keeps new shared holders out until the wisher (same 'worker') has had its turn or calls _abandon. What is
 * held then is reserved for it as well: nobody new gets into it. */
bool keyspace_try_all(struct keyspace *keyspace, uint32_t worker);
void keyspace_abandon_all(struct keyspace *keyspace, uint32_t worker);
void keyspace_release_all(struct keyspace *keyspace, uint32_t worker);
/* A partition beyond those that the thread holds already, in any order, sleeping if it must. One thread at a time may
 * do this (who has the turn of scripts): since nobody else waits for a partition while holding one, each gets it. */
void keyspace_acquire_more(struct keyspace *keyspace, uint32_t partition);
void keyspace_release_more(struct keyspace *keyspace, const struct partition_set *set);

/* Sleeps until all is held, and the second until nothing is claimed, either: then keys may go. Background threads only. */
void keyspace_acquire_all(struct keyspace *keyspace, uint32_t worker);
void keyspace_acquire_unclaimed(struct keyspace *keyspace, uint32_t worker);
/* The same until no transaction is half done; none is to claim anything meanwhile. */
void keyspace_acquire_whole(struct keyspace *keyspace, uint32_t worker);
bool keyspace_wants_whole(const struct keyspace *keyspace);

/* ---- claims (lock): a long command lets go of its partitions for a while ---- */

/* A key of a command that is under way. As long as it stands, the key's entry and value do not change and stay where they
 * are, and a key that is absent stays so: whoever would write to the key, or let it or a part of it expire, has to look here
 * and wait. So the claimant may read the value without the lock, as others do with it; states of the entry that are no part
 * of the value change. Embedded in what the claimant keeps; the name is stable. */
struct key_claim {
    struct list node; /* in its partition */
    struct key key;
    bool is_exclusive; /* (lock) the claimant is changing the value: nobody else may even look at it */
    bool is_of_whole;  /* of a transaction or script, which may have changed some of its keys and told nobody yet */
    bool is_of_script;
};
void keyspace_claim(struct keyspace *keyspace, struct key_claim *claim);
void keyspace_unclaim(struct keyspace *keyspace, struct key_claim *claim);
/* Of all partitions: exact for those that the caller holds. */
extern _Atomic uint32_t keyspace_claim_count;
static inline bool keyspace_any_claims(void)
{
    return __builtin_expect(atomic_load_explicit(&keyspace_claim_count, memory_order_relaxed) != 0, 0);
}
/* Whether there are claims on keys of the partition, or on names, which any partition may have. */
bool keyspace_has_claims(struct keyspace *keyspace, uint32_t partition);
/* (lock) Whether a script has. */
bool keyspace_is_claimed_by_script(struct keyspace *keyspace, uint32_t partition);
enum claim_kind { CLAIM_NONE, CLAIM_SHARED, CLAIM_EXCLUSIVE };
enum claim_kind keyspace_claim_of(struct keyspace *keyspace, const struct key *key);
/* Whether one of several claims is on a key that somebody else has claimed as well. */
bool keyspace_claim_is_shared(struct keyspace *keyspace, const struct key_claim *claim, const struct key_claim *own,
                              size_t count);

/* Who has waited for claims for long says where: until the end of the wish nobody claims anything new there, nor any names,
 * but holds what he works on. Any thread. */
void keyspace_wish_unclaimed(struct keyspace *keyspace, const struct partition_set *set);
void keyspace_end_wish(struct keyspace *keyspace, const struct partition_set *set);
bool keyspace_is_wished_unclaimed(const struct keyspace *keyspace, uint32_t partition);
extern _Atomic uint32_t keyspace_wish_count; /* of all partitions */
static inline bool keyspace_any_wishes(void)
{
    return __builtin_expect(atomic_load_explicit(&keyspace_wish_count, memory_order_relaxed) != 0, 0);
}

/* The same for all keys of a db that begin and end so, which cannot be listed: what they are stays as it is, though not where
 * it is, so the claimant takes their partitions to read them. Claimed and given back under all locks; the bytes are stable. */
struct name_claim {
    struct list node; /* in the keyspace */
    struct bytes begin, end;
    int16_t db;
};
void keyspace_claim_names(struct keyspace *keyspace, struct name_claim *claim);
void keyspace_unclaim_names(struct keyspace *keyspace, struct name_claim *claim);
/* Any thread; exact for who holds a partition. */
bool keyspace_has_name_claims(const struct keyspace *keyspace);

/* What a failed try could not have: a partition by its number, or the gate in one of its two ways. */
#define HELD_UP_BY_GATE_SHARED PARTITION_COUNT
#define HELD_UP_BY_GATE_EXCLUSIVE (PARTITION_COUNT + 1)
/* Of this worker's last try of several or all. */
uint32_t keyspace_held_up_by(const struct keyspace *keyspace, uint32_t worker);
/* Has the mail posted when that was released or left, at once if it is so by now; the next try may fail as well. A wish
 * stays. */
void keyspace_park(struct keyspace *keyspace, uint32_t worker, uint32_t held_up_by, struct parked *parked);
/* Mails all who are parked, when nobody is going to release anything any more. */
void keyspace_wake_parked(struct keyspace *keyspace);

/* ---- batches: what is appended to the stream in one piece before it is executed, by several threads ---- */

/* 'floor': the stream's end, before the batch is appended. There is one batch at a time, and until its end nobody gets all
 * partitions. False: not now, for somebody waits for them all, or has claimed names. */
bool keyspace_batch_begin(struct keyspace *keyspace, uint32_t worker, uint64_t floor);
/* (lock) The partition's effects are executed up to the one that ends there. */
void keyspace_batch_applied(struct keyspace *keyspace, uint32_t partition, uint64_t offset);
/* All of them are, in all partitions; any thread, with the number that has begun it. */
void keyspace_batch_end(struct keyspace *keyspace, uint32_t worker);
/* (lock) The offset that the partition's state has, where the stream's end was 'end' under this very hold. */
uint64_t keyspace_offset_of(const struct keyspace *keyspace, uint32_t partition, uint64_t end);
/* Any thread: up to where everything has been executed, where the stream had come to 'end'. */
uint64_t keyspace_settled(const struct keyspace *keyspace, uint64_t end);

/* ---- hot path hints: no lock needed, never fault ---- */

/* Stage 1 prefetches the partition's lock and the slot's table, stage 2 the key's segment; stage 3 takes the lock
 * shortly (or gives up) and prefetches the entry. Each reads what the one before it has fetched. */
void keyspace_prefetch_table(const struct keyspace *keyspace, const struct key *key);
void keyspace_prefetch_segment(struct keyspace *keyspace, const struct key *key);
void keyspace_prefetch_entry(struct keyspace *keyspace, const struct key *key);

/* ---- one key (lock) ---- */

/* The live entry in RAM, whatever its expiry; NULL if there is none. Tombstones and markers are not live. */
struct entry *keyspace_find(struct keyspace *keyspace, const struct key *key);
/* Marks an access for the order of use. */
void keyspace_touch(struct keyspace *keyspace, struct entry *entry);

/* Inserts or replaces. Copies the name and an inline value; takes over a block or body, which may be the very one that the
 * entry has (changed in place). The entry is dirty,
 * watchers are told, requests that waited for a loading marker are woken. The old entry is freed. */
struct entry *keyspace_put(struct keyspace *keyspace, const struct key *key, const struct object *value,
                           int64_t expire_at_ms);
/* Sets or clears (ENTRY_NO_EXPIRE) the expiry; the entry may move. Dirty, watchers told. */
struct entry *keyspace_set_expire(struct keyspace *keyspace, const struct key *key, struct entry *entry,
                                  int64_t expire_at_ms);
/* After the value was changed in place through entry_value_field or its block: dirty, watchers told. */
void keyspace_written(struct keyspace *keyspace, const struct key *key, struct entry *entry);
/* The same for a change that no watcher is told: of a stream's groups, which are not its entries. */
void keyspace_written_unwatched(struct keyspace *keyspace, const struct key *key, struct entry *entry);
/* As keyspace_remove, but the value's block or body is not released: it has become another key's. */
void keyspace_remove_shell(struct keyspace *keyspace, const struct key *key, struct entry *entry);
/* Removes a live entry: freed, or a tombstone if a row exists or may. Watchers told. */
void keyspace_remove(struct keyspace *keyspace, const struct key *key, struct entry *entry);

/* ---- residency: making cold keys present ---- */

/* (lock) True if RAM alone decides about the key: an entry or tombstone is there, no rows exist, or the filter
 * says absent. */
bool keyspace_is_decided(struct keyspace *keyspace, const struct key *key);

/* A fetch of a suspended request's cold keys. */
struct load;
/* (locks of all the keys) NULL if all are decided. Else places markers or joins present ones; then the caller
 * releases its locks and submits. When every key is decided, 'deliver(owner, status)' runs on home's thread; the
 * request starts over, and when it has run (or the client is gone) load_end unpins and frees. */
struct load *load_begin(struct keyspace *keyspace, const struct key *keys, size_t count, struct mailbox *home,
                        void (*deliver)(void *owner, int status), void *owner);
/* (lock) A hint: the key will be asked for soon. NULL, or what is to be submitted once the lock is released; nobody waits
 * for it, nothing is pinned, and it frees itself. */
struct load *load_ahead(struct keyspace *keyspace, const struct key *key);
void load_submit(struct load *load);
/* (no lock) After deliver, and before the same request waits for another load. */
void load_end(struct load **load);
/* The owner is gone: deliver will not be called; the load frees itself. */
void load_abandon(struct load **load);

/* (lock) Makes the key decided by reading its row at once: for replay, and for scripts that have written. OK if RAM
 * holds it then (*offset: that of the row read, 0 if it was not read), NOT_FOUND if there is no row. */
enum status keyspace_fetch(struct keyspace *keyspace, const struct key *key, uint64_t *offset) MUST_USE;
/* The same for who has claimed the key or its name and has let go of its partition: the row is read without the lock, and put
 * (lock) into RAM if nobody else has done so. An undecided key stays so if it has no row, or one that cannot be read. */
struct fetched_row {
    struct entry *entry; /* NULL: none */
};
void keyspace_fetch_begin(struct keyspace *keyspace, const struct key *key, struct fetched_row *fetched);
void keyspace_fetch_end(struct keyspace *keyspace, const struct key *key, struct fetched_row *fetched);

/* ---- watch (lock) ---- */

/* One session's watch on one key; embedded in an allocation of the session's. */
struct watch {
    struct list node;      /* in its partition */
    struct key key;        /* name owned by the session, stable */
    _Atomic bool *touched; /* set when the key changes */
};
/* From here to _unwatch, the first change of the key sets *touched. */
void keyspace_watch(struct keyspace *keyspace, struct watch *watch);
void keyspace_unwatch(struct keyspace *keyspace, struct watch *watch);

/* ---- awaited keys (lock) ---- */

/* Somebody's wait for one key to have something to take; embedded in what the owner keeps until it is out of the list. */
struct await {
    struct list node; /* in its partition, in order of waiting */
    struct key key;   /* name owned by the waiter, stable */
    bool is_listed;
    void *owner;
};
/* Behind those who wait already; it tells nobody, who fills a key looks for it. _unawait may be called more than once. */
void keyspace_await(struct keyspace *keyspace, struct await *await);
void keyspace_unawait(struct keyspace *keyspace, struct await *await);
/* Whether anybody may wait for the key: quick, and true for other keys of the partition, too. */
bool keyspace_is_awaited(struct keyspace *keyspace, const struct key *key);
/* The first await of the key's partition after 'after' (NULL: of all), whatever its key; NULL at the end. */
struct await *keyspace_next_await(struct keyspace *keyspace, const struct key *key, const struct await *after);

/* ---- whole databases ---- */

/* (all locks) Empties a logical db: RAM tables are detached and freed in the background, rows below
 * 'flushed_at' (the stream's end after the flush's own effect) do not exist any more. Returns the keys it had. */
uint64_t keyspace_flush(struct keyspace *keyspace, int db, uint64_t flushed_at);
/* (all locks) Exchanges two logical dbs. */
void keyspace_swap(struct keyspace *keyspace, int first_db, int second_db);
/* How often dbs were exchanged since the start; any thread. */
uint64_t keyspace_swap_count(const struct keyspace *keyspace);
/* As often as a db was emptied at once. */
uint64_t keyspace_flush_count(const struct keyspace *keyspace);
/* The physical db that a logical one maps to. */
int keyspace_physical_db(const struct keyspace *keyspace, int db);

struct keyspace_counts {
    uint64_t keys, expires, resident; /* keys: RAM and tier; resident: in RAM */
};
/* Exact if nothing runs at the same time, else a moment's sum; any thread. */
struct keyspace_counts keyspace_counts(const struct keyspace *keyspace, int db);
uint32_t keyspace_slot_count(const struct keyspace *keyspace, int db, uint16_t slot);

/* Changes of keys since the start, emptied databases' keys included; any thread. */
uint64_t keyspace_change_count(const struct keyspace *keyspace);

/* ---- walking: SCAN, KEYS, RANDOMKEY ---- */

struct walk_item {
    struct bytes name;
    uint64_t hash;
    uint8_t type;
    int64_t expire_at_ms;
};
/* From 'cursor' (0: the start; slot << 39 | top 39 bits of the hash) visits keys of RAM and tier in order until about
 * 'count' were visited; keys that agree in all of a cursor come in one step. Returns the next cursor, 0 at the end.
 * Expired keys are visited too: the visitor decides. Takes and releases partition locks itself, one at a time (with
 * 'holding_all' it takes none). Reads rows, so with rows present it belongs on a reader thread:
 * see keyspace_walk_needs_reader. Items are valid during the call of visit only; visit takes no lock.
 * STATUS_BUSY (only where no reader is needed): a lock was held; go on from the returned cursor later. After another
 * error the walk is at its end. */
uint64_t keyspace_walk(struct keyspace *keyspace, int db, uint64_t cursor, size_t count, bool holding_all,
                       void (*visit)(void *context, const struct walk_item *item), void *context, int *status);
/* Whether there are, or may be, rows. */
bool keyspace_walk_needs_reader(const struct keyspace *keyspace);
/* Runs the job on a reader thread of the backing (or at once without one). */
struct job {
    struct mail mail;
    void (*run)(struct job *job);
};
void keyspace_run_on_reader(struct keyspace *keyspace, struct job *job);
/* A cursor at a random place, weighted by the slots' keys; 0 if the db is empty. */
uint64_t keyspace_random_cursor(struct keyspace *keyspace, int db, uint64_t random);

/* Keys that are in the tier only, and bytes of the filters that tell which keys have a row; any thread. */
uint64_t keyspace_cold_count(const struct keyspace *keyspace);
size_t keyspace_filter_bytes(void);

/* ---- copying: replicas, moves ---- */

struct copied_key {
    struct bytes name, payload; /* payload: object/codec's */
    int64_t expire_at_ms;
};
/* Where the next range begins; slot SLOT_COUNT: the db is done. */
struct copy_place {
    int db; /* logical */
    uint16_t slot;
    uint64_t hash;
};
struct copied_range {
    uint64_t offset;     /* at which the range's keys were as they were shown */
    uint64_t last_hash;  /* the range's end */
    bool is_of_one_hold; /* all was in RAM, and seen under one hold of the lock */
};
struct copy_visitor {
    void *context;
    /* Under the partition's lock: the stream's end. False: nothing is to be shown. */
    bool (*offset)(void *context, uint64_t *offset);
    void (*key)(void *context, const struct copied_key *key);
    void (*again)(void *context); /* what was shown of the range is void; it is shown once more */
};
/* Shows all keys of a range of one slot, in RAM and in rows, as they were at one offset of the stream, and moves the place
 * on. Expired keys are shown as well. Effects of the range's keys that end beyond the offset are not in what was shown. The
 * stream must be recording. May read rows and sleeps for locks: background threads only. BUSY if the visitor wants nothing. */
enum status keyspace_copy_range(struct keyspace *keyspace, struct copy_place *place, const struct copy_visitor *visitor,
                                struct copied_range *range) MUST_USE;
/* Whether nothing was ever put into the db. */
bool keyspace_copy_skips(const struct keyspace *keyspace, int db);

/* ---- what some slots hold between two executions ---- */

/* Slots of one partition: first, first + PARTITION_COUNT and so on. */
struct slot_group {
    int db; /* logical */
    uint16_t first, count;
};
struct slots_visitor {
    void *context;
    /* (lock) What the slots hold now is what shall be shown. False: it shall not. */
    bool (*begin)(void *context);
    void (*key)(void *context, const struct copied_key *key);
    /* What was shown since the last mark is void, and shown once more. */
    void (*mark)(void *context);
    void (*again)(void *context);
    /* (lock) is_exact: what was shown is what there was at the begin. Else something has changed while it was read. */
    void (*end)(void *context, bool is_exact);
};
/* Shows all keys of the slots, in RAM and in rows, expired ones too. STATUS_BUSY: 'begin' was not called or returned false, for a
 * long command is at work in the partition or its slots are looked at already; nothing was shown. May read rows and sleeps for
 * locks: background threads only. */
enum status keyspace_show_slots(struct keyspace *keyspace, const struct slot_group *group,
                                const struct slots_visitor *visitor) MUST_USE;

/* ---- expiry and eviction: called by workers and the control thread between commands ---- */

/* Removes keys and parts of values due at now_ms, at most 'max', telling the sink; takes the partition's lock (or gives up if it is
 * held). Returns how many it removed; sets *more if any remain. */
unsigned keyspace_expire_step(struct keyspace *keyspace, uint32_t partition, int64_t now_ms, unsigned max, bool *more);
/* The earliest moment at which something in the partition may be due; INT64_MAX if nothing; any thread. */
int64_t keyspace_next_expiry_ms(const struct keyspace *keyspace, uint32_t partition);

enum eviction_policy {
    EVICT_TIER, /* default with a tier: scan-resistant recency and frequency */
    EVICT_NOEVICTION,
    EVICT_ALLKEYS_LRU,
    EVICT_ALLKEYS_LFU,
    EVICT_ALLKEYS_RANDOM,
    EVICT_VOLATILE_LRU,
    EVICT_VOLATILE_LFU,
    EVICT_VOLATILE_RANDOM,
    EVICT_VOLATILE_TTL,
};
/* Who may leave: CLEAN entries go silently; what waits to be written to the tier and is optional there by the sink's word
 * goes by deletion; without a tier any key does, clean or not. */
enum eviction_reach { EVICT_CLEAN, EVICT_OPTIONAL, EVICT_ANY };
/* Frees about 'bytes' from one partition, the least useful entries within reach first, telling the sink of deletions.
 * Takes the partition's lock or gives up. Bounded in time. Returns bytes freed; *dirty_seen counts entries passed over
 * because they are not clean. */
size_t keyspace_evict_step(struct keyspace *keyspace, uint32_t partition, size_t bytes, enum eviction_policy policy,
                           enum eviction_reach reach, int64_t now_ms, size_t *dirty_seen);

struct gather_step {
    unsigned looked, moved; /* entries */
    bool is_round_over;     /* the partition was gone through since it began at its first table */
};
/* Moves entries of one partition out of sparse pages, going on where the last call for it ended, until some hundred were
 * looked at. Takes the partition's lock or gives up. */
struct gather_step keyspace_gather_step(struct keyspace *keyspace, uint32_t partition);
/* Called about ten times a second: the clock that touch stamps. Policy decides what access bits mean. */
void keyspace_set_clock(struct keyspace *keyspace, int64_t now_ms, enum eviction_policy policy);
/* (lock) OBJECT IDLETIME's seconds and OBJECT FREQ's counter. */
int64_t keyspace_idle_seconds(const struct keyspace *keyspace, const struct entry *entry);
uint32_t keyspace_frequency(const struct keyspace *keyspace, const struct entry *entry);
/* (lock) RESTORE's IDLETIME and FREQ. */
void keyspace_set_idle(struct keyspace *keyspace, struct entry *entry, int64_t idle_seconds);
void keyspace_set_frequency(struct keyspace *keyspace, struct entry *entry, uint32_t frequency);
/* (lock) Bytes of the entry, its table share and its external value. */
size_t keyspace_entry_bytes(const struct keyspace *keyspace, const struct entry *entry);
/* Bytes of tables, filters and entries' overhead, estimated; for MEMORY STATS. */
size_t keyspace_overhead_bytes(const struct keyspace *keyspace);

/* ---- replay (before the first command, one thread) ---- */

/* While set, new entries are ENTRY_ROW_UNKNOWN where rows exist, counts follow 'created' and 'removed' marks
 * instead of lookups. */
void keyspace_set_replaying(struct keyspace *keyspace, bool replaying);
/* As put and remove, but for keys of which only the effect is known. */
struct entry *keyspace_replay_put(struct keyspace *keyspace, const struct key *key, const struct object *value,
                                  int64_t expire_at_ms, bool creates);
void keyspace_replay_remove(struct keyspace *keyspace, const struct key *key);

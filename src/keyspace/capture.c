/* SPDX-License-Identifier: BSD-3-Clause */
/* What the flusher does to entries: dirty ones enter a run, and the run's fate decides about them.
 *
 *   DIRTY --capture--> IN_RUN --ingested--> CLEAN          GONE --capture--> GONE_IN_RUN --ingested--> (free)
 *     ^------- failed ----'                                  ^-------- failed -----'
 *
 * C1 a write to an entry of a run makes it DIRTY (or GONE) again, and the run's fate no longer concerns it. Since
 *    there is one run at a time and each key is in it once, IN_RUN always means the present run.
 * C2 a key's fingerprint enters the filter with its first capture, and leaves it when its tombstone is ingested. A
 *    failed run leaves it in: the filter may then say "maybe" of a key without a row, whose entry says HAS_ROW. So does
 *    a tombstone whose key was put again before it was ingested. While there is no filter such an entry's HAS_ROW is
 *    doubted, since a rebuild finds no row for it, and its next capture must enter it.
 * C3 a hold of the lock is bounded in bytes and in segments; it never ends between two keys of the same hash, so
 *    a key is not visited twice if it is written in between.
 * C4 a large collection is only begun under the hold in which it is visited; the rest is written in holds of its own,
 *    while it may be changed, moved to another key or deleted: the row gets what it was when it was visited. One that
 *    is under another's capture, or in the middle of a change, is waited for. */
#include "base/hash.h"
#include "keyspace/keyspace_private.h"
#include "keyspace/moment.h"
#include "object/object_capture.h"

#include <time.h>

#define SEGMENTS_PER_HOLD 16
#define KEYS_PER_HOLD 128
#define BUSY_PAUSE_NS 1000000
/* Of a large value in one hold: of short members that is some 700, each with a miss of the cache or two. */
#define PIECE_BYTES ((size_t)16 << 10)
#define PIECE_PAUSE_NS 20000

struct capture {
    struct place place;
    uint64_t hash_from, hash_last, hash_stop;
    size_t bytes, bytes_max;
    bool any, stopped, is_busy;
    void (*visit)(void *context, const struct row_key *key, const struct object *value_or_null, int64_t expire_at_ms);
    void *context;
};

static void note_first_row(const struct place *place, struct entry *entry, uint64_t hash)
{
    if (entry->flags & ENTRY_HAS_ROW)
        return;
    atomic_store_explicit(&place->keyspace->has_rows, true, memory_order_relaxed);
    entry->flags = (uint8_t)((entry->flags & ~ENTRY_ROW_UNKNOWN) | ENTRY_HAS_ROW);
    if (place->partition->filter_unready & (1u << place->db))
        return;
    if (!place->part->filter)
        place->part->filter = cold_filter_create();
    cold_filter_add(place->part->filter, filter_hash(hash, place->slot));
}

static void capture_one(struct capture *capture, struct entry *entry, uint64_t hash)
{
    const struct place *place = &capture->place;
    struct row_key key = {place->db, place->slot, hash, entry_key(entry)};
    capture->bytes += entry_bytes(entry);
    if (entry_is_live(entry)) {
        struct object value = entry_object(entry);
        capture->bytes += object_external_bytes(&value);
        capture->visit(capture->context, &key, &value, entry_expire_at_ms(entry));
        object_capture_move(&value, &place->partition->lock);
        note_first_row(place, entry, hash);
    } else {
        capture->visit(capture->context, &key, NULL, ENTRY_NO_EXPIRE);
    }
    place_account_dirty(place, entry, -1);
    entry_set_state(entry, entry_is_live(entry) ? ENTRY_IN_RUN : ENTRY_GONE_IN_RUN);
    place_account_dirty(place, entry, 1);
}

static bool is_captured(const struct entry *entry)
{
    struct object value = entry_is_live(entry) ? entry_object(entry) : (struct object){0};
    return entry_is_live(entry) && object_capture_is_there(&value);
}

static struct entry *capture_entry(void *context, struct entry *entry)
{
    struct capture *capture = context;
    enum entry_state state = entry_state(entry);
    if (capture->stopped || (state != ENTRY_DIRTY && state != ENTRY_GONE))
        return entry;
    struct bytes name = entry_key(entry);
    uint64_t hash = hash_bytes(name.data, name.length, capture->place.keyspace->hash_seed);
    if (hash < capture->hash_from)
        return entry;
    if (capture->any && capture->bytes >= capture->bytes_max && hash != capture->hash_last) {
        capture->stopped = true;
        capture->hash_stop = hash;
        return entry;
    }
    if (hash != capture->hash_last && (is_captured(entry) || place_is_being_changed(&capture->place, entry))) {
        capture->stopped = capture->is_busy = true;
        capture->hash_stop = hash;
        return entry;
    }
    capture_one(capture, entry, hash);
    capture->any = true;
    capture->hash_last = hash;
    return entry;
}

static bool capture_locked(struct capture *capture, uint64_t *hash_from)
{
    struct slot_table *table = capture->place.table;
    if (atomic_load_explicit(&table->pending, memory_order_relaxed) == 0)
        return true;
    for (unsigned i = 0; i < SEGMENTS_PER_HOLD; i++) {
        uint64_t next = slot_table_visit(table, *hash_from, capture_entry, capture);
        if (capture->stopped) {
            *hash_from = capture->hash_stop;
            return false;
        }
        if (next == 0)
            return true;
        *hash_from = next;
    }
    return false;
}

bool capture_slot(struct keyspace *keyspace, uint8_t db, uint16_t slot, uint64_t *hash_from, size_t bytes_max,
                  void (*visit)(void *context, const struct row_key *key, const struct object *value_or_null,
                                int64_t expire_at_ms),
                  void *context)
{
    struct capture capture = {.hash_from = *hash_from, .bytes_max = bytes_max, .visit = visit, .context = context};
    struct partition *partition = keyspace_partition_of(keyspace, slot);
    lock_acquire(&partition->lock);
    bool done = !place_find(keyspace, db, slot, &capture.place) || capture_locked(&capture, hash_from);
    lock_release(&partition->lock);
    if (capture.is_busy && !capture.any) {
        moment_help(keyspace, &partition->lock);
        nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_NS}, NULL);
    }
    return done;
}

/* The lock of the partition that the value is in; NULL if it is in none. */
static struct lock *home_acquire(const struct object_capture *capture)
{
    for (;;) {
        struct lock *home = object_capture_home(capture);
        if (!home)
            return NULL;
        lock_acquire(home);
        if (object_capture_home(capture) == home)
            return home;
        lock_release(home);
    }
}

bool capture_value_step(struct object_capture *capture, size_t bytes, struct buffer *out)
{
    struct lock *home = home_acquire(capture);
    bool goes_on = object_capture_step(capture, bytes, out);
    if (!goes_on)
        object_capture_end(capture);
    if (home)
        lock_release(home);
    return goes_on;
}

/* What is written is moved when it grows: without the lock. */
void capture_value_all(struct object_capture **capture, struct buffer *out)
{
    const struct timespec pause = {.tv_nsec = PIECE_PAUSE_NS};
    struct buffer piece = {0};
    bool goes_on;
    do {
        goes_on = capture_value_step(*capture, PIECE_BYTES, &piece);
        buffer_append_bytes(out, buffer_bytes(&piece));
        piece.length = 0;
        nanosleep(&pause, NULL);
    } while (goes_on);
    *capture = NULL;
    buffer_deinit(&piece);
}

uint64_t capture_offset(const struct keyspace *keyspace, uint16_t slot, uint64_t end)
{
    return keyspace_offset_of(keyspace, slot % PARTITION_COUNT, end);
}

bool capture_slot_is_dirty(const struct keyspace *keyspace, uint8_t db, uint16_t slot)
{
    const struct database_part *part = partition_database(&keyspace->partitions[slot % PARTITION_COUNT], db);
    return part && atomic_load_explicit(&part->tables[slot / PARTITION_COUNT].pending, memory_order_relaxed) > 0;
}

static void tombstone_ingested(const struct place *place, struct entry *tombstone, uint64_t hash)
{
    bool is_ready = !(place->partition->filter_unready & (1u << place->db));
    if (is_ready && (tombstone->flags & ENTRY_HAS_ROW) && place->part->filter)
        cold_filter_remove(place->part->filter, filter_hash(hash, place->slot));
    place_account(place, tombstone, -1);
    slot_table_remove(place->table, hash, tombstone);
    entry_free(tombstone);
}

static void change_state(const struct place *place, struct entry *entry, enum entry_state state)
{
    place_account_dirty(place, entry, -1);
    entry_set_state(entry, state);
    place_account_dirty(place, entry, 1);
}

static void key_ingested(struct keyspace *keyspace, const struct row_key *key)
{
    struct place place;
    if (!place_find(keyspace, key->db, key->slot, &place))
        return;
    struct entry *entry = slot_table_find(place.table, key->hash, key->name);
    if (entry && entry_state(entry) == ENTRY_IN_RUN)
        change_state(&place, entry, ENTRY_CLEAN);
    else if (entry && entry_state(entry) == ENTRY_GONE_IN_RUN)
        tombstone_ingested(&place, entry, key->hash);
    else if (entry && (place.partition->filter_unready & (1u << place.db)))
        entry_doubt_row(entry);
}

static void key_failed(struct keyspace *keyspace, const struct row_key *key)
{
    struct place place;
    if (!place_find(keyspace, key->db, key->slot, &place))
        return;
    struct entry *entry = slot_table_find(place.table, key->hash, key->name);
    if (!entry)
        return;
    if (entry_state(entry) == ENTRY_IN_RUN)
        change_state(&place, entry, ENTRY_DIRTY);
    else if (entry_state(entry) == ENTRY_GONE_IN_RUN)
        change_state(&place, entry, ENTRY_GONE);
    if (place.partition->filter_unready & (1u << place.db))
        entry_doubt_row(entry);
}

/* Keys come in capture order, so those of a partition stand together. */
static void for_each_key(struct keyspace *keyspace, const struct row_key *keys, size_t count,
                         void (*change)(struct keyspace *keyspace, const struct row_key *key))
{
    for (size_t i = 0; i < count;) {
        struct partition *partition = keyspace_partition_of(keyspace, keys[i].slot);
        size_t end = i + KEYS_PER_HOLD < count ? i + KEYS_PER_HOLD : count;
        lock_acquire(&partition->lock);
        for (; i < end && keyspace_partition_of(keyspace, keys[i].slot) == partition; i++)
            change(keyspace, &keys[i]);
        lock_release(&partition->lock);
    }
}

void capture_ingested(struct keyspace *keyspace, const struct row_key *keys, size_t count)
{
    for_each_key(keyspace, keys, count, key_ingested);
}

void capture_failed(struct keyspace *keyspace, const struct row_key *keys, size_t count)
{
    for_each_key(keyspace, keys, count, key_failed);
}

static uint64_t sum(const struct keyspace *keyspace, size_t counter)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        for (unsigned db = 0; db < DATABASE_COUNT; db++) {
            const struct database_part *part = partition_database(&keyspace->partitions[i], db);
            if (part)
                total += atomic_load_explicit((const _Atomic uint64_t *)((const char *)part + counter),
                                              memory_order_relaxed);
        }
    return total;
}

size_t keyspace_dirty_bytes(const struct keyspace *keyspace)
{
    return sum(keyspace, offsetof(struct database_part, dirty_bytes));
}

size_t keyspace_dirty_count(const struct keyspace *keyspace)
{
    return sum(keyspace, offsetof(struct database_part, dirty_count));
}

uint64_t keyspace_cold_count(const struct keyspace *keyspace)
{
    size_t resident = sum(keyspace, offsetof(struct database_part, resident));
    size_t keys = sum(keyspace, offsetof(struct database_part, keys));
    return keys > resident ? keys - resident : 0;
}

size_t keyspace_filter_bytes(void)
{
    return cold_filter_bytes_of_all();
}

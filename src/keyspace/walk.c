/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking keys in the one order, in RAM and in rows at once.
 *
 * W1 a step covers a range of one slot's hashes. RAM's entries of it, tombstones too, are copied under the lock;
 *    rows are read after, from a view opened then. A key that is there all the while is in one of the two: if it
 *    was in RAM it was copied, else it was cold, and its row is older than the view.
 * W2 RAM wins: a row is shown only if RAM had neither the key nor its tombstone. Markers and known absences say
 *    nothing about a row.
 * W3 positions are multiples of 2^25 in the hash; keys that agree above are shown in one step, whole. So a cursor
 *    means the same whatever tables and tiers do in between.
 * W4 a slot whose keys were all resident when RAM was copied has no rows to read. */
#include "base/hash.h"
#include "keyspace/keyspace_private.h"
#include "object/codec.h"

#define CURSOR_HASH_BITS 39
#define GROUP_BITS (64 - CURSOR_HASH_BITS)
#define GROUP_MASK ((UINT64_C(1) << GROUP_BITS) - 1)
#define SEGMENTS_PER_HOLD 16

/* What RAM knew of a key; its name follows in the buffer. */
struct memory_item {
    uint64_t hash;
    int64_t expire_at_ms;
    uint32_t name_length;
    uint8_t type;
    bool is_live;
};

struct walk {
    struct keyspace *keyspace;
    uint8_t db; /* physical */
    uint16_t slot;
    bool holding_all;
    size_t count, visited;
    void (*visit)(void *context, const struct walk_item *item);
    void *context;

    /* of the present range */
    uint64_t from, to;
    bool has_rows;
    struct buffer items; /* memory_item, name, padding; in order */
    size_t collected, items_read;

    /* of what was shown last */
    bool stopped;
    uint64_t last_hash, stop_hash;
};

/* ---- RAM's part ---- */

static size_t item_size(uint32_t name_length)
{
    return sizeof(struct memory_item) + ((name_length + 7u) & ~(size_t)7);
}

static struct entry *collect_entry(void *context, struct entry *entry)
{
    struct walk *walk = context;
    enum entry_state state = entry_state(entry);
    if (state == ENTRY_LOADING || state == ENTRY_ABSENT)
        return entry;
    struct bytes name = entry_key(entry);
    uint64_t hash = hash_bytes(name.data, name.length, walk->keyspace->hash_seed);
    if (hash < walk->from)
        return entry;
    struct memory_item *item = (void *)buffer_reserve(&walk->items, item_size((uint32_t)name.length));
    *item = (struct memory_item){
        .hash = hash,
        .expire_at_ms = entry_expire_at_ms(entry),
        .name_length = (uint32_t)name.length,
        .type = entry_type(entry),
        .is_live = entry_is_live(entry),
    };
    if (name.length > 0)
        memcpy(item + 1, name.data, name.length);
    walk->items.length += item_size(item->name_length);
    walk->collected += item->is_live;
    return entry;
}

static void collect_locked(struct walk *walk)
{
    struct place place;
    uint64_t next = walk->from;
    walk->to = UINT64_MAX;
    walk->has_rows = false;
    if (!place_find(walk->keyspace, walk->db, walk->slot, &place))
        return;
    uint32_t keys = atomic_load_explicit(&place.table->keys, memory_order_relaxed);
    walk->has_rows = walk->keyspace->backing && keys != place.table->resident;
    for (unsigned i = 0; i < SEGMENTS_PER_HOLD || (next & GROUP_MASK) != 0; i++) {
        next = slot_table_visit(place.table, next, collect_entry, walk);
        if (next == 0)
            return;
        if (walk->collected >= walk->count && (next & GROUP_MASK) == 0)
            break;
    }
    walk->to = next - 1;
}

/* False if the lock is held and this may be a worker. */
static bool collect(struct walk *walk)
{
    struct lock *lock = &keyspace_partition_of(walk->keyspace, walk->slot)->lock;
    walk->items.length = walk->collected = walk->items_read = 0;
    if (!walk->holding_all) {
        if (keyspace_walk_needs_reader(walk->keyspace))
            lock_acquire(lock);
        else if (!lock_try(lock))
            return false;
    }
    collect_locked(walk);
    if (!walk->holding_all)
        lock_release(lock);
    return true;
}

static const struct memory_item *next_item(const struct walk *walk)
{
    return walk->items_read < walk->items.length ? (const void *)(walk->items.data + walk->items_read) : NULL;
}

static struct bytes item_name(const struct memory_item *item)
{
    return bytes_of(item + 1, item->name_length);
}

/* ---- showing ---- */

/* False when enough was shown and the item is not of the last group. */
static bool show(struct walk *walk, const struct walk_item *item)
{
    if (walk->visited >= walk->count && (item->hash >> GROUP_BITS) != (walk->last_hash >> GROUP_BITS)) {
        walk->stopped = true;
        walk->stop_hash = item->hash & ~GROUP_MASK;
        return false;
    }
    walk->visit(walk->context, item);
    walk->visited++;
    walk->last_hash = item->hash;
    return true;
}

static bool show_memory_item(struct walk *walk, const struct memory_item *item)
{
    struct walk_item shown = {item_name(item), item->hash, item->type, item->expire_at_ms};
    if (item->is_live && !show(walk, &shown))
        return false;
    walk->items_read += item_size(item->name_length);
    return true;
}

static int item_compare(const struct memory_item *item, const struct row_key *key)
{
    if (item->hash != key->hash)
        return item->hash < key->hash ? -1 : 1;
    return bytes_compare(item_name(item), key->name);
}

static bool merge_row(void *context, const struct row *row)
{
    struct walk *walk = context;
    const struct memory_item *item;
    int order = 1;
    while ((item = next_item(walk)) && (order = item_compare(item, &row->key)) < 0)
        if (!show_memory_item(walk, item))
            return false;
    if (item && order == 0)
        return show_memory_item(walk, item);
    int type = row->payload.length > 0 ? codec_type((uint8_t)row->payload.data[0]) : -1;
    struct walk_item shown = {row->key.name, row->key.hash, (uint8_t)(type < 0 ? 0 : type), row->expire_at_ms};
    return show(walk, &shown);
}

static enum status show_range(struct walk *walk)
{
    const struct backing *backing = walk->keyspace->backing;
    enum status status = STATUS_OK;
    if (walk->has_rows)
        status = backing->rows(backing->context, walk->db, walk->slot, walk->from, walk->to, merge_row, walk);
    const struct memory_item *item;
    while (status == STATUS_OK && !walk->stopped && (item = next_item(walk)))
        show_memory_item(walk, item);
    return status;
}

/* ---- going on ---- */

static bool slot_is_empty(const struct walk *walk)
{
    const struct partition *partition = &walk->keyspace->partitions[walk->slot % PARTITION_COUNT];
    const struct database_part *part = partition_database(partition, walk->db);
    return !part || atomic_load_explicit(&part->tables[walk->slot / PARTITION_COUNT].keys, memory_order_relaxed) == 0;
}

/* To where the range ended; false at the end of all. */
static bool advance(struct walk *walk)
{
    if (walk->stopped) {
        walk->from = walk->stop_hash;
        return true;
    }
    walk->from = walk->to + 1;
    if (walk->from != 0)
        return true;
    return ++walk->slot < SLOT_COUNT;
}

static uint64_t cursor_of(const struct walk *walk)
{
    return (uint64_t)walk->slot << CURSOR_HASH_BITS | walk->from >> GROUP_BITS;
}

static uint64_t walk_run(struct walk *walk, enum status *status)
{
    do {
        while (slot_is_empty(walk)) {
            walk->from = 0;
            if (++walk->slot == SLOT_COUNT)
                return 0;
        }
        if (!collect(walk)) {
            *status = STATUS_BUSY;
            return cursor_of(walk);
        }
        *status = show_range(walk);
        if (*status != STATUS_OK || !advance(walk))
            return 0;
    } while (!walk->stopped && walk->visited < walk->count);
    return cursor_of(walk);
}

uint64_t keyspace_walk(struct keyspace *keyspace, int db, uint64_t cursor, size_t count, bool holding_all,
                       void (*visit)(void *context, const struct walk_item *item), void *context, int *status)
{
    struct walk walk = {
        .keyspace = keyspace,
        .db = keyspace_physical(keyspace, db),
        .slot = (uint16_t)(cursor >> CURSOR_HASH_BITS),
        .holding_all = holding_all,
        .count = count > 0 ? count : 1,
        .visit = visit,
        .context = context,
        .from = cursor << GROUP_BITS,
    };
    enum status result = STATUS_OK;
    uint64_t next = 0;
    if (cursor >> CURSOR_HASH_BITS < SLOT_COUNT)
        next = walk_run(&walk, &result);
    buffer_deinit(&walk.items);
    *status = (int)result;
    return next;
}

bool keyspace_walk_needs_reader(const struct keyspace *keyspace)
{
    return keyspace->backing && atomic_load_explicit(&keyspace->has_rows, memory_order_relaxed);
}

static uint16_t random_slot(const struct keyspace *keyspace, uint8_t db, uint64_t index)
{
    uint16_t last = 0;
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        const struct database_part *part = partition_database(&keyspace->partitions[slot % PARTITION_COUNT], db);
        uint32_t keys =
            part ? atomic_load_explicit(&part->tables[slot / PARTITION_COUNT].keys, memory_order_relaxed) : 0;
        if (keys == 0)
            continue;
        last = (uint16_t)slot;
        if (index < keys)
            break;
        index -= keys;
    }
    return last;
}

uint64_t keyspace_random_cursor(struct keyspace *keyspace, int db, uint64_t random)
{
    uint64_t keys = keyspace_counts(keyspace, db).keys;
    if (keys == 0)
        return 0;
    uint16_t slot = random_slot(keyspace, keyspace_physical(keyspace, db), random % keys);
    uint64_t place = (random * UINT64_C(0x9e3779b97f4a7c15)) >> GROUP_BITS;
    uint64_t cursor = (uint64_t)slot << CURSOR_HASH_BITS | place;
    return cursor != 0 ? cursor : 1;
}

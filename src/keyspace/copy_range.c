/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying keys with their values, in the one order, a range at a time; each range as it was at one offset of the stream.
 *
 *   P1  the offset is read under the partition's lock, together with RAM's entries and tombstones of the range. Effects of
 *       its keys that end at or below the offset are in what is copied, all others are not.
 *   P2  rows are read after, and RAM wins, as in walk.c. A row with a larger offset than the range's is of a key that was
 *       cold then and has been written since: the range is copied again.
 *   P3  ranges end at multiples of 2^25 in the hash. One that has more rows than are worth holding is cut short.
 *   P4  of a large collection only the capture is begun under the hold of P1; it is written in holds of its own, before anything
 *       is shown. One that is under another's capture is waited for, and the range is collected anew.
 *   P5  so it is while a key of the slot is in the middle of a change, or of a transaction that may have deleted it. */
#include "base/hash.h"
#include "base/memory.h"
#include "keyspace/keyspace_private.h"
#include "keyspace/moment.h"
#include "object/codec.h"
#include "object/object_capture.h"

#include <time.h>

#define GROUP_MASK ((UINT64_C(1) << 25) - 1)
#define SEGMENTS_PER_HOLD 16
#define RANGE_BYTES_MAX ((size_t)256 << 10)
#define HOLD_BYTES_MAX ((size_t)64 << 10)
#define BUSY_PAUSE_NS 1000000

/* The payload of a large collection. */
struct large_payload {
    struct object_capture *capture; /* NULL: it is all there */
    struct buffer bytes;
    struct large_payload *next;
};

/* What RAM has of a key; the name follows in the buffer, then the payload of a value that is neither a block nor large. */
struct copied_item {
    uint64_t hash;
    int64_t expire_at_ms;
    uint32_t name_length;
    bool is_live;
    size_t payload_length;
    struct block *block;
    struct large_payload *large;
};

struct range_copy {
    struct keyspace *keyspace;
    const struct copy_visitor *visitor;
    struct place place; /* under the hold of P1 */
    struct buffer items;
    struct large_payload *begun; /* captures of this range */
    size_t items_read, collected_bytes, shown_bytes;
    int logical_db;
    uint8_t db; /* physical, at the offset */
    uint16_t slot;
    uint64_t from, to, offset, last_hash;
    bool has_rows, is_cut, is_stale, any_shown, is_busy, is_refused;
    unsigned holds;
};

static size_t padded(size_t length)
{
    return (length + 7u) & ~(size_t)7;
}

/* ---- RAM's part ---- */

static struct large_payload *large_begin(struct range_copy *copy, const struct object *value)
{
    struct large_payload *large = memory_allocate_zeroed(sizeof(*large));
    large->capture = object_capture_begin(value, &large->bytes);
    object_capture_move(value, &keyspace_partition_of(copy->keyspace, copy->slot)->lock);
    large->next = copy->begun;
    copy->begun = large;
    copy->collected_bytes += object_external_bytes(value);
    return large;
}

static size_t item_add_payload(struct range_copy *copy, const struct entry *entry, struct copied_item *item)
{
    struct object value = entry_object(entry);
    size_t before = copy->items.length;
    if (value.type == OBJECT_STRING && value.encoding == ENCODING_BLOCK) {
        item->block = block_acquire(value.block);
        copy->collected_bytes += value.block->length;
        return 0;
    }
    copy->is_busy |= object_capture_is_there(&value);
    if (copy->is_busy)
        return 0;
    if (object_capture_suits(&value)) {
        item->large = large_begin(copy, &value);
        return 0;
    }
    codec_encode(&value, &copy->items);
    return copy->items.length - before;
}

static struct entry *collect_entry(void *context, struct entry *entry)
{
    struct range_copy *copy = context;
    enum entry_state state = entry_state(entry);
    struct bytes name = entry_key(entry);
    uint64_t hash = hash_bytes(name.data, name.length, copy->keyspace->hash_seed);
    if (state == ENTRY_LOADING || state == ENTRY_ABSENT || hash < copy->from || copy->is_busy)
        return entry;
    size_t place = copy->items.length;
    buffer_reserve(&copy->items, sizeof(struct copied_item));
    copy->items.length += sizeof(struct copied_item);
    buffer_append_bytes(&copy->items, name);
    struct copied_item item = {.hash = hash,
                               .expire_at_ms = entry_expire_at_ms(entry),
                               .name_length = (uint32_t)name.length,
                               .is_live = entry_is_live(entry)};
    if (item.is_live)
        item.payload_length = item_add_payload(copy, entry, &item);
    size_t length = copy->items.length - place, more = padded(length) - length;
    memset(buffer_reserve(&copy->items, more), 0, more);
    copy->items.length += more;
    memcpy(copy->items.data + place, &item, sizeof(item));
    copy->collected_bytes += length;
    return entry;
}

static void collect_locked(struct range_copy *copy)
{
    uint64_t next = copy->from;
    copy->holds++;
    copy->db = keyspace_physical(copy->keyspace, copy->logical_db);
    copy->to = UINT64_MAX;
    copy->has_rows = false;
    copy->is_refused = !copy->visitor->offset(copy->visitor->context, &copy->offset);
    if (copy->is_refused)
        return;
    copy->is_busy = keyspace_slot_is_being_changed(copy->keyspace, copy->logical_db, copy->slot);
    if (copy->is_busy || !place_find(copy->keyspace, copy->db, copy->slot, &copy->place))
        return;
    uint32_t keys = atomic_load_explicit(&copy->place.table->keys, memory_order_relaxed);
    copy->has_rows = copy->keyspace->backing && keys != copy->place.table->resident;
    for (unsigned i = 0; i < SEGMENTS_PER_HOLD || (next & GROUP_MASK) != 0; i++) {
        next = slot_table_visit(copy->place.table, next, collect_entry, copy);
        if (next == 0)
            return;
        if (copy->collected_bytes >= HOLD_BYTES_MAX && (next & GROUP_MASK) == 0)
            break;
    }
    copy->to = next - 1;
}

static const struct copied_item *next_item(const struct range_copy *copy)
{
    return copy->items_read < copy->items.length ? (const void *)(copy->items.data + copy->items_read) : NULL;
}

static struct bytes item_name(const struct copied_item *item)
{
    return bytes_of(item + 1, item->name_length);
}

static void item_pass(struct range_copy *copy, const struct copied_item *item)
{
    copy->items_read += padded(sizeof(*item) + item->name_length + item->payload_length);
    if (item->block)
        block_release(item->block);
    if (item->large) {
        buffer_deinit(&item->large->bytes);
        memory_free(item->large);
    }
}

static void finish_large(struct range_copy *copy)
{
    for (struct large_payload *large = copy->begun; large; large = large->next)
        capture_value_all(&large->capture, &large->bytes);
    copy->begun = NULL;
}

/* ---- showing ---- */

/* False where the range is cut: before the first key of a group, when enough was shown. */
static bool show(struct range_copy *copy, uint64_t hash, const struct copied_key *key)
{
    if (copy->any_shown && copy->shown_bytes >= RANGE_BYTES_MAX && (hash & ~GROUP_MASK) > copy->last_hash) {
        copy->is_cut = true;
        copy->to = (hash & ~GROUP_MASK) - 1;
        return false;
    }
    copy->visitor->key(copy->visitor->context, key);
    copy->shown_bytes += key->name.length + key->payload.length;
    copy->last_hash = hash;
    copy->any_shown = true;
    return true;
}

static bool show_item(struct range_copy *copy, const struct copied_item *item)
{
    struct bytes name = item_name(item);
    struct copied_key key = {name, bytes_of(name.data + name.length, item->payload_length), item->expire_at_ms};
    struct buffer encoded = {0};
    bool goes_on = true;
    if (item->large)
        key.payload = buffer_bytes(&item->large->bytes);
    if (item->block) {
        struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = item->block};
        codec_encode(&value, &encoded);
        key.payload = buffer_bytes(&encoded);
    }
    if (item->is_live)
        goes_on = show(copy, item->hash, &key);
    buffer_deinit(&encoded);
    if (goes_on)
        item_pass(copy, item);
    return goes_on;
}

static int item_compare(const struct copied_item *item, const struct row_key *key)
{
    if (item->hash != key->hash)
        return item->hash < key->hash ? -1 : 1;
    return bytes_compare(item_name(item), key->name);
}

static bool merge_row(void *context, const struct row *row)
{
    struct range_copy *copy = context;
    const struct copied_item *item;
    int order = 1;
    while ((item = next_item(copy)) && (order = item_compare(item, &row->key)) < 0)
        if (!show_item(copy, item))
            return false;
    if (item && order == 0)
        return show_item(copy, item);
    if (row->offset > copy->offset) {
        copy->is_stale = true;
        return false;
    }
    struct copied_key key = {row->key.name, row->payload, row->expire_at_ms};
    return show(copy, row->key.hash, &key);
}

static enum status show_range(struct range_copy *copy)
{
    const struct backing *backing = copy->keyspace->backing;
    enum status status = STATUS_OK;
    if (copy->has_rows)
        status = backing->rows(backing->context, copy->db, copy->slot, copy->from, copy->to, merge_row, copy);
    const struct copied_item *item;
    while (status == STATUS_OK && !copy->is_stale && !copy->is_cut && (item = next_item(copy)))
        show_item(copy, item);
    return status;
}

static void items_drop(struct range_copy *copy)
{
    const struct copied_item *item;
    while ((item = next_item(copy)))
        item_pass(copy, item);
    copy->items.length = copy->items_read = copy->collected_bytes = copy->shown_bytes = 0;
    copy->is_cut = copy->is_stale = copy->any_shown = copy->is_busy = false;
}

/* The range's entries, as they are at one offset. */
static void collect(struct range_copy *copy)
{
    struct lock *lock = &keyspace_partition_of(copy->keyspace, copy->slot)->lock;
    bool is_busy;
    do {
        lock_acquire(lock);
        collect_locked(copy);
        lock_release(lock);
        finish_large(copy);
        is_busy = copy->is_busy;
        if (is_busy) {
            items_drop(copy);
            moment_help(copy->keyspace, lock);
            nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_NS}, NULL);
        }
    } while (is_busy);
}

enum status keyspace_copy_range(struct keyspace *keyspace, struct copy_place *place, const struct copy_visitor *visitor,
                                struct copied_range *range)
{
    struct range_copy copy = {
        .keyspace = keyspace, .visitor = visitor, .logical_db = place->db, .slot = place->slot, .from = place->hash};
    enum status status;
    bool is_stale;
    do {
        collect(&copy);
        status = copy.is_refused ? STATUS_BUSY : show_range(&copy);
        is_stale = status == STATUS_OK && copy.is_stale;
        if (is_stale)
            visitor->again(visitor->context);
        items_drop(&copy);
    } while (is_stale);
    buffer_deinit(&copy.items);
    *range = (struct copied_range){
        .offset = copy.offset, .last_hash = copy.to, .is_of_one_hold = copy.holds == 1 && !copy.has_rows};
    place->hash = copy.to + 1;
    if (place->hash == 0)
        place->slot++;
    return status;
}

bool keyspace_copy_skips(const struct keyspace *keyspace, int db)
{
    uint8_t physical = keyspace_physical(keyspace, db);
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        if (partition_database(&keyspace->partitions[i], physical))
            return false;
    return true;
}

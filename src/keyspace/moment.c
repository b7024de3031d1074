/* SPDX-License-Identifier: BSD-3-Clause */
/* M1 the moment begins under all locks, so it is between brackets of the stream, and whoever holds a partition knows whether
 *    there is one.
 * M2 a key that has changed since the moment, and was not passed before that, is among its slot's hashes; what it was stands
 *    among the values, unless it was not there.
 * M3 a range is passed under its partition's lock after it was copied, rows included: a key of it that is not among the hashes
 *    by then was copied as it was at the moment. A cold key does not change before it is fetched.
 * M4 hashes stand for keys: two keys of one slot with the same 64 bits of a seeded hash are taken for one.
 * M5 of a large collection only the capture is begun under the hold of its change. It is written by whoever takes the values,
 *    or by who meets the value and waits for that (the flusher, other copies); a value has one capture at a time. */
#include "keyspace/moment.h"

#include <time.h>

#include "base/memory.h"
#include "keyspace/keyspace_private.h"
#include "object/codec.h"
#include "object/object_capture.h"

/* Beyond it writes wait, and far beyond it (a primary's stream does not wait) the moment is given up. */
#define VALUES_BYTES_FULL ((size_t)16 << 20)
#define VALUES_BYTES_MAX ((size_t)256 << 20)
/* The next value goes to another piece: what grows is copied, under the locks of who changes a key. */
#define VALUES_PIECE_BYTES ((size_t)64 << 10)
#define CAPACITY_MIN 16
/* Until another thread has written a value, or let go of the moment. */
#define PAUSE_NS 200000

/* What of a partition was passed; under its lock. */
struct kept_partition {
    unsigned db, table; /* of what comes next */
    uint64_t hash;
    struct kept_keys *slots[DATABASE_COUNT]; /* by physical db: SLOTS_PER_PARTITION each, or NULL */
};

/* The payload of a large collection: written by one thread, which takes it out of the list of those that were begun. */
struct kept_large {
    struct object_capture *capture;
    struct buffer payload;
    _Atomic bool is_written;
    struct kept_large *next;
};

/* The name follows, then the payload of a value that is neither a block nor large. */
struct kept_item {
    int64_t expire_at_ms;
    struct block *block;
    struct kept_large *large;
    size_t payload_length;
    uint32_t name_length;
    int16_t db;
};

struct kept_piece {
    struct kept_piece *next;
    struct buffer items;
};

struct moment {
    size_t bytes_max;
    struct keyspace *keyspace;
    _Atomic size_t keys_bytes;
    _Atomic bool is_void, is_blurred;
    _Atomic uint32_t helpers; /* one more under any partition's lock, while the keyspace has the moment */
    struct lock lock;         /* a leaf, of what follows */
    struct kept_piece *values, *values_last; /* a list, and where it ends */
    size_t values_bytes;                     /* blocks and large ones included */
    struct kept_large *begun;                /* not taken by anybody who writes */
    struct kept_partition partitions[PARTITION_COUNT];
};

_Atomic unsigned moment_keepers;
_Atomic bool moment_is_full;

/* ---- life ---- */

struct moment *keyspace_moment_begin(struct keyspace *keyspace, uint32_t worker, size_t bytes_max,
                                     void (*at_moment)(void *context), void *context)
{
    struct moment *moment = memory_allocate_zeroed(sizeof(*moment));
    moment->bytes_max = bytes_max;
    moment->keyspace = keyspace;
    lock_init(&moment->lock, LOCK_LEAF, 0);
    keyspace_acquire_unclaimed(keyspace, worker);
    check(!keyspace->moment);
    keyspace->moment = moment;
    atomic_fetch_add(&moment_keepers, 1);
    at_moment(context);
    keyspace_release_all(keyspace, worker);
    return moment;
}

static void item_skip(void *context, const struct kept_value *value)
{
    (void)context;
    (void)value;
}

void keyspace_moment_end(struct keyspace *keyspace, uint32_t worker, struct moment **taken)
{
    struct moment *moment = *taken;
    *taken = NULL;
    keyspace_acquire_all(keyspace, worker);
    keyspace->moment = NULL;
    atomic_fetch_sub(&moment_keepers, 1);
    keyspace_release_all(keyspace, worker);
    while (atomic_load(&moment->helpers) > 0)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    moment_take(moment, item_skip, NULL);
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        for (unsigned db = 0; db < DATABASE_COUNT; db++) {
            struct kept_keys *slots = moment->partitions[i].slots[db];
            for (unsigned table = 0; slots && table < SLOTS_PER_PARTITION; table++)
                memory_free(slots[table].hashes);
            memory_free(slots);
        }
    memory_free(moment);
}

bool moment_is_void(const struct moment *moment)
{
    return atomic_load(&moment->is_void);
}

bool moment_is_blurred(const struct moment *moment)
{
    return atomic_load(&moment->is_blurred);
}

void moment_forget(struct keyspace *keyspace)
{
    watched_slots_forget(keyspace);
    if (keyspace->moment)
        atomic_store(&keyspace->moment->is_void, true);
}

/* ---- which keys ---- */

static uint64_t hash_word(uint64_t hash)
{
    return hash ? hash : 1;
}

static uint32_t place_of(const struct kept_keys *keys, uint64_t word)
{
    uint32_t mask = keys->capacity - 1, place = (uint32_t)word & mask;
    while (keys->hashes[place] && keys->hashes[place] != word)
        place = (place + 1) & mask;
    return place;
}

bool kept_keys_has(const struct kept_keys *keys, uint64_t hash)
{
    return keys->count > 0 && keys->hashes[place_of(keys, hash_word(hash))] != 0;
}

static void keys_grow(struct moment *moment, struct kept_keys *keys)
{
    struct kept_keys larger = {.capacity = keys->capacity ? keys->capacity * 2 : CAPACITY_MIN, .count = keys->count};
    larger.hashes = memory_allocate_zeroed(larger.capacity * sizeof(uint64_t));
    for (uint32_t i = 0; i < keys->capacity; i++)
        if (keys->hashes[i])
            larger.hashes[place_of(&larger, keys->hashes[i])] = keys->hashes[i];
    size_t more = (larger.capacity - keys->capacity) * sizeof(uint64_t);
    if (atomic_fetch_add(&moment->keys_bytes, more) + more > moment->bytes_max)
        atomic_store(&moment->is_blurred, true);
    memory_free(keys->hashes);
    *keys = larger;
}

/* False if it was among them. */
static bool keys_add(struct moment *moment, struct kept_keys *keys, uint64_t hash)
{
    uint64_t word = hash_word(hash);
    if (keys->count * 4 >= keys->capacity * 3)
        keys_grow(moment, keys);
    uint64_t *place = &keys->hashes[place_of(keys, word)];
    if (*place)
        return false;
    *place = word;
    keys->count++;
    return true;
}

static struct kept_keys *keys_of(struct kept_partition *kept, unsigned db, unsigned table)
{
    if (!kept->slots[db])
        kept->slots[db] = memory_allocate_zeroed(SLOTS_PER_PARTITION * sizeof(struct kept_keys));
    return &kept->slots[db][table];
}

static bool is_passed(const struct kept_partition *kept, unsigned db, unsigned table, uint64_t hash)
{
    if (db != kept->db)
        return db < kept->db;
    return table != kept->table ? table < kept->table : hash < kept->hash;
}

/* ---- what they were ---- */

static struct kept_large *large_begin(const struct object *value, struct lock *home)
{
    struct kept_large *large = memory_allocate_zeroed(sizeof(*large));
    large->capture = object_capture_begin(value, &large->payload);
    object_capture_move(value, home);
    return large;
}

static struct buffer *values_end(struct moment *moment)
{
    struct kept_piece *last = moment->values_last;
    if (last && last->items.length < VALUES_PIECE_BYTES)
        return &last->items;
    struct kept_piece *piece = memory_allocate_zeroed(sizeof(*piece));
    if (last)
        last->next = piece;
    else
        moment->values = piece;
    moment->values_last = piece;
    return &piece->items;
}

static void value_add(struct moment *moment, const struct key *key, const struct entry *entry)
{
    struct object value = entry_object(entry);
    struct kept_item item = {
        .expire_at_ms = entry_expire_at_ms(entry), .name_length = (uint32_t)key->name.length, .db = key->db};
    if (object_capture_suits(&value))
        item.large = large_begin(&value, &keyspace_partition_of(moment->keyspace, key->slot)->lock);
    lock_acquire(&moment->lock);
    struct buffer *values = values_end(moment);
    size_t place = values->length;
    buffer_reserve(values, sizeof(item));
    values->length += sizeof(item);
    buffer_append_bytes(values, key->name);
    if (value.type == OBJECT_STRING && value.encoding == ENCODING_BLOCK) {
        item.block = block_acquire(value.block);
        moment->values_bytes += value.block->length;
    } else if (item.large) {
        item.large->next = moment->begun;
        moment->begun = item.large;
        moment->values_bytes += object_external_bytes(&value);
    } else {
        size_t before = values->length;
        codec_encode(&value, values);
        item.payload_length = values->length - before;
    }
    memcpy(values->data + place, &item, sizeof(item));
    moment->values_bytes += values->length - place;
    if (moment->values_bytes >= VALUES_BYTES_FULL)
        atomic_store(&moment_is_full, true);
    if (moment->values_bytes >= VALUES_BYTES_MAX)
        atomic_store(&moment->is_blurred, true);
    lock_release(&moment->lock);
}

/* Of a key that is decided, or not: cold keys have no captures. */
static bool is_to_be_kept(const struct moment *moment, unsigned db, const struct key *key)
{
    unsigned table = key->slot / PARTITION_COUNT;
    const struct kept_partition *kept = &moment->partitions[key_partition(key)];
    return !atomic_load_explicit(&moment->is_blurred, memory_order_relaxed) && !is_passed(kept, db, table, key->hash) &&
           !(kept->slots[db] && kept_keys_has(&kept->slots[db][table], key->hash));
}

bool moment_waits_for_key(struct keyspace *keyspace, const struct key *key)
{
    const struct moment *moment = keyspace->moment;
    if (!moment || !is_to_be_kept(moment, keyspace_physical(keyspace, key->db), key))
        return false;
    const struct entry *entry = keyspace_find(keyspace, key);
    struct object value = entry ? entry_object(entry) : (struct object){0};
    return entry && object_capture_is_there(&value);
}

void moment_keep_key(struct keyspace *keyspace, const struct key *key)
{
    struct moment *moment = keyspace->moment;
    unsigned db = keyspace_physical(keyspace, key->db), table = key->slot / PARTITION_COUNT;
    struct partition *partition = keyspace_partition_of(keyspace, key->slot);
    partition_assert_held(keyspace, partition);
    if (partition->watched)
        watched_slots_note(partition->watched, key->slot, db);
    if (!moment)
        return;
    struct kept_partition *kept = &moment->partitions[key_partition(key)];
    if (!is_to_be_kept(moment, db, key))
        return;
    /* Who does not wait for a cold key has it read here. */
    uint64_t offset;
    enum status status = keyspace_is_decided(keyspace, key) ? STATUS_OK : keyspace_fetch(keyspace, key, &offset);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        atomic_store(&moment->is_blurred, true);
        return;
    }
    struct entry *entry = keyspace_find(keyspace, key);
    if (keys_add(moment, keys_of(kept, db, table), key->hash) && entry)
        value_add(moment, key, entry);
}

bool moment_has_kept(struct keyspace *keyspace, const struct key *key)
{
    const struct moment *moment = keyspace->moment;
    return !moment || !is_to_be_kept(moment, keyspace_physical(keyspace, key->db), key);
}

/* ---- large ones ---- */

/* False if there is none that nobody writes yet. */
static bool large_write_one(struct moment *moment)
{
    lock_acquire(&moment->lock);
    struct kept_large *large = moment->begun;
    if (large)
        moment->begun = large->next;
    lock_release(&moment->lock);
    if (!large)
        return false;
    capture_value_all(&large->capture, &large->payload);
    atomic_store(&large->is_written, true);
    return true;
}

/* Another thread may have begun. */
static void large_wait(struct moment *moment, const struct kept_large *large)
{
    while (!atomic_load(&large->is_written))
        if (!large_write_one(moment))
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

void moment_help(struct keyspace *keyspace, struct lock *partition)
{
    lock_acquire(partition);
    struct moment *moment = keyspace->moment;
    if (moment)
        atomic_fetch_add(&moment->helpers, 1);
    lock_release(partition);
    if (!moment)
        return;
    while (large_write_one(moment))
        ;
    atomic_fetch_sub(&moment->helpers, 1);
}

/* ---- the copy ---- */

void moment_pass(struct moment *moment, int physical_db, uint16_t slot, uint64_t last_hash, struct kept_keys *keys)
{
    struct kept_partition *kept = &moment->partitions[slot % PARTITION_COUNT];
    unsigned db = (unsigned)physical_db, table = slot / PARTITION_COUNT;
    struct lock *lock = &moment->keyspace->partitions[slot % PARTITION_COUNT].lock;
    bool is_slot_done = last_hash == UINT64_MAX;
    *keys = (struct kept_keys){0};
    lock_acquire(lock);
    kept->db = db;
    kept->table = is_slot_done ? table + 1 : table;
    kept->hash = is_slot_done ? 0 : last_hash + 1;
    struct kept_keys *of_slot = kept->slots[db] ? &kept->slots[db][table] : NULL;
    if (of_slot && of_slot->count > 0) {
        *keys = *of_slot;
        if (is_slot_done) {
            atomic_fetch_sub(&moment->keys_bytes, of_slot->capacity * sizeof(uint64_t));
            *of_slot = (struct kept_keys){0};
        } else {
            keys->hashes = memory_allocate(keys->capacity * sizeof(uint64_t));
            memcpy(keys->hashes, of_slot->hashes, keys->capacity * sizeof(uint64_t));
        }
    }
    lock_release(lock);
}

static void item_show(const char *at, const struct kept_item *item,
                      void (*visit)(void *context, const struct kept_value *value), void *context)
{
    struct buffer encoded = {0};
    struct kept_value value = {.name = bytes_of(at, item->name_length),
                               .payload = bytes_of(at + item->name_length, item->payload_length),
                               .expire_at_ms = item->expire_at_ms,
                               .db = item->db};
    if (item->block) {
        struct object string = {.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = item->block};
        codec_encode(&string, &encoded);
        value.payload = buffer_bytes(&encoded);
    }
    if (item->large)
        value.payload = buffer_bytes(&item->large->payload);
    visit(context, &value);
    buffer_deinit(&encoded);
    if (item->large) {
        buffer_deinit(&item->large->payload);
        memory_free(item->large);
    }
    if (item->block)
        block_release(item->block);
}

static void piece_show(struct moment *moment, struct bytes values,
                       void (*visit)(void *context, const struct kept_value *value), void *context)
{
    for (size_t at = 0; at < values.length;) {
        struct kept_item item;
        memcpy(&item, values.data + at, sizeof(item));
        at += sizeof(item);
        if (item.large)
            large_wait(moment, item.large);
        item_show(values.data + at, &item, visit, context);
        at += item.name_length + item.payload_length;
    }
}

void moment_take(struct moment *moment, void (*visit)(void *context, const struct kept_value *value), void *context)
{
    lock_acquire(&moment->lock);
    struct kept_piece *piece = moment->values;
    moment->values = moment->values_last = NULL;
    moment->values_bytes = 0;
    atomic_store(&moment_is_full, false);
    lock_release(&moment->lock);
    while (piece) {
        struct kept_piece *next = piece->next;
        piece_show(moment, buffer_bytes(&piece->items), visit, context);
        buffer_deinit(&piece->items);
        memory_free(piece);
        piece = next;
    }
}

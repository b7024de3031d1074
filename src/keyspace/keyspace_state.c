/* SPDX-License-Identifier: BSD-3-Clause */
/* What a checkpoint keeps of the keyspace, so that a restart knows the number of keys without reading rows:
 *
 *   version (1 byte) | physical db of each logical one (DATABASE_COUNT bytes)
 *   then, for every used (db, slot) in order: place + 1 as a difference, keys, expires; all as varints
 *   0
 *
 * A place is db * SLOT_COUNT + slot. Varints carry seven bits a byte, the lowest first.
 *
 * N1 the counts are those of the moment at which all locks are held, but there are too many to be read then. In that moment
 *    each partition learns where they are wanted; they are copied under its own lock afterwards, a db at a time by whoever
 *    changes a count of it first, and the rest by the saver. */
#include "base/memory.h"
#include "keyspace/keyspace_private.h"

#define STATE_VERSION 1

static void varint_append(struct buffer *out, uint64_t value)
{
    char *bytes = buffer_reserve(out, 10);
    size_t length = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[length++] = (char)(value | 0x80);
    bytes[length++] = (char)value;
    out->length += length;
}

static bool varint_read(struct bytes *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && in->length > 0; shift += 7) {
        uint8_t byte = (uint8_t)*in->data;
        in->data++;
        in->length--;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* ---- saving ---- */

struct slot_counts {
    uint32_t keys, expires;
};

/* What a partition had at the moment; under its lock. */
struct kept_counts {
    uint16_t kept;                                 /* bits of physical dbs */
    struct slot_counts *databases[DATABASE_COUNT]; /* by physical db: SLOTS_PER_PARTITION each; NULL: it had no keys */
};

struct state_save {
    uint8_t physical[DATABASE_COUNT];
    struct kept_counts partitions[PARTITION_COUNT];
};

void partition_keep_counts(struct partition *partition, unsigned physical_db)
{
    struct kept_counts *wanted = partition->counts_wanted;
    const struct database_part *part = partition_database(partition, physical_db);
    if (wanted->kept & (1u << physical_db))
        return;
    wanted->kept |= (uint16_t)(1u << physical_db);
    if (!part || atomic_load_explicit(&part->keys, memory_order_relaxed) == 0)
        return;
    struct slot_counts *counts = memory_allocate(SLOTS_PER_PARTITION * sizeof(*counts));
    for (unsigned i = 0; i < SLOTS_PER_PARTITION; i++)
        counts[i] = (struct slot_counts){.keys = atomic_load_explicit(&part->tables[i].keys, memory_order_relaxed),
                                         .expires = part->tables[i].expires};
    wanted->databases[physical_db] = counts;
}

struct state_save *state_save_begin(struct keyspace *keyspace, void (*at_offset)(void *context), void *context)
{
    struct state_save *save = memory_allocate_zeroed(sizeof(*save));
    keyspace_acquire_whole(keyspace, THREADS_MAX);
    at_offset(context);
    for (unsigned db = 0; db < DATABASE_COUNT; db++)
        save->physical[db] = keyspace_physical(keyspace, (int)db);
    for (unsigned i = 0; i < PARTITION_COUNT; i++) {
        check(keyspace->partitions[i].counts_wanted == NULL);
        keyspace->partitions[i].counts_wanted = &save->partitions[i];
    }
    keyspace_release_all(keyspace, THREADS_MAX);
    return save;
}

static void keep_rest(struct partition *partition)
{
    lock_acquire(&partition->lock);
    for (unsigned db = 0; db < DATABASE_COUNT; db++)
        partition_keep_counts(partition, db);
    partition->counts_wanted = NULL;
    lock_release(&partition->lock);
}

static void counts_append(const struct state_save *save, struct buffer *out)
{
    uint32_t last = 0;
    for (unsigned db = 0; db < DATABASE_COUNT; db++)
        for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
            const struct slot_counts *counts = save->partitions[slot % PARTITION_COUNT].databases[db];
            if (!counts || counts[slot / PARTITION_COUNT].keys == 0)
                continue;
            uint32_t place = db * SLOT_COUNT + slot + 1;
            varint_append(out, place - last);
            varint_append(out, counts[slot / PARTITION_COUNT].keys);
            varint_append(out, counts[slot / PARTITION_COUNT].expires);
            last = place;
        }
    varint_append(out, 0);
}

void state_save_end(struct keyspace *keyspace, struct state_save **taken, struct buffer *out)
{
    struct state_save *save = *taken;
    *taken = NULL;
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        keep_rest(&keyspace->partitions[i]);
    *buffer_reserve(out, 1) = STATE_VERSION;
    out->length++;
    buffer_append(out, save->physical, sizeof(save->physical));
    counts_append(save, out);
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        for (unsigned db = 0; db < DATABASE_COUNT; db++)
            memory_free(save->partitions[i].databases[db]);
    memory_free(save);
}

void keyspace_save_state(struct keyspace *keyspace, void (*at_offset)(void *context), void *context, struct buffer *out)
{
    struct state_save *save = state_save_begin(keyspace, at_offset, context);
    state_save_end(keyspace, &save, out);
}

/* ---- restoring ---- */

static bool map_is_valid(struct bytes map)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < map.length; i++) {
        uint8_t physical = (uint8_t)map.data[i];
        if (physical >= DATABASE_COUNT || (seen & (1u << physical)))
            return false;
        seen |= 1u << physical;
    }
    return true;
}

static void count_restore(struct keyspace *keyspace, uint64_t at, uint32_t keys, uint32_t expires)
{
    uint16_t slot = (uint16_t)(at % SLOT_COUNT);
    struct partition *partition = keyspace_partition_of(keyspace, slot);
    lock_acquire(&partition->lock);
    struct place place = place_make(keyspace, (uint8_t)(at / SLOT_COUNT), slot);
    place_count_keys(&place, (int)keys, (int)expires);
    lock_release(&partition->lock);
}

/* Reads counts up to the end mark; applies them if 'keyspace' is given. The number of expiries is an estimate after a
 * replay, and no reason to refuse. */
static bool counts_read(struct bytes in, struct keyspace *keyspace)
{
    uint64_t next = 0, step, keys, expires;
    for (;;) {
        if (!varint_read(&in, &step))
            return false;
        if (step == 0)
            return in.length == 0;
        if (!varint_read(&in, &keys) || !varint_read(&in, &expires) || keys == 0 || keys > INT32_MAX ||
            expires > UINT32_MAX || step > (uint64_t)DATABASE_COUNT * SLOT_COUNT - next)
            return false;
        next += step;
        if (keyspace)
            count_restore(keyspace, next - 1, (uint32_t)keys, (uint32_t)(expires < keys ? expires : keys));
    }
}

enum status keyspace_restore_state(struct keyspace *keyspace, struct bytes state)
{
    if (state.length < 1 + DATABASE_COUNT || state.data[0] != STATE_VERSION)
        return STATUS_CORRUPT;
    struct bytes map = {state.data + 1, DATABASE_COUNT};
    struct bytes counts = {map.data + map.length, state.length - 1 - map.length};
    if (!map_is_valid(map) || !counts_read(counts, NULL))
        return STATUS_CORRUPT;
    for (unsigned db = 0; db < DATABASE_COUNT; db++)
        atomic_store_explicit(&keyspace->physical[db], (uint8_t)map.data[db], memory_order_relaxed);
    counts_read(counts, keyspace);
    return STATUS_OK;
}

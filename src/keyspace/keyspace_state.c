/* SPDX-License-Identifier: BSD-3-Clause */
/* What a checkpoint keeps of the keyspace, so that a restart knows the number of keys without reading rows:
 *
 *   version (1 byte) | physical db of each logical one (DATABASE_COUNT bytes)
 *   then, for every used (db, slot) in order: place + 1 as a difference, keys, expires; all as varints
 *   0
 *
 * A place is db * SLOT_COUNT + slot. Varints carry seven bits a byte, the lowest first. */
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

static void counts_append(const struct keyspace *keyspace, struct buffer *out)
{
    uint32_t last = 0;
    for (unsigned db = 0; db < DATABASE_COUNT; db++)
        for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
            const struct database_part *part = partition_database(&keyspace->partitions[slot % PARTITION_COUNT], db);
            const struct slot_table *table = part ? &part->tables[slot / PARTITION_COUNT] : NULL;
            uint32_t keys = table ? atomic_load_explicit(&table->keys, memory_order_relaxed) : 0;
            if (keys == 0)
                continue;
            uint32_t place = db * SLOT_COUNT + slot + 1;
            varint_append(out, place - last);
            varint_append(out, keys);
            varint_append(out, table->expires);
            last = place;
        }
    varint_append(out, 0);
}

void keyspace_save_state(struct keyspace *keyspace, void (*at_offset)(void *context), void *context, struct buffer *out)
{
    keyspace_acquire_whole(keyspace, THREADS_MAX);
    at_offset(context);
    *buffer_reserve(out, 1) = STATE_VERSION;
    out->length++;
    for (unsigned db = 0; db < DATABASE_COUNT; db++) {
        uint8_t physical = keyspace_physical(keyspace, (int)db);
        buffer_append(out, &physical, 1);
    }
    counts_append(keyspace, out);
    keyspace_release_all(keyspace, THREADS_MAX);
}

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

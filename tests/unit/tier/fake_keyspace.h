/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The second half of keyspace/backing.h by the simplest means, so that the tier is tested alone: one lock, and for
 * each (db, slot) an array of keys in row order. Included by one test program's file, which it becomes a part of; the
 * archive's keyspace is then not linked. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "keyspace/backing.h"
#include "object/object.h"
#include "object/string_object.h"

#define FAKE_DATABASES 16
#define FAKE_SLOTS 16384
#define FAKE_PARTITIONS 256

struct fake_key {
    uint64_t hash;
    enum entry_state state;
    int64_t expire_at_ms;
    struct buffer name;
    struct object value; /* bytes are the key's own */
};

struct fake_slot {
    struct fake_key **keys;
    size_t count, capacity, dirty;
};

struct keyspace {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fake_slot *slots; /* db * FAKE_SLOTS + slot */
    size_t dirty_count;
    size_t visits; /* by the present capture_slot, to check that it is bounded */
    bool filter_ready[FAKE_PARTITIONS];
    bool filter_building[FAKE_PARTITIONS];
    struct buffer filter_names[FAKE_PARTITIONS]; /* the rebuilt names, each ended by a NUL */
    struct buffer expired_names;
    size_t expired_count, ingested, failed, in_filter;
    struct buffer restored;
    uint64_t saved_count;
    bool capture_backwards; /* keys of equal hash come in descending order of names */
};

static struct keyspace *fake_create(void)
{
    struct keyspace *keyspace = memory_allocate_zeroed(sizeof(*keyspace));
    keyspace->slots = memory_allocate_zeroed(FAKE_DATABASES * FAKE_SLOTS * sizeof(*keyspace->slots));
    pthread_mutex_init(&keyspace->lock, NULL);
    pthread_cond_init(&keyspace->changed, NULL);
    memset(keyspace->filter_ready, true, sizeof(keyspace->filter_ready));
    return keyspace;
}

static void fake_key_free(struct fake_key *key)
{
    object_release(&key->value);
    if (key->value.encoding == ENCODING_RAW)
        memory_free((void *)key->value.bytes.data);
    buffer_deinit(&key->name);
    memory_free(key);
}

static void fake_destroy(struct keyspace *keyspace)
{
    for (size_t i = 0; i < FAKE_DATABASES * FAKE_SLOTS; i++) {
        for (size_t k = 0; k < keyspace->slots[i].count; k++)
            fake_key_free(keyspace->slots[i].keys[k]);
        memory_free(keyspace->slots[i].keys);
    }
    for (size_t i = 0; i < FAKE_PARTITIONS; i++)
        buffer_deinit(&keyspace->filter_names[i]);
    buffer_deinit(&keyspace->expired_names);
    buffer_deinit(&keyspace->restored);
    memory_free(keyspace->slots);
    memory_free(keyspace);
}

static struct fake_slot *fake_slot(struct keyspace *keyspace, uint8_t db, uint16_t slot)
{
    return &keyspace->slots[(size_t)db * FAKE_SLOTS + slot];
}

static int fake_order(const struct keyspace *keyspace, const struct fake_key *key, uint64_t hash, struct bytes name)
{
    if (key->hash != hash)
        return key->hash < hash ? -1 : 1;
    int order = bytes_compare(buffer_bytes(&key->name), name);
    return keyspace->capture_backwards ? -order : order;
}

/* Where the key is, or belongs. */
static size_t fake_position(const struct keyspace *keyspace, const struct fake_slot *slot, uint64_t hash,
                            struct bytes name)
{
    size_t low = 0, high = slot->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fake_order(keyspace, slot->keys[middle], hash, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct fake_key *fake_find(struct keyspace *keyspace, const struct row_key *key)
{
    struct fake_slot *slot = fake_slot(keyspace, key->db, key->slot);
    size_t at = fake_position(keyspace, slot, key->hash, key->name);
    return at < slot->count && fake_order(keyspace, slot->keys[at], key->hash, key->name) == 0 ? slot->keys[at] : NULL;
}

static bool fake_state_is_pending(enum entry_state state)
{
    return state == ENTRY_DIRTY || state == ENTRY_GONE;
}

static void fake_set_state(struct keyspace *keyspace, struct fake_slot *slot, struct fake_key *key,
                           enum entry_state state)
{
    int change = fake_state_is_pending(state) - fake_state_is_pending(key->state);
    /* Both are read by others without the lock. */
    __atomic_fetch_add(&slot->dirty, (size_t)change, __ATOMIC_RELAXED);
    __atomic_fetch_add(&keyspace->dirty_count, (size_t)change, __ATOMIC_RELAXED);
    key->state = state;
}

static struct fake_key *fake_make(struct keyspace *keyspace, const struct row_key *key)
{
    struct fake_key *found = fake_find(keyspace, key);
    struct fake_slot *slot = fake_slot(keyspace, key->db, key->slot);
    if (found)
        return found;
    size_t at = fake_position(keyspace, slot, key->hash, key->name);
    if (slot->count == slot->capacity) {
        slot->capacity = slot->capacity ? 2 * slot->capacity : 4;
        slot->keys = memory_resize(slot->keys, slot->capacity * sizeof(*slot->keys));
    }
    memmove(slot->keys + at + 1, slot->keys + at, (slot->count++ - at) * sizeof(*slot->keys));
    found = slot->keys[at] = memory_allocate_zeroed(sizeof(*found));
    found->hash = key->hash;
    found->state = ENTRY_CLEAN;
    buffer_append_bytes(&found->name, key->name);
    return found;
}

/* Takes a block over; other bytes are copied. */
static void fake_put(struct keyspace *keyspace, const struct row_key *key, struct object value, int64_t expire_at_ms)
{
    if (value.encoding == ENCODING_RAW || value.encoding == ENCODING_EMBSTR) {
        char *copy = memory_allocate(value.bytes.length + 1);
        memcpy(copy, value.bytes.data, value.bytes.length);
        value.encoding = ENCODING_RAW;
        value.bytes.data = copy;
    }
    pthread_mutex_lock(&keyspace->lock);
    struct fake_key *found = fake_make(keyspace, key);
    object_release(&found->value);
    if (found->value.encoding == ENCODING_RAW)
        memory_free((void *)found->value.bytes.data);
    found->value = value;
    found->expire_at_ms = expire_at_ms;
    fake_set_state(keyspace, fake_slot(keyspace, key->db, key->slot), found, ENTRY_DIRTY);
    pthread_mutex_unlock(&keyspace->lock);
}

static void fake_put_text(struct keyspace *keyspace, const struct row_key *key, const char *text)
{
    struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_RAW, .bytes = bytes_of_text(text)};
    fake_put(keyspace, key, value, ENTRY_NO_EXPIRE);
}

static void fake_delete(struct keyspace *keyspace, const struct row_key *key)
{
    pthread_mutex_lock(&keyspace->lock);
    struct fake_key *found = fake_make(keyspace, key);
    fake_set_state(keyspace, fake_slot(keyspace, key->db, key->slot), found, ENTRY_GONE);
    pthread_mutex_unlock(&keyspace->lock);
}

/* The state of a key; -1 if RAM knows nothing of it. */
static int fake_state(struct keyspace *keyspace, const struct row_key *key)
{
    pthread_mutex_lock(&keyspace->lock);
    struct fake_key *found = fake_find(keyspace, key);
    int state = found ? (int)found->state : -1;
    pthread_mutex_unlock(&keyspace->lock);
    return state;
}

/* ---- what the tier calls ---- */

bool capture_slot(struct keyspace *keyspace, uint8_t db, uint16_t slot_index, uint64_t *hash_from, size_t bytes_max,
                  void (*visit)(void *context, const struct row_key *key, const struct object *value_or_null,
                                int64_t expire_at_ms),
                  void *context)
{
    size_t bytes = 0;
    bool done = true;
    pthread_mutex_lock(&keyspace->lock);
    struct fake_slot *slot = fake_slot(keyspace, db, slot_index);
    for (size_t i = 0; i < slot->count; i++) {
        struct fake_key *key = slot->keys[i];
        if (key->hash < *hash_from || !fake_state_is_pending(key->state))
            continue;
        if (bytes >= bytes_max && key->hash != slot->keys[i - 1]->hash) {
            *hash_from = key->hash;
            done = false;
            break;
        }
        struct row_key row_key = {db, slot_index, key->hash, buffer_bytes(&key->name)};
        bool gone = key->state == ENTRY_GONE;
        visit(context, &row_key, gone ? NULL : &key->value, gone ? ENTRY_NO_EXPIRE : key->expire_at_ms);
        bytes += key->name.length + (gone ? 0 : string_object_length(&key->value));
        fake_set_state(keyspace, slot, key, gone ? ENTRY_GONE_IN_RUN : ENTRY_IN_RUN);
    }
    pthread_mutex_unlock(&keyspace->lock);
    return done;
}

bool capture_value_step(struct object_capture *capture, size_t bytes, struct buffer *out)
{
    (void)capture, (void)bytes, (void)out;
    assert_true(false); /* only strings here */
    return false;
}

uint64_t capture_offset(const struct keyspace *keyspace, uint16_t slot, uint64_t end)
{
    (void)keyspace, (void)slot;
    return end;
}

bool capture_slot_is_dirty(const struct keyspace *keyspace, uint8_t db, uint16_t slot)
{
    return __atomic_load_n(&fake_slot((struct keyspace *)keyspace, db, slot)->dirty, __ATOMIC_RELAXED) > 0;
}

static void fake_forget(struct keyspace *keyspace, const struct row_key *key)
{
    struct fake_slot *slot = fake_slot(keyspace, key->db, key->slot);
    size_t at = fake_position(keyspace, slot, key->hash, key->name);
    fake_key_free(slot->keys[at]);
    memmove(slot->keys + at, slot->keys + at + 1, (--slot->count - at) * sizeof(*slot->keys));
}

void capture_ingested(struct keyspace *keyspace, const struct row_key *keys, size_t count)
{
    pthread_mutex_lock(&keyspace->lock);
    for (size_t i = 0; i < count; i++) {
        struct fake_key *key = fake_find(keyspace, &keys[i]);
        if (key && key->state == ENTRY_IN_RUN)
            key->state = ENTRY_CLEAN;
        else if (key && key->state == ENTRY_GONE_IN_RUN)
            fake_forget(keyspace, &keys[i]);
    }
    keyspace->ingested += count;
    pthread_mutex_unlock(&keyspace->lock);
}

void capture_failed(struct keyspace *keyspace, const struct row_key *keys, size_t count)
{
    pthread_mutex_lock(&keyspace->lock);
    for (size_t i = 0; i < count; i++) {
        struct fake_key *key = fake_find(keyspace, &keys[i]);
        struct fake_slot *slot = fake_slot(keyspace, keys[i].db, keys[i].slot);
        if (key && key->state == ENTRY_IN_RUN)
            fake_set_state(keyspace, slot, key, ENTRY_DIRTY);
        else if (key && key->state == ENTRY_GONE_IN_RUN)
            fake_set_state(keyspace, slot, key, ENTRY_GONE);
    }
    keyspace->failed += count;
    pthread_mutex_unlock(&keyspace->lock);
}

size_t keyspace_dirty_count(const struct keyspace *keyspace)
{
    return __atomic_load_n(&keyspace->dirty_count, __ATOMIC_RELAXED);
}

void keyspace_save_state(struct keyspace *keyspace, void (*at_offset)(void *context), void *context, struct buffer *out)
{
    pthread_mutex_lock(&keyspace->lock);
    at_offset(context);
    buffer_append_text(out, "the keyspace's state");
    keyspace->saved_count++;
    pthread_mutex_unlock(&keyspace->lock);
}

enum status keyspace_restore_state(struct keyspace *keyspace, struct bytes state)
{
    keyspace->restored.length = 0;
    buffer_append_bytes(&keyspace->restored, state);
    return bytes_equal(state, BYTES("the keyspace's state")) ? STATUS_OK : STATUS_CORRUPT;
}

void keyspace_filter_lose(struct keyspace *keyspace)
{
    memset(keyspace->filter_ready, false, sizeof(keyspace->filter_ready));
}

void keyspace_filter_rebuild_begin(struct keyspace *keyspace, uint32_t partition)
{
    pthread_mutex_lock(&keyspace->lock);
    keyspace->filter_building[partition] = true;
    keyspace->filter_names[partition].length = 0;
    pthread_mutex_unlock(&keyspace->lock);
}

void keyspace_filter_rebuild_add(struct keyspace *keyspace, const struct row_key *keys, size_t count)
{
    pthread_mutex_lock(&keyspace->lock);
    for (size_t i = 0; i < count; i++) {
        uint32_t partition = keys[i].slot % FAKE_PARTITIONS;
        check(keyspace->filter_building[partition]);
        buffer_append_bytes(&keyspace->filter_names[partition], keys[i].name);
        buffer_append(&keyspace->filter_names[partition], "", 1);
        keyspace->in_filter++;
    }
    pthread_mutex_unlock(&keyspace->lock);
}

void keyspace_filter_rebuild_end(struct keyspace *keyspace, uint32_t partition)
{
    pthread_mutex_lock(&keyspace->lock);
    keyspace->filter_building[partition] = false;
    keyspace->filter_ready[partition] = true;
    pthread_cond_broadcast(&keyspace->changed);
    pthread_mutex_unlock(&keyspace->lock);
}

bool keyspace_filter_is_ready(const struct keyspace *keyspace, uint32_t partition)
{
    struct keyspace *mutable = (struct keyspace *)keyspace;
    pthread_mutex_lock(&mutable->lock);
    bool ready = keyspace->filter_ready[partition];
    pthread_mutex_unlock(&mutable->lock);
    return ready;
}

void keyspace_report_expired(struct keyspace *keyspace, const struct row_key *key)
{
    pthread_mutex_lock(&keyspace->lock);
    buffer_append_bytes(&keyspace->expired_names, key->name);
    buffer_append(&keyspace->expired_names, "", 1);
    keyspace->expired_count++;
    pthread_cond_broadcast(&keyspace->changed);
    pthread_mutex_unlock(&keyspace->lock);
}

/* ---- loads ---- */

struct load {
    struct row_key *keys;
    struct buffer *payloads; /* one a key; empty: no row */
    enum status *statuses;
    uint64_t *offsets;
    size_t count, installed;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    bool is_finished;
};

static struct load *fake_load_create(const struct row_key *keys, size_t count)
{
    struct load *load = memory_allocate_zeroed(sizeof(*load));
    load->keys = memory_allocate(count * sizeof(*keys));
    memcpy(load->keys, keys, count * sizeof(*keys));
    load->payloads = memory_allocate_zeroed(count * sizeof(*load->payloads));
    load->statuses = memory_allocate_zeroed(count * sizeof(*load->statuses));
    load->offsets = memory_allocate_zeroed(count * sizeof(*load->offsets));
    load->count = count;
    pthread_mutex_init(&load->lock, NULL);
    pthread_cond_init(&load->finished, NULL);
    return load;
}

static void fake_load_wait(struct load *load)
{
    pthread_mutex_lock(&load->lock);
    while (!load->is_finished)
        pthread_cond_wait(&load->finished, &load->lock);
    pthread_mutex_unlock(&load->lock);
}

static void fake_load_destroy(struct load *load)
{
    for (size_t i = 0; i < load->count; i++)
        buffer_deinit(&load->payloads[i]);
    pthread_mutex_destroy(&load->lock);
    pthread_cond_destroy(&load->finished);
    memory_free(load->keys);
    memory_free(load->payloads);
    memory_free(load->statuses);
    memory_free(load->offsets);
    memory_free(load);
}

size_t load_keys(struct load *load, const struct row_key **keys)
{
    *keys = load->keys;
    return load->count;
}

void load_install(struct load *load, size_t index, const struct row *row, enum status status)
{
    load->statuses[index] = status;
    load->installed++;
    if (row) {
        buffer_append_bytes(&load->payloads[index], row->payload);
        load->offsets[index] = row->offset;
    }
}

void load_finish(struct load *load)
{
    pthread_mutex_lock(&load->lock);
    load->is_finished = true;
    pthread_cond_signal(&load->finished);
    pthread_mutex_unlock(&load->lock);
}

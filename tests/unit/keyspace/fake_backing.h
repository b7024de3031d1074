/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "keyspace/keyspace_private.h"
#include "object/codec.h"
#include "object/string_object.h"

/* A backing whose rows stand in a sorted array, and which does nothing by itself: the test says when a load is read,
 * a job run, a run captured, ingested or failed. All on one thread. A header, so that tests stay one file each. */

struct fake_row {
    struct row row; /* name and payload are copies; a deletion in a run has no payload */
};

struct fake_rows {
    struct fake_row *rows;
    size_t count, capacity;
};

#define FAKE_QUEUE_MAX 64

struct fake_backing {
    struct backing backing;
    struct keyspace *keyspace;
    struct fake_rows rows;
    struct fake_rows run; /* captured, not ingested */
    uint64_t offset;      /* of the stream */
    uint64_t flushed_at[DATABASE_COUNT];
    struct load *loads[FAKE_QUEUE_MAX];
    unsigned load_count;
    struct job *jobs[FAKE_QUEUE_MAX];
    unsigned job_count;
    enum status read_status; /* what reads answer */
    struct mailbox home;
};

static inline struct bytes fake_copy(struct bytes bytes)
{
    char *copy = malloc(bytes.length + 1);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return bytes_of(copy, bytes.length);
}

static inline void fake_row_free(struct fake_row *row)
{
    free((char *)row->row.key.name.data);
    free((char *)row->row.payload.data);
}

static inline int fake_compare(const struct row_key *a, const struct row_key *b)
{
    if (a->db != b->db)
        return a->db < b->db ? -1 : 1;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return bytes_compare(a->name, b->name);
}

static inline size_t fake_seek(const struct fake_rows *rows, const struct row_key *key)
{
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fake_compare(&rows->rows[middle].row.key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline bool fake_is_at(const struct fake_rows *rows, size_t index, const struct row_key *key)
{
    return index < rows->count && fake_compare(&rows->rows[index].row.key, key) == 0;
}

static inline void fake_insert(struct fake_rows *rows, size_t index, struct fake_row row)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 64;
        rows->rows = realloc(rows->rows, rows->capacity * sizeof(*rows->rows));
    }
    memmove(&rows->rows[index + 1], &rows->rows[index], (rows->count - index) * sizeof(*rows->rows));
    rows->rows[index] = row;
    rows->count++;
}

static inline void fake_delete(struct fake_rows *rows, size_t index)
{
    fake_row_free(&rows->rows[index]);
    rows->count--;
    memmove(&rows->rows[index], &rows->rows[index + 1], (rows->count - index) * sizeof(*rows->rows));
}

static inline void fake_clear(struct fake_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        fake_row_free(&rows->rows[i]);
    free(rows->rows);
    *rows = (struct fake_rows){0};
}

/* ---- what the keyspace asks for ---- */

static inline void fake_load(void *context, struct load *load)
{
    struct fake_backing *fake = context;
    assert_true(fake->load_count < FAKE_QUEUE_MAX);
    fake->loads[fake->load_count++] = load;
}

static inline void fake_run(void *context, struct job *job)
{
    struct fake_backing *fake = context;
    assert_true(fake->job_count < FAKE_QUEUE_MAX);
    fake->jobs[fake->job_count++] = job;
}

static inline bool fake_is_dead(const struct fake_backing *fake, const struct row *row)
{
    return row->offset < fake->flushed_at[row->key.db];
}

static inline enum status fake_visit_rows(void *context, uint8_t db, uint16_t slot, uint64_t hash_from,
                                          uint64_t hash_to, bool (*visit)(void *visitor, const struct row *row),
                                          void *visitor)
{
    struct fake_backing *fake = context;
    struct row_key from = {db, slot, hash_from, BYTES("")};
    for (size_t i = fake_seek(&fake->rows, &from); i < fake->rows.count; i++) {
        const struct row *row = &fake->rows.rows[i].row;
        if (row->key.db != db || row->key.slot != slot || row->key.hash > hash_to)
            break;
        if (!fake_is_dead(fake, row) && !visit(visitor, row))
            break;
    }
    return fake->read_status;
}

static inline const struct row *fake_find(const struct fake_backing *fake, const struct row_key *key)
{
    size_t index = fake_seek(&fake->rows, key);
    const struct row *row = fake_is_at(&fake->rows, index, key) ? &fake->rows.rows[index].row : NULL;
    return row && !fake_is_dead(fake, row) ? row : NULL;
}

static inline enum status fake_read(void *context, const struct row_key *key,
                                    void (*take)(void *taker, const struct row *row), void *taker)
{
    struct fake_backing *fake = context;
    const struct row *row = fake_find(fake, key);
    if (fake->read_status != STATUS_OK)
        return fake->read_status;
    if (!row)
        return STATUS_NOT_FOUND;
    take(taker, row);
    return STATUS_OK;
}

static inline void fake_want_clean(void *context)
{
    (void)context;
}

static inline void fake_flushed(void *context, uint8_t db, uint64_t flushed_at)
{
    ((struct fake_backing *)context)->flushed_at[db] = flushed_at;
}

static inline void fake_wake(void *context)
{
    (void)context;
}

static inline struct fake_backing *fake_create(void)
{
    struct fake_backing *fake = calloc(1, sizeof(*fake));
    fake->backing =
        (struct backing){fake, fake_load, fake_run, fake_visit_rows, fake_read, fake_want_clean, fake_flushed};
    fake->offset = 1;
    fake->keyspace = keyspace_create(42);
    keyspace_set_backing(fake->keyspace, &fake->backing);
    mailbox_init(&fake->home, fake_wake, NULL);
    return fake;
}

static inline void fake_destroy(struct fake_backing **fake)
{
    assert_int_equal((*fake)->load_count, 0);
    assert_int_equal((*fake)->job_count, 0);
    keyspace_destroy(&(*fake)->keyspace);
    fake_clear(&(*fake)->rows);
    fake_clear(&(*fake)->run);
    free(*fake);
    *fake = NULL;
}

/* ---- what the test makes it do ---- */

/* Answers the oldest load from the rows as they are now. */
static inline void fake_answer_load(struct fake_backing *fake)
{
    assert_true(fake->load_count > 0);
    struct load *load = fake->loads[0];
    memmove(&fake->loads[0], &fake->loads[1], --fake->load_count * sizeof(*fake->loads));
    const struct row_key *keys;
    size_t count = load_keys(load, &keys);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            assert_true(fake_compare(&keys[i - 1], &keys[i]) < 0);
        load_install(load, i, fake->read_status == STATUS_OK ? fake_find(fake, &keys[i]) : NULL, fake->read_status);
    }
    load_finish(load);
}

static inline void fake_run_job(struct fake_backing *fake)
{
    assert_true(fake->job_count > 0);
    struct job *job = fake->jobs[0];
    memmove(&fake->jobs[0], &fake->jobs[1], --fake->job_count * sizeof(*fake->jobs));
    job->run(job);
}

static inline void fake_settle(struct fake_backing *fake)
{
    do {
        while (fake->job_count > 0)
            fake_run_job(fake);
        while (fake->load_count > 0)
            fake_answer_load(fake);
        mailbox_drain(&fake->home);
    } while (fake->job_count > 0 || fake->load_count > 0);
}

static inline void fake_capture_visit(void *context, const struct row_key *key, const struct object *value,
                                      int64_t expire_at_ms)
{
    struct fake_backing *fake = context;
    struct buffer payload = {0};
    struct fake_row row = {{.key = *key, .expire_at_ms = expire_at_ms, .offset = fake->offset}};
    if (fake->run.count > 0)
        assert_true(fake_compare(&fake->run.rows[fake->run.count - 1].row.key, key) < 0);
    row.row.key.name = fake_copy(key->name);
    if (value) {
        codec_encode(value, &payload);
        row.row.payload = fake_copy(buffer_bytes(&payload));
        buffer_deinit(&payload);
    }
    fake_insert(&fake->run, fake->run.count, row);
}

static inline bool fake_uses_database(const struct fake_backing *fake, unsigned db)
{
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        if (partition_database(&fake->keyspace->partitions[i], db))
            return true;
    return false;
}

/* All that is dirty enters the run, in holds of 'bytes_max'. */
static inline void fake_capture(struct fake_backing *fake, size_t bytes_max)
{
    assert_int_equal(fake->run.count, 0);
    for (unsigned db = 0; db < DATABASE_COUNT; db++) {
        if (!fake_uses_database(fake, db))
            continue;
        for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
            uint64_t hash = 0;
            if (!capture_slot_is_dirty(fake->keyspace, (uint8_t)db, (uint16_t)slot))
                continue;
            while (
                !capture_slot(fake->keyspace, (uint8_t)db, (uint16_t)slot, &hash, bytes_max, fake_capture_visit, fake))
                continue;
        }
    }
}

static inline void fake_tell(struct fake_backing *fake, void (*tell)(struct keyspace *, const struct row_key *, size_t))
{
    struct row_key *keys = malloc((fake->run.count + 1) * sizeof(*keys));
    for (size_t i = 0; i < fake->run.count; i++)
        keys[i] = fake->run.rows[i].row.key;
    tell(fake->keyspace, keys, fake->run.count);
    free(keys);
    fake_clear(&fake->run);
}

static inline void fake_ingest(struct fake_backing *fake)
{
    for (size_t i = 0; i < fake->run.count; i++) {
        const struct row *row = &fake->run.rows[i].row;
        size_t index = fake_seek(&fake->rows, &row->key);
        if (fake_is_at(&fake->rows, index, &row->key))
            fake_delete(&fake->rows, index);
        if (!row->payload.data)
            continue;
        struct fake_row copy = {*row};
        copy.row.key.name = fake_copy(row->key.name);
        copy.row.payload = fake_copy(row->payload);
        fake_insert(&fake->rows, index, copy);
    }
    fake_tell(fake, capture_ingested);
}

static inline void fake_fail(struct fake_backing *fake)
{
    fake_tell(fake, capture_failed);
}

static inline void fake_cycle(struct fake_backing *fake)
{
    fake_capture(fake, 1 << 20);
    fake_ingest(fake);
}

static inline struct entry *fake_evict_entry(void *context, struct entry *entry)
{
    if (entry_state(entry) != ENTRY_CLEAN || (entry->flags & ENTRY_PINNED))
        return entry;
    keyspace_drop_entry_locked(context, entry);
    return NULL;
}

/* All that is clean and not pinned goes cold. */
static inline void fake_evict(struct fake_backing *fake)
{
    for (unsigned db = 0; db < DATABASE_COUNT; db++) {
        if (!fake_uses_database(fake, db))
            continue;
        for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
            struct place place;
            struct lock *lock = keyspace_partition_lock(fake->keyspace, slot % PARTITION_COUNT);
            if (!partition_database(&fake->keyspace->partitions[slot % PARTITION_COUNT], db))
                continue;
            lock_acquire(lock);
            place_find(fake->keyspace, (uint8_t)db, (uint16_t)slot, &place);
            uint64_t hash = 0;
            do {
                hash = slot_table_visit(place.table, hash, fake_evict_entry, &place);
            } while (hash != 0);
            lock_release(lock);
        }
    }
}

/* ---- one key, by its text ---- */

static inline struct key fake_key(struct fake_backing *fake, const char *name)
{
    return keyspace_key(fake->keyspace, bytes_of_text(name), 0);
}

static inline void fake_put(struct fake_backing *fake, const char *name, const char *text, int64_t expire_at_ms)
{
    struct object value;
    struct key key = fake_key(fake, name);
    assert_true(string_object_from_bytes(bytes_of_text(text), &value));
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    keyspace_put(fake->keyspace, &key, &value, expire_at_ms);
    fake->offset++;
    keyspace_release_one(fake->keyspace, key_partition(&key));
}

/* False if RAM holds no live entry. */
static inline bool fake_remove(struct fake_backing *fake, const char *name)
{
    struct key key = fake_key(fake, name);
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    struct entry *entry = keyspace_find(fake->keyspace, &key);
    if (entry)
        keyspace_remove(fake->keyspace, &key, entry);
    fake->offset++;
    keyspace_release_one(fake->keyspace, key_partition(&key));
    return entry != NULL;
}

static inline bool fake_is_decided(struct fake_backing *fake, const char *name)
{
    struct key key = fake_key(fake, name);
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    bool is_decided = keyspace_is_decided(fake->keyspace, &key);
    keyspace_release_one(fake->keyspace, key_partition(&key));
    return is_decided;
}

/* The state of the key's entry, or -1. */
static inline int fake_state(struct fake_backing *fake, const char *name)
{
    struct key key = fake_key(fake, name);
    struct place place;
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    const struct entry *entry = NULL;
    if (place_find(fake->keyspace, keyspace_physical(fake->keyspace, 0), key.slot, &place))
        entry = slot_table_find(place.table, key.hash, key.name);
    int state = entry ? (int)entry_state(entry) : -1;
    keyspace_release_one(fake->keyspace, key_partition(&key));
    return state;
}

/* The value in RAM as text, NULL if there is none; valid until the next call. */
static inline const char *fake_text(struct fake_backing *fake, const char *name)
{
    static char text[4096];
    char digits[BYTES_INTEGER_MAX];
    struct key key = fake_key(fake, name);
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    const struct entry *entry = keyspace_find(fake->keyspace, &key);
    if (entry) {
        struct object value = entry_object(entry);
        struct bytes bytes = string_object_bytes(&value, digits);
        assert_true(bytes.length < sizeof(text));
        memcpy(text, bytes.data, bytes.length);
        text[bytes.length] = 0;
    }
    keyspace_release_one(fake->keyspace, key_partition(&key));
    return entry ? text : NULL;
}

/* A request that needs keys. */
struct fake_request {
    struct load *load;
    bool is_delivered;
    int status;
};

static inline void fake_deliver(void *owner, int status)
{
    struct fake_request *request = owner;
    assert_false(request->is_delivered);
    request->is_delivered = true;
    request->status = status;
}

/* False if all is decided. */
static inline bool fake_begin(struct fake_backing *fake, struct fake_request *request, const struct key *keys,
                              size_t count)
{
    struct partition_set set = {0};
    *request = (struct fake_request){0};
    for (size_t i = 0; i < count; i++)
        partition_set_add(&set, key_partition(&keys[i]));
    assert_true(keyspace_try_several(fake->keyspace, &set, 0));
    request->load = load_begin(fake->keyspace, keys, count, &fake->home, fake_deliver, request);
    keyspace_release_several(fake->keyspace, &set, 0);
    return request->load != NULL;
}

static inline bool fake_request_key(struct fake_backing *fake, struct fake_request *request, const char *name)
{
    struct key key = fake_key(fake, name);
    if (!fake_begin(fake, request, &key, 1))
        return false;
    load_submit(request->load);
    return true;
}

/* GET: loads the key if need be. */
static inline const char *fake_get(struct fake_backing *fake, const char *name)
{
    struct fake_request request = {0};
    while (!fake_is_decided(fake, name)) {
        assert_true(fake_request_key(fake, &request, name));
        fake_settle(fake);
        assert_true(request.is_delivered);
        assert_int_equal(request.status, STATUS_OK);
        assert_true(fake_is_decided(fake, name));
        const char *text = fake_text(fake, name);
        load_end(&request.load);
        return text;
    }
    return fake_text(fake, name);
}

static inline size_t fake_filter_count(const struct fake_backing *fake)
{
    size_t count = 0;
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        for (unsigned db = 0; db < DATABASE_COUNT; db++) {
            const struct database_part *part = partition_database(&fake->keyspace->partitions[i], db);
            count += part && part->filter ? cold_filter_count(part->filter) : 0;
        }
    return count;
}

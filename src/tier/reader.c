/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that read rows for suspended requests (loads) and run long reading work (jobs: SCAN and the like).
 *
 * R1 Reader 0 serves loads only, so that jobs, however long, never hold up all cold keys. The others take loads first.
 * R2 A reader takes several queued loads at once, but no more than its share, sorts their keys and reads them in
 *    batches: neighbours share blocks, and a batch costs less than its gets. Batches shrink when values are large, so
 *    that pinned values stay few megabytes.
 * R3 A load that was queued is finished, also while the tier stops.
 *
 * The queue has no bound of its own: one load belongs to one suspended request, and those are bounded by clients. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "tier/tier_private.h"

#define LOADS_TAKEN_MAX 64
#define KEYS_WANTED 64 /* enough keys for a good batch: no further load is taken */
#define BATCH_BYTES_LARGE (2u << 20)
#define ERROR_LOG_US 1000000
#define NAME_INLINE 240

/* A key to read: to whom the answer goes. */
struct wanted {
    struct bytes row_key;
    const struct row_key *key;
    struct load *load;
    size_t index; /* in its load */
};

/* What a reader keeps between its turns. */
struct reader {
    struct tier *tier;
    struct queued_load taken[LOADS_TAKEN_MAX];
    struct wanted *wanted;
    size_t wanted_count, wanted_capacity;
    struct buffer row_keys;
    size_t batch_max;
};

/* ---- reading one row ---- */

static void note_error(struct tier *tier, enum status status)
{
    atomic_fetch_add_explicit(&tier->readers.errors, 1, memory_order_relaxed);
    int64_t now_us = clock_monotonic_us();
    int64_t last_us = atomic_load_explicit(&tier->readers.error_logged_us, memory_order_relaxed);
    if (now_us - last_us >= ERROR_LOG_US &&
        atomic_compare_exchange_strong(&tier->readers.error_logged_us, &last_us, now_us))
        log_warning("row cannot be read", "status=\"%s\"", status_text(status));
}

/* Makes a row of the bytes read: NOT_FOUND if a flush has ended it. */
static enum status row_from(struct tier *tier, const struct row_key *key, struct bytes value, struct row *row)
{
    row->key = *key;
    enum status status = row_value_read(value, row, NULL);
    if (status == STATUS_OK && tier_row_is_dead(tier, key->db, row->offset))
        status = STATUS_NOT_FOUND;
    return status;
}

struct single_read {
    struct tier *tier;
    const struct row_key *key;
    void (*take)(void *taker, const struct row *row);
    void *taker;
    enum status status;
};

static void single_take(void *context, struct bytes value)
{
    struct single_read *read = context;
    struct row row;
    read->status = row_from(read->tier, read->key, value, &row);
    if (read->status == STATUS_OK)
        read->take(read->taker, &row);
}

enum status reader_read(void *context, const struct row_key *key, void (*take)(void *taker, const struct row *row),
                        void *taker)
{
    char place[NAME_INLINE + ROW_KEY_PREFIX];
    size_t length = row_key_length(key);
    char *row_key = length <= sizeof(place) ? place : memory_allocate(length);
    struct single_read read = {.tier = context, .key = key, .take = take, .taker = taker};
    row_key_write(key, row_key);
    enum status status = rocks_get(read.tier->rocks, bytes_of(row_key, length), single_take, &read);
    if (row_key != place)
        memory_free(row_key);
    if (status == STATUS_OK)
        status = read.status;
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        note_error(read.tier, status);
    return status;
}

struct range_read {
    struct tier *tier;
    bool (*visit)(void *visitor, const struct row *row);
    void *visitor;
    enum status status;
};

static bool range_visit(void *context, struct bytes key, struct bytes value)
{
    struct range_read *read = context;
    struct row row;
    struct row_key row_key;
    read->status = row_key_read(key, &row_key);
    if (read->status == STATUS_OK)
        read->status = row_from(read->tier, &row_key, value, &row);
    if (read->status == STATUS_OK)
        return read->visit(read->visitor, &row);
    return read->status == STATUS_NOT_FOUND;
}

enum status reader_rows(void *context, uint8_t db, uint16_t slot, uint64_t hash_from, uint64_t hash_to,
                        bool (*visit)(void *visitor, const struct row *row), void *visitor)
{
    struct range_read read = {.tier = context, .visit = visit, .visitor = visitor};
    char from[ROW_KEY_PREFIX], until[ROW_KEY_PREFIX];
    row_prefix_write(db, slot, hash_from, from);
    row_prefix_write(db, slot, hash_to, until);
    check(row_prefix_next(until));
    enum status status = rocks_range_within_prefix(read.tier->rocks, bytes_of(from, sizeof(from)),
                                                   bytes_of(until, sizeof(until)), range_visit, &read);
    if (status == STATUS_OK && read.status != STATUS_NOT_FOUND)
        status = read.status;
    if (status != STATUS_OK)
        note_error(read.tier, status);
    return status;
}

/* ---- serving loads ---- */

static struct wanted *wanted_append(struct reader *reader)
{
    if (reader->wanted_count == reader->wanted_capacity) {
        reader->wanted_capacity = reader->wanted_capacity ? reader->wanted_capacity * 2 : KEYS_WANTED;
        reader->wanted = memory_resize(reader->wanted, reader->wanted_capacity * sizeof(*reader->wanted));
    }
    return &reader->wanted[reader->wanted_count++];
}

static void want_keys(struct reader *reader, struct load *load)
{
    const struct row_key *keys;
    size_t count = load_keys(load, &keys);
    for (size_t i = 0; i < count; i++)
        *wanted_append(reader) = (struct wanted){.key = &keys[i], .load = load, .index = i};
}

/* Writes all row keys to one buffer, which must not move while slices of it are about. */
static void row_keys_write(struct reader *reader)
{
    size_t total = 0;
    for (size_t i = 0; i < reader->wanted_count; i++)
        total += row_key_length(reader->wanted[i].key);
    reader->row_keys.length = 0;
    char *to = buffer_reserve(&reader->row_keys, total);
    for (size_t i = 0; i < reader->wanted_count; i++) {
        struct wanted *wanted = &reader->wanted[i];
        wanted->row_key = bytes_of(to, row_key_length(wanted->key));
        row_key_write(wanted->key, to);
        to += wanted->row_key.length;
    }
}

static int wanted_compare(const void *left, const void *right)
{
    const struct wanted *a = left, *b = right;
    return bytes_compare(a->row_key, b->row_key);
}

static void install(struct tier *tier, const struct wanted *wanted, const struct rocks_value *value)
{
    struct row row;
    enum status status = value->status;
    if (status == STATUS_OK)
        status = row_from(tier, wanted->key, value->bytes, &row);
    if (status == STATUS_NOT_FOUND) {
        atomic_fetch_add_explicit(&tier->readers.misses, 1, memory_order_relaxed);
        metric_add(METRIC_tier_read_misses, 1);
        load_install(wanted->load, wanted->index, NULL, STATUS_OK);
        return;
    }
    if (status != STATUS_OK)
        note_error(tier, status);
    load_install(wanted->load, wanted->index, status == STATUS_OK ? &row : NULL, status);
}

static void batch_serve(struct reader *reader, const struct wanted *wanted, size_t count)
{
    struct bytes keys[ROCKS_BATCH_MAX] = {{NULL, 0}};
    struct rocks_value values[ROCKS_BATCH_MAX];
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        keys[i] = wanted[i].row_key;
    rocks_get_batch(reader->tier->rocks, keys, count, values);
    for (size_t i = 0; i < count; i++) {
        install(reader->tier, &wanted[i], &values[i]);
        bytes += values[i].bytes.length;
    }
    rocks_values_release(values, count);
    if (bytes > BATCH_BYTES_LARGE)
        reader->batch_max = reader->batch_max > 1 ? reader->batch_max / 2 : 1;
    else if (reader->batch_max < ROCKS_BATCH_MAX)
        reader->batch_max *= 2;
}

static unsigned latency_bucket(uint64_t us)
{
    unsigned bucket = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);
    return bucket < TIER_LATENCY_BUCKETS ? bucket : TIER_LATENCY_BUCKETS - 1;
}

static void note_served(struct readers *readers, int64_t us)
{
    uint64_t took_us = us > 0 ? (uint64_t)us : 0;
    uint64_t most_us = atomic_load_explicit(&readers->us_max, memory_order_relaxed);
    atomic_fetch_add_explicit(&readers->us_sum, took_us, memory_order_relaxed);
    atomic_fetch_add_explicit(&readers->us_buckets[latency_bucket(took_us)], 1, memory_order_relaxed);
    while (took_us > most_us && !atomic_compare_exchange_weak(&readers->us_max, &most_us, took_us))
        ;
}

/* Reads what these loads want, installs and finishes them. */
static void wanted_serve(struct reader *reader, const struct queued_load *loads, size_t load_count)
{
    struct readers *readers = &reader->tier->readers;
    row_keys_write(reader);
    if (reader->wanted_count > 1)
        qsort(reader->wanted, reader->wanted_count, sizeof(*reader->wanted), wanted_compare);
    for (size_t at = 0, count; at < reader->wanted_count; at += count) {
        count = reader->wanted_count - at;
        if (count > reader->batch_max)
            count = reader->batch_max;
        batch_serve(reader, reader->wanted + at, count);
    }
    atomic_fetch_add_explicit(&readers->keys, reader->wanted_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&readers->served, load_count, memory_order_relaxed);
    metric_add(METRIC_tier_reads, reader->wanted_count);
    reader->wanted_count = 0;
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < load_count; i++) {
        note_served(readers, now_us - loads[i].queued_us);
        load_finish(loads[i].load);
    }
}

/* ---- the queue ---- */

void reader_load(void *context, struct load *load)
{
    struct readers *readers = &((struct tier *)context)->readers;
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&readers->lock);
    if (readers->load_count == readers->load_capacity) {
        size_t capacity = readers->load_capacity;
        readers->loads = memory_resize(readers->loads, 2 * capacity * sizeof(*readers->loads));
        memcpy(readers->loads + capacity, readers->loads, capacity * sizeof(*readers->loads));
        readers->load_capacity = 2 * capacity;
    }
    size_t at = (readers->load_head + readers->load_count++) & (readers->load_capacity - 1);
    readers->loads[at] = (struct queued_load){load, now_us};
    /* Reader 0 may have been woken for the load before this one. */
    if (readers->waiting_loads)
        pthread_cond_signal(&readers->wake_loads);
    if (readers->waiting_jobs && (readers->load_count > 1 || !readers->waiting_loads))
        pthread_cond_signal(&readers->wake_jobs);
    pthread_mutex_unlock(&readers->lock);
}

void reader_run(void *context, struct job *job)
{
    struct queued_job *queued = (struct queued_job *)job;
    struct readers *readers = &((struct tier *)context)->readers;
    queued->mail.next = NULL;
    pthread_mutex_lock(&readers->lock);
    if (readers->job_last)
        readers->job_last->mail.next = &queued->mail;
    else
        readers->job_first = queued;
    readers->job_last = queued;
    readers->job_count++;
    if (readers->waiting_jobs)
        pthread_cond_signal(&readers->wake_jobs);
    pthread_mutex_unlock(&readers->lock);
}

/* ---- the threads ---- */

/* R2's share, counted when the reader begins to take. The lock is held. */
static size_t load_share(const struct readers *readers)
{
    size_t share = (readers->load_count + readers->count - 1) / readers->count;
    return share < LOADS_TAKEN_MAX ? share : LOADS_TAKEN_MAX;
}

static bool load_take(struct readers *readers, struct queued_load *taken)
{
    if (readers->load_count == 0)
        return false;
    *taken = readers->loads[readers->load_head];
    readers->load_head = (readers->load_head + 1) & (readers->load_capacity - 1);
    readers->load_count--;
    return true;
}

/* The lock is held, and released meanwhile; true if something was served. */
static bool serve_loads(struct reader *reader, struct readers *readers)
{
    size_t share = load_share(readers), count = 0;
    while (count < share && load_take(readers, &reader->taken[count]))
        count++;
    if (count == 0)
        return false;
    pthread_mutex_unlock(&readers->lock);
    for (size_t first = 0, i = 0; i < count; i++) {
        want_keys(reader, reader->taken[i].load);
        if (reader->wanted_count < KEYS_WANTED && i + 1 < count)
            continue;
        wanted_serve(reader, reader->taken + first, i + 1 - first);
        first = i + 1;
    }
    pthread_mutex_lock(&readers->lock);
    return true;
}

static bool serve_job(struct readers *readers)
{
    struct queued_job *job = readers->job_first;
    if (job == NULL)
        return false;
    readers->job_first = (struct queued_job *)job->mail.next;
    if (readers->job_first == NULL)
        readers->job_last = NULL;
    readers->job_count--;
    pthread_mutex_unlock(&readers->lock);
    job->run((struct job *)job);
    pthread_mutex_lock(&readers->lock);
    return true;
}

/* The lock is held. Ends with nothing left to serve and the tier stopping. */
static void reader_turns(struct reader *reader, bool takes_jobs)
{
    struct readers *readers = &reader->tier->readers;
    pthread_cond_t *wake = takes_jobs ? &readers->wake_jobs : &readers->wake_loads;
    unsigned *waiting = takes_jobs ? &readers->waiting_jobs : &readers->waiting_loads;
    for (;;) {
        if (serve_loads(reader, readers) || (takes_jobs && serve_job(readers)))
            continue;
        if (readers->stopping)
            return;
        ++*waiting;
        pthread_cond_wait(wake, &readers->lock);
        --*waiting;
    }
}

struct reader_start {
    struct tier *tier;
    bool takes_jobs;
};

static void reader_main(void *argument)
{
    struct reader_start *start = argument;
    struct reader *reader = memory_allocate_zeroed(sizeof(*reader));
    reader->tier = start->tier;
    reader->batch_max = ROCKS_BATCH_MAX;
    pthread_mutex_lock(&reader->tier->readers.lock);
    reader_turns(reader, start->takes_jobs);
    pthread_mutex_unlock(&reader->tier->readers.lock);
    memory_free(reader->wanted);
    buffer_deinit(&reader->row_keys);
    memory_free(reader);
    memory_free(start);
}

void readers_init(struct tier *tier)
{
    struct readers *readers = &tier->readers;
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->wake_loads, NULL);
    pthread_cond_init(&readers->wake_jobs, NULL);
    readers->load_capacity = LOADS_TAKEN_MAX;
    readers->loads = memory_allocate(readers->load_capacity * sizeof(*readers->loads));
}

void readers_start(struct tier *tier)
{
    struct readers *readers = &tier->readers;
    int64_t wished = tier->options.read_threads;
    readers->count = wished < 2 ? 2 : wished > READERS_MAX ? READERS_MAX : (unsigned)wished;
    for (unsigned i = 0; i < readers->count; i++) {
        char name[16];
        struct reader_start *start = memory_allocate(sizeof(*start));
        *start = (struct reader_start){.tier = tier, .takes_jobs = i > 0};
        snprintf(name, sizeof(name), "tier-read-%hhu", (unsigned char)i);
        thread_start(&readers->threads[i], name, reader_main, start);
    }
}

void readers_stop(struct tier *tier)
{
    struct readers *readers = &tier->readers;
    pthread_mutex_lock(&readers->lock);
    readers->stopping = true;
    pthread_cond_broadcast(&readers->wake_loads);
    pthread_cond_broadcast(&readers->wake_jobs);
    pthread_mutex_unlock(&readers->lock);
    for (unsigned i = 0; i < readers->count; i++)
        thread_stop(&readers->threads[i]);
    readers->count = 0;
}

void readers_deinit(struct tier *tier)
{
    struct readers *readers = &tier->readers;
    memory_free(readers->loads);
    pthread_cond_destroy(&readers->wake_loads);
    pthread_cond_destroy(&readers->wake_jobs);
    pthread_mutex_destroy(&readers->lock);
}

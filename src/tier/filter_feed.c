/* SPDX-License-Identifier: BSD-3-Clause */
/* After a restart the keyspace knows nothing of its rows and its filter answers "maybe". Here it is told again,
 * partition by partition. The flusher does it, and one partition is done without a run in between: so no key is added
 * that a run has just deleted or has added itself. So that runs do not wait long, a partition is followed by a pause of
 * several times its duration while there are any. */
#include "base/clock.h"
#include "base/memory.h"
#include "tier/tier_private.h"

#define BATCH_KEYS 256
#define FAILED_PAUSE_US INT64_C(60000000)
#define BUSY_PAUSE_FACTOR 3

struct rebuild {
    struct tier *tier;
    struct buffer names;
    struct row_key keys[BATCH_KEYS]; /* name.data is an offset into 'names' until the batch is complete */
    size_t count;
};

static void batch_add(struct rebuild *rebuild)
{
    for (size_t i = 0; i < rebuild->count; i++)
        rebuild->keys[i].name.data = rebuild->names.data + (uintptr_t)rebuild->keys[i].name.data;
    keyspace_filter_rebuild_add(rebuild->tier->keyspace, rebuild->keys, rebuild->count);
    rebuild->count = 0;
    rebuild->names.length = 0;
}

static bool row_visit(void *context, const struct row *row)
{
    struct rebuild *rebuild = context;
    struct row_key *key = &rebuild->keys[rebuild->count++];
    *key = row->key;
    key->name.data = (const char *)(uintptr_t)rebuild->names.length;
    buffer_append_bytes(&rebuild->names, row->key.name);
    expired_note(&rebuild->tier->expired, row->key.db, row->key.slot, row->expire_at_ms);
    if (rebuild->count == BATCH_KEYS)
        batch_add(rebuild);
    return true;
}

static bool stop_at_first(void *context, struct bytes key, struct bytes value)
{
    (void)key, (void)value;
    *(bool *)context = true;
    return false;
}

static void look_for_rows(struct tier *tier, uint8_t db)
{
    char from[1] = {(char)db}, until[1] = {(char)(db + 1)};
    bool found = false;
    enum status status = rocks_range(tier->rocks, bytes_of(from, 1), bytes_of(until, 1), stop_at_first, &found);
    if (found || status != STATUS_OK)
        tier->flusher.dbs_with_rows |= UINT32_C(1) << db;
}

/* A look may read a large row, so there is one for all partitions; what runs have brought since is noted. */
static bool database_has_rows(struct tier *tier, uint8_t db)
{
    struct flusher *flusher = &tier->flusher;
    if (!flusher->has_looked_for_rows)
        for (uint8_t each = 0; each < ROW_DATABASES; each++)
            look_for_rows(tier, each);
    flusher->has_looked_for_rows = true;
    return flusher->dbs_with_rows & UINT32_C(1) << db;
}

static enum status partition_rebuild(struct tier *tier, uint32_t partition)
{
    struct rebuild *rebuild = memory_allocate_zeroed(sizeof(*rebuild));
    enum status status = STATUS_OK;
    rebuild->tier = tier;
    buffer_reserve(&rebuild->names, BATCH_KEYS);
    keyspace_filter_rebuild_begin(tier->keyspace, partition);
    for (uint8_t db = 0; db < ROW_DATABASES && status == STATUS_OK; db++) {
        if (!database_has_rows(tier, db))
            continue;
        for (uint32_t slot = partition; slot < ROW_SLOTS && status == STATUS_OK; slot += TIER_PARTITIONS)
            status = reader_rows(tier, db, (uint16_t)slot, 0, UINT64_MAX, row_visit, rebuild);
    }
    batch_add(rebuild);
    /* A filter that has not seen every row would hide keys: after an error it goes on answering "maybe". */
    if (status == STATUS_OK)
        keyspace_filter_rebuild_end(tier->keyspace, partition);
    buffer_deinit(&rebuild->names);
    memory_free(rebuild);
    return status;
}

bool filter_rebuild_step(struct tier *tier, bool busy)
{
    struct flusher *flusher = &tier->flusher;
    int64_t begin_us = clock_monotonic_us();
    uint32_t left = 0, first = 0;
    for (uint32_t partition = TIER_PARTITIONS; partition-- > 0;)
        if (!keyspace_filter_is_ready(tier->keyspace, partition)) {
            first = partition;
            left++;
        }
    bool rebuilds = left > 0 && begin_us >= flusher->rebuild_retry_us;
    if (rebuilds) {
        enum status status = partition_rebuild(tier, first);
        int64_t end_us = clock_monotonic_us(), pause_us = busy ? (end_us - begin_us) * BUSY_PAUSE_FACTOR : 0;
        flusher->rebuild_retry_us = end_us + (status == STATUS_OK ? pause_us : FAILED_PAUSE_US);
        rebuilds = status == STATUS_OK;
    }
    atomic_store_explicit(&flusher->filter_partitions_left, rebuilds ? left - 1 : left, memory_order_relaxed);
    return rebuilds;
}

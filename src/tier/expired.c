/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows past their expiry are found by compactions and by a slow sweep, and reported to the keyspace, which makes the
 * key present so that it expires like any other. Between finding and telling the row is read again: a compaction may
 * have seen an old version of it. A report lost is no harm, the next sweep finds the row. */
#include <string.h>

#include "base/clock.h"
#include "tier/tier_private.h"

#define REPORTED_BYTES_MAX (256u << 10)
/* At about a second between sweeps: a quarter per cent of a core, and ten million rows in three quarters of an hour. */
#define SWEEP_ROWS 4096
#define SWEEP_US_MAX 4000

void expired_init(struct expired *expired)
{
    pthread_mutex_init(&expired->lock, NULL);
}

void expired_deinit(struct expired *expired)
{
    buffer_deinit(&expired->reported);
    buffer_deinit(&expired->batch);
    buffer_deinit(&expired->sweep_cursor);
    pthread_mutex_destroy(&expired->lock);
}

void expired_report(struct expired *expired, struct bytes row_key)
{
    uint32_t length = (uint32_t)row_key.length;
    pthread_mutex_lock(&expired->lock);
    bool fits = expired->reported.length + sizeof(length) + length <= REPORTED_BYTES_MAX;
    if (fits) {
        buffer_append(&expired->reported, &length, sizeof(length));
        buffer_append_bytes(&expired->reported, row_key);
    }
    pthread_mutex_unlock(&expired->lock);
    atomic_fetch_add_explicit(fits ? &expired->reported_count : &expired->dropped_count, 1, memory_order_relaxed);
}

static void note_expiry(void *context, const struct row *row)
{
    *(int64_t *)context = row->expire_at_ms;
}

static void deliver_one(struct tier *tier, struct bytes bytes, int64_t now_ms)
{
    struct row_key key;
    int64_t expire_at_ms = ENTRY_NO_EXPIRE;
    if (row_key_read(bytes, &key) != STATUS_OK || reader_read(tier, &key, note_expiry, &expire_at_ms) != STATUS_OK)
        return;
    if (expire_at_ms != ENTRY_NO_EXPIRE && expire_at_ms <= now_ms)
        keyspace_report_expired(tier->keyspace, &key);
}

void expired_deliver(struct tier *tier)
{
    struct expired *expired = &tier->expired;
    pthread_mutex_lock(&expired->lock);
    struct buffer taken = expired->reported;
    expired->reported = expired->batch;
    expired->batch = taken;
    pthread_mutex_unlock(&expired->lock);
    int64_t now_ms = clock_now_ms();
    for (size_t at = 0; at < taken.length;) {
        uint32_t length;
        memcpy(&length, taken.data + at, sizeof(length));
        at += sizeof(length);
        deliver_one(tier, bytes_of(taken.data + at, length), now_ms);
        at += length;
    }
    expired->batch.length = 0;
}

struct sweep {
    struct tier *tier;
    struct bytes from; /* where the last sweep stopped; that row was seen */
    int64_t now_ms, until_us;
    unsigned rows;
    bool more;
};

static bool sweep_visit(void *context, struct bytes key, struct bytes value)
{
    struct sweep *sweep = context;
    struct tier *tier = sweep->tier;
    struct row row;
    sweep->rows++;
    if (row_key_read(key, &row.key) == STATUS_OK && row_value_read(value, &row, NULL) == STATUS_OK &&
        row.expire_at_ms != ENTRY_NO_EXPIRE && row.expire_at_ms <= sweep->now_ms &&
        !tier_row_is_dead(tier, row.key.db, row.offset) && !bytes_equal(key, sweep->from))
        expired_report(&tier->expired, key);
    if (sweep->rows < SWEEP_ROWS && (sweep->rows % 64 != 0 || clock_monotonic_us() < sweep->until_us))
        return true;
    sweep->more = true;
    tier->expired.sweep_cursor.length = 0;
    buffer_append_bytes(&tier->expired.sweep_cursor, key);
    return false;
}

void expired_sweep(struct tier *tier)
{
    struct buffer *cursor = &tier->expired.sweep_cursor;
    struct buffer from = {0};
    buffer_append_bytes(&from, buffer_bytes(cursor));
    struct sweep sweep = {
        .tier = tier,
        .from = buffer_bytes(&from),
        .now_ms = clock_now_ms(),
        .until_us = clock_monotonic_us() + SWEEP_US_MAX,
    };
    enum status status = rocks_range(tier->rocks, sweep.from, (struct bytes){0}, sweep_visit, &sweep);
    if (!sweep.more || status != STATUS_OK)
        cursor->length = 0;
    buffer_deinit(&from);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows past their expiry, whose keys nobody reads: compactions meet some by chance, a sweep finds the rest. Each is
 * reported to the keyspace, which makes the key present so that it expires like any other.
 *
 * For each (db, slot) stands the moment from which a look at its rows is worth while, in 128 KiB a db that has rows
 * with an expiry. The flusher sees every row it writes, and the rebuild of the filter every row after a restart; a
 * look itself finds the moment anew.
 *
 * E1 the moment is never later than LOOK_DELAY_MS after the first expiry among the slot's rows, but for rows that were
 *    reported already: these are looked at again after LOOK_AGAIN_MS, since a report may be lost, and their row stays
 *    until the key's tombstone is written. The delay makes one look of many in a slot where something is always due.
 * E2 a look resets the moment when it enters the slot and lowers it row by row; so do captures between its steps. The
 *    cursor says how far it came, and that the slot is not done.
 * E3 steps are bounded in time and in what they bring to memory, where it stays until the keys expire a tick later.
 * E4 all is read and changed on the flusher's thread, but for 'reported'. No run is ingested during a step, so what a
 *    step reads is the newest row of its key. A compaction may have seen an old one: that row is read again. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "tier/tier_private.h"

#define REPORTED_BYTES_MAX (256u << 10)
#define LOOK_DELAY_MS 5000
#define LOOK_AGAIN_MS 30000
#define LOOK_NEVER INT64_MAX

/* At most a twentieth of a core, and a hundredth while nothing is found. */
#define STEP_US 5000
#define STEP_PAUSE_US 95000
#define STEP_PAUSE_FRUITLESS_US 495000
#define STEP_REPORTS 256
#define STEP_BYTES (1u << 20) /* of values; the last one may exceed it */

void expired_init(struct expired *expired)
{
    pthread_mutex_init(&expired->lock, NULL);
}

void expired_deinit(struct expired *expired)
{
    for (int db = 0; db < ROW_DATABASES; db++)
        memory_free(expired->look_at_ms[db]);
    buffer_deinit(&expired->reported);
    buffer_deinit(&expired->batch);
    buffer_deinit(&expired->cursor);
    pthread_mutex_destroy(&expired->lock);
}

/* ---- when to look ---- */

static int64_t *looks_create(void)
{
    int64_t *looks = memory_allocate(ROW_SLOTS * sizeof(*looks));
    for (int slot = 0; slot < ROW_SLOTS; slot++)
        looks[slot] = LOOK_NEVER;
    return looks;
}

static void look_lower(int64_t *look_at_ms, int64_t from_ms, int64_t delay_ms)
{
    int64_t at_ms = from_ms < LOOK_NEVER - delay_ms ? from_ms + delay_ms : LOOK_NEVER;
    if (at_ms < *look_at_ms)
        *look_at_ms = at_ms;
}

void expired_note(struct expired *expired, uint8_t db, uint16_t slot, int64_t expire_at_ms)
{
    if (expire_at_ms == ENTRY_NO_EXPIRE)
        return;
    if (!expired->look_at_ms[db])
        expired->look_at_ms[db] = looks_create();
    look_lower(&expired->look_at_ms[db][slot], expire_at_ms, LOOK_DELAY_MS);
}

/* ---- a step ---- */

struct step {
    struct tier *tier;
    int64_t now_ms, until_us;
    unsigned reports;
    size_t bytes;
    struct bytes from; /* where the step before stopped; that row was seen */
    bool stopped;
};

static bool step_is_spent(const struct step *step)
{
    return step->reports >= STEP_REPORTS || step->bytes >= STEP_BYTES || clock_monotonic_us() >= step->until_us;
}

static bool row_is_due(const struct step *step, const struct row *row)
{
    return row->expire_at_ms != ENTRY_NO_EXPIRE && row->expire_at_ms <= step->now_ms;
}

/* ---- what compactions found ---- */

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

struct found {
    struct step *step;
    bool is_due;
};

static void found_take(void *context, const struct row *row)
{
    struct found *found = context;
    found->is_due = row_is_due(found->step, row);
    if (found->is_due)
        found->step->bytes += row->payload.length;
}

static void deliver_one(struct step *step, struct bytes bytes)
{
    struct row_key key;
    struct found found = {.step = step};
    if (row_key_read(bytes, &key) != STATUS_OK || reader_read(step->tier, &key, found_take, &found) != STATUS_OK ||
        !found.is_due)
        return;
    step->reports++;
    keyspace_report_expired(step->tier->keyspace, &key);
}

static void batch_take(struct expired *expired)
{
    pthread_mutex_lock(&expired->lock);
    struct buffer taken = expired->reported;
    expired->reported = expired->batch;
    expired->reported.length = 0;
    expired->batch = taken;
    pthread_mutex_unlock(&expired->lock);
    expired->batch_at = 0;
}

static void deliver(struct step *step)
{
    struct expired *expired = &step->tier->expired;
    if (expired->batch_at == expired->batch.length)
        batch_take(expired);
    while (expired->batch_at < expired->batch.length && !step_is_spent(step)) {
        const char *at = expired->batch.data + expired->batch_at;
        uint32_t length;
        memcpy(&length, at, sizeof(length));
        expired->batch_at += sizeof(length) + length;
        deliver_one(step, bytes_of(at + sizeof(length), length));
    }
}

/* ---- the sweep ---- */

/* From the hand to the first slot that wants a look; false if a round finds none. */
static bool hand_find(struct expired *expired, int64_t now_ms)
{
    struct sweep_hand *hand = &expired->hand;
    for (int round = 0; round <= ROW_DATABASES; round++) {
        const int64_t *looks = expired->look_at_ms[hand->db];
        for (; looks && hand->slot < ROW_SLOTS; hand->slot++)
            if (looks[hand->slot] <= now_ms || expired->cursor.length > 0)
                return true;
        *hand = (struct sweep_hand){.db = (uint8_t)((hand->db + 1) % ROW_DATABASES)};
    }
    return false;
}

static void look_at_row(struct step *step, const struct row *row)
{
    struct tier *tier = step->tier;
    int64_t *look_at_ms = &tier->expired.look_at_ms[row->key.db][row->key.slot];
    if (row->expire_at_ms == ENTRY_NO_EXPIRE || tier_row_is_dead(tier, row->key.db, row->offset))
        return;
    if (!row_is_due(step, row)) {
        look_lower(look_at_ms, row->expire_at_ms, LOOK_DELAY_MS);
        return;
    }
    look_lower(look_at_ms, step->now_ms, LOOK_AGAIN_MS);
    step->reports++;
    step->bytes += row->payload.length;
    atomic_fetch_add_explicit(&tier->expired.reported_count, 1, memory_order_relaxed);
    keyspace_report_expired(tier->keyspace, &row->key);
}

static bool sweep_visit(void *context, struct bytes key, struct bytes value)
{
    struct step *step = context;
    struct expired *expired = &step->tier->expired;
    struct sweep_hand *hand = &expired->hand;
    struct row row;
    if (bytes_equal(key, step->from) || row_key_read(key, &row.key) != STATUS_OK)
        return true;
    while (hand->slot < row.key.slot)
        expired->look_at_ms[hand->db][++hand->slot] = LOOK_NEVER;
    if (row_value_read(value, &row, NULL) == STATUS_OK)
        look_at_row(step, &row);
    if (!step_is_spent(step))
        return true;
    step->stopped = true;
    expired->cursor.length = 0;
    buffer_append_bytes(&expired->cursor, key);
    return false;
}

/* Looks at the hand's slot and those behind it that want a look too, in one view of the rows. */
static void sweep_slots(struct step *step)
{
    struct expired *expired = &step->tier->expired;
    struct sweep_hand *hand = &expired->hand;
    int64_t *looks = expired->look_at_ms[hand->db];
    struct buffer from = expired->cursor;
    uint32_t end = hand->slot + 1;
    char until[ROW_KEY_PREFIX];
    while (end < ROW_SLOTS && looks[end] <= step->now_ms)
        end++;
    row_prefix_write(hand->db, (uint16_t)(end - 1), UINT64_MAX, until);
    row_prefix_next(until);
    expired->cursor = (struct buffer){0};
    step->from = buffer_bytes(&from);
    if (from.length == 0) {
        looks[hand->slot] = LOOK_NEVER;
        row_prefix_write(hand->db, (uint16_t)hand->slot, 0, buffer_reserve(&from, ROW_KEY_PREFIX));
        from.length = ROW_KEY_PREFIX;
    }
    enum status status =
        rocks_range(step->tier->rocks, buffer_bytes(&from), bytes_of(until, sizeof(until)), sweep_visit, step);
    buffer_deinit(&from);
    if (step->stopped)
        return;
    if (status != STATUS_OK)
        look_lower(&looks[hand->slot], step->now_ms, LOOK_AGAIN_MS);
    while (++hand->slot < end)
        looks[hand->slot] = status == STATUS_OK ? LOOK_NEVER : step->now_ms + LOOK_AGAIN_MS;
}

void expired_step(struct tier *tier, int64_t now_us)
{
    struct expired *expired = &tier->expired;
    if (now_us < expired->next_step_us)
        return;
    struct step step = {.tier = tier, .now_ms = clock_now_ms(), .until_us = clock_monotonic_us() + STEP_US};
    deliver(&step);
    while (!step.stopped && !step_is_spent(&step) && hand_find(expired, step.now_ms))
        sweep_slots(&step);
    bool is_fruitless = expired->cursor.length > 0 && step.reports == 0;
    expired->next_step_us = clock_monotonic_us() + (is_fruitless ? STEP_PAUSE_FRUITLESS_US : STEP_PAUSE_US);
}

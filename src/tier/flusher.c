/* SPDX-License-Identifier: BSD-3-Clause */
/* The one thread that writes rows.
 *
 * A hand goes round all (db, slot) in row order. What is dirty under it is captured into a run; a run that is full, or
 * at the end of the round, becomes a sorted file and is ingested. A cycle is one full round from where the hand stood
 * when it began; the stream up to that moment is then in the rows, and that is the checkpoint. A round goes on while
 * there is a reason to (reason_to_write), so one that was begun for want of clean entries may pause and be finished
 * later.
 *
 * The invariants of DESIGN section 6, and where they are kept:
 * I1 A row carries the stream's end at its capture, or what of the stream its partition has come to by then, read under the
 *    partition's lock: capture_visit.
 * I2 A run is ingested only when the log is synced past its largest offset: run_ingest. The row bound is raised first.
 * I3 Only an ingest that has succeeded makes entries clean. A run that failed is discarded, its entries are dirty
 *    again, and the hand goes back to where the run began: run_failed.
 * I4 The checkpoint is written when the round is complete, with the offset, counts and flushed-at table of its begin;
 *    only then may the log before it go: cycle_end.
 *
 * A run is made, written and ingested in one go on this thread; so two runs never overlap in time, and a later run
 * holds the later state of a key. */
#define _GNU_SOURCE /* sem_clockwait */

#include "tier/tier_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"

#define RUN_BYTES (INT64_C(8) << 20)
#define CAPTURE_BYTES (64u << 10) /* in one hold of a partition's lock: some tens of microseconds */
/* What that may come to as rows: of the smallest entries. */
#define CAPTURE_ROWS 4096
#define CAPTURE_ROOM_BYTES (4 * CAPTURE_BYTES)
#define LARGE_PAUSE_NS 20000
#define TELL_KEYS 256 /* told to the keyspace in one call */
#define TICK_NS 100000000
#define SECOND_US 1000000
#define REST_US INT64_C(3000000) /* without a run: what stands unsorted is sorted in */
#define CYCLE_INTERVAL_US (300 * INT64_C(1000000))
#define UNSORTED_FILES_MAX 48
#define UNSORTED_WAIT_NS 20000000
#define UNSORTED_WAITS_PER_FILE 5
#define UNSORTED_WAITS_MAX 250
#define FAILURES_TO_REOPEN 3
#define REOPEN_FREE_BYTES (UINT64_C(4) << 20)

static const char failure_space[] = "the device of the tier is almost full: keys cannot be spilled; free some space";
static const char failure_log[] = "the log cannot be synced: keys cannot be spilled until it can";
static const char failure_write[] = "the tier cannot be written: keys cannot be spilled; see tier_last_error";
static const char stalled_sync[] = "waits for the log's sync";
static const char stalled_compaction[] = "waits for compaction";

/* ---- wishes of other threads ---- */

static void flusher_wake(struct flusher *flusher)
{
    sem_post(&flusher->wake);
}

void flusher_want_clean(void *context)
{
    struct flusher *flusher = &((struct tier *)context)->flusher;
    if (!atomic_load_explicit(&flusher->clean_wanted, memory_order_relaxed) &&
        !atomic_exchange(&flusher->clean_wanted, true))
        flusher_wake(flusher);
}

void flusher_add_save(struct tier *tier, struct tier_save *save)
{
    struct flusher *flusher = &tier->flusher;
    pthread_mutex_lock(&flusher->lock);
    save->next = flusher->saves;
    flusher->saves = save;
    pthread_mutex_unlock(&flusher->lock);
    flusher_wake(flusher);
}

static struct tier_save *saves_take(struct flusher *flusher)
{
    pthread_mutex_lock(&flusher->lock);
    struct tier_save *saves = flusher->saves;
    flusher->saves = NULL;
    pthread_mutex_unlock(&flusher->lock);
    return saves;
}

/* The cycle that begins now fulfils them, and those of one it replaces. */
static void saves_take_up(struct flusher *flusher)
{
    struct tier_save **last = &flusher->cycle_saves;
    while (*last)
        last = &(*last)->next;
    *last = saves_take(flusher);
}

static void saves_deliver(struct tier_save *saves, enum status status)
{
    while (saves) {
        struct tier_save *save = saves;
        saves = save->next;
        save->status = status;
        mailbox_post(save->home, &save->mail);
    }
}

/* ---- failures ---- */

static void failure_set(struct flusher *flusher, const char *failure, const char *error)
{
    const char *before = atomic_exchange(&flusher->failure, failure);
    flusher->retry_us = clock_monotonic_us() + SECOND_US;
    pthread_mutex_lock(&flusher->lock);
    snprintf(flusher->last_error, sizeof(flusher->last_error), "%s", error);
    pthread_mutex_unlock(&flusher->lock);
    if (before != failure)
        log_warning("spilling stopped", "reason=\"%s\" error=\"%s\"", failure, error);
}

static void failure_clear(struct flusher *flusher)
{
    flusher->failures = 0;
    if (atomic_exchange(&flusher->failure, NULL))
        log_notice("spilling goes on", "last_error=\"%s\"", flusher->last_error);
}

static bool space_suffices(struct tier *tier)
{
    struct statvfs about;
    if (statvfs(tier->directory, &about) != 0)
        return true; /* the write itself will tell */
    uint64_t bytes = (uint64_t)about.f_bavail * about.f_frsize;
    atomic_store_explicit(&tier->flusher.free_bytes, bytes, memory_order_relaxed);
    return bytes >= (uint64_t)*tier->options.free_bytes_min;
}

/* ---- one run ---- */

static void capture_visit(void *context, const struct row_key *key, const struct object *value, int64_t expire_at_ms)
{
    struct tier *tier = context;
    uint64_t offset = capture_offset(tier->keyspace, key->slot, stream_end(tier->stream));
    run_add(&tier->flusher.run, key, value, expire_at_ms, offset);
    expired_note(&tier->expired, key->db, key->slot, expire_at_ms);
}

/* Moves to the next (db, slot); true if that begins a new round of row order. */
static bool hand_advance(struct flusher *flusher)
{
    struct place *hand = &flusher->hand;
    flusher->slots_left--;
    hand->hash = 0;
    if (++hand->slot < ROW_SLOTS)
        return false;
    hand->slot = 0;
    hand->db = (uint8_t)((hand->db + 1) % ROW_DATABASES);
    return hand->db == 0;
}

/* The processor's time of this thread, so that the machine's other work does not count; a virtual machine's may jump by more
 * than what has passed on the clock. */
struct hold_time {
    int64_t thread_us, clock_us;
};

static struct hold_time hold_time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (struct hold_time){.thread_us = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000,
                              .clock_us = clock_monotonic_us()};
}

static void hold_note(struct flusher *flusher, struct hold_time began)
{
    struct hold_time now = hold_time_now();
    int64_t took_us = now.thread_us - began.thread_us, passed_us = now.clock_us - began.clock_us;
    if (took_us > passed_us)
        took_us = passed_us;
    if (took_us > atomic_load_explicit(&flusher->longest_hold_us, memory_order_relaxed))
        atomic_store_explicit(&flusher->longest_hold_us, took_us, memory_order_relaxed);
}

static bool slot_capture(struct tier *tier)
{
    struct place *hand = &tier->flusher.hand;
    run_make_room(&tier->flusher.run, CAPTURE_ROWS, CAPTURE_ROOM_BYTES);
    struct hold_time began = hold_time_now();
    bool done = capture_slot(tier->keyspace, hand->db, hand->slot, &hand->hash, CAPTURE_BYTES, capture_visit, tier);
    hold_note(&tier->flusher, began);
    return done;
}

/* The rest of a large value, if there is one. In the pauses the others get the lock. */
static void large_capture(struct flusher *flusher)
{
    struct timespec pause = {.tv_nsec = LARGE_PAUSE_NS};
    while (flusher->run.large) {
        struct hold_time began = hold_time_now();
        run_get_piece(&flusher->run);
        hold_note(flusher, began);
        run_add_piece(&flusher->run);
        nanosleep(&pause, NULL);
    }
}

static void run_capture(struct tier *tier, size_t bytes_max)
{
    struct flusher *flusher = &tier->flusher;
    struct place *hand = &flusher->hand;
    while (flusher->slots_left > 0 && run_bytes(&flusher->run) < bytes_max) {
        bool entered = hand->hash != 0;
        bool is_dirty = entered || capture_slot_is_dirty(tier->keyspace, hand->db, hand->slot);
        bool done = !is_dirty || slot_capture(tier);
        large_capture(flusher);
        if (!done)
            continue;
        if (hand_advance(flusher) && flusher->run.count > 0)
            break;
    }
    atomic_store_explicit(&flusher->run_memory,
                          flusher->run.bytes.capacity + flusher->run.block_bytes +
                              flusher->run.capacity * sizeof(*flusher->run.rows),
                          memory_order_relaxed);
}

/* The more files wait, the longer this does, so that compactions keep up; but less than a writer waits for room. */
static void compaction_await(struct tier *tier)
{
    struct timespec pause = {.tv_nsec = UNSORTED_WAIT_NS};
    for (unsigned i = 0; i < UNSORTED_WAITS_MAX; i++) {
        if (rocks_unsorted_files(tier->rocks) < UNSORTED_FILES_MAX + i / UNSORTED_WAITS_PER_FILE)
            break;
        atomic_store(&tier->flusher.stalled, stalled_compaction);
        nanosleep(&pause, NULL);
    }
    atomic_store(&tier->flusher.stalled, NULL);
}

static enum status sync_await(struct tier *tier, uint64_t offset)
{
    if (!tier->options.keep)
        return STATUS_OK;
    atomic_store(&tier->flusher.stalled, stalled_sync);
    enum status status = stream_sync_wait(tier->stream, offset);
    atomic_store(&tier->flusher.stalled, NULL);
    return status;
}

static void offsets_note(struct flusher *flusher)
{
    for (int db = 0; db < ROW_DATABASES; db++) {
        uint64_t offset = flusher->run.db_offset_max[db];
        if (offset > 0)
            flusher->dbs_with_rows |= UINT32_C(1) << db;
        if (offset > flusher->db_offset_max[db])
            flusher->db_offset_max[db] = offset;
    }
}

/* I2, and flushed.c's D2. On failure *failure says what is to be told. */
static enum status run_ingest(struct tier *tier, const char **failure, char *error, size_t error_size)
{
    struct flusher *flusher = &tier->flusher;
    enum status status = run_write(&flusher->run, tier->rocks);
    if (status == STATUS_OK) {
        status = sync_await(tier, flusher->run.offset_max);
        if (status != STATUS_OK) {
            *failure = failure_log;
            snprintf(error, error_size, "log sync: %s", status_text(status));
            return status;
        }
        status = row_bound_raise(&tier->row_bound, flusher->run.offset_max);
        if (status != STATUS_OK) {
            *failure = failure_write;
            snprintf(error, error_size, "row-bound: %s", status_text(status));
            return status;
        }
        flushed_settle(tier);
        compaction_await(tier);
        status = rocks_run_ingest(tier->rocks);
    }
    if (status != STATUS_OK) {
        *failure = status == STATUS_NO_SPACE ? failure_space : failure_write;
        snprintf(error, error_size, "%s", rocks_error(tier->rocks));
        flusher->failures++;
    }
    return status;
}

static void run_tell(struct tier *tier,
                     void (*tell)(struct keyspace *keyspace, const struct row_key *keys, size_t count))
{
    struct row_key keys[TELL_KEYS];
    const struct run *run = &tier->flusher.run;
    for (size_t at = 0, count; at < run->count; at += count) {
        for (count = 0; count < TELL_KEYS && at + count < run->count; count++)
            keys[count] = run_key(run, at + count);
        tell(tier->keyspace, keys, count);
    }
}

static void run_succeeded(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    struct run *run = &flusher->run;
    offsets_note(flusher);
    run_tell(tier, capture_ingested);
    if (flusher->last_run_us > 0 && clock_monotonic_us() - flusher->last_run_us < SECOND_US)
        rocks_set_busy(tier->rocks, true);
    flusher->last_run_us = clock_monotonic_us();
    failure_clear(flusher);
    atomic_fetch_add_explicit(&flusher->runs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&flusher->rows_written, run->rows_written, memory_order_relaxed);
    atomic_fetch_add_explicit(&flusher->deletes_written, run->deletes_written, memory_order_relaxed);
    atomic_fetch_add_explicit(&flusher->bytes_written, run->file_bytes, memory_order_relaxed);
    metric_add(METRIC_tier_runs, 1);
    metric_add(METRIC_tier_rows_written, run->rows_written);
    metric_add(METRIC_tier_bytes_written, run->file_bytes);
}

/* I3. An ingest may have failed after RocksDB had taken the file over; then the rows are the entries' own state and
 * will be written again, which is no harm. */
static void run_failed(struct tier *tier, const struct place *from, uint32_t slots_left, const char *failure,
                       const char *error)
{
    struct flusher *flusher = &tier->flusher;
    offsets_note(flusher);
    rocks_run_discard(tier->rocks);
    run_tell(tier, capture_failed);
    flusher->hand = *from;
    flusher->slots_left = slots_left;
    atomic_fetch_add_explicit(&flusher->run_failures, 1, memory_order_relaxed);
    metric_add(METRIC_tier_run_failures, 1);
    failure_set(flusher, failure, error);
    /* Opening writes, and what cannot be opened cannot be read, either: not on a device that is full. */
    if (flusher->failures >= FAILURES_TO_REOPEN &&
        atomic_load_explicit(&flusher->free_bytes, memory_order_relaxed) >= REOPEN_FREE_BYTES) {
        flusher->failures = 0;
        atomic_fetch_add_explicit(&flusher->reopened, 1, memory_order_relaxed);
        if (rocks_reopen(tier->rocks) != STATUS_OK)
            failure_set(flusher, failure_write, rocks_error(tier->rocks));
    }
}

/* Makes at most one run from where the hand stands. */
static enum status run_step(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    struct place from = flusher->hand;
    uint32_t slots_left = flusher->slots_left;
    int64_t bytes_max = tier->options.run_bytes > 0 ? tier->options.run_bytes : RUN_BYTES;
    const char *failure = NULL;
    char error[256];
    if (!space_suffices(tier)) {
        snprintf(error, sizeof(error), "less than %lld bytes are free", (long long)*tier->options.free_bytes_min);
        failure_set(flusher, failure_space, error);
        return STATUS_NO_SPACE;
    }
    run_capture(tier, (size_t)bytes_max);
    if (flusher->run.count == 0)
        return STATUS_OK;
    enum status status = run_ingest(tier, &failure, error, sizeof(error));
    if (status == STATUS_OK)
        run_succeeded(tier);
    else
        run_failed(tier, &from, slots_left, failure, error);
    run_clear(&flusher->run);
    return status;
}

/* ---- cycles ---- */

static void cycle_at_offset(void *context)
{
    struct tier *tier = context;
    struct checkpoint *cycle = &tier->flusher.cycle;
    cycle->offset = stream_end(tier->stream); /* all is held: everything below it is executed */
    cycle->wall_ms = clock_now_ms();
    for (int db = 0; db < ROW_DATABASES; db++)
        cycle->flushed_at[db] = atomic_load_explicit(&tier->flushed_at[db], memory_order_relaxed);
}

static void cycle_begin(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    saves_take_up(flusher);
    flusher->cycle.state.length = 0;
    keyspace_save_state(tier->keyspace, cycle_at_offset, tier, &flusher->cycle.state);
    flusher->hand.hash = 0;
    flusher->slots_left = ROW_DATABASES * ROW_SLOTS;
    flusher->cycle_began_us = clock_monotonic_us();
    atomic_store_explicit(&flusher->cycle_running, true, memory_order_relaxed);
}

static enum status checkpoint_commit(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    char error[256] = "";
    enum status status = sync_await(tier, flusher->cycle.offset);
    if (status != STATUS_OK) {
        failure_set(flusher, failure_log, status_text(status));
        return status;
    }
    if (tier->options.before_checkpoint)
        status = tier->options.before_checkpoint();
    if (status == STATUS_OK)
        status = checkpoint_write(tier->directory, &flusher->cycle, error, sizeof(error));
    if (status != STATUS_OK) {
        failure_set(flusher, status == STATUS_NO_SPACE ? failure_space : failure_write, error);
        return status;
    }
    stream_drop_before(tier->stream, flusher->cycle.offset);
    return STATUS_OK;
}

/* I4. A checkpoint that could not be written leaves the round complete; the next step tries that again. */
static enum status cycle_end(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    enum status status = tier->options.keep ? checkpoint_commit(tier) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    failure_clear(flusher);
    flusher->cycle_ended_us = clock_monotonic_us();
    atomic_store_explicit(&flusher->checkpoint_ms, flusher->cycle.wall_ms, memory_order_relaxed);
    atomic_store_explicit(&flusher->checkpoint_offset, flusher->cycle.offset, memory_order_release);
    atomic_store_explicit(&flusher->last_cycle_us, flusher->cycle_ended_us - flusher->cycle_began_us,
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&flusher->cycles, 1, memory_order_relaxed);
    metric_add(METRIC_tier_cycles, 1);
    atomic_store_explicit(&flusher->cycle_running, false, memory_order_relaxed);
    saves_deliver(flusher->cycle_saves, STATUS_OK);
    flusher->cycle_saves = NULL;
    return STATUS_OK;
}

/* One run of the cycle under way, or of a new one; its end with the last. A failure is told to all who wait for a
 * save, also to those that wait for the next cycle. */
static enum status cycle_step(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    if (!atomic_load_explicit(&flusher->cycle_running, memory_order_relaxed))
        cycle_begin(tier);
    enum status status = run_step(tier);
    if (status == STATUS_OK && flusher->slots_left == 0)
        status = cycle_end(tier);
    if (status != STATUS_OK) {
        saves_take_up(flusher);
        saves_deliver(flusher->cycle_saves, status);
        flusher->cycle_saves = NULL;
    }
    return status;
}

/* ---- the thread ---- */

static bool saves_wait(struct flusher *flusher)
{
    pthread_mutex_lock(&flusher->lock);
    bool wait = flusher->saves != NULL;
    pthread_mutex_unlock(&flusher->lock);
    return wait || flusher->cycle_saves;
}

/* Why rows should be written now. Somebody who waits for a save is told of a failure at once, others are not helped by
 * more than one attempt a second, which is made though nothing else asks for it: whoever is refused meanwhile need not
 * wait for it. A log that is kept shorter than its half leaves the other half for what is written while the cycle runs. */
static bool reason_to_write(struct tier *tier, int64_t now_us)
{
    struct flusher *flusher = &tier->flusher;
    if (saves_wait(flusher))
        return true;
    if (now_us < flusher->retry_us)
        return false;
    if (atomic_load_explicit(&flusher->failure, memory_order_relaxed))
        return true;
    if (atomic_exchange(&flusher->clean_wanted, false) && keyspace_dirty_count(tier->keyspace) > 0)
        return true;
    if (!tier->options.keep)
        return false;
    uint64_t behind =
        stream_end(tier->stream) - atomic_load_explicit(&flusher->checkpoint_offset, memory_order_relaxed);
    if (behind > (uint64_t)*tier->options.log_bytes_max / 2)
        return true;
    return behind > 0 && now_us - flusher->cycle_ended_us >= CYCLE_INTERVAL_US;
}

/* Small duties that nobody asks for. */
static void flusher_tend(struct tier *tier, int64_t now_us)
{
    struct flusher *flusher = &tier->flusher;
    flushed_settle(tier);
    expired_step(tier, now_us);
    if (now_us - flusher->last_second_us < SECOND_US)
        return;
    flusher->last_second_us = now_us;
    rocks_set_cache_bytes(tier->rocks, (size_t)*tier->options.cache_bytes);
    if (now_us - flusher->last_run_us >= REST_US)
        rocks_set_busy(tier->rocks, false);
    space_suffices(tier);
}

static void flusher_sleep(struct flusher *flusher)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    if (sem_clockwait(&flusher->wake, CLOCK_MONOTONIC, &until) == 0)
        while (sem_trywait(&flusher->wake) == 0)
            ;
}

static void last_cycle(struct tier *tier)
{
    cycle_begin(tier);
    enum status status;
    do
        status = cycle_step(tier);
    while (status == STATUS_OK && atomic_load(&tier->flusher.cycle_running));
    if (status != STATUS_OK)
        log_warning("the last cycle failed", "status=\"%s\" consequence=\"the log is replayed at the next start\"",
                    status_text(status));
}

static void flusher_main(void *argument)
{
    struct tier *tier = argument;
    struct flusher *flusher = &tier->flusher;
    flusher->cycle_ended_us = clock_monotonic_us();
    while (!atomic_load(&flusher->stopping)) {
        int64_t now_us = clock_monotonic_us();
        flusher_tend(tier, now_us);
        bool writes = reason_to_write(tier, now_us);
        if (writes)
            (void)!cycle_step(tier);
        if (!filter_rebuild_step(tier, writes) && !writes)
            flusher_sleep(flusher);
    }
    if (atomic_load(&flusher->stopping_with_cycle))
        last_cycle(tier);
    saves_deliver(flusher->cycle_saves, STATUS_CLOSED);
    saves_deliver(saves_take(flusher), STATUS_CLOSED);
    flusher->cycle_saves = NULL;
}

void flusher_init(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    pthread_mutex_init(&flusher->lock, NULL);
    sem_init(&flusher->wake, 0, 0);
}

void flusher_start(struct tier *tier)
{
    tier->flusher.started = true;
    thread_start(&tier->flusher.thread, "tier-flush", flusher_main, tier);
}

void flusher_stop(struct tier *tier, bool with_cycle)
{
    struct flusher *flusher = &tier->flusher;
    if (!flusher->started)
        return;
    atomic_store(&flusher->stopping_with_cycle, with_cycle);
    atomic_store(&flusher->stopping, true);
    flusher_wake(flusher);
    thread_stop(&flusher->thread);
    flusher->started = false;
}

void flusher_deinit(struct tier *tier)
{
    struct flusher *flusher = &tier->flusher;
    run_deinit(&flusher->run);
    checkpoint_deinit(&flusher->cycle);
    sem_destroy(&flusher->wake);
    pthread_mutex_destroy(&flusher->lock);
}

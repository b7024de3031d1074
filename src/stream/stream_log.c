/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing the log. There are two parties:
 *
 * - Whoever holds the claim ('claimed' set) takes what is pending and writes it to the current segment. That is mostly
 *   a worker in its log pass. It never waits for a sync and never opens a file.
 * - The log thread (stream_thread.c) syncs, begins segments, and mends what failed. For the latter two it takes the
 *   claim as well.
 *
 *   L1  written and synced are ends of brackets, synced <= written <= end; a frame holds whole brackets.
 *   L2  all frames of a segment that is not the current one are synced: a torn tail is in the last segment only.
 *   L3  every byte in [synced, end) is in memory: in kept, taken, ready or pending.
 *   L4  while the state is not LOG_GOOD nothing is written to the current segment, and written and synced stand.
 *   L5  whoever fails to get the claim has appended before it tried; the holder looks at the end again after it
 *       has released the claim. So what is appended is written without a wait, or the state is not LOG_GOOD.
 *
 * States: GOOD -> BROKEN by a failed write or sync; then the log thread writes all of L3 that was taken to a new
 * segment that begins at 'synced': BROKEN or FAILED -> GOOD; or that fails as well -> FAILED, clients are told, and it
 * is tried again. What the old segment has at and above 'synced' counts for nothing from then on: a reader leaves a
 * segment where the next one begins. */
#define _GNU_SOURCE
#include "stream/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"

/* A worker that wrote so often in one pass hands over, or it would never serve its clients again. */
#define WORKER_ROUNDS_MAX 8
/* The log thread looks whether a sync is due after so many. */
#define THREAD_ROUNDS_MAX 64
#define INTERVAL_MS_DEFAULT 1000
#define CLAIM_POLL_NS 20000
#define ROLL_SYNCS_MAX 4
#define ROLL_UNSYNCED_BYTES_MAX ((uint64_t)1 << 20)

static enum log_state log_state(const struct stream *stream)
{
    return (enum log_state)atomic_load(&stream->state);
}

static bool log_has_pending(const struct stream *stream)
{
    return atomic_load(&stream->end) != atomic_load(&stream->written) && log_state(stream) == LOG_GOOD;
}

static void publish_written(struct stream *stream, uint64_t offset)
{
    atomic_store(&stream->written, offset);
    stream_waits_mail(&stream->waits, STREAM_WRITTEN, offset);
    stream_notice_give(stream);
    uint64_t synced = atomic_load(&stream->synced);
    if (offset - synced >= stream->sync_bytes)
        stream_log_kick(stream);
    else if (atomic_load(&stream->sync_wanted) > synced)
        stream_log_kick_for_group(stream);
}

static void publish_synced(struct stream *stream, uint64_t offset)
{
    atomic_store(&stream->synced, offset);
    lock_acquire(&stream->log_lock);
    struct kept_block *blocks = kept_remove_synced(&stream->kept, offset);
    lock_release(&stream->log_lock);
    kept_free(blocks);
    stream->mailed += stream_waits_mail(&stream->waits, STREAM_SYNCED, offset);
    pthread_mutex_lock(&stream->mutex);
    pthread_cond_broadcast(&stream->progress);
    pthread_mutex_unlock(&stream->mutex);
}

static void log_break(struct stream *stream, int error, const char *what)
{
    int good = LOG_GOOD;
    atomic_store(&stream->error, error);
    if (!atomic_compare_exchange_strong(&stream->state, &good, LOG_BROKEN))
        return;
    log_warning("log_error", "what=%s error=\"%s\" directory=\"%s\" written=%" PRIu64 " synced=%" PRIu64, what,
                strerrordesc_np(error), stream->directory, atomic_load(&stream->written), atomic_load(&stream->synced));
    stream_log_kick(stream);
}

/* Writing, under the claim. */

static bool log_take(struct stream *stream, struct frame *frame)
{
    struct buffer *taken = &stream->taken;
    taken->length = 0;
    buffer_reserve(taken, FRAME_HEADER_BYTES);
    taken->length = FRAME_HEADER_BYTES;
    lock_acquire(&stream->lock);
    struct ready_piece *ready = stream_ready_take(stream);
    bool any = ready || stream->pending.length > FRAME_HEADER_BYTES;
    if (!ready && any) {
        struct buffer empty = *taken;
        *taken = stream->pending;
        stream->pending = empty;
        frame->offset = stream->pending_first;
        frame->db = stream->pending_db;
        stream->pending_first = atomic_load_explicit(&stream->end, memory_order_relaxed);
        stream->pending_db = stream_db_locked(stream);
    }
    lock_release(&stream->lock);
    if (ready) {
        buffer_deinit(taken);
        *taken = ready->bytes;
        frame->offset = ready->first;
        frame->db = ready->db;
        memory_free(ready);
    }
    frame->payload = bytes_of(taken->data + FRAME_HEADER_BYTES, taken->length - FRAME_HEADER_BYTES);
    frame->synced = atomic_load(&stream->synced);
    return any;
}

/* False when there is nothing to write or it cannot be written. */
static bool log_write_frame(struct stream *stream)
{
    struct frame frame = {.clean = false};
    struct log_segment *segment = stream->current;
    if (log_state(stream) != LOG_GOOD || !log_take(stream, &frame))
        return false;
    size_t length = stream->taken.length;
    uint64_t end = frame.offset + frame.payload.length;
    frame_seal(stream->taken.data, stream->salt, &frame);
    int error = log_segment_write(segment->fd, stream->taken.data, length, atomic_load(&segment->bytes));
    lock_acquire(&stream->log_lock);
    kept_add(&stream->kept, &stream->taken, end);
    lock_release(&stream->log_lock);
    if (error) {
        log_break(stream, error, "write");
        return false;
    }
    atomic_store(&segment->bytes, atomic_load(&segment->bytes) + length);
    metric_add(METRIC_log_bytes_written, length);
    publish_written(stream, end);
    return true;
}

/* Leaves to the log thread what comes after rounds_max frames, if that thread is free for it. */
static void log_write(struct stream *stream, unsigned rounds_max, bool is_worker)
{
    unsigned rounds = 0;
    while (log_has_pending(stream) && !atomic_exchange(&stream->claimed, true)) {
        bool hand_over = false;
        while (!hand_over && log_write_frame(stream))
            hand_over = ++rounds >= rounds_max && (!is_worker || atomic_load(&stream->asleep));
        atomic_store(&stream->claimed, false);
        if (hand_over) {
            stream_log_kick(stream);
            return;
        }
    }
}

void stream_write(struct stream *stream)
{
    if (stream->has_log)
        log_write(stream, WORKER_ROUNDS_MAX, true);
}

/* Waits for a write(2) of somebody else at most. */
static void log_claim(struct stream *stream)
{
    struct timespec pause = {.tv_nsec = CLAIM_POLL_NS};
    while (atomic_exchange(&stream->claimed, true))
        nanosleep(&pause, NULL);
}

static void log_unclaim(struct stream *stream)
{
    atomic_store(&stream->claimed, false);
}

/* Syncing. */

/* Makes the next syncs cheap. Zeros are written under the claim, since they go where the next frame does. */
static void log_prepare(struct stream *stream, bool for_waiters)
{
    struct log_segment *segment = stream->current;
    log_segment_allocate(segment, (uint64_t)stream->options.segment_bytes, !for_waiters);
    if (!for_waiters || log_segment_is_zeroed(segment) || atomic_exchange(&stream->claimed, true))
        return;
    if (log_state(stream) == LOG_GOOD)
        log_segment_zero(segment);
    log_unclaim(stream);
    log_write(stream, THREAD_ROUNDS_MAX, false);
}

static bool log_sync(struct stream *stream)
{
    struct log_segment *segment = stream->current;
    uint64_t target = atomic_load(&stream->written);
    uint64_t bytes = atomic_load(&segment->bytes);
    int64_t start_us = clock_monotonic_us();
    stream_log_group_hold(stream);
    if (stream_io.sync(segment->fd) < 0) {
        metric_add(METRIC_log_sync_errors, 1);
        log_break(stream, errno, "sync");
        return false;
    }
    int64_t now_us = clock_monotonic_us();
    metric_add(METRIC_log_syncs, 1);
    atomic_store(&stream->last_sync_us, now_us - start_us);
    if (now_us - start_us > atomic_load(&stream->sync_us_max))
        atomic_store(&stream->sync_us_max, now_us - start_us);
    stream->synced_at_us = now_us;
    segment->synced_bytes = bytes;
    unsigned mailed = stream->mailed;
    publish_synced(stream, target);
    log_prepare(stream, stream->mailed > mailed);
    return true;
}

static uint64_t log_unsynced(const struct stream *stream)
{
    uint64_t synced = atomic_load(&stream->synced);
    return atomic_load(&stream->written) - synced;
}

int64_t stream_log_interval_us(const struct stream *stream)
{
    int64_t interval_ms = INTERVAL_MS_DEFAULT;
    if (stream->options.interval_ms)
        interval_ms = __atomic_load_n(stream->options.interval_ms, __ATOMIC_RELAXED);
    return (interval_ms < 1 ? 1 : interval_ms) * 1000;
}

bool stream_log_sync_is_due(const struct stream *stream, int64_t now_us)
{
    uint64_t unsynced = log_unsynced(stream);
    if (unsynced == 0 || log_state(stream) != LOG_GOOD)
        return false;
    return atomic_load(&stream->sync_wanted) > atomic_load(&stream->synced) || unsynced >= stream->sync_bytes ||
           now_us - stream->synced_at_us >= stream_log_interval_us(stream);
}

/* Segments. */

/* Puts 'next' in the place of the current segment, or after it. */
static void log_set_current(struct stream *stream, struct log_segment *next, bool replaces)
{
    struct log_segment *old = stream->current;
    lock_acquire(&stream->log_lock);
    if (replaces)
        list_remove(&old->node);
    list_append(&stream->segments, &next->node);
    stream->current = next;
    /* From the release on, a segment that stays may be dropped by another thread. */
    int fd = old->fd;
    old->fd = -1;
    lock_release(&stream->log_lock);
    close(fd);
    if (replaces)
        log_segment_destroy(&old);
}

static void log_roll(struct stream *stream, int64_t now_us)
{
    struct log_segment *next, *old = stream->current;
    /* Most of it while others write on: the less is left, the shorter they have to wait. */
    for (int i = 0; i < ROLL_SYNCS_MAX && (i == 0 || log_unsynced(stream) > ROLL_UNSYNCED_BYTES_MAX); i++)
        if (!log_sync(stream))
            return;
    log_claim(stream);
    uint64_t end = atomic_load(&stream->written);
    bool synced = log_state(stream) == LOG_GOOD && (atomic_load(&stream->synced) == end || log_sync(stream));
    int error = synced ? log_segment_create(stream, end, end, NULL, &next) : 0;
    if (synced && !error) {
        (void)!ftruncate(old->fd, (off_t)atomic_load(&old->bytes));
        log_set_current(stream, next, false);
    }
    log_unclaim(stream);
    if (error) {
        log_warning("log_segment_error", "error=\"%s\" directory=\"%s\"", strerrordesc_np(error), stream->directory);
        stream->roll_at_us = now_us + stream_io.retry_us;
    }
}

/* Mending. */

static const char *log_failure_text(struct stream *stream, int error)
{
    struct failure_text **place = &stream->failures;
    while (*place && (*place)->error != error)
        place = &(*place)->next;
    if (*place)
        return (*place)->text;
    const char *advice = error == ENOSPC || error == EDQUOT ? "free space in" : "check the device of";
    const char *format = "MISCONF the log cannot be written (%s): %s %s; writes resume by themselves";
    int length = snprintf(NULL, 0, format, strerrordesc_np(error), advice, stream->directory);
    struct failure_text *failure = memory_allocate_zeroed(sizeof(*failure) + (size_t)length + 1);
    snprintf(failure->text, (size_t)length + 1, format, strerrordesc_np(error), advice, stream->directory);
    failure->error = error;
    *place = failure;
    return failure->text;
}

static void log_fail(struct stream *stream, int error, int64_t now_us)
{
    stream->retry_at_us = now_us + stream_io.retry_us;
    atomic_store(&stream->error, error);
    atomic_store(&stream->failure, log_failure_text(stream, error));
    if (atomic_exchange(&stream->state, LOG_FAILED) != LOG_FAILED)
        log_warning("log_failed", "error=\"%s\" directory=\"%s\" synced=%" PRIu64, strerrordesc_np(error),
                    stream->directory, atomic_load(&stream->synced));
    stream_waits_mail_all(&stream->waits);
    pthread_mutex_lock(&stream->mutex);
    pthread_cond_broadcast(&stream->progress);
    pthread_mutex_unlock(&stream->mutex);
}

/* Writes what is kept to a new segment at 'synced', which is synced when it is made. */
static void log_repair(struct stream *stream, int64_t now_us)
{
    log_claim(stream);
    struct log_segment *next, *old = stream->current;
    uint64_t synced = atomic_load(&stream->synced), end = synced;
    bool replaces = old->first == synced;
    if (stream->kept.tail)
        end = stream->kept.tail->end;
    /* Gives back what was set aside, and half a frame: a full device may need it. */
    (void)!ftruncate(old->fd, (off_t)atomic_load(&old->bytes));
    old->allocated_bytes = old->zeroed_bytes = 0;
    int error = log_segment_create(stream, synced, replaces ? old->previous_end : synced, &stream->kept, &next);
    if (error) {
        log_unclaim(stream);
        log_fail(stream, error, now_us);
        return;
    }
    if (!replaces)
        (void)!ftruncate(old->fd, (off_t)old->synced_bytes);
    atomic_store(&old->bytes, old->synced_bytes);
    log_set_current(stream, next, replaces);
    stream->retry_at_us = 0;
    stream->synced_at_us = now_us;
    atomic_store(&stream->failure, NULL);
    atomic_store(&stream->state, LOG_GOOD);
    log_notice("log_repaired", "segment=%" PRIu64 " end=%" PRIu64, synced, end);
    publish_written(stream, end);
    publish_synced(stream, end);
    log_unclaim(stream);
}

/* The log thread. */

void stream_log_turn(struct stream *stream, int64_t now_us)
{
    if (log_state(stream) != LOG_GOOD && now_us >= stream->retry_at_us)
        log_repair(stream, now_us);
    log_write(stream, THREAD_ROUNDS_MAX, false);
    if (stream_log_sync_is_due(stream, now_us))
        log_sync(stream);
    if (log_state(stream) == LOG_BROKEN) {
        log_repair(stream, now_us);
        log_write(stream, THREAD_ROUNDS_MAX, false);
    }
    if (log_state(stream) == LOG_GOOD && now_us >= stream->roll_at_us &&
        atomic_load(&stream->current->bytes) >= (uint64_t)stream->options.segment_bytes) {
        log_roll(stream, now_us);
        log_write(stream, THREAD_ROUNDS_MAX, false);
    }
}

void stream_log_finish(struct stream *stream)
{
    stream->retry_at_us = 0;
    atomic_store(&stream->sync_wanted, atomic_load(&stream->end));
    stream_log_turn(stream, clock_monotonic_us());
    struct log_segment *segment = stream->current;
    uint64_t end = atomic_load(&stream->end), bytes = atomic_load(&segment->bytes);
    int error = atomic_load(&stream->error);
    if (log_state(stream) == LOG_GOOD && atomic_load(&stream->synced) == end) {
        char mark[FRAME_HEADER_BYTES];
        struct frame frame = {.clean = true, .offset = end, .synced = end, .db = -1};
        frame_seal(mark, stream->salt, &frame);
        (void)!ftruncate(segment->fd, (off_t)bytes);
        error = log_segment_write(segment->fd, mark, sizeof(mark), bytes);
        if (!error && stream_io.sync(segment->fd) == 0)
            return;
    }
    log_warning("log_not_closed_clean", "error=\"%s\" directory=\"%s\"", strerrordesc_np(error), stream->directory);
}

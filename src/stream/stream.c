/* SPDX-License-Identifier: BSD-3-Clause */
/* The door: appending, offsets, waiting. Appending copies a batch behind what is pending, which begins with room for
 * a frame header so that the writer need not copy it again. The writer swaps it for an empty buffer under the same
 * lock (stream_log.c). While replicas are fed, the ring gets a copy, or without a log the batch itself (stream_ring.c). With
 * neither log nor replicas the offset advances and nothing is kept: it orders rows and node-wide effects. */
#include "stream/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "stream/stream_private.h"

/* So much unsynced asks for a sync before its time, so that little has to be kept. */
#define SYNC_BYTES_MAX (16 << 20)

/* Without a log a larger buffer is given back when its bytes are in the ring. */
#define PENDING_KEPT_BYTES_MAX (1 << 20)
/* Longer ones may be cut at the ends of the ring's blocks. */
#define RING_DIRECT_BYTES_MAX ((size_t)4 << 10)

static const char bracket_open[] = "*1\r\n$5\r\nMULTI\r\n";
static const char bracket_close[] = "*1\r\n$4\r\nEXEC\r\n";

#define BRACKET_OPEN_BYTES (sizeof(bracket_open) - 1)
#define BRACKET_CLOSE_BYTES (sizeof(bracket_close) - 1)

/* Opening and closing. */

static enum status stream_open_directory(struct stream *stream, char *error, size_t error_size)
{
    const char *path = stream->directory, *what = "create";
    bool made = mkdir(path, 0750) == 0 || errno == EEXIST;
    if (made) {
        what = "open";
        stream->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (stream->directory_fd < 0) {
        int cause = errno;
        snprintf(error, error_size, "cannot %s the log's directory %s: %s", what, path, strerror(cause));
        return status_from_errno(cause);
    }
    if (flock(stream->directory_fd, LOCK_EX | LOCK_NB) == 0)
        return STATUS_OK;
    snprintf(error, error_size, "another process uses the log in %s: stop it, or give this one its own directory",
             path);
    return STATUS_BUSY;
}

static struct stream *stream_create(const struct stream_options *options)
{
    struct stream *stream = memory_allocate_zeroed(sizeof(*stream));
    stream->options = *options;
    stream->has_log = options->durability != DURABILITY_NONE;
    stream->directory_fd = -1;
    stream->directory = stream->has_log ? strdup(options->directory) : NULL;
    stream->sync_bytes = (uint64_t)options->unwritten_bytes_max / 2;
    if (stream->sync_bytes > SYNC_BYTES_MAX)
        stream->sync_bytes = SYNC_BYTES_MAX;
    lock_init(&stream->lock, LOCK_STREAM, 0);
    stream->db = stream->db_before = stream->pending_db = -1;
    stream->ready_end = &stream->ready;
    atomic_store(&stream->held_from, UINT64_MAX);
    stream_waits_init(&stream->waits);
    stream_log_init(stream);
    return stream;
}

static void stream_destroy(struct stream **stream_pointer)
{
    struct stream *stream = *stream_pointer;
    *stream_pointer = NULL;
    stream_waits_mail_all(&stream->waits);
    while (!list_is_empty(&stream->segments)) {
        struct log_segment *segment = list_entry(stream->segments.next, struct log_segment, node);
        list_remove(&segment->node);
        log_segment_destroy(&segment);
    }
    while (stream->failures) {
        struct failure_text *next = stream->failures->next;
        memory_free(stream->failures);
        stream->failures = next;
    }
    if (stream->directory_fd >= 0)
        close(stream->directory_fd);
    kept_deinit(&stream->kept);
    stream_ready_free(stream);
    ring_deinit(&stream->ring);
    buffer_deinit(&stream->pending);
    buffer_deinit(&stream->taken);
    pthread_cond_destroy(&stream->progress);
    pthread_mutex_destroy(&stream->mutex);
    free(stream->directory);
    memory_free(stream);
}

enum status stream_open(struct stream **stream_pointer, const struct stream_options *options, uint64_t row_offset_max,
                        char *error, size_t error_size)
{
    struct stream *stream = stream_create(options);
    enum status status = STATUS_OK;
    if (stream->has_log) {
        status = stream_open_directory(stream, error, error_size);
        if (status == STATUS_OK)
            status = stream_recover(stream, row_offset_max, error, error_size);
    } else {
        stream_identity_begin(&stream->identity);
        atomic_store(&stream->end, row_offset_max);
    }
    if (status != STATUS_OK) {
        stream_destroy(&stream);
        return status;
    }
    stream->pending_first = atomic_load(&stream->end);
    buffer_reserve(&stream->pending, FRAME_HEADER_BYTES);
    stream->pending.length = FRAME_HEADER_BYTES;
    *stream_pointer = stream;
    return STATUS_OK;
}

void stream_start(struct stream *stream)
{
    if (stream->has_log)
        stream_log_start(stream);
}

void stream_close(struct stream **stream)
{
    if (!*stream)
        return;
    if ((*stream)->has_log) {
        stream_log_stop(*stream);
        stream_log_finish(*stream);
    }
    stream_destroy(stream);
}

void stream_abandon(struct stream **stream)
{
    stream_log_stop(*stream);
    stream_destroy(stream);
}

enum status stream_directory_has_log(const char *directory, bool *has)
{
    *has = false;
    DIR *entries = opendir(directory);
    if (!entries)
        return errno == ENOENT ? STATUS_OK : status_from_errno(errno);
    struct dirent *entry;
    while (!*has && (entry = readdir(entries))) {
        uint64_t first;
        struct stat information;
        if (!log_segment_name_parse(entry->d_name, &first))
            continue;
        /* A log that was opened and never appended to holds nothing that could be lost. */
        bool empty = first == 0 && fstatat(dirfd(entries), entry->d_name, &information, 0) == 0 &&
                     information.st_size <= SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES;
        *has = !empty;
    }
    closedir(entries);
    return STATUS_OK;
}

/* Appending. */

static inline char *append_piece(char *at, const void *data, size_t length)
{
    memcpy(at, data, length);
    return at + length;
}

static size_t ring_bytes_max(const struct stream *stream)
{
    return (size_t)__atomic_load_n(stream->ring_bytes_max, __ATOMIC_RELAXED);
}

/* Without a log what is short is made where it stays: in the ring. */
static inline bool goes_to_ring(const struct stream *stream, size_t length)
{
    return !stream->has_log && length <= RING_DIRECT_BYTES_MAX;
}

static inline char *append_room_locked(struct stream *stream, size_t length)
{
    if (goes_to_ring(stream, length))
        return ring_reserve(&stream->ring, length, atomic_load_explicit(&stream->end, memory_order_relaxed),
                            ring_bytes_max(stream));
    return buffer_reserve(&stream->pending, length);
}

/* The bytes stand in the room that was given for 'room' of them. Without a log they stay in what is pending no longer than
 * this. */
static uint64_t append_keep_locked(struct stream *stream, struct bytes bytes, size_t room)
{
    uint64_t end = atomic_load_explicit(&stream->end, memory_order_relaxed) + bytes.length;
    if (atomic_load_explicit(&stream->is_feeding, memory_order_relaxed)) {
        if (goes_to_ring(stream, room))
            ring_commit(&stream->ring, bytes.length);
        else
            ring_append(&stream->ring, bytes, end, ring_bytes_max(stream));
        ring_trim(&stream->ring, ring_bytes_max(stream),
                  stream->has_log ? UINT64_MAX : atomic_load(&stream->held_from));
    }
    if (stream->has_log)
        stream->pending.length += bytes.length;
    else if (stream->pending.capacity > PENDING_KEPT_BYTES_MAX)
        buffer_deinit(&stream->pending);
    return end;
}

/* Who waits for more is armed under the lock, and need not be looked for behind it. The log's writer looks at the end without
 * the lock (L5). */
uint64_t stream_append_end(struct stream *stream, uint64_t end)
{
    struct stream_notice *notice = atomic_load_explicit(&stream->notice, memory_order_relaxed);
    bool is_awaited = !stream->has_log && notice && atomic_load_explicit(&notice->is_armed, memory_order_relaxed);
    atomic_store_explicit(&stream->end, end, stream->has_log ? memory_order_seq_cst : memory_order_release);
    lock_release(&stream->lock);
    if (__builtin_expect(is_awaited, 0))
        stream_notice_give(stream);
    return end;
}

/* Neither log nor replicas: it is enough to count. */
static inline bool only_counts(const struct stream *stream)
{
    return !stream->has_log && !atomic_load_explicit(&stream->is_feeding, memory_order_relaxed);
}

/* As stream_append_end: nobody is armed who is not fed. */
static inline uint64_t count_only(struct stream *stream, size_t length)
{
    uint64_t end = atomic_load_explicit(&stream->end, memory_order_relaxed) + length;
    atomic_store_explicit(&stream->end, end, memory_order_release);
    lock_release(&stream->lock);
    return end;
}

static uint64_t append_copy_locked(struct stream *stream, struct bytes bytes)
{
    if (only_counts(stream))
        return atomic_load_explicit(&stream->end, memory_order_relaxed) + bytes.length;
    char *room = append_room_locked(stream, bytes.length);
    memcpy(room, bytes.data, bytes.length);
    return append_keep_locked(stream, bytes_of(room, bytes.length), bytes.length);
}

uint64_t stream_append(struct stream *stream, struct effect_batch *batch)
{
    size_t length = batch->bytes.length - batch->head;
    if (batch->count == 0)
        return stream_end(stream);
    if (__builtin_expect(batch->head > 0, 0) && (batch->is_bracket || batch->count == 1))
        return stream_append_large(stream, batch);
    lock_acquire(&stream->lock);
    if (only_counts(stream))
        return count_only(stream, length);
    size_t room_length = length + EFFECT_SELECT_MAX + BRACKET_OPEN_BYTES + BRACKET_CLOSE_BYTES;
    char *room = append_room_locked(stream, room_length), *at = room;
    if (batch->first_db != stream->db)
        at += effect_write_select(at, batch->first_db);
    if (batch->count > 1)
        at = append_piece(at, bracket_open, BRACKET_OPEN_BYTES);
    at = append_piece(at, batch->bytes.data + batch->head, length);
    if (batch->count > 1)
        at = append_piece(at, bracket_close, BRACKET_CLOSE_BYTES);
    stream->db = batch->last_db;
    return stream_append_end(stream, append_keep_locked(stream, bytes_of(room, (size_t)(at - room)), room_length));
}

uint64_t stream_append_aside(struct stream *stream, struct bytes bytes)
{
    lock_acquire(&stream->lock);
    return stream_append_end(stream, append_copy_locked(stream, bytes));
}

uint64_t stream_append_verbatim(struct stream *stream, struct bytes bytes, int32_t db)
{
    lock_acquire(&stream->lock);
    stream->db = db;
    return stream_append_end(stream, append_copy_locked(stream, bytes));
}

int32_t stream_db_locked(const struct stream *stream)
{
    return stream->db >= 0 ? stream->db : stream->db_before;
}

void stream_select_next_locked(struct stream *stream)
{
    stream->db_before = stream_db_locked(stream);
    stream->db = -1;
}

int32_t stream_db(struct stream *stream)
{
    lock_acquire(&stream->lock);
    int32_t db = stream_db_locked(stream);
    lock_release(&stream->lock);
    return db;
}

bool stream_is_recording(const struct stream *stream)
{
    return stream->has_log || atomic_load_explicit(&stream->is_feeding, memory_order_relaxed);
}

uint64_t stream_end(const struct stream *stream)
{
    return atomic_load(&stream->end);
}

uint64_t stream_reached(const struct stream *stream, enum stream_level level)
{
    if (level == STREAM_QUORUM || level == STREAM_ALL)
        return atomic_load(&stream->copies.levels[level].reached);
    if (!stream->has_log || level == STREAM_APPENDED)
        return atomic_load(&stream->end);
    return level == STREAM_WRITTEN ? atomic_load(&stream->written) : atomic_load(&stream->synced);
}

/* Waiting. */

static uint64_t stream_needed_max(const struct stream *stream)
{
    const int64_t *bytes_max = stream->options.log_bytes_max;
    return bytes_max ? (uint64_t)__atomic_load_n(bytes_max, __ATOMIC_RELAXED) : UINT64_MAX;
}

static uint64_t stream_needed(const struct stream *stream)
{
    uint64_t from = atomic_load(&stream->needed_from); /* before the end, which may only grow meanwhile */
    return atomic_load(&stream->end) - from;
}

bool stream_is_full(const struct stream *stream)
{
    return stream->has_log && stream_needed(stream) > stream_needed_max(stream);
}

bool stream_must_wait(const struct stream *stream)
{
    if (!stream->has_log)
        return false;
    if (stream_is_full(stream))
        return true;
    uint64_t synced = atomic_load(&stream->synced); /* before the end, which may only grow meanwhile */
    return atomic_load(&stream->end) - synced > (uint64_t)stream->options.unwritten_bytes_max ||
           atomic_load(&stream->state) == LOG_FAILED;
}

const char *stream_failure(const struct stream *stream)
{
    return atomic_load(&stream->failure);
}

bool stream_wait_start(struct stream *stream, struct stream_wait *wait)
{
    debug_check(wait->offset <= stream_end(stream));
    enum stream_level level = wait->level;
    uint64_t offset = wait->offset;
    if (stream_reached(stream, level) >= offset)
        return false;
    stream_waits_add(&stream->waits, wait);
    /* From here on the wait may be mailed and gone. */
    if (level == STREAM_SYNCED)
        stream_log_want_group_sync(stream, offset);
    else if (level >= STREAM_QUORUM)
        stream_copies_want(stream, level);
    stream_waits_mail(&stream->waits, level, stream_reached(stream, level));
    if (atomic_load(&stream->state) == LOG_FAILED)
        stream_waits_mail_all(&stream->waits);
    return true;
}

bool stream_wait_room(struct stream *stream, struct stream_wait *wait)
{
    if (!stream_must_wait(stream))
        return false;
    wait->offset = stream_end(stream);
    wait->level = STREAM_SYNCED;
    return stream_wait_start(stream, wait);
}

void stream_request_sync(struct stream *stream)
{
    if (stream->has_log)
        stream_log_want_sync(stream, stream_end(stream));
}

enum status stream_sync_wait(struct stream *stream, uint64_t offset)
{
    check(offset <= stream_end(stream));
    if (stream_reached(stream, STREAM_SYNCED) >= offset)
        return STATUS_OK;
    stream_log_want_sync(stream, offset);
    if (!stream->started)
        stream_log_turn(stream, clock_monotonic_us());
    pthread_mutex_lock(&stream->mutex);
    while (stream->started && atomic_load(&stream->synced) < offset && atomic_load(&stream->state) != LOG_FAILED)
        pthread_cond_wait(&stream->progress, &stream->mutex);
    pthread_mutex_unlock(&stream->mutex);
    return atomic_load(&stream->synced) >= offset ? STATUS_OK : status_from_errno(atomic_load(&stream->error));
}

/* What is told. */

#define NO_ID "0000000000000000000000000000000000000000"

void stream_read_info(struct stream *stream, struct stream_info *info)
{
    const struct stream_former *former = stream->identity.former;
    *info = (struct stream_info){
        .synced = stream_reached(stream, STREAM_SYNCED),
        .last_sync_us = atomic_load(&stream->last_sync_us),
        .sync_us_max = atomic_load(&stream->sync_us_max),
    };
    if (stream->has_log && stream->options.log_bytes_max) {
        info->needed_bytes = stream_needed(stream);
        info->needed_bytes_max = stream_needed_max(stream);
    }
    /* In this order, so that synced <= written <= end holds in what is told as well. */
    info->written = stream_reached(stream, STREAM_WRITTEN);
    info->first = info->end = stream_end(stream);
    lock_acquire(&stream->log_lock);
    for (struct list *node = stream->segments.previous; node != &stream->segments; node = node->previous) {
        struct log_segment *segment = list_entry(node, struct log_segment, node);
        info->first = segment->first;
        info->log_bytes += atomic_load(&segment->bytes);
    }
    info->ring_bytes = stream->kept.bytes;
    memcpy(info->replication_id, stream->identity.id, sizeof(info->replication_id));
    memcpy(info->replication_id2, former->id[0] ? former->id : NO_ID, sizeof(info->replication_id2));
    info->id2_offset = former->end;
    info->bias = stream->identity.bias;
    info->history_first = stream->identity.begin;
    info->is_partial = stream->identity.is_partial;
    lock_release(&stream->log_lock);
    lock_acquire(&stream->lock);
    info->ring_bytes += stream->pending.capacity + stream->ring.bytes;
    info->is_feeding = atomic_load(&stream->is_feeding);
    info->backlog_bytes = stream->ring.bytes;
    info->backlog_first = stream->has_log ? info->first : info->end - stream->ring.bytes;
    if (info->backlog_first < info->history_first)
        info->backlog_first = info->history_first < info->end ? info->history_first : info->end;
    lock_release(&stream->lock);
}

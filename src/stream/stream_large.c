/* SPDX-License-Identifier: BSD-3-Clause */
/* Large batches. Their buffer is made so that it can be a frame as it is:
 *
 *     room for a frame header | SELECT db | MULTI | effects ... | EXEC         or     room | SELECT db | effect
 *
 * Appending puts it behind what is pending, as a ready piece; the writer takes ready pieces before what is pending. For those
 * who are fed from the ring the bytes are copied to a block of their own beforehand. */
#include "base/check.h"
#include "base/memory.h"
#include "stream/stream_private.h"

static const char bracket_open[] = "*1\r\n$5\r\nMULTI\r\n";
static const char bracket_close[] = "*1\r\n$4\r\nEXEC\r\n";
/* What is staged after gathering finds room. */
#define SLACK_BYTES 4096
#define BRACKET_CLOSE_BYTES (sizeof(bracket_close) - 1)
_Static_assert(BRACKET_CLOSE_BYTES == EFFECT_TAIL_ROOM, "every effect leaves room for the end of a bracket");

void stream_batch_begin_large(struct effect_batch *batch, int32_t db, bool is_alone)
{
    char select[EFFECT_SELECT_MAX];
    struct buffer staged = {0};
    check(batch->head == 0);
    if (batch->count > 0) {
        staged = batch->bytes;
        batch->bytes = (struct buffer){0};
        db = batch->first_db;
        is_alone = false;
    }
    memset(buffer_reserve(&batch->bytes, FRAME_HEADER_BYTES), 0, FRAME_HEADER_BYTES);
    batch->bytes.length = FRAME_HEADER_BYTES;
    buffer_append(&batch->bytes, select, effect_write_select(select, db));
    batch->is_bracket = !is_alone;
    if (batch->is_bracket)
        buffer_append(&batch->bytes, bracket_open, sizeof(bracket_open) - 1);
    batch->head = (uint32_t)batch->bytes.length;
    buffer_append_bytes(&batch->bytes, buffer_bytes(&staged));
    buffer_deinit(&staged);
}

static struct bytes payload_of(const struct effect_batch *batch)
{
    return bytes_of(batch->bytes.data + FRAME_HEADER_BYTES, batch->bytes.length - FRAME_HEADER_BYTES);
}

void stream_batch_keep_room(struct effect_batch *batch)
{
    buffer_reserve(&batch->bytes, SLACK_BYTES);
}

void stream_batch_gather(struct stream *stream, struct effect_batch *batch)
{
    stream_batch_keep_room(batch);
    if (atomic_load_explicit(&stream->is_feeding, memory_order_relaxed))
        batch->copied = ring_block_of(payload_of(batch));
}

/* ---- pieces ---- */

static struct ready_piece *piece_create(void)
{
    return memory_allocate_zeroed(sizeof(struct ready_piece));
}

static void piece_add_locked(struct stream *stream, struct ready_piece *piece)
{
    *stream->ready_end = piece;
    stream->ready_end = &piece->next;
}

struct ready_piece *stream_ready_take(struct stream *stream)
{
    struct ready_piece *piece = stream->ready;
    if (piece) {
        stream->ready = piece->next;
        if (!stream->ready)
            stream->ready_end = &stream->ready;
    }
    return piece;
}

void stream_ready_free(struct stream *stream)
{
    struct ready_piece *piece;
    while ((piece = stream_ready_take(stream))) {
        buffer_deinit(&piece->bytes);
        memory_free(piece);
    }
}

/* ---- appending ---- */

/* Pending goes before, and begins anew; 'before' is used if it is not empty. */
static void line_up_locked(struct stream *stream, struct ready_piece **before, struct ready_piece *piece, uint64_t end)
{
    if (stream->pending.length > FRAME_HEADER_BYTES) {
        (*before)->bytes = stream->pending;
        (*before)->first = stream->pending_first;
        (*before)->db = stream->pending_db;
        piece_add_locked(stream, *before);
        *before = NULL;
        stream->pending = (struct buffer){0};
        buffer_reserve(&stream->pending, FRAME_HEADER_BYTES);
        stream->pending.length = FRAME_HEADER_BYTES;
    }
    piece_add_locked(stream, piece);
    stream->pending_first = end;
    stream->pending_db = stream->db;
}

static void feed_locked(struct stream *stream, struct effect_batch *batch, uint64_t first, uint64_t end)
{
    if (!atomic_load_explicit(&stream->is_feeding, memory_order_relaxed))
        return;
    struct bytes payload = payload_of(batch);
    size_t bytes_max = (size_t)__atomic_load_n(stream->ring_bytes_max, __ATOMIC_RELAXED);
    if (batch->copied) {
        size_t length = batch->copied->length;
        ring_append_block(&stream->ring, batch->copied, first);
        batch->copied = NULL;
        payload = bytes_of(payload.data + length, payload.length - length);
    }
    ring_append(&stream->ring, payload, end, bytes_max);
    ring_trim(&stream->ring, bytes_max, stream->has_log ? UINT64_MAX : atomic_load(&stream->held_from));
}

uint64_t stream_append_large(struct stream *stream, struct effect_batch *batch)
{
    struct ready_piece *before = piece_create(), *piece = piece_create();
    check(batch->head > 0 && batch->count > 0);
    if (batch->is_bracket)
        buffer_append(&batch->bytes, bracket_close, BRACKET_CLOSE_BYTES);
    lock_acquire(&stream->lock);
    uint64_t first = atomic_load_explicit(&stream->end, memory_order_relaxed), end = first + payload_of(batch).length;
    stream->db = batch->last_db;
    feed_locked(stream, batch, first, end);
    if (stream->has_log) {
        piece->bytes = batch->bytes;
        piece->first = first;
        piece->db = -1;
        batch->bytes = (struct buffer){0};
        line_up_locked(stream, &before, piece, end);
        piece = NULL;
    }
    stream_append_end(stream, end);
    memory_free(before);
    memory_free(piece);
    return end;
}

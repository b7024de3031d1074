/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the stream's bytes while it goes on: from the ring where that has them, else from the log's segments. Nothing is
 * given that is not written to the log. A reader of the log keeps its place, so reading on is linear; when it has come to
 * where the ring begins it goes over to that. */
#include "stream/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"

/* Less is copied rather than referred to. */
#define REFERENCE_BYTES_MIN ((size_t)4 << 10)

struct stream_reader {
    struct stream *stream;
    uint64_t offset; /* of the next byte */
    int fd;          /* of the segment being read; -1: none */
    uint64_t first;  /* of that segment */
    struct segment_reader segment;
    struct frame frame; /* the last one read; its payload is empty at first */
};

struct stream_reader *stream_reader_create(struct stream *stream, uint64_t offset)
{
    struct stream_reader *reader = memory_allocate_zeroed(sizeof(*reader));
    reader->stream = stream;
    reader->offset = offset;
    reader->fd = -1;
    return reader;
}

static void reader_leave_log(struct stream_reader *reader)
{
    if (reader->fd < 0)
        return;
    log_segment_reader_deinit(&reader->segment);
    close(reader->fd);
    reader->fd = -1;
    reader->frame.payload.length = 0;
}

void stream_reader_destroy(struct stream_reader **taken)
{
    struct stream_reader *reader = *taken;
    *taken = NULL;
    if (!reader)
        return;
    reader_leave_log(reader);
    memory_free(reader);
}

uint64_t stream_reader_offset(const struct stream_reader *reader)
{
    return reader->offset;
}

/* ---- the ring ---- */

static void release_block(void *block)
{
    ring_block_release(block);
}

/* Into bytes, which are the output's if there is one; that may get a reference instead. */
static size_t read_ring(struct stream_reader *reader, struct buffer *bytes, struct output *output, size_t bytes_max)
{
    struct stream *stream = reader->stream;
    size_t length;
    lock_acquire(&stream->lock);
    struct ring_block *block = ring_take(&stream->ring, reader->offset, &length);
    lock_release(&stream->lock);
    if (!block)
        return 0;
    if (length > bytes_max)
        length = bytes_max;
    struct bytes found = bytes_of(block->data + (reader->offset - block->first), length);
    if (output && length >= REFERENCE_BYTES_MIN) {
        output_append_reference(output, found, release_block, block);
        return length;
    }
    buffer_append_bytes(bytes, found);
    ring_block_release(block);
    return length;
}

/* ---- the log ---- */

/* The last segment that begins at or below the offset: where two hold it, the earlier one's end counts for nothing. */
static bool find_segment(struct stream *stream, uint64_t offset, uint64_t *first)
{
    bool found = false;
    lock_acquire(&stream->log_lock);
    for (struct list *node = stream->segments.next; node != &stream->segments; node = node->next) {
        struct log_segment *segment = list_entry(node, struct log_segment, node);
        if (segment->first > offset)
            break;
        *first = segment->first;
        found = true;
    }
    lock_release(&stream->log_lock);
    return found;
}

static bool reader_enter_log(struct stream_reader *reader)
{
    char name[SEGMENT_NAME_MAX];
    reader_leave_log(reader);
    if (!find_segment(reader->stream, reader->offset, &reader->first))
        return false;
    log_segment_name(name, reader->first);
    reader->fd = openat(reader->stream->directory_fd, name, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0)
        return false;
    if (log_segment_reader_init(&reader->segment, reader->fd, reader->stream->salt))
        return true;
    reader_leave_log(reader);
    return false;
}

static bool frame_has(const struct frame *frame, uint64_t offset)
{
    return offset >= frame->offset && offset - frame->offset < frame->payload.length;
}

/* What the window holds may be older than what is in the file by now. */
static bool reader_refresh(struct stream_reader *reader)
{
    uint64_t position = reader->segment.position;
    log_segment_reader_deinit(&reader->segment);
    if (!log_segment_reader_init(&reader->segment, reader->fd, reader->stream->salt))
        return false;
    reader->segment.position = reader->segment.window_position = position;
    return true;
}

/* Goes on in the present segment to the frame that has the offset. */
static bool reader_find_frame(struct stream_reader *reader)
{
    bool is_fresh = false;
    while (!frame_has(&reader->frame, reader->offset)) {
        reader->frame.payload.length = 0;
        enum reader_result result = log_segment_reader_next(&reader->segment, &reader->frame);
        bool fits = result == READER_FRAME && !reader->frame.clean && reader->frame.offset <= reader->offset;
        if (fits)
            continue;
        reader->frame.payload.length = 0;
        if (is_fresh || result == READER_FRAME || !reader_refresh(reader))
            return false;
        is_fresh = true;
    }
    return true;
}

static size_t read_log(struct stream_reader *reader, struct buffer *out, size_t bytes_max)
{
    uint64_t first;
    if (!reader->stream->has_log || !find_segment(reader->stream, reader->offset, &first))
        return 0;
    bool is_here = reader->fd >= 0 && first == reader->first;
    if (!(is_here && reader_find_frame(reader)) && !(reader_enter_log(reader) && reader_find_frame(reader)))
        return 0;
    size_t at = (size_t)(reader->offset - reader->frame.offset), length = reader->frame.payload.length - at;
    if (length > bytes_max)
        length = bytes_max;
    buffer_append(out, reader->frame.payload.data + at, length);
    return length;
}

/* ---- both ---- */

static bool read_on(struct stream_reader *reader, struct buffer *bytes, struct output *output, size_t bytes_max)
{
    uint64_t until = stream_reached(reader->stream, STREAM_WRITTEN);
    while (reader->offset < until && bytes_max > 0) {
        size_t most = until - reader->offset < bytes_max ? (size_t)(until - reader->offset) : bytes_max;
        size_t length = read_ring(reader, bytes, output, most);
        if (length > 0)
            reader_leave_log(reader);
        else
            length = read_log(reader, bytes, most);
        if (length == 0)
            return false;
        reader->offset += length;
        bytes_max -= length;
    }
    return reader->offset <= until;
}

bool stream_reader_read(struct stream_reader *reader, struct buffer *out, size_t bytes_max)
{
    return read_on(reader, out, NULL, bytes_max);
}

bool stream_reader_refer(struct stream_reader *reader, struct output *out, size_t bytes_max)
{
    return read_on(reader, &out->bytes, out, bytes_max);
}

bool stream_has_from(struct stream *stream, uint64_t offset)
{
    uint64_t first;
    size_t length;
    if (offset >= stream_end(stream))
        return offset == stream_end(stream);
    lock_acquire(&stream->lock);
    struct ring_block *block = ring_take(&stream->ring, offset, &length);
    lock_release(&stream->lock);
    ring_block_release(block);
    return block || (stream->has_log && find_segment(stream, offset, &first));
}

/* ---- feeding ---- */

uint64_t stream_feed(struct stream *stream, const int64_t *ring_bytes_max, int32_t *db)
{
    lock_acquire(&stream->lock);
    stream->ring_bytes_max = ring_bytes_max;
    if (db)
        *db = stream_db_locked(stream);
    else
        stream_select_next_locked(stream);
    uint64_t end = atomic_load(&stream->end);
    atomic_store(&stream->is_feeding, true);
    lock_release(&stream->lock);
    return end;
}

void stream_hold(struct stream *stream, uint64_t offset)
{
    atomic_store(&stream->held_from, offset);
}

void stream_notice_start(struct stream *stream, struct stream_notice *notice)
{
    lock_acquire(&stream->lock);
    stream->notice = notice;
    atomic_store(&notice->is_armed, true);
    lock_release(&stream->lock);
    if (stream_reached(stream, STREAM_WRITTEN) > notice->beyond && atomic_exchange(&notice->is_armed, false))
        mailbox_post(notice->home, &notice->mail);
}

void stream_notice_give(struct stream *stream)
{
    struct stream_notice *notice = stream->notice;
    if (notice && atomic_load(&notice->is_armed) && atomic_exchange(&notice->is_armed, false))
        mailbox_post(notice->home, &notice->mail);
}

bool stream_notice_stop(struct stream *stream)
{
    struct stream_notice *notice = stream->notice;
    return !notice || atomic_exchange(&notice->is_armed, false);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What of the log may go: whole segments, below what recovery needs (needed_from), what readers need (held_from), and what
 * replicas may ask for that come back (recent_bytes). */
#include "stream/stream_private.h"

#include <unistd.h>

/* The last frame tells what db is selected at the end; so a segment stays until the next one has a frame. */
static bool log_segment_is_empty(struct log_segment *segment)
{
    return atomic_load(&segment->bytes) <= SEGMENT_HEADER_BYTES;
}

void stream_keep_recent(struct stream *stream, const int64_t *bytes)
{
    atomic_store(&stream->recent_bytes, bytes);
}

static uint64_t lowest_kept(struct stream *stream, uint64_t offset)
{
    const int64_t *bytes = atomic_load(&stream->recent_bytes);
    uint64_t held_from = atomic_load(&stream->held_from), end = stream_end(stream);
    uint64_t recent = bytes ? (uint64_t)__atomic_load_n(bytes, __ATOMIC_RELAXED) : 0;
    uint64_t recent_from = end > recent ? end - recent : 0;
    if (held_from < offset)
        offset = held_from;
    return recent_from < offset ? recent_from : offset;
}

void stream_drop_before(struct stream *stream, uint64_t offset)
{
    char name[SEGMENT_NAME_MAX];
    atomic_store(&stream->needed_from, offset);
    offset = lowest_kept(stream, offset);
    for (;;) {
        struct log_segment *segment = NULL;
        lock_acquire(&stream->log_lock);
        struct list *first = stream->segments.next, *second = first->next;
        /* An empty list, or one that holds the current segment alone, ends here. */
        if (second != &stream->segments && list_entry(second, struct log_segment, node)->first <= offset &&
            !log_segment_is_empty(list_entry(second, struct log_segment, node))) {
            segment = list_entry(first, struct log_segment, node);
            list_remove(first);
        }
        lock_release(&stream->log_lock);
        if (!segment)
            return;
        log_segment_name(name, segment->first);
        unlinkat(stream->directory_fd, name, 0);
        log_segment_destroy(&segment);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A stream that is only its offsets, moved by the test. Included by one test program's file. */

#include <pthread.h>

#include "base/memory.h"
#include "stream/stream.h"

struct stream {
    _Atomic uint64_t end, synced, dropped_before;
    _Atomic unsigned sync_failures_left; /* so many syncs fail */
};

static struct stream *fake_stream_create(uint64_t end)
{
    struct stream *stream = memory_allocate_zeroed(sizeof(*stream));
    stream->end = stream->synced = end;
    return stream;
}

/* One more effect; returns its end. */
static uint64_t fake_stream_write(struct stream *stream)
{
    return stream->end += 10;
}

uint64_t stream_end(const struct stream *stream)
{
    return stream->end;
}

uint64_t stream_reached(const struct stream *stream, enum stream_level level)
{
    return level == STREAM_SYNCED ? stream->synced : stream->end;
}

enum status stream_sync_wait(struct stream *stream, uint64_t offset)
{
    if (stream->sync_failures_left > 0) {
        stream->sync_failures_left--;
        return STATUS_IO;
    }
    if (offset > stream->synced)
        stream->synced = offset;
    return STATUS_OK;
}

void stream_drop_before(struct stream *stream, uint64_t offset)
{
    stream->dropped_before = offset;
}

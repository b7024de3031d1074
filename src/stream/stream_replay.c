/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the log back. A frame holds whole brackets, so each is read to its EXEC first and applied in a second pass
 * over the same bytes: nothing is collected, and nothing of a bracket without an end is applied. Who followed another node
 * has, in between, what that one sent beside effects: pings, questions how far we are, and newlines, which stand for what we
 * had already. They own bytes, and mean nothing. */
#include "stream/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define PROGRESS_US 2000000

struct replay {
    struct stream *stream;
    uint64_t from;
    void (*apply)(void *context, const struct effect *effect, uint64_t end_offset);
    void *context;
    uint64_t offset; /* all before it is replayed */
    uint64_t effects;
    int32_t db;     /* selected after what was read; -1: not known */
    uint64_t db_at; /* frames that end here are read for what they select, even if they are before 'from' */
    int64_t start_us, told_us;
    char *error;
    size_t error_size;
};

enum effect_kind { KIND_EFFECT, KIND_SELECT, KIND_MULTI, KIND_EXEC, KIND_NOTHING };

static enum effect_kind effect_kind_of(const struct effect *effect)
{
    const struct bytes *name = &effect->words[0];
    if (effect->count > 3 || name->length < 4)
        return KIND_EFFECT;
    if (effect->count == 3)
        return bytes_equal(*name, BYTES("REPLCONF")) ? KIND_NOTHING : KIND_EFFECT;
    if (bytes_equal(*name, BYTES("PING")))
        return KIND_NOTHING;
    if (effect->count == 2)
        return bytes_equal(*name, BYTES("SELECT")) ? KIND_SELECT : KIND_EFFECT;
    if (bytes_equal(*name, BYTES("MULTI")))
        return KIND_MULTI;
    return bytes_equal(*name, BYTES("EXEC")) ? KIND_EXEC : KIND_EFFECT;
}

static bool select_db(const struct effect *effect, int32_t *db)
{
    int64_t value;
    if (!bytes_to_int64(effect->words[1], &value) || value < 0 || value > INT32_MAX)
        return false;
    *db = (int32_t)value;
    return true;
}

static size_t newlines_at(struct bytes payload, size_t at)
{
    size_t length = 0;
    while (at + length < payload.length && payload.data[at + length] == '\n')
        length++;
    return length;
}

/* Reads what stands at 'at', newlines as well. False if it is not of the stream. */
static bool read_next(struct bytes payload, size_t at, struct effect *effect, enum effect_kind *kind, size_t *length)
{
    *kind = KIND_NOTHING;
    if ((*length = newlines_at(payload, at)) > 0)
        return true;
    if (!effect_decode(bytes_of(payload.data + at, payload.length - at), effect, length))
        return false;
    *kind = effect_kind_of(effect);
    return true;
}

/* Where in the payload the bracket that begins at 'at', after its MULTI, ends; 0 if it does not. */
static size_t bracket_end(struct bytes payload, size_t at)
{
    struct effect effect;
    enum effect_kind kind = KIND_NOTHING;
    size_t length;
    effect_init(&effect);
    while (kind != KIND_EXEC && at < payload.length && read_next(payload, at, &effect, &kind, &length))
        at += length;
    effect_deinit(&effect);
    return kind == KIND_EXEC ? at : 0;
}

static bool replay_effects(struct replay *replay, const struct frame *frame, struct effect *effect)
{
    struct bytes payload = frame->payload;
    size_t length, end = 0; /* end: of the present bracket; 0 outside of one */
    int32_t db = frame->db;
    enum effect_kind kind;
    for (size_t at = 0; at < payload.length; at += length) {
        if (!read_next(payload, at, effect, &kind, &length))
            return false;
        switch (kind) {
        case KIND_NOTHING:
            break;
        case KIND_SELECT:
            if (!select_db(effect, &db))
                return false;
            break;
        case KIND_MULTI:
            if (end > 0 || (end = bracket_end(payload, at + length)) == 0)
                return false;
            break;
        case KIND_EXEC:
            if (at + length != end)
                return false;
            end = 0;
            break;
        case KIND_EFFECT:
            effect->db = db;
            uint64_t end_offset = frame->offset + (end > 0 ? end : at + length);
            if (db < 0)
                return false;
            if (end_offset > replay->from) {
                replay->apply(replay->context, effect, end_offset);
                replay->effects++;
            }
        }
    }
    replay->db = db;
    return true;
}

static bool replay_frame(struct replay *replay, const struct frame *frame)
{
    struct effect effect;
    effect_init(&effect);
    bool is_good = replay_effects(replay, frame, &effect);
    effect_deinit(&effect);
    return is_good;
}

static void replay_tell(struct replay *replay, bool done)
{
    int64_t now_us = clock_monotonic_us();
    if (!done && now_us - replay->told_us < PROGRESS_US)
        return;
    replay->told_us = now_us;
    uint64_t end = stream_end(replay->stream), all = end - replay->from, passed = replay->offset - replay->from;
    log_notice(done ? "log_replayed" : "log_replay", "percent=%d effects=%" PRIu64 " offset=%" PRIu64 " ms=%" PRId64,
               all ? (int)((double)passed * 100 / (double)all) : 100, replay->effects, replay->offset,
               (now_us - replay->start_us) / 1000);
}

static enum status replay_corrupt(struct replay *replay, const char *name, uint64_t position)
{
    snprintf(replay->error, replay->error_size,
             "%s/%s: damaged at byte %" PRIu64 " (offset %" PRIu64 "), with more of the log after it: restore the "
             "file from a backup or the node from a replica; to give up all that follows, remove the later "
             "log-*.seg files and: truncate -s %" PRIu64 " %s/%s",
             replay->stream->directory, name, position, replay->offset, position, replay->stream->directory, name);
    return STATUS_CORRUPT;
}

/* Reads a segment up to 'end', where the next one begins or the stream ends. */
static enum status replay_segment(struct replay *replay, struct segment_reader *reader, const char *name, uint64_t end)
{
    struct frame frame;
    while (replay->offset < end) {
        uint64_t position = reader->position;
        enum reader_result result = log_segment_reader_next(reader, &frame);
        if (result == READER_FAILED) {
            snprintf(replay->error, replay->error_size, "cannot read %s/%s: %s", replay->stream->directory, name,
                     strerror(errno));
            return STATUS_IO;
        }
        if (result != READER_FRAME || frame.clean || frame.offset != replay->offset ||
            end - frame.offset < frame.payload.length)
            return replay_corrupt(replay, name, position);
        uint64_t frame_end = frame.offset + frame.payload.length;
        if ((frame_end > replay->from || frame_end == replay->db_at) && !replay_frame(replay, &frame))
            return replay_corrupt(replay, name, position);
        replay->offset += frame.payload.length;
        replay_tell(replay, false);
    }
    return STATUS_OK;
}

static enum status replay_file(struct replay *replay, const struct log_segment *segment, uint64_t end)
{
    char name[SEGMENT_NAME_MAX];
    struct segment_reader reader;
    log_segment_name(name, segment->first);
    int fd = openat(replay->stream->directory_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !log_segment_reader_init(&reader, fd, replay->stream->salt)) {
        snprintf(replay->error, replay->error_size, "cannot open %s/%s: %s", replay->stream->directory, name,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return STATUS_IO;
    }
    replay->offset = segment->first;
    enum status status = replay_segment(replay, &reader, name, end);
    log_segment_reader_deinit(&reader);
    close(fd);
    return status;
}

/* Where what is known of a segment ends: where the stream ended before the next one. */
static uint64_t log_segment_end(struct stream *stream, struct log_segment *segment)
{
    if (segment->node.next == &stream->segments)
        return stream_end(stream);
    struct log_segment *next = list_entry(segment->node.next, struct log_segment, node);
    return next->previous_end > segment->first ? next->previous_end : segment->first;
}

/* What is selected at the end is known from the last frame, wherever that is. */
static enum status replay_find_db(struct replay *replay)
{
    struct stream *stream = replay->stream;
    enum status status = STATUS_OK;
    struct replay last = *replay;
    last.from = UINT64_MAX;
    for (struct list *node = stream->segments.previous; node != &stream->segments; node = node->previous) {
        struct log_segment *segment = list_entry(node, struct log_segment, node);
        uint64_t end = log_segment_end(stream, segment);
        if (replay->db >= 0 || end <= segment->first)
            continue;
        last.db_at = end;
        status = replay_file(&last, segment, end);
        replay->db = last.db;
        break;
    }
    stream->db = stream->pending_db = replay->db;
    return status;
}

static enum status replay_all(struct replay *replay)
{
    struct stream *stream = replay->stream;
    uint64_t reached = replay->from;
    for (struct list *node = stream->segments.next; node != &stream->segments; node = node->next) {
        struct log_segment *segment = list_entry(node, struct log_segment, node);
        if (reached < segment->first && reached < segment->previous_end) {
            snprintf(replay->error, replay->error_size,
                     "%s: the log lacks offsets %" PRIu64 " to %" PRIu64 ": restore the missing log-*.seg files, or "
                     "the node from a replica",
                     stream->directory, reached, segment->first);
            return STATUS_CORRUPT;
        }
        uint64_t end = log_segment_end(stream, segment);
        if (end > reached) {
            enum status status = replay_file(replay, segment, end);
            if (status != STATUS_OK)
                return status;
        }
        reached = end > reached ? end : reached;
    }
    replay->offset = stream_end(stream);
    return STATUS_OK;
}

enum status stream_replay(struct stream *stream, uint64_t from,
                          void (*apply)(void *context, const struct effect *effect, uint64_t end_offset), void *context,
                          char *error, size_t error_size)
{
    if (!stream->has_log)
        return STATUS_OK;
    check(!stream->started);
    struct replay replay = {.stream = stream,
                            .from = from,
                            .apply = apply,
                            .context = context,
                            .offset = from,
                            .db = -1,
                            .error = error,
                            .error_size = error_size};
    replay.start_us = replay.told_us = clock_monotonic_us();
    if (from > stream_end(stream)) {
        snprintf(error, error_size,
                 "%s: the log ends at offset %" PRIu64 ", before the checkpoint at %" PRIu64
                 ": restore the log, or the node from a replica",
                 stream->directory, stream_end(stream), from);
        return STATUS_CORRUPT;
    }
    atomic_store(&stream->needed_from, from);
    enum status status = replay_all(&replay);
    if (status == STATUS_OK)
        status = replay_find_db(&replay);
    if (status == STATUS_OK)
        replay_tell(&replay, true);
    return status;
}

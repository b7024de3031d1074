/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary's whole data set, as it comes: bytes of a file (copy_in.c), put in at once or executed as requests. */
#define _GNU_SOURCE
#include <string.h>

#include "base/log.h"
#include "command/blocked.h"
#include "net/connection.h"
#include "replication/follower_private.h"
#include "replication/link_frame.h"
#include "replication/replication_private.h"

/* So much of a copy is turned into requests at a time. */
#define COPY_STEP_BYTES ((size_t)128 * 1024)

static bool has_length(const struct attempt *attempt)
{
    return !attempt->sync.has_mark && !attempt->sync.in_frames;
}

void follower_begin_copy(struct attempt *attempt)
{
    follower_follow_as(FOLLOWS_COMMANDS);
    follower.wants_copy = false;
    if (follower.is_apart)
        blocked_end_all(); /* what comes would serve those who wait to take something */
    follower.is_apart = false;
    follower.known_id[0] = '\0';
    leader_drop_all("the node is copied from another one");
    if (stream_forget_history(follower.engine->stream) != STATUS_OK) {
        follower_give_up("the history cannot be written");
        return;
    }
    log_notice("copying the primary's data", "primary=%s:%d bytes=%lld", follower.host, follower.port,
               has_length(attempt) ? (long long)attempt->sync.copy_bytes : -1LL);
    copy_in_begin(&follower.copy, follower.engine);
    follower.copy.skips_modules = __atomic_load_n(&follower_settings.skips_modules, __ATOMIC_RELAXED);
    follower.copy_is_read = false;
    follower.copy_began_ms = loop_now_ms(follower.loop);
    follower.frames_are_over = false;
    follower.copy_bytes_total = has_length(attempt) ? attempt->sync.copy_bytes : 0;
    follower.copy_telling = (struct copy_telling){0};
    follower.is_copying = true;
    follower_feed_open(0, 0);
    follower_show();
}

static void end_copy(struct attempt *attempt)
{
    struct stream *stream = follower.engine->stream;
    bool from_forebay = follower.copy.from_forebay;
    int32_t db = follower.copy.stream_db;
    uint64_t keys = follower.copy.keys, bytes = follower.copy.reader.offset, behind = follower.copy.stream_bytes;
    uint64_t skipped = follower.copy.skipped;
    uint32_t errors = follower.feed.session->reply.errors;
    if (errors > 0) {
        follower_refuse_data("some of the primary's data cannot be taken");
        return;
    }
    follower_feed_end();
    enum status status = from_forebay ? stream_begin_history(stream, attempt->sync.id, attempt->sync.offset, behind, db)
                                      : stream_continue_history(stream, NULL);
    if (status != STATUS_OK) {
        follower_give_up("the history cannot be written");
        return;
    }
    log_notice("copied the primary's data", "keys=%llu bytes=%llu ms=%lld", (unsigned long long)keys,
               (unsigned long long)bytes, (long long)(loop_now_ms(follower.loop) - follower.copy_began_ms));
    if (skipped > 0)
        log_warning("values of modules were left out", "count=%llu", (unsigned long long)skipped);
    attempt->sync.phase = SYNC_STREAM;
    follower_follow_as(from_forebay ? FOLLOWS_BYTES : FOLLOWS_COMMANDS);
    follower.has_own_history = !from_forebay;
    if (!from_forebay)
        memcpy(follower.known_id, attempt->sync.id, sizeof(follower.known_id));
    follower_begin_streaming(attempt->sync.offset, db);
}

struct copy_progress follower_copy_progress(void)
{
    struct copy_progress progress = copy_in_progress(&follower.copy);
    progress.bytes_total = follower.copy_bytes_total;
    return progress;
}

static void tell_progress(void)
{
    int64_t now_ms = loop_now_ms(follower.loop), began_ms = follower.copy_began_ms;
    struct copy_progress progress = follower_copy_progress();
    if (copy_telling_is_due(&follower.copy_telling, &progress, began_ms, now_ms))
        log_notice("copying", "primary=%s:%d percent=%.0f keys=%llu bytes=%llu ms=%lld", follower.host, follower.port,
                   copy_progress_percent(&progress), (unsigned long long)progress.keys,
                   (unsigned long long)progress.bytes, (long long)(now_ms - began_ms));
}

/* Takes the next frame of the input, unless one is under way. False: it is damaged, and the link given up. */
static bool take_frame(struct attempt *attempt)
{
    struct connection *from = attempt->link.connection;
    const char *error;
    size_t taken;
    if (follower.copy_unpacked.length > 0 || follower.frames_are_over)
        return true;
    enum link_frame_result result =
        link_frame_take(buffer_bytes(&from->input), &follower.copy_unpacked, &taken, &error);
    if (result == LINK_FRAME_BAD) {
        follower_give_up(error);
        return false;
    }
    if (result == LINK_FRAME_MORE)
        connection_expect(from, taken);
    else
        connection_consume(from, taken);
    follower.frames_are_over = result == LINK_FRAME_END;
    return true;
}

/* What of the input, or of the present frame, is the file's; *ends: nothing of it comes after that. Of what may be the beginning
 * of the mark it cannot be said yet. */
static struct bytes next_of_copy(const struct attempt *attempt, bool *ends)
{
    const struct sync_state *sync = &attempt->sync;
    struct bytes next = buffer_bytes(sync->in_frames ? &follower.copy_unpacked : &attempt->link.connection->input);
    if (next.length > COPY_STEP_BYTES)
        next.length = COPY_STEP_BYTES;
    if (sync->in_frames) {
        *ends = follower.frames_are_over;
        return next;
    }
    if (!sync->has_mark) {
        if (next.length > sync->copy_bytes)
            next.length = sync->copy_bytes;
        *ends = next.length == sync->copy_bytes;
        return next;
    }
    const char *mark = next.length > 0 ? memmem(next.data, next.length, sync->mark, SYNC_MARK_LENGTH) : NULL;
    *ends = mark != NULL;
    if (mark)
        next.length = (size_t)(mark - next.data);
    else
        next.length -= next.length < SYNC_MARK_LENGTH ? next.length : SYNC_MARK_LENGTH - 1;
    return next;
}

/* What every turn of a worker does before it changes keys. */
static void prepare_room(void)
{
    follower.worker->now_ms = loop_now_ms(follower.loop);
    engine_make_room(follower.engine, follower.worker);
    follower.copy.only_requests = stream_must_wait(follower.engine->stream);
}

/* An item is read when it is there as a whole. */
static bool is_too_large(const struct copy_in *copy)
{
    int64_t maxmemory = __atomic_load_n(&follower.engine->maxmemory, __ATOMIC_RELAXED);
    return maxmemory > 0 && copy->reader.waiting.length > (size_t)maxmemory;
}

/* Puts in what has come of the file, or turns it into requests. True: there are some, or it is over. */
static bool read_copy(struct attempt *attempt)
{
    struct copy_in *copy = &follower.copy;
    bool ends;
    size_t taken;
    if (attempt->sync.in_frames && !take_frame(attempt))
        return false;
    struct bytes next = next_of_copy(attempt, &ends);
    prepare_room();
    if (is_too_large(copy)) {
        follower_refuse_data("one of its values is larger than maxmemory");
        return false;
    }
    enum status status = copy_in_read(copy, next, &taken);
    stream_write(follower.engine->stream);
    if (status == STATUS_OK && ends)
        status = copy_in_finish(copy);
    attempt->sync.copy_bytes -= has_length(attempt) ? taken : 0;
    if (status != STATUS_OK || taken < next.length) {
        if (status == STATUS_CLOSED)
            follower_refuse_data(copy->refusal);
        else
            follower_give_up(status != STATUS_OK ? copy->reader.error : "bytes behind the end of the copy");
        return false;
    }
    if (attempt->sync.in_frames)
        buffer_consume(&follower.copy_unpacked, taken);
    else
        connection_consume(attempt->link.connection, taken + (ends && attempt->sync.has_mark ? SYNC_MARK_LENGTH : 0));
    follower.copy_is_read = ends;
    tell_progress();
    return taken > 0 || ends;
}

bool follower_take_copy(struct attempt *attempt)
{
    struct copy_in *copy = &follower.copy;
    size_t done = 0;
    if (copy->requests.length > 0) {
        bool all = follower_execute(buffer_bytes(&copy->requests), &done);
        buffer_consume(&copy->requests, done);
        if (!all)
            return false;
    }
    if (!follower.copy_is_read)
        return read_copy(attempt);
    end_copy(attempt);
    return follower.attempt == attempt;
}
